//! Turns taken again, from the state that the records before them give.

use std::collections::{HashMap, HashSet};

use tandem_sdk::model::InteractionId;

use super::report::{Replayed, Room};
use super::walk::Today;
use crate::desk::{Given, fold_given, fold_house, fold_interaction, is_nothing_new};
use crate::interactions::conduct::Turn;
use crate::interactions::{House, Input, Interaction, Note, Owner, Step};
use crate::record::{Opened, Record};

/// Every aggregate at one point of the log.
#[derive(Default)]
pub(super) struct Turns {
    house: House,
    interactions: HashMap<InteractionId, Interaction>,
    /// Those of which something was erased: what they knew cannot be known again.
    erased: HashSet<InteractionId>,
}

impl Turns {
    /// Compares one record and folds it as it was recorded.
    pub(super) fn compare(&mut self, opened: &Opened, today: &Today<'_>, report: &mut Replayed) {
        let record = &opened.record;
        match record.owner {
            Owner::Nobody => {}
            Owner::House => {
                match self.house_again(record, today).filter(|_| !opened.erased) {
                    Some(steps) => compare(record, steps, report),
                    None => report.passed_over = report.passed_over.saturating_add(1),
                }
                fold_house(&mut self.house, record);
            }
            Owner::Interaction(id) => {
                if opened.erased {
                    self.erased.insert(id);
                }
                let before = self.interactions.remove(&id);
                let given = fold_given(before.clone(), id, record, today.setup.known());
                match given.filter(|_| !self.erased.contains(&id)) {
                    Some(given) => compare(record, again(given, record, today), report),
                    None => report.passed_over = report.passed_over.saturating_add(1),
                }
                if let Some(it) = fold_interaction(before, id, record, today.setup.known()) {
                    self.interactions.insert(id, it);
                }
            }
        }
    }

    /// The house's turn; `None` where the desk's own look into the store made the record, not the house.
    fn house_again(&self, record: &Record, today: &Today<'_>) -> Option<Vec<Step>> {
        let mut house = self.house.clone();
        let context = today.setup.context(today.rules, record.seq, record.recorded_at);
        let notes = || {
            record.steps.iter().filter_map(|step| match step {
                Step::Note(note) => Some(&**note),
                _ => None,
            })
        };
        match &record.input {
            Input::Envelope { .. } => {
                let parked = notes().filter_map(|note| if let Note::Parked(fact) = note { Some(fact) } else { None });
                Some(parked.flat_map(|fact| house.park(&context, (**fact).clone())).collect())
            }
            Input::Learned {} => {
                let leg = notes().find_map(|note| if let Note::Unparked { leg } = note { Some(leg) } else { None })?;
                Some(house.unpark(&context, leg).0)
            }
            input => {
                let settled = house.fold_input(input);
                Some(house.take_turn(&context, input, settled.as_deref()).0)
            }
        }
    }
}

fn again(given: Given, record: &Record, today: &Today<'_>) -> Vec<Step> {
    if is_nothing_new(&record.input, &record.facts) {
        return Vec::new();
    }
    let Given { mut it, settled, changes } = given;
    let context = today.setup.context(today.rules, record.seq, record.recorded_at);
    Turn::take(&mut it, context, &record.input, settled.as_deref(), changes)
}

/// Names the first step that comes out otherwise. That other rules decided the same is no difference.
fn compare(record: &Record, mut again: Vec<Step>, report: &mut Replayed) {
    report.turns = report.turns.saturating_add(1);
    for step in &mut again {
        if let Step::Decision(decision) = step {
            decision.rules_version.clone_from(&record.rules);
        }
    }
    if again == record.steps {
        return;
    }
    let shared = again.iter().zip(&record.steps).take_while(|(now, then)| now == then).count();
    let told = |steps: &[Step]| steps.get(shared).map_or_else(|| "nothing more".to_owned(), |step| format!("{step:?}"));
    let (recorded, mut now) = (told(&record.steps), told(&again));
    if recorded == now {
        now.push_str(" with other personal values");
    }
    report.differs(record.seq, Room::Conduct, recorded, now);
}
