//! An interaction as people read it: every record that changed it, what came and what followed.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use tandem_sdk::model::Outcome;
use uuid::Uuid;

use super::cloud_event::leave_out_nothing;
use super::cursor::Cursor;
use super::page::Sight;
use super::reader::{ReadError, Reader};
use crate::interactions::{Input, Interaction, Step, Understood};
use crate::record::Record;
use crate::routing::Decision;

/// Records that one answer looks at, at most.
const RECORDS: usize = 10_000;

/// One record.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// Its opaque id: the `causationid` of its events.
    pub record: Uuid,
    /// Its position in the log.
    pub seq: u64,
    /// When it was written.
    pub recorded_at: Timestamp,
    /// What the desk was given.
    pub came: Followed,
    /// The facts that were new.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<Value>,
    /// What followed, in order.
    pub followed: Vec<Followed>,
    /// Content hash of the rules in force.
    pub rules: String,
    /// Whether personal values are gone because their subject was erased.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub erased: bool,
}

/// One thing that came or followed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Followed {
    /// `envelope`, `outcome`, `timer` …; `event`, `decision`, `command`, `timer`, `note`, `forget`.
    pub kind: String,
    /// One line for people.
    pub summary: String,
    /// All of it, as it was recorded; what is not there is left out.
    pub detail: Value,
}

/// A decision and when it was made.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MadeDecision {
    /// Opaque id of its record.
    pub record: Uuid,
    /// When.
    pub recorded_at: Timestamp,
    /// The decision, whole.
    pub decision: Decision,
}

/// How much is known of an interaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Completeness {
    /// Facts that were seen.
    pub facts: usize,
    /// Of those, facts that no message brought: they were asked for, or had waited until their contact was known.
    pub repaired: usize,
    /// Records that changed it.
    pub records: usize,
    /// Events that were derived.
    pub events: u64,
    /// Whether records of it are no longer kept, so that there were more facts than these.
    pub cut: bool,
}

impl Reader {
    /// What changed an interaction, from a cursor on, and where to go on when that is not all.
    pub fn timeline(
        &self,
        it: &Interaction,
        from: Option<Cursor>,
        most: usize,
        sight: Sight,
    ) -> Result<(Vec<Line>, Option<Cursor>), ReadError> {
        let begin = from.map_or(0, |from| it.records.partition_point(|seq| *seq < from.seq));
        let rest = it.records.get(begin..).unwrap_or_default();
        let (now, later) = rest.split_at_checked(most).unwrap_or((rest, &[]));
        let mut lines = Vec::with_capacity(now.len());
        for opened in self.records(now, sight)? {
            lines.push(self.line(opened.record, opened.erased));
        }
        Ok((lines, later.first().map(|seq| Cursor::before(*seq))))
    }

    fn line(&self, record: Record, erased: bool) -> Line {
        Line {
            record: self.source().record_id(record.seq),
            seq: record.seq,
            recorded_at: record.recorded_at,
            came: told(&record.input, came(&record.input)),
            facts: record.facts.iter().map(detail).collect(),
            followed: record.steps.iter().map(|step| told(step, followed(step))).collect(),
            rules: record.rules,
            erased,
        }
    }

    /// The decisions of an interaction, whole.
    pub fn decisions(&self, it: &Interaction) -> Result<Vec<MadeDecision>, ReadError> {
        let mut made = Vec::new();
        for opened in self.records(first(&it.records), Sight::Redacted)? {
            let (record, recorded_at) = (self.source().record_id(opened.record.seq), opened.record.recorded_at);
            for step in opened.record.steps {
                if let Step::Decision(decision) = step {
                    made.push(MadeDecision { record, recorded_at, decision: *decision });
                }
            }
        }
        Ok(made)
    }

    /// Whether what was personal in an interaction can be read by nobody any more. What came after it was erased can.
    pub fn is_erased(&self, it: &Interaction) -> Result<bool, ReadError> {
        let Some(first) = it.records.first() else { return Ok(false) };
        Ok(self.record(*first, Sight::Text)?.is_some_and(|opened| opened.erased))
    }

    /// How much is known of an interaction.
    pub fn completeness(&self, it: &Interaction) -> Result<Completeness, ReadError> {
        let looked_at = first(&it.records);
        let found = self.records(looked_at, Sight::Redacted)?;
        let mut known = Completeness {
            records: it.records.len(),
            events: it.events,
            cut: found.len() < it.records.len(),
            ..Completeness::default()
        };
        for opened in found {
            let facts = opened.record.facts.len();
            known.facts = known.facts.saturating_add(facts);
            if !matches!(opened.record.input, Input::Envelope { .. }) {
                known.repaired = known.repaired.saturating_add(facts);
            }
        }
        Ok(known)
    }
}

