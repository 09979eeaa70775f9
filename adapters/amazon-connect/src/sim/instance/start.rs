//! `StartChatContact`.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::chat::{Chat, Participant};
use super::state::{Draft, Grant, Instance, Scope};
use super::timers::Due;
use super::{Contact, Role, StreamWish};
use crate::sim::errors::Refused;

/// A day and an hour, in minutes.
const DEFAULT_MINUTES: u32 = 25 * 60;
/// The longest content of a message, in bytes.
pub(super) const MAX_CONTENT: usize = 16_384;
const CONTENT_TYPES: [&str; 5] = [
    "text/plain",
    "text/markdown",
    "application/json",
    "application/vnd.amazonaws.connect.message.interactive",
    "application/vnd.amazonaws.connect.message.interactive.response",
];

/// The body of the request. Members that the simulator has no use for are left out.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::sim) struct StartWish {
    pub(in crate::sim) instance_id: String,
    contact_flow_id: String,
    participant_details: ParticipantDetails,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    initial_message: Option<InitialMessage>,
    client_token: Option<String>,
    chat_duration_in_minutes: Option<u32>,
    supported_messaging_content_types: Option<Vec<String>>,
    customer_id: Option<String>,
    #[serde(default)]
    connection_types: Vec<String>,
    chat_streaming_configuration: Option<StreamingConfiguration>,
    persistent_chat: Option<Value>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ParticipantDetails {
    display_name: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InitialMessage {
    content_type: String,
    content: String,
}

/// Where a chat is streamed to.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct StreamingConfiguration {
    pub(super) streaming_endpoint_arn: String,
}

impl StartWish {
    fn check(&self) -> Result<(), Refused> {
        let name = self.participant_details.display_name.chars().count();
        if !(1..=256).contains(&name) {
            return Err(Refused::invalid_request("DisplayName must have 1 to 256 characters"));
        }
        if self.client_token.as_ref().is_some_and(|token| token.is_empty() || token.len() > 500) {
            return Err(Refused::invalid_request("ClientToken must have 1 to 500 characters"));
        }
        if self.chat_duration_in_minutes.is_some_and(|minutes| !(60..=10_080).contains(&minutes)) {
            return Err(Refused::invalid_request("ChatDurationInMinutes must be between 60 and 10080"));
        }
        if let Some(types) = &self.supported_messaging_content_types {
            let unknown = types.iter().any(|kind| !CONTENT_TYPES.contains(&kind.as_str()));
            if unknown || !types.iter().any(|kind| kind == "text/plain") {
                return Err(Refused::invalid_request("SupportedMessagingContentTypes must contain text/plain"));
            }
        }
        if let Some(message) = &self.initial_message {
            if message.content.is_empty() || message.content.len() > MAX_CONTENT {
                return Err(Refused::invalid_request("InitialMessage must have 1 to 16384 bytes"));
            }
            if !self.content_types().contains(&message.content_type) {
                return Err(Refused::invalid_request(
                    "InitialMessage has a content type that the chat does not support",
                ));
            }
        }
        if self.connection_types.iter().any(|kind| kind != "CONNECTION_CREDENTIALS") {
            return Err(Refused::invalid_request("the simulator gives CONNECTION_CREDENTIALS alone"));
        }
        if self.persistent_chat.is_some() {
            return Err(Refused::invalid_request("the simulator has no persistent chats"));
        }
        super::attributes::check(&self.attributes)
    }

    fn content_types(&self) -> Vec<String> {
        self.supported_messaging_content_types.clone().unwrap_or_else(|| vec!["text/plain".to_owned()])
    }
}

impl Instance {
    /// Starts a chat, or finds the one that the same `ClientToken` started.
    pub(in crate::sim) fn start_chat(&mut self, wish: &StartWish, now: Timestamp) -> Result<Value, Refused> {
        self.check_instance(&wish.instance_id)?;
        wish.check()?;
        if let Some(chat) = wish.client_token.as_ref().and_then(|token| self.starts.get(token)).cloned() {
            self.enter("call.repeated", chat.clone(), json!({ "operation": "StartChatContact" }));
            return self.started(&chat, wish, now);
        }
        let flow_id = self.local(&wish.contact_flow_id).to_owned();
        if !self.flows.contains_key(&flow_id) {
            return Err(Refused::not_found("The specified flow was not found."));
        }
        let stream_topic = wish.chat_streaming_configuration.as_ref().map(|to| to.streaming_endpoint_arn.as_str());
        if let Some(topic) = stream_topic {
            self.check_topic(topic)?;
        }
        self.make_room()?;
        let chat = self.begin(wish, flow_id, now);
        if let Some(topic) = stream_topic {
            let token = wish.client_token.clone().unwrap_or_else(|| chat.clone());
            self.start_streaming(&StreamWish::inside_start(&self.facts.instance_id, &chat, topic, token), now)?;
        }
        self.started(&chat, wish, now)
    }

