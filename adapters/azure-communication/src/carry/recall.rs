//! What was said and who came and went, from the lists: for what Event Grid lost.
//!
//! Each listed message is written as the event that Event Grid would have sent for it, and goes through the same
//! mappings. So its fact has the same key as its twin from a webhook, also when somebody edited a mapping.

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};
use tandem_sdk::doors::{Decode, Decoded, Envelope};
use tandem_sdk::error::AdapterError;
use tandem_sdk::model::{Attachment, Carried, Fact, FactKind, LegRef, Outcome, Party, Personal};

use super::chat::Chat;
use super::wire::{ChatMessage, ListedParticipant};

impl Chat<'_> {
    /// Lists messages since then, and the participants of now, and says it as facts, oldest first.
    ///
    /// Where the list is longer than `max_pages`, the oldest part is left out and a warning is logged. Who is in the
    /// thread is a fact of the time of the newest message, by the vendor's clock: every change writes a system message.
    pub(super) async fn recall(
        &self,
        leg: &LegRef,
        since: Option<Timestamp>,
        decode: &dyn Decode,
        page_size: u32,
        max_pages: u32,
    ) -> Result<Carried, AdapterError> {
        let mut facts = Vec::new();
        let mut newest = None;
        let mut pages = self.messages(leg, since, page_size, max_pages)?;
        while let Some(page) = pages.next().await? {
            for message in page {
                newest = newest.max(Some(message.created_on)).max(message.edited_on).max(message.deleted_on);
                // Newest first in the list; the facts of one message are told in their order, and turned round with all.
                let told = events(&leg.native, &message).into_iter().rev();
                facts.extend(told.flat_map(|event| decoded(decode, &event, &message).into_iter().rev()));
            }
        }
        if pages.cut_off() {
            tracing::warn!(leg = %leg.id(), max_pages, "a thread has more messages than are recalled");
        }
        facts.reverse();
        facts.retain(|fact| since.is_none_or(|since| fact.occurred_at >= since));
        facts.sort_by_key(|fact| fact.occurred_at);

        let mut members = Vec::new();
        let mut pages = self.participants(leg, page_size, max_pages)?;
        while let Some(page) = pages.next().await? {
            members.extend(page.iter().filter_map(party));
        }
        let at = newest.or(since).unwrap_or(self.errand.now).min(self.errand.now);
        let key = format!("recalled/{}", self.errand.command.id);
        let mut present = Fact::new(FactKind::LegUpdated, leg.clone(), at, key);
        present.members = members;
        facts.push(present);
        Ok(Outcome::Observed { facts }.into())
    }
}

fn party(participant: &ListedParticipant) -> Option<Party> {
    let address = Personal::new(participant.communication_identifier.raw_id()?);
    Some(Party { address, name: Personal::from(participant.display_name.clone()), ..Party::default() })
}

/// The thread-level events that Event Grid sends for what became of this message, in their order.
fn events(thread: &str, message: &ChatMessage) -> Vec<Value> {
    let content = message.content.clone().unwrap_or_default();
    let version = match &message.version {
        Some(Value::String(version)) => version.clone(),
        Some(Value::Number(version)) => version.to_string(),
        _ => message.id.clone(),
    };
    // Participant and thread events count versions in numbers.
    let number = version.parse::<i64>().map_or(json!(version), |number| json!(number));
    let initiator = &content.initiator_communication_identifier;
    match message.kind.as_str() {
        "participantAdded" | "participantRemoved" => {
            let (kind, who, by) = match message.kind.as_str() {
                "participantAdded" => {
                    ("ChatThreadParticipantAdded", "participantAdded", "addedByCommunicationIdentifier")
                }
                _ => ("ChatThreadParticipantRemoved", "participantRemoved", "removedByCommunicationIdentifier"),
            };
            let each = content.participants.iter().flatten().map(|participant| {
                let told = json!({
                    "displayName": participant.display_name,
                    "participantCommunicationIdentifier": participant.communication_identifier,
                });
                event(
                    thread,
                    kind,
                    message.created_on,
                    json!({"time": message.created_on, who: told, by: initiator, "version": number}),
                )
            });
            each.collect()
        }
        "topicUpdated" => vec![event(
            thread,
            "ChatThreadPropertiesUpdated",
            message.created_on,
            json!({
                "properties": {"topic": content.topic},
                "editedByCommunicationIdentifier": initiator,
                "editTime": message.created_on,
                "version": number,
            }),
        )],
        kind if is_written(kind) => written(thread, message, content.message.as_deref(), &version),
        // A kind of system message that nobody described.
        _ => Vec::new(),
    }
}

