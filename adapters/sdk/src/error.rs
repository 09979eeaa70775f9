//! What went wrong at a cloud, and whether trying again can help. The adapter says *whether*, the hub decides *when*.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A failed call to a cloud.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdapterError {
    /// What happened.
    pub kind: ErrorKind,
    /// Whether trying again can help.
    pub retry: Retry,
    /// Whether the effect may have happened all the same.
    pub effect: Effect,
    /// The vendor's operation, for instance `StartChatContact`.
    pub operation: String,
    /// The vendor's status and code, never a body: bodies hold personal data.
    pub detail: String,
}

impl AdapterError {
    /// An error of this kind in this operation, with the retry verdict that the kind usually has and no effect.
    pub fn new(kind: ErrorKind, operation: impl Into<String>, detail: impl Into<String>) -> Self {
        AdapterError {
            kind,
            retry: kind.usual_retry(),
            effect: Effect::None,
            operation: operation.into(),
            detail: detail.into(),
        }
    }

    /// Says that the effect may have happened.
    #[must_use]
    pub fn perhaps_done(mut self) -> Self {
        self.effect = Effect::Unknown;
        self
    }

    /// Gives another retry verdict.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }
}

impl fmt::Display for AdapterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?} ({})", self.operation, self.kind, self.detail)
    }
}

impl std::error::Error for AdapterError {}

/// What happened, in ten words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// Our credential was not accepted.
    Unverified,
    /// The cloud could not read what we sent, or we could not read its answer.
    Malformed,
    /// The cloud or this adapter cannot do it.
    Unsupported,
    /// What it is about does not exist (any more).
    NotFound,
    /// It contradicts the state there.
    Conflict,
    /// The cloud will not.
    Refused,
    /// Too many calls.
    RateLimited,
    /// The cloud is not there, or answers 5xx, or not in time.
    Unavailable,
    /// Something on our side is set up wrong.
    Misconfigured,
    /// None of these.
    Unexpected,
}

impl ErrorKind {
    /// The verdict when nobody knows better.
    pub fn usual_retry(self) -> Retry {
        match self {
            ErrorKind::RateLimited | ErrorKind::Unavailable => Retry::Later,
            _ => Retry::Never,
        }
    }
}

/// Whether trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    /// No.
    Never,
    /// Yes, when the hub sees fit.
    Later,
    /// Yes, but not before this much time has passed.
    After(Duration),
}

/// Whether a failed call may have had its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Certainly not.
    None,
    /// Perhaps: the answer was lost.
    Unknown,
}