    fn begin(&mut self, wish: &StartWish, flow_id: String, now: Timestamp) -> String {
        let id = self.ids.uuid();
        let customer = Participant { id: self.ids.uuid(), name: wish.participant_details.display_name.clone() };
        let participant_token = self.ids.token();
        let chat = Chat {
            id: id.clone(),
            current: id.clone(),
            flow_id,
            customer: customer.clone(),
            participant_token: participant_token.clone(),
            client_token: wish.client_token.clone(),
            segments: vec![id.clone()],
            tokens: vec![participant_token.clone()],
            uploads: Vec::new(),
            customer_id: wish.customer_id.clone(),
            attributes: wish.attributes.clone(),
            content_types: wish.content_types(),
            streams: Vec::new(),
            connected: false,
            ended: false,
            items: Vec::new(),
            answers: Default::default(),
            departures: Default::default(),
            deadlines: Vec::new(),
        };
        self.chats.insert(id.clone(), chat);
        self.contacts.insert(id.clone(), Contact::new(id.clone(), id.clone(), None, "API", now));
        self.begun.push_back(id.clone());
        self.active += 1;
        let grant = Grant { chat: id.clone(), scope: Scope::Participant, expires_at: None };
        self.tokens.insert(participant_token, grant);
        if let Some(token) = &wish.client_token {
            self.starts.insert(token.clone(), id.clone());
        }
        let minutes = wish.chat_duration_in_minutes.unwrap_or(DEFAULT_MINUTES);
        let deadlines = vec![
            self.schedule(after(now, self.rules.connect_within), Due::Connect { chat: id.clone() }),
            self.schedule(after(now, self.rules.minute * minutes), Due::Expire { chat: id.clone() }),
        ];
        if let Some(chat) = self.chats.get_mut(&id) {
            chat.deadlines = deadlines;
        }
        let key = wish.client_token.clone().unwrap_or_else(|| id.clone());
        let detail = json!({
            "contactId": id, "clientToken": wish.client_token, "attributes": wish.attributes,
            "displayName": customer.name, "flow": wish.contact_flow_id,
        });
        self.enter("contact.started", key, detail);
        self.announce(&id, "INITIATED", &[], now);
        if let Some(message) = &wish.initial_message {
            let draft = Draft::message(Role::Customer, customer, &message.content_type, message.content.clone());
            self.post(&id, draft, now);
        }
        id
    }

    fn started(&mut self, chat: &str, wish: &StartWish, now: Timestamp) -> Result<Value, Refused> {
        let credentials =
            if wish.connection_types.is_empty() { None } else { Some(self.connection_credentials(chat, now)) };
        let chat = self.chats.get(chat).ok_or_else(Refused::gone)?;
        let mut answer = json!({
            "ContactId": chat.id, "ParticipantId": chat.customer.id, "ParticipantToken": chat.participant_token,
        });
        if let Some(credentials) = credentials {
            answer["ConnectionCredentials"] = credentials;
        }
        if let (Some(stream), true) = (chat.streams.first(), wish.chat_streaming_configuration.is_some()) {
            answer["StreamingId"] = json!(stream.id);
        }
        Ok(answer)
    }

    /// Makes sure that there is room for one more: the quota of active chats, and what the simulator remembers.
    fn make_room(&mut self) -> Result<(), Refused> {
        if self.active >= self.quotas.active_chats() {
            return Err(Refused::limit_exceeded("The quota for concurrent active chats is exceeded"));
        }
        while self.begun.len() >= self.rules.retained {
            let oldest = self.begun.iter().position(|id| self.chats.get(id).is_none_or(|chat| chat.ended));
            let Some(id) = oldest.and_then(|at| self.begun.remove(at)) else {
                return Err(Refused::limit_exceeded("The simulator remembers no more chats at once"));
            };
            self.forget_chat(&id);
        }
        Ok(())
    }

    fn forget_chat(&mut self, id: &str) {
        let Some(chat) = self.chats.remove(id) else { return };
        chat.segments.iter().for_each(|contact| drop(self.contacts.remove(contact)));
        chat.tokens.iter().for_each(|token| drop(self.tokens.remove(token)));
        chat.uploads.iter().for_each(|upload| drop(self.attachments.remove(upload)));
        chat.client_token.iter().for_each(|token| drop(self.starts.remove(token)));
    }
}

/// Adds a real duration to a moment; a sum that no calendar has becomes the last moment there is.
pub(super) fn after(now: Timestamp, wait: Duration) -> Timestamp {
    now.checked_add(wait).unwrap_or(Timestamp::MAX)
}
