//! Envelopes understood again: the facts that come out now beside those that were recorded.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;
use tandem_sdk::doors::{Decoded, Envelope};
use tandem_sdk::model::{Fact, LegId};

use super::report::{Replayed, Room};
use super::walk::Today;
use crate::interactions::{Input, Note, Step, Understood};
use crate::record::{Opened, Record};

/// What tells a fact from all others: the leg, the kind and the key.
type Key = (LegId, &'static str, String);

fn key(fact: &Fact) -> Key {
    (fact.leg.id(), fact.kind.name(), fact.key.clone())
}

/// Facts by what became of them.
#[derive(Default)]
pub(super) struct Facts {
    /// Those that some record holds.
    taken: HashSet<Key>,
    /// Those that come out now and that no record holds so far: another leg's follow with their own record.
    awaited: BTreeMap<Key, (u64, Fact)>,
}

impl Facts {
    /// Compares one record.
    pub(super) fn compare(&mut self, opened: &Opened, today: &Today<'_>, report: &mut Replayed) {
        let record = &opened.record;
        let mut now = HashSet::new();
        let is_compared = !opened.erased
            && match &record.input {
                Input::Envelope { .. } => self.decode(opened, today, &mut now, report),
                _ => false,
            };
        for fact in held(record) {
            let key = key(fact);
            if let Some((_, again)) = self.awaited.remove(&key) {
                let fields = differing(fact, &again);
                if !fields.is_empty() && !opened.erased {
                    let recorded = format!("{} {} on {}", fact.kind.name(), fact.key, fact.leg.native);
                    report.differs(record.seq, Room::Decode, recorded, format!("other {}", fields.join(", ")));
                }
            } else if is_compared && !now.contains(&key) {
                let recorded = format!("{} {} on {}", fact.kind.name(), fact.key, fact.leg.native);
                report.differs(record.seq, Room::Decode, recorded, "no such fact");
            }
            self.taken.insert(key);
        }
    }

    /// Understands an envelope again; says whether its facts can be compared.
    fn decode(&mut self, opened: &Opened, today: &Today<'_>, now: &mut HashSet<Key>, report: &mut Replayed) -> bool {
        let seq = opened.record.seq;
        let Input::Envelope { instance, door, kind, dedupe, origin, understood, .. } = &opened.record.input else {
            return false;
        };
        let Some(decode) = today.decode.get(instance) else {
            report.differs(seq, Room::Decode, format!("{understood:?}"), format!("no adapter instance {instance}"));
            return false;
        };
        report.decoded = report.decoded.saturating_add(1);
        let envelope = Envelope {
            door: door.clone(),
            kind: kind.clone(),
            dedupe: dedupe.clone(),
            origin: origin.clone(),
            body: opened.body.clone().into(),
        };
        let (again, facts) = match decode.decode(&envelope) {
            Decoded::Facts(facts) => (Understood::Facts, facts),
            Decoded::Ignored { reason, unknown } => (Understood::Ignored { reason, unknown }, Vec::new()),
            Decoded::Malformed { problem } => (Understood::Malformed { problem }, Vec::new()),
        };
        if again != *understood {
            report.differs(seq, Room::Decode, format!("{understood:?}"), format!("{again:?}"));
            return false;
        }
        for mut fact in facts {
            fact.identify(&today.setup.id_key);
            let key = key(&fact);
            now.insert(key.clone());
            if !self.taken.contains(&key) {
                self.awaited.insert(key, (seq, fact));
            }
        }
        true
    }

    /// What comes out now and stands in no record.
    pub(super) fn end(self, report: &mut Replayed) {
        let mut left: Vec<_> = self.awaited.into_values().collect();
        left.sort_by_key(|(seq, _)| *seq);
        for (seq, fact) in left {
            let now = format!("{} {} on {}", fact.kind.name(), fact.key, fact.leg.native);
            report.differs(seq, Room::Decode, "no such fact", now);
        }
    }
}

/// The facts that a record holds: taken, or parked.
fn held(record: &Record) -> impl Iterator<Item = &Fact> {
    let parked = record.steps.iter().filter_map(|step| match step {
        Step::Note(note) => match &**note {
            Note::Parked(fact) => Some(&**fact),
            _ => None,
        },
        _ => None,
    });
    record.facts.iter().chain(parked)
}

/// The names of the fields in which two facts differ. Names only: values may be personal.
fn differing(recorded: &Fact, again: &Fact) -> Vec<String> {
    if recorded == again {
        return Vec::new();
    }
    let fields = |fact| match serde_json::to_value(fact) {
        Ok(Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let (recorded, again) = (fields(recorded), fields(again));
    let names: std::collections::BTreeSet<&String> = recorded.keys().chain(again.keys()).collect();
    names.into_iter().filter(|name| recorded.get(*name) != again.get(*name)).cloned().collect()
}
