//! A thread: who is in it and what was said.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::super::answer::Refusal;
use super::super::events::{Occurrence, Said, What, Who};
use super::super::state::World;

/// A chat thread.
pub(in super::super) struct Thread {
    pub(super) id: String,
    pub(super) topic: String,
    pub(super) created_on: Timestamp,
    pub(super) created_by: String,
    pub(super) deleted_on: Option<Timestamp>,
    pub(super) members: Vec<Member>,
    /// Oldest first.
    pub(super) messages: Vec<Message>,
    /// By reader: message and moment.
    pub(super) receipts: BTreeMap<String, (String, Timestamp)>,
    last_version: i64,
}

/// Somebody in a thread.
pub(super) struct Member {
    pub(super) who: Who,
    pub(super) share_history_time: Option<Timestamp>,
    /// The first moment of the history that it sees.
    pub(super) sees_from: Timestamp,
}

/// A message, the service's own included.
pub(super) struct Message {
    /// Epoch milliseconds, unique within the thread only.
    pub(super) id: String,
    pub(super) sequence: u64,
    pub(super) version: i64,
    pub(super) created_on: Timestamp,
    pub(super) edited_on: Option<Timestamp>,
    pub(super) deleted_on: Option<Timestamp>,
    pub(super) content: Content,
}

/// What a message says.
pub(super) enum Content {
    /// Somebody said something.
    Said {
        sender: String,
        display_name: String,
        text: String,
        html: bool,
        metadata: BTreeMap<String, String>,
        /// As the list gives them; events do not tell of them.
        attachments: Vec<Value>,
    },
    TopicUpdated {
        by: String,
        topic: String,
    },
    ParticipantsAdded {
        by: String,
        who: Vec<Who>,
    },
    ParticipantsRemoved {
        by: String,
        who: Vec<Who>,
    },
}

impl Thread {
    pub(super) fn new(topic: String, created_by: String, now: Timestamp) -> Self {
        Self {
            id: format!("19:{}@thread.v2", Uuid::new_v4().simple()),
            topic,
            created_on: now,
            created_by,
            deleted_on: None,
            members: Vec::new(),
            messages: Vec::new(),
            receipts: BTreeMap::new(),
            last_version: 0,
        }
    }

    pub(super) fn member(&self, id: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.who.id == id)
    }

    /// Milliseconds, later than every one before.
    pub(super) fn next_version(&mut self, now: Timestamp) -> i64 {
        self.last_version = now.as_millisecond().max(self.last_version + 1);
        self.last_version
    }

    /// Adds a message and gives its id.
    pub(super) fn say(&mut self, content: Content, now: Timestamp) -> &Message {
        let version = self.next_version(now);
        let sequence = self.messages.last().map_or(1, |last| last.sequence + 1);
        self.messages.push(Message {
            id: version.to_string(),
            sequence,
            version,
            // What clients see as creation is the id's moment.
            created_on: Timestamp::from_millisecond(version).unwrap_or(now),
            edited_on: None,
            deleted_on: None,
            content,
        });
        &self.messages[self.messages.len() - 1]
    }

    /// What happened, for those who are in the thread now.
    pub(super) fn occurrence(&self, actor: &str, now: Timestamp, what: What) -> Occurrence {
        Occurrence {
            serial: Uuid::new_v4(),
            thread: self.id.clone(),
            topic: self.topic.clone(),
            created_on: self.created_on,
            version: self.last_version,
            members: self.members.iter().map(|member| member.who.clone()).collect(),
            actor: actor.to_owned(),
            at: now,
            what,
        }
    }
}

impl Message {
    /// As events tell it; none for the service's own messages.
    pub(super) fn said(&self) -> Option<Said> {
        match &self.content {
            Content::Said { display_name, text, html, metadata, .. } => Some(Said {
                id: self.id.clone(),
                body: text.clone(),
                html: *html,
                metadata: metadata.clone(),
                display_name: display_name.clone(),
                composed: self.created_on,
                version: self.version,
            }),
            Content::TopicUpdated { .. } | Content::ParticipantsAdded { .. } | Content::ParticipantsRemoved { .. } => {
                None
            }
        }
    }

    /// Who sent it; none for the service's own messages.
    pub(super) fn sender(&self) -> Option<&str> {
        match &self.content {
            Content::Said { sender, .. } => Some(sender),
            Content::TopicUpdated { .. } | Content::ParticipantsAdded { .. } | Content::ParticipantsRemoved { .. } => {
                None
            }
        }
    }
}

/// A thread that exists and in which `caller` is a participant: 404 for one that does not exist or was deleted, 403 for
/// a stranger.
pub(super) fn joined<'a>(world: &'a mut World, thread: &str, caller: &str) -> Result<&'a mut Thread, Refusal> {
    let not_found = || Refusal::not_found("The thread");
    let thread = world.threads.get_mut(thread).filter(|thread| thread.deleted_on.is_none()).ok_or_else(not_found)?;
    if thread.member(caller).is_some() { Ok(thread) } else { Err(Refusal::forbidden()) }
}
