//! One customer's conversation.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;

/// A chat.
#[derive(Debug, Clone)]
pub(in crate::sim) struct Chat {
    /// The initial contact id.
    pub(in crate::sim) id: String,
    /// The segment that is going on, or was last.
    pub(in crate::sim) current: String,
    pub(in crate::sim) flow_id: String,
    pub(in crate::sim) customer: Participant,
    pub(in crate::sim) participant_token: String,
    /// What started it, when the caller gave one.
    pub(in crate::sim) client_token: Option<String>,
    /// Its contacts, oldest first.
    pub(in crate::sim) segments: Vec<String>,
    /// All bearer tokens that were given out for it.
    pub(in crate::sim) tokens: Vec<String>,
    /// The attachments that were announced for it.
    pub(in crate::sim) uploads: Vec<String>,
    pub(in crate::sim) customer_id: Option<String>,
    pub(in crate::sim) attributes: BTreeMap<String, String>,
    pub(in crate::sim) content_types: Vec<String>,
    pub(in crate::sim) streams: Vec<Stream>,
    /// The customer has been marked as connected, so that the flow runs.
    pub(in crate::sim) connected: bool,
    pub(in crate::sim) ended: bool,
    /// In the order in which they happened.
    pub(in crate::sim) items: Vec<Item>,
    /// What each `ClientToken` of the participant was answered with.
    pub(in crate::sim) answers: HashMap<String, (String, Timestamp)>,
    /// `ClientToken`s with which the participant left.
    pub(in crate::sim) departures: HashSet<String>,
    /// Deadlines that an end calls off.
    pub(super) deadlines: Vec<(Timestamp, u64)>,
}

/// Somebody in a chat.
#[derive(Debug, Clone)]
pub(in crate::sim) struct Participant {
    pub(in crate::sim) id: String,
    pub(in crate::sim) name: String,
}

/// A topic that gets the chat's items.
#[derive(Debug, Clone)]
pub(in crate::sim) struct Stream {
    pub(in crate::sim) id: String,
    pub(in crate::sim) topic: String,
    pub(in crate::sim) client_token: String,
}

/// Who said or did something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sim) enum Role {
    Agent,
    Customer,
    System,
}

impl Role {
    pub(in crate::sim) fn name(self) -> &'static str {
        match self {
            Self::Agent => "AGENT",
            Self::Customer => "CUSTOMER",
            Self::System => "SYSTEM",
        }
    }
}

/// Who may see something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sim) enum Visibility {
    Agent,
    All,
}

impl Visibility {
    pub(in crate::sim) fn name(self) -> &'static str {
        match self {
            Self::Agent => "AGENT",
            Self::All => "ALL",
        }
    }
}

/// What an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sim) enum ItemKind {
    Message,
    Event,
    Attachment,
}

impl ItemKind {
    pub(in crate::sim) fn name(self) -> &'static str {
        match self {
            Self::Message => "MESSAGE",
            Self::Event => "EVENT",
            Self::Attachment => "ATTACHMENT",
        }
    }
}

/// One thing that happened in a chat.
#[derive(Debug, Clone)]
pub(in crate::sim) struct Item {
    pub(in crate::sim) id: String,
    pub(in crate::sim) at: Timestamp,
    pub(in crate::sim) kind: ItemKind,
    pub(in crate::sim) content_type: String,
    pub(in crate::sim) content: Option<String>,
    pub(in crate::sim) author: Participant,
    pub(in crate::sim) role: Role,
    pub(in crate::sim) visibility: Visibility,
    pub(in crate::sim) contact_id: String,
    pub(in crate::sim) initial_contact_id: String,
    pub(in crate::sim) attachment: Option<AttachmentRef>,
    pub(in crate::sim) receipt: Option<Receipt>,
}

/// An attachment that an item carries; it has been scanned and approved.
#[derive(Debug, Clone)]
pub(in crate::sim) struct AttachmentRef {
    pub(in crate::sim) id: String,
    pub(in crate::sim) name: String,
    pub(in crate::sim) content_type: String,
}

/// What a receipt says about a message.
#[derive(Debug, Clone)]
pub(in crate::sim) struct Receipt {
    pub(in crate::sim) message_id: String,
    /// Read, and not only delivered.
    pub(in crate::sim) read: bool,
}

/// The prefix of all event content types.
pub(super) const EVENT: &str = "application/vnd.amazonaws.connect.event.";

impl Chat {
    pub(super) fn topics(&self) -> Vec<String> {
        self.streams.iter().map(|stream| stream.topic.clone()).collect()
    }
}
