//! `SendMessage` and `SendEvent`.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::chat::{EVENT, Participant};
use super::connection::instant;
use super::start::MAX_CONTENT;
use super::state::{Draft, Instance};
use super::{Receipt, Role};
use crate::sim::errors::Refused;

/// Items that one chat may have.
const MAX_ITEMS: usize = 20_000;
const SENDABLE: [&str; 4] = [
    "text/plain",
    "text/markdown",
    "application/json",
    "application/vnd.amazonaws.connect.message.interactive.response",
];

/// The body of `SendMessage`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::sim) struct MessageWish {
    content_type: String,
    content: String,
    client_token: Option<String>,
}

/// The body of `SendEvent`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::sim) struct EventWish {
    content_type: String,
    content: Option<String>,
    client_token: Option<String>,
}

/// What a message or event became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sim) struct Sent {
    pub(in crate::sim) id: String,
    pub(in crate::sim) at: Timestamp,
}

impl Sent {
    /// The answer to `SendMessage` and `SendEvent`.
    pub(in crate::sim) fn answer(&self) -> Value {
        json!({ "Id": self.id, "AbsoluteTime": instant(self.at) })
    }
}

impl Instance {
    /// Sends what the customer wrote. The same `ClientToken` sends one message.
    pub(in crate::sim) fn send_message(
        &mut self,
        token: &str,
        wish: &MessageWish,
        now: Timestamp,
    ) -> Result<Sent, Refused> {
        let id = self.connected_chat(token, now)?;
        let chat = self.chats.get(&id).ok_or_else(Refused::access_denied)?;
        if let Some(sent) = self.answered(&id, wish.client_token.as_deref())? {
            self.enter("call.repeated", sent.id.clone(), json!({ "operation": "SendMessage" }));
            return Ok(sent);
        }
        if !SENDABLE.contains(&wish.content_type.as_str()) || !chat.content_types.contains(&wish.content_type) {
            return Err(Refused::validation(format!(
                "content type {:?} is not supported by this chat",
                wish.content_type
            )));
        }
        if wish.content.is_empty() || wish.content.len() > MAX_CONTENT {
            return Err(Refused::validation("Content must have 1 to 16384 bytes"));
        }
        if chat.items.len() >= MAX_ITEMS {
            return Err(Refused::throttled("ThrottlingException"));
        }
        let (contact, customer) = (chat.current.clone(), chat.customer.clone());
        let draft = Draft::message(Role::Customer, customer, &wish.content_type, wish.content.clone());
        let sent = Sent { id: self.post(&contact, draft, now), at: now };
        self.remember(&id, wish.client_token.clone(), &sent);
        let detail = json!({
            "contactId": contact, "initialContactId": id, "messageId": sent.id, "clientToken": wish.client_token,
            "participantRole": "CUSTOMER", "contentType": wish.content_type, "content": wish.content,
        });
        self.enter("message.sent", wish.client_token.clone().unwrap_or_else(|| sent.id.clone()), detail);
        Ok(sent)
    }

    /// Sends typing or a receipt of the customer.
    pub(in crate::sim) fn send_event(
        &mut self,
        token: &str,
        wish: &EventWish,
        now: Timestamp,
    ) -> Result<Sent, Refused> {
        let id = self.connected_chat(token, now)?;
        if let Some(sent) = self.answered(&id, wish.client_token.as_deref())? {
            return Ok(sent);
        }
        let chat = self.chats.get(&id).ok_or_else(Refused::access_denied)?;
        let (contact, customer) = (chat.current.clone(), chat.customer.clone());
        let draft = match wish.content_type.strip_prefix(EVENT) {
            Some("typing") => typing(Role::Customer, customer),
            Some("message.delivered") => self.receipt(&id, customer, wish.content.as_deref(), false)?,
            Some("message.read") => self.receipt(&id, customer, wish.content.as_deref(), true)?,
            Some("connection.acknowledged") => {
                return Err(Refused::validation(
                    "connection.acknowledged is no longer supported; use ConnectParticipant",
                ));
            }
            _ => return Err(Refused::validation(format!("content type {:?} is no event to send", wish.content_type))),
        };
        let sent = Sent { id: self.post(&contact, draft, now), at: now };
        self.remember(&id, wish.client_token.clone(), &sent);
        Ok(sent)
    }

    fn receipt(&self, chat: &str, customer: Participant, content: Option<&str>, read: bool) -> Result<Draft, Refused> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct About {
            message_id: String,
        }
        let about: Option<About> = content.and_then(|content| serde_json::from_str(content).ok());
        let about = about.ok_or_else(|| Refused::validation("Content must be a JSON object with messageId"))?;
        let known = self.chats.get(chat).is_some_and(|chat| chat.items.iter().any(|item| item.id == about.message_id));
        if !known {
            return Err(Refused::validation("messageId names no message of this chat"));
        }
        let mut draft = Draft::event(Role::Customer, customer, "message.metadata");
        draft.receipt = Some(Receipt { message_id: about.message_id, read });
        draft.kept = false;
        Ok(draft)
    }

    /// What the same `ClientToken` was answered with before.
    fn answered(&self, chat: &str, client_token: Option<&str>) -> Result<Option<Sent>, Refused> {
        let Some(token) = client_token else { return Ok(None) };
        if token.len() > 500 {
            return Err(Refused::validation("ClientToken must have at most 500 characters"));
        }
        let answer = self.chats.get(chat).and_then(|chat| chat.answers.get(token));
        Ok(answer.map(|(id, at)| Sent { id: id.clone(), at: *at }))
    }

    pub(super) fn remember(&mut self, chat: &str, client_token: Option<String>, sent: &Sent) {
        if let (Some(token), Some(chat)) = (client_token, self.chats.get_mut(chat)) {
            chat.answers.insert(token, (sent.id.clone(), sent.at));
        }
    }
}

/// Somebody is typing: streamed, never kept.
pub(super) fn typing(role: Role, author: Participant) -> Draft {
    Draft { kept: false, ..Draft::event(role, author, "typing") }
}