fn first(records: &[u64]) -> &[u64] {
    records.get(..RECORDS).unwrap_or(records)
}

fn told<T: Serialize>(what: &T, summary: String) -> Followed {
    // Inputs and steps are written as {"kind": {…}}, so the record itself names the kind.
    match detail(what) {
        Value::Object(fields) if fields.len() == 1 => {
            let (kind, detail) = fields.into_iter().next().unwrap_or_default();
            Followed { kind, summary, detail }
        }
        other => Followed { kind: "other".to_owned(), summary, detail: other },
    }
}

fn detail<T: Serialize>(what: &T) -> Value {
    let mut value = serde_json::to_value(what).unwrap_or_default();
    leave_out_nothing(&mut value);
    value
}

fn came(input: &Input) -> String {
    match input {
        Input::Envelope { instance, door, kind, understood, .. } => {
            let kind = kind.as_deref().unwrap_or("something");
            let came_of_it = match understood {
                Understood::Facts => String::new(),
                Understood::Ignored { reason, .. } => format!(", ignored: {reason}"),
                Understood::Malformed { problem } => format!(", not understood: {problem}"),
            };
            format!("{instance} told {kind} through {door}{came_of_it}")
        }
        Input::Outcome { command, result: Ok(outcome), .. } => format!("command {command}: {}", outcome_name(outcome)),
        Input::Outcome { command, result: Err(error), .. } => format!("command {command} died: {error}"),
        Input::Timer { name, .. } => format!("the timer {name} fired"),
        Input::Chat(_) => "a verified caller asked for a chat".to_owned(),
        Input::Resumed {} => "the hub started".to_owned(),
        Input::AgentNeeded { agent, .. } => format!("agent {agent} is needed"),
        Input::AgentUnneeded { interaction } => format!("interaction {interaction} waits for no agent any more"),
        Input::AgentReady { agent, .. } => format!("agent {agent} can join"),
        Input::TokenStale {} => "the customer's token has little life left".to_owned(),
        Input::TokenRejected { .. } => "a token was not accepted".to_owned(),
        Input::Learned {} => "facts that were asked for, or had waited".to_owned(),
        Input::ConfirmationAsked { instance, .. } => format!("{instance} wants a subscription to be confirmed"),
        Input::Redriven { command, .. } => format!("somebody sent command {command} back"),
        Input::Erased { subjects } => format!("personal data of {} subjects were erased", subjects.len()),
        Input::Activated { .. } => "rules are in force".to_owned(),
    }
}

fn outcome_name(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Done {} => "done",
        Outcome::Identified { .. } => "an identity was made",
        Outcome::Issued { .. } => "a token was issued",
        Outcome::Opened { .. } => "a conversation was opened",
        Outcome::Placed { .. } => "a contact was started",
        Outcome::Said { .. } => "a message was written",
        Outcome::Observed { .. } => "the cloud said what is the case",
        Outcome::Described { .. } => "an agent was described",
        Outcome::Profile { found: Some(_) } => "the CDP knows the customer",
        Outcome::Profile { found: None } => "the CDP does not know the customer",
    }
}

fn followed(step: &Step) -> String {
    match step {
        Step::Event(event) => format!("{} #{}", super::cloud_event::name_of(event), event.sequence),
        Step::Decision(decision) => {
            format!("to {} ({}) by rule {}", decision.target_name, decision.target.queue, decision.rule)
        }
        Step::Command(command) => {
            let leg = command.action.leg().map(|leg| format!(" on {} {}", leg.kind, leg.native)).unwrap_or_default();
            format!("{} owed to {}{leg}: {}", command.action.name(), command.instance, command.purpose.0)
        }
        Step::Timer { name, due: Some(due) } => format!("timer {name} set to {due}"),
        Step::Timer { name, due: None } => format!("timer {name} cancelled"),
        Step::Note(note) => match detail(note) {
            Value::Object(fields) => fields.keys().next().cloned().unwrap_or_default(),
            Value::String(name) => name,
            _ => String::new(),
        },
        Step::Forget { secrets } => format!("{} secrets forgotten", secrets.len()),
    }
}
