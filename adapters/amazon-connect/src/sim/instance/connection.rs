//! `CreateParticipantConnection`, the call that makes a flow start.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Role;
use super::start::after;
use super::state::{Draft, Grant, Instance, Scope};
use super::timers::Due;
use crate::sim::errors::Refused;

/// How long after the customer connected the flow starts.
const FLOW_STARTS_AFTER: Duration = Duration::from_millis(20);
/// Connection tokens that one chat may have; the oldest stops working beyond it.
const MAX_TOKENS: usize = 100;

/// The body of the request.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::sim) struct ConnectionWish {
    #[serde(rename = "Type", default)]
    kinds: Vec<String>,
    #[serde(default)]
    connect_participant: bool,
}

impl Instance {
    /// Gives a connection token for a participant token. With `ConnectParticipant` the customer counts as connected,
    /// but only when the chat is streamed; without it the flow never starts.
    pub(in crate::sim) fn connect(
        &mut self,
        token: &str,
        wish: &ConnectionWish,
        now: Timestamp,
    ) -> Result<Value, Refused> {
        let chat = self.granted(token, Scope::Participant, now)?;
        if wish.kinds.iter().any(|kind| kind != "CONNECTION_CREDENTIALS") {
            return Err(Refused::validation("the simulator gives CONNECTION_CREDENTIALS alone"));
        }
        if wish.kinds.is_empty() && !wish.connect_participant {
            return Err(Refused::validation("Type or ConnectParticipant is needed"));
        }
        if wish.connect_participant {
            self.mark_connected(&chat, now);
        }
        if wish.kinds.is_empty() {
            return Ok(json!({}));
        }
        Ok(json!({ "ConnectionCredentials": self.connection_credentials(&chat, now) }))
    }

    fn mark_connected(&mut self, id: &str, now: Timestamp) {
        let Some(chat) = self.chats.get_mut(id) else { return };
        if chat.connected || chat.streams.is_empty() {
            return;
        }
        chat.connected = true;
        let customer = chat.customer.clone();
        if let Some(contact) = self.contacts.get_mut(id) {
            contact.connected_to_system_at = Some(now);
        }
        self.enter("participant.connected", id, json!({ "participantId": customer.id }));
        self.announce(id, "CONNECTED_TO_SYSTEM", &[], now);
        self.post(id, Draft::event(Role::Customer, customer, "participant.joined"), now);
        self.schedule(after(now, FLOW_STARTS_AFTER), Due::Flow { contact: id.to_owned() });
    }

    /// A fresh connection token; earlier ones stay good until they expire.
    pub(super) fn connection_credentials(&mut self, chat: &str, now: Timestamp) -> Value {
        let token = self.ids.token();
        let expires_at = after(now, self.rules.connection_token_lifetime);
        let grant = Grant { chat: chat.to_owned(), scope: Scope::Connection, expires_at: Some(expires_at) };
        self.tokens.insert(token.clone(), grant);
        if let Some(chat) = self.chats.get_mut(chat) {
            chat.tokens.push(token.clone());
            // The first one is the participant token.
            if chat.tokens.len() > MAX_TOKENS {
                self.tokens.remove(&chat.tokens.remove(1));
            }
        }
        json!({ "ConnectionToken": token, "Expiry": instant(expires_at) })
    }
}

/// `2021-09-08T13:28:24.656Z`, as the participant API, contact events and SNS write a time.
pub(in crate::sim) fn instant(at: Timestamp) -> String {
    format!("{at:.3}")
}
