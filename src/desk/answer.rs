//! What the desk answers.

use std::time::Duration;

use serde::Serialize;
use tandem_sdk::model::{InteractionId, Personal};
use tandem_sdk::secret::Secret;

use crate::interactions::State;

/// The input is durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// The interaction that it went to, where it went to one.
    pub interaction: Option<InteractionId>,
    /// Whether the desk had it already.
    pub duplicate: bool,
}

/// Why the desk did not take an input. Nothing of it was kept, or nobody knows; sending it again is safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeskError {
    /// Its lane is full.
    #[error("the desk has more to do than it can keep up with")]
    Full,
    /// The store cannot write at the moment.
    #[error("the store cannot write at the moment")]
    Unavailable,
    /// The house is closing.
    #[error("the desk is closed")]
    Closed,
}

/// One line of the list of interactions.
#[derive(Clone, Debug, Serialize)]
pub struct Overview {
    /// Which.
    pub id: InteractionId,
    /// Where it stands.
    pub state: State,
    /// When the hub opened it.
    pub opened_at: jiff::Timestamp,
    /// When it changed last.
    pub changed_at: jiff::Timestamp,
    /// Commands without an outcome.
    pub owed: usize,
}

/// A chat that a verified caller asked for, as far as it has come.
#[derive(Clone, Debug)]
pub struct AskedChat {
    /// The native id of the thread, once there is one.
    pub thread: Option<String>,
    /// The customer's identity in the chat cloud, once there is one.
    pub identity: Personal,
    /// The customer's token, where it is good for a while, and until when it works.
    pub token: Option<(Secret, jiff::Timestamp)>,
    /// Whether it is over.
    pub is_over: bool,
}

/// How the desk is.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Status {
    /// Sequence number of the next record.
    pub next_seq: u64,
    /// Which life this is.
    pub epoch: u64,
    /// Interactions in memory.
    pub in_memory: usize,
    /// Commands without an outcome.
    pub owed: usize,
    /// Of those, on their way now.
    pub in_flight: usize,
    /// Envelopes that the desk had already.
    pub duplicates: u64,
    /// Envelopes of kinds that nobody described.
    pub unknown_kinds: u64,
    /// Envelopes in quarantine since the start.
    pub quarantined: u64,
    /// Commits since the start.
    pub commits: u64,
    /// Time that they took.
    #[serde(skip)]
    pub commit_time: Duration,
    /// Whether the last commit failed, and with it whether work can be taken.
    pub is_stuck: bool,
}

/// Answers somebody who may have gone meanwhile.
pub(super) fn tell<T>(reply: tokio::sync::oneshot::Sender<T>, answer: T) {
    if reply.send(answer).is_err() {
        tracing::debug!("nobody waits for the answer any more");
    }
}
