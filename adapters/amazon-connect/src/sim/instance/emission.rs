//! What leaves the instance.

use jiff::Timestamp;
use serde_json::Value;

use super::Item;

/// Something that the instance caused, in the order in which it did.
#[derive(Debug, Clone)]
pub(in crate::sim) enum Emission {
    /// A contact event for EventBridge.
    ContactEvent { kind: &'static str, contact_id: String, at: Timestamp, detail: Value },
    /// A chat item for these SNS topics.
    ChatItem { topics: Vec<String>, item: Box<Item> },
    /// An effect for the ledger.
    Effect { effect: &'static str, key: String, detail: Value },
}
