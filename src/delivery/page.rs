//! What a consumer asks for, and what they get.

use tandem_sdk::model::InteractionId;

use super::cloud_event::CloudEvent;
use super::cursor::Cursor;

/// Whether the reader may see what was said and what names a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Everything that was not erased.
    Text,
    /// Nothing that was sealed.
    Redacted,
}

/// Which events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Those of one interaction only.
    pub interaction: Option<InteractionId>,
    /// Those whose type begins with this only.
    pub prefix: Option<String>,
    /// What the reader may see.
    pub sight: Sight,
    /// At most so many.
    pub most: usize,
}

/// The records in which an interaction's events are, as far as they are known: a list instead of a search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Among {
    /// Sequence numbers, in order.
    pub records: Vec<u64>,
    /// The list holds every record before this one.
    pub until: u64,
}

/// One event with the cursor behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Where to go on after it.
    pub cursor: Cursor,
    /// The event.
    pub event: CloudEvent,
}

/// Some events, in the order of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The events.
    pub items: Vec<Item>,
    /// Where to go on.
    pub next: Cursor,
    /// Whether nothing more is there at the moment. A page may be empty without that: looking also ends after so many records.
    pub at_end: bool,
}
