//! One segment of a chat.

use jiff::Timestamp;

/// The priority of a contact that nobody gave another one.
const DEFAULT_PRIORITY: i64 = 5;

/// A contact, as `DescribeContact` and contact events show it.
#[derive(Debug, Clone)]
pub(in crate::sim) struct Contact {
    pub(in crate::sim) id: String,
    /// The initial contact id; the contact's own on the first segment.
    pub(in crate::sim) initial_id: String,
    pub(in crate::sim) previous_id: Option<String>,
    /// `API`, `TRANSFER` or `QUEUE_TRANSFER`.
    pub(in crate::sim) method: &'static str,
    pub(in crate::sim) stage: Stage,
    pub(in crate::sim) initiated_at: Timestamp,
    pub(in crate::sim) connected_to_system_at: Option<Timestamp>,
    /// Lower ones are served first.
    pub(in crate::sim) queue_priority: i64,
    /// How much longer than it did it counts as having waited.
    pub(in crate::sim) queue_time_adjustment_seconds: i64,
    pub(in crate::sim) placement: Option<Placement>,
    /// A number that grows with each offer; an auto-accept that belongs to an older one is void.
    pub(in crate::sim) offer: Option<Offer>,
    pub(in crate::sim) serving: Option<Serving>,
    /// Agents who missed it, in order; they are not offered it again.
    pub(in crate::sim) missed_by: Vec<(String, Timestamp)>,
    pub(in crate::sim) disconnected_at: Option<Timestamp>,
    pub(in crate::sim) reason: Option<&'static str>,
    pub(in crate::sim) completed: bool,
    pub(in crate::sim) updated_at: Timestamp,
}

/// How far a contact has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sim) enum Stage {
    Initiated,
    Queued,
    Connected,
    Ended,
}

impl Stage {
    pub(in crate::sim) fn name(self) -> &'static str {
        match self {
            Self::Initiated => "initiated",
            Self::Queued => "queued",
            Self::Connected => "connected",
            Self::Ended => "ended",
        }
    }
}

/// Where a contact waits or waited.
#[derive(Debug, Clone)]
pub(in crate::sim) struct Placement {
    pub(in crate::sim) queue: QueueRef,
    pub(in crate::sim) enqueued_at: Timestamp,
}

/// A queue of the instance, or the queue that belongs to one agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sim) enum QueueRef {
    Standard(String),
    Agent(String),
}

impl QueueRef {
    /// `STANDARD` or `AGENT`.
    pub(in crate::sim) fn kind(&self) -> &'static str {
        match self {
            Self::Standard(_) => "STANDARD",
            Self::Agent(_) => "AGENT",
        }
    }

    /// What stands behind `/queue/` in the ARN.
    pub(in crate::sim) fn id(&self) -> String {
        match self {
            Self::Standard(id) => id.clone(),
            Self::Agent(user) => format!("agent/{user}"),
        }
    }
}

/// A contact that rings at an agent.
#[derive(Debug, Clone)]
pub(in crate::sim) struct Offer {
    pub(in crate::sim) user_id: String,
    pub(in crate::sim) number: u64,
}

/// The agent who has the contact, or had it.
#[derive(Debug, Clone)]
pub(in crate::sim) struct Serving {
    pub(in crate::sim) user_id: String,
    /// The agent's participant id in this segment.
    pub(in crate::sim) participant_id: String,
    pub(in crate::sim) connected_at: Timestamp,
    pub(in crate::sim) after_work_started_at: Option<Timestamp>,
    pub(in crate::sim) after_work_ended_at: Option<Timestamp>,
}

impl Contact {
    pub(super) fn new(
        id: String,
        initial_id: String,
        previous_id: Option<String>,
        method: &'static str,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            initial_id,
            previous_id,
            method,
            stage: Stage::Initiated,
            initiated_at: now,
            connected_to_system_at: None,
            queue_priority: DEFAULT_PRIORITY,
            queue_time_adjustment_seconds: 0,
            placement: None,
            offer: None,
            serving: None,
            missed_by: Vec::new(),
            disconnected_at: None,
            reason: None,
            completed: false,
            updated_at: now,
        }
    }
}
