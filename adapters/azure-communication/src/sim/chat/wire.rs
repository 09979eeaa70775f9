//! Bodies of the Chat API.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::answer::Refusal;
use super::super::events::Who;
use super::super::stamps::seven_digits;
use super::thread::{Content, Member, Message, Thread};

/// `communicationIdentifier` of a request: the raw id, or the id of a communication user.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Identifier {
    raw_id: Option<String>,
    communication_user: Option<User>,
}

#[derive(Debug, Deserialize)]
struct User {
    id: String,
}

impl Identifier {
    pub(super) fn of(id: String) -> Self {
        Self { raw_id: Some(id), communication_user: None }
    }

    pub(super) fn id(self) -> Result<String, Refusal> {
        let id = self.communication_user.map(|user| user.id).or(self.raw_id).filter(|id| !id.is_empty());
        id.ok_or_else(|| Refusal::bad_request("The communication identifier names nobody."))
    }
}

/// A participant of a request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Joining {
    pub(super) communication_identifier: Identifier,
    pub(super) display_name: Option<String>,
    pub(super) share_history_time: Option<Timestamp>,
}

pub(super) fn identifier(id: &str) -> Value {
    json!({"kind": "communicationUser", "rawId": id, "communicationUser": {"id": id}})
}

fn who(who: &Who) -> Value {
    let mut value = json!({"communicationIdentifier": identifier(&who.id)});
    if let Some(name) = &who.display_name {
        value["displayName"] = json!(name);
    }
    value
}

impl Member {
    pub(super) fn body(&self) -> Value {
        let mut value = who(&self.who);
        if let Some(time) = self.share_history_time {
            value["shareHistoryTime"] = json!(seven_digits(time));
        }
        value
    }
}

impl Thread {
    pub(super) fn properties(&self) -> Value {
        json!({
            "id": self.id, "topic": self.topic, "createdOn": seven_digits(self.created_on),
            "createdByCommunicationIdentifier": identifier(&self.created_by),
        })
    }

    pub(super) fn item(&self) -> Value {
        let mut value = json!({"id": self.id, "topic": self.topic});
        if let Some(time) = self.deleted_on {
            value["deletedOn"] = json!(seven_digits(time));
        }
        if let Some(last) = self.messages.iter().rev().find(|message| message.sender().is_some()) {
            value["lastMessageReceivedOn"] = json!(seven_digits(last.created_on));
        }
        value
    }
}

impl Message {
    pub(super) fn body(&self) -> Value {
        let (kind, content) = match &self.content {
            Content::Said { text, html, attachments, .. } => {
                let mut content = if self.deleted_on.is_some() { json!({}) } else { json!({"message": text}) };
                if self.deleted_on.is_none() && !attachments.is_empty() {
                    content["attachments"] = json!(attachments);
                }
                (if *html { "html" } else { "text" }, content)
            }
            Content::TopicUpdated { by, topic } => {
                ("topicUpdated", json!({"topic": topic, "initiatorCommunicationIdentifier": identifier(by)}))
            }
            Content::ParticipantsAdded { by, who } => ("participantAdded", changed(by, who)),
            Content::ParticipantsRemoved { by, who } => ("participantRemoved", changed(by, who)),
        };
        let mut value = json!({
            "id": self.id, "type": kind, "sequenceId": self.sequence.to_string(), "version": self.version.to_string(),
            "content": content, "createdOn": seven_digits(self.created_on),
        });
        if let Content::Said { sender, display_name, metadata, .. } = &self.content {
            value["senderDisplayName"] = json!(display_name);
            value["senderCommunicationIdentifier"] = identifier(sender);
            if self.deleted_on.is_none() && !metadata.is_empty() {
                value["metadata"] = json!(metadata);
            }
        }
        for (name, time) in [("editedOn", self.edited_on), ("deletedOn", self.deleted_on)] {
            if let Some(time) = time {
                value[name] = json!(seven_digits(time));
            }
        }
        value
    }
}

fn changed(by: &str, whom: &[Who]) -> Value {
    let participants: Vec<Value> = whom.iter().map(who).collect();
    json!({"participants": participants, "initiatorCommunicationIdentifier": identifier(by)})
}

/// A page: `{value, nextLink}`, the latter only when there is more.
pub(super) fn page(value: &[Value], next: Option<String>) -> Value {
    let mut page = json!({"value": value});
    if let Some(next) = next {
        page["nextLink"] = json!(next);
    }
    page
}
