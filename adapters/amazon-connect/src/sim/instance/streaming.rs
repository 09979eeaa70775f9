//! `StartContactStreaming` and `StopContactStreaming`.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Instance;
use super::chat::Stream;
use super::start::StreamingConfiguration;
use crate::sim::errors::Refused;

/// Topics that one chat may be streamed to.
const MAX_STREAMS: usize = 2;

/// The body of `StartContactStreaming`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::sim) struct StreamWish {
    instance_id: String,
    contact_id: String,
    chat_streaming_configuration: StreamingConfiguration,
    client_token: String,
}

/// The body of `StopContactStreaming`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::sim) struct StreamEnd {
    instance_id: String,
    contact_id: String,
    streaming_id: String,
}

impl StreamWish {
    /// What `ChatStreamingConfiguration` in `StartChatContact` amounts to.
    pub(super) fn inside_start(instance_id: &str, chat: &str, topic: &str, client_token: String) -> Self {
        Self {
            instance_id: instance_id.to_owned(),
            contact_id: chat.to_owned(),
            chat_streaming_configuration: StreamingConfiguration { streaming_endpoint_arn: topic.to_owned() },
            client_token,
        }
    }
}

impl Instance {
    /// Starts to stream a chat to a topic. The same `ClientToken` starts one stream.
    pub(in crate::sim) fn start_streaming(&mut self, wish: &StreamWish, now: Timestamp) -> Result<Value, Refused> {
        self.check_instance(&wish.instance_id)?;
        if wish.client_token.is_empty() || wish.client_token.len() > 500 {
            return Err(Refused::invalid_request("ClientToken must have 1 to 500 characters"));
        }
        let topic = &wish.chat_streaming_configuration.streaming_endpoint_arn;
        self.check_topic(topic)?;
        let chat = self.chats.get(&wish.contact_id).ok_or_else(|| Refused::not_found("The contact was not found."))?;
        if let Some(stream) = chat.streams.iter().find(|stream| stream.client_token == wish.client_token) {
            let answer = json!({ "StreamingId": stream.id });
            self.enter("call.repeated", wish.contact_id.clone(), json!({ "operation": "StartContactStreaming" }));
            return Ok(answer);
        }
        if chat.ended {
            return Err(Refused::invalid_request("The contact is not active."));
        }
        if chat.streams.len() >= MAX_STREAMS {
            return Err(Refused::limit_exceeded("A contact can be streamed to two topics at most"));
        }
        let id = self.ids.uuid();
        let stream = Stream { id: id.clone(), topic: topic.clone(), client_token: wish.client_token.clone() };
        if let Some(chat) = self.chats.get_mut(&wish.contact_id) {
            chat.streams.push(stream);
        }
        let detail = json!({ "contactId": wish.contact_id, "topic": topic, "streamingId": id, "at": now });
        self.enter("streaming.started", wish.client_token.clone(), detail);
        Ok(json!({ "StreamingId": id }))
    }

    /// Stops one stream of a chat.
    pub(in crate::sim) fn stop_streaming(&mut self, wish: &StreamEnd) -> Result<Value, Refused> {
        self.check_instance(&wish.instance_id)?;
        let missing = || Refused::not_found("The contact was not found.");
        let chat = self.chats.get_mut(&wish.contact_id).ok_or_else(missing)?;
        let before = chat.streams.len();
        chat.streams.retain(|stream| stream.id != wish.streaming_id);
        if chat.streams.len() == before {
            return Err(Refused::not_found("The streaming was not found."));
        }
        self.enter("streaming.stopped", wish.streaming_id.clone(), json!({ "contactId": wish.contact_id }));
        Ok(json!({}))
    }

    /// A topic must exist, in this account and region: Connect publishes to nothing else.
    pub(super) fn check_topic(&self, topic: &str) -> Result<(), Refused> {
        if self.topics.iter().any(|known| known == topic) {
            Ok(())
        } else {
            Err(Refused::invalid_request("The streaming endpoint cannot be published to."))
        }
    }
}
