//! What can go wrong in a simulator.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What can go wrong, without its particulars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// An event is delivered twice.
    Duplicate,
    /// An event is held until later ones have overtaken it.
    Reorder,
    /// A call or delivery takes longer.
    Delay,
    /// An event is never delivered. Only for what the vendor may lose.
    Drop,
    /// The vendor's answer to too many requests.
    Throttle,
    /// The vendor's answer when it fails.
    ServerError,
    /// The request is swallowed: no effect, no answer.
    Timeout,
    /// The effect happens and the answer is lost: the connection is closed.
    UnknownOutcome,
}

impl FaultKind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Duplicate,
        Self::Reorder,
        Self::Delay,
        Self::Drop,
        Self::Throttle,
        Self::ServerError,
        Self::Timeout,
        Self::UnknownOutcome,
    ];
    /// What can befall a call to an API.
    pub const CALLS: [Self; 5] = [Self::Delay, Self::Throttle, Self::ServerError, Self::Timeout, Self::UnknownOutcome];

    /// The name used in JSON and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::Reorder => "reorder",
            Self::Delay => "delay",
            Self::Drop => "drop",
            Self::Throttle => "throttle",
            Self::ServerError => "server_error",
            Self::Timeout => "timeout",
            Self::UnknownOutcome => "unknown_outcome",
        }
    }
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// See [`FaultKind::Duplicate`].
    Duplicate,
    /// See [`FaultKind::Reorder`].
    Reorder,
    /// See [`FaultKind::Delay`]; how long, in real time.
    Delay(Duration),
    /// See [`FaultKind::Drop`].
    Drop,
    /// See [`FaultKind::Throttle`].
    Throttle,
    /// See [`FaultKind::ServerError`].
    ServerError,
    /// See [`FaultKind::Timeout`].
    Timeout,
    /// See [`FaultKind::UnknownOutcome`].
    UnknownOutcome,
}

impl Fault {
    /// What it is without its particulars.
    #[must_use]
    pub fn kind(self) -> FaultKind {
        match self {
            Self::Duplicate => FaultKind::Duplicate,
            Self::Reorder => FaultKind::Reorder,
            Self::Delay(_) => FaultKind::Delay,
            Self::Drop => FaultKind::Drop,
            Self::Throttle => FaultKind::Throttle,
            Self::ServerError => FaultKind::ServerError,
            Self::Timeout => FaultKind::Timeout,
            Self::UnknownOutcome => FaultKind::UnknownOutcome,
        }
    }

    /// A fault of this kind; `delay` is used by [`FaultKind::Delay`] alone.
    #[must_use]
    pub fn of(kind: FaultKind, delay: Duration) -> Self {
        match kind {
            FaultKind::Duplicate => Self::Duplicate,
            FaultKind::Reorder => Self::Reorder,
            FaultKind::Delay => Self::Delay(delay),
            FaultKind::Drop => Self::Drop,
            FaultKind::Throttle => Self::Throttle,
            FaultKind::ServerError => Self::ServerError,
            FaultKind::Timeout => Self::Timeout,
            FaultKind::UnknownOutcome => Self::UnknownOutcome,
        }
    }
}
