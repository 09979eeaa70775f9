//! The numbered durable steps of the hub: what one commit makes true, told from its records.

use std::collections::BTreeMap;

use tandem::interactions::{Input, Note, Step};
use tandem::record::Record;
use tandem::store::{Batch, Change, Keyspace};
use tandem_sdk::model::{Action, Outcome};

/// Every durable step by its number.
pub(crate) const STEPS: [&str; 26] = [
    "a new life of the desk has claimed its epoch",
    "a life begins: the rules in force are kept, the hub's token is owed, everything open is to be asked about",
    "states that the log can rebuild are written down, with their watermark",
    "a caller's wish for a chat is kept; the customer's identity, or token and thread, are owed",
    "the customer's identity in the chat cloud is kept; token and thread are owed",
    "a token is kept: the hub's, an agent's or a connection's; its renewal is a timer",
    "the thread is kept as a leg of the interaction",
    "a message of the customer is kept; the profile is asked for, its deadline is a timer",
    "the profile, or that there is none, is kept; decision, placement and the waiting notice are owed",
    "a message of the customer is kept; decision, placement and the waiting notice are owed",
    "a message is kept and owed to the other side",
    "the contact's reference and the participant token are kept; listening, entering and what the customer said are owed",
    "a customer's token is kept with the time until which it works: it is renewed when a caller asks for it",
    "facts of a contact or thread that nobody knows yet are parked, with a timer",
    "the assignment is kept as the cloud confirmed it; the agent's identity is owed",
    "the agent's name or identity is kept; what it still lacks is owed",
    "an agent is ready: the interaction owes joining, greeting and what the agent said meanwhile",
    "what was said has reached its side, under its native id",
    "a call without an answer of its own is done: a leg is listened to or ended, somebody was brought in or taken out",
    "an agents' leg has ended: the agent's leaving is owed, grace is a timer",
    "the interaction is closed: closing words and ends are owed, its timers and secrets go",
    "the answer to a question is kept, with the facts that were new",
    "a fact is kept that owes nothing; or a timer that did no more than ask",
    "the address that confirms a subscription is kept in the vault; confirming is owed",
    "a token was not accepted; another one is owed",
    "a customer's token has little life left and a caller asks for it; another one is owed",
];

/// The number of the step that a commit is. One that changes nothing makes nothing durable and has none.
pub(crate) fn durable_step(batch: &Batch) -> Option<usize> {
    (!batch.changes().is_empty()).then(|| step_of(batch))
}

fn step_of(batch: &Batch) -> usize {
    let records: Vec<Record> = batch.changes().iter().filter_map(record).collect();
    if records.is_empty() {
        let touches = |keyspace| batch.changes().iter().any(|change| place(change) == keyspace);
        return if touches(Keyspace::States) { 3 } else { 1 };
    }
    let steps = || records.iter().flat_map(|record| &record.steps);
    let owes = |wanted: fn(&Action) -> bool| {
        steps().any(|step| matches!(step, Step::Command(command) if wanted(&command.action)))
    };
    let notes = |wanted: fn(&Note) -> bool| steps().any(|step| matches!(step, Step::Note(note) if wanted(note)));
    let any_input = |wanted: fn(&Input) -> bool| records.iter().any(|record| wanted(&record.input));
    let first = &records[0].input;
    if matches!(first, Input::Activated { .. }) {
        return 2;
    }
    if notes(|note| matches!(note, Note::Closed { .. })) {
        return 21;
    }
    if any_input(|input| matches!(input, Input::AgentReady { .. })) {
        return 17;
    }
    if notes(|note| matches!(note, Note::Assigned { .. })) {
        return 15;
    }
    if notes(|note| matches!(note, Note::Parked(_))) {
        return 14;
    }
    // What the end of a leg is asked about sets the timer too, when it is answered.
    let unasked = records.iter().filter(|record| !matches!(record.input, Input::Outcome { .. }));
    let mut ends = unasked.flat_map(|record| &record.steps);
    if ends.any(|step| matches!(step, Step::Timer { name, due: Some(_) } if name == "grace")) {
        return 20;
    }
    match first {
        Input::Chat(_) => 4,
        Input::ConfirmationAsked { .. } => 24,
        Input::TokenRejected { .. } => 25,
        Input::TokenStale {} => 26,
        Input::Outcome { result: Ok(outcome), .. } => match outcome {
            Outcome::Identified { .. } if owes(|action| matches!(action, Action::Open { .. })) => 5,
            Outcome::Described { .. } | Outcome::Identified { .. } => 16,
            Outcome::Issued { .. } if records[0].steps.is_empty() => 13,
            Outcome::Issued { .. } => 6,
            Outcome::Opened { .. } => 7,
            Outcome::Profile { .. } => 9,
            Outcome::Placed { .. } => 12,
            Outcome::Said { .. } => 18,
            Outcome::Observed { .. } => 22,
            Outcome::Done {} => 19,
        },
        _ if owes(|action| matches!(action, Action::Lookup { .. })) => 8,
        _ if steps().any(|step| matches!(step, Step::Decision(_))) => 10,
        _ if owes(|action| matches!(action, Action::Say { .. })) => 11,
        _ => 23,
    }
}

fn place(change: &Change) -> Keyspace {
    match change {
        Change::Put { keyspace, .. } | Change::Delete { keyspace, .. } => *keyspace,
    }
}

fn record(change: &Change) -> Option<Record> {
    match change {
        Change::Put { keyspace: Keyspace::Log, value, .. } => Some(Record::decode_plain(value).unwrap()),
        _ => None,
    }
}

/// The table of the steps, with how many commits of the journeys each was.
pub(crate) fn table(counts: &BTreeMap<usize, usize>) -> String {
    let row = |(n, what): (usize, &&str)| format!("| {} | {what} | {} |\n", n + 1, counts.get(&(n + 1)).unwrap_or(&0));
    let rows: String = STEPS.iter().enumerate().map(row).collect();
    format!("| step | what becomes durable | commits |\n|---|---|---|\n{rows}")
}