/// `text`, `html`, and the capital and long forms that events use.
fn is_written(kind: &str) -> bool {
    ["text", "html", "richtext/html"].iter().any(|known| kind.eq_ignore_ascii_case(known))
}

/// A message as it was posted, edited, deleted: the list knows its last form only.
fn written(thread: &str, message: &ChatMessage, text: Option<&str>, version: &str) -> Vec<Value> {
    let data = |version: &str, when: &str, at: Timestamp| {
        let mut data = json!({
            "messageId": message.id,
            "messageBody": text,
            "metadata": message.metadata,
            "type": message.kind,
            "version": version,
            "senderDisplayName": message.sender_display_name,
            "senderCommunicationIdentifier": message.sender_communication_identifier,
            "composeTime": message.created_on,
        });
        data[when] = json!(at);
        data
    };
    if let Some(at) = message.deleted_on {
        return vec![event(thread, "ChatMessageDeletedInThread", at, data(version, "deleteTime", at))];
    }
    let Some(at) = message.edited_on else {
        let at = message.created_on;
        return vec![event(thread, "ChatMessageReceivedInThread", at, data(version, "composeTime", at))];
    };
    // Version and id are the same until the first edit.
    let posted = data(&message.id, "composeTime", message.created_on);
    vec![
        event(thread, "ChatMessageReceivedInThread", message.created_on, posted),
        event(thread, "ChatMessageEditedInThread", at, data(version, "editTime", at)),
    ]
}

fn event(thread: &str, kind: &str, at: Timestamp, mut data: Value) -> Value {
    data["threadId"] = json!(thread);
    if let Some(fields) = data.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    json!({
        "eventType": format!("Microsoft.Communication.{kind}"),
        "eventTime": at,
        "dataVersion": "1.0",
        "metadataVersion": "1",
        "data": data,
    })
}

/// The facts of one such event. Events do not carry attachments; the list does.
fn decoded(decode: &dyn Decode, event: &Value, message: &ChatMessage) -> Vec<Fact> {
    let envelope = Envelope {
        door: crate::receive::DOOR.to_owned(),
        kind: event["eventType"].as_str().map(str::to_owned),
        dedupe: Vec::new(),
        origin: Vec::new(),
        body: Bytes::from(event.to_string()),
    };
    match decode.decode(&envelope) {
        Decoded::Facts(mut facts) => {
            let listed = message.content.as_ref().and_then(|content| content.attachments.as_ref());
            for attached in facts.iter_mut().filter_map(|fact| fact.message.as_mut()) {
                if attached.attachments.is_empty() {
                    attached.attachments = listed.into_iter().flatten().filter_map(attachment).collect();
                }
            }
            facts
        }
        Decoded::Ignored { .. } => Vec::new(),
        Decoded::Malformed { problem } => {
            tracing::warn!(problem, "a recalled message is not understood");
            Vec::new()
        }
    }
}

fn attachment(listed: &Value) -> Option<Attachment> {
    let text = |name: &str| listed[name].as_str().map(str::to_owned);
    Some(Attachment {
        id: text("id")?,
        media_type: None,
        name: Personal::from(text("name")),
        url: Personal::from(text("url")),
    })
}
