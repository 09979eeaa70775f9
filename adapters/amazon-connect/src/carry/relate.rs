//! Makes facts of what Connect answers when asked.
//!
//! An answer is told as the events that would have told it, and those are decoded like any other: so an asked-for fact
//! has the very key and fields of the event that was lost, also when somebody has changed the mappings.

use std::sync::Arc;

use aws_sdk_connect::types::Contact;
use aws_sdk_connectparticipant::types::Item;
use aws_smithy_types::DateTime;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tandem_sdk::doors::{Decode, Decoded, Envelope};
use tandem_sdk::model::{Fact, LegRef, Personal};

use super::clouds::Terms;
use crate::receive::{CHAT, CONTACTS};

/// The attribute that says to which interaction of ours a contact belongs.
const INTERACTION: &str = "tandem_interaction";

/// Makes facts of answers, by the mappings in force.
#[derive(Clone)]
pub(crate) struct Relate {
    decode: Arc<dyn Decode>,
}

impl Relate {
    /// With these mappings.
    pub(crate) fn new(decode: Arc<dyn Decode>) -> Self {
        Relate { decode }
    }

    /// What the events of this contact would have told so far, oldest first. The attribute `tandem_interaction`, which
    /// no event carries, is added to each fact.
    pub(super) fn contact(&self, terms: &Terms, leg: &LegRef, contact: &Contact) -> Vec<Fact> {
        let mut facts: Vec<Fact> = events(terms, leg, contact)
            .into_iter()
            .flat_map(|(kind, at, detail)| {
                let body = json!({
                    "version": "0",
                    "detail-type": "Amazon Connect Contact Event",
                    "source": "aws.connect",
                    "time": format!("{at:.0}"),
                    "region": terms.region,
                    "resources": [],
                    "detail": detail,
                });
                self.facts(CONTACTS, kind, &body)
            })
            .collect();
        let ours = contact.attributes.as_ref().and_then(|attributes| attributes.get(INTERACTION));
        if let Some(ours) = ours {
            for fact in &mut facts {
                fact.attributes.insert(INTERACTION.to_owned(), Personal::new(ours.as_str()));
            }
        }
        facts
    }

    /// What the chat stream would have told of these items. A transcript that the customer may read holds what the
    /// customer may see.
    pub(super) fn transcript(&self, terms: &Terms, leg: &LegRef, initial: Option<&str>, items: &[Item]) -> Vec<Fact> {
        items
            .iter()
            .flat_map(|item| {
                let message = streamed(leg, initial, item);
                let kind = message["Type"].as_str().unwrap_or_default().to_owned();
                let body = json!({
                    "Type": "Notification",
                    "MessageId": message["Id"],
                    "TopicArn": terms.streaming_topic.as_deref().unwrap_or_default(),
                    "Message": message.to_string(),
                    "MessageAttributes": {"MessageVisibility": {"Type": "String", "Value": "ALL"}},
                    "Timestamp": message["AbsoluteTime"],
                });
                self.facts(CHAT, &kind, &body)
            })
            .collect()
    }

    fn facts(&self, door: &str, kind: &str, body: &Value) -> Vec<Fact> {
        let envelope = Envelope {
            door: door.to_owned(),
            kind: Some(kind.to_owned()),
            dedupe: vec!["asked".to_owned()],
            origin: vec!["asked".to_owned()],
            body: Bytes::from(body.to_string()),
        };
        match self.decode.decode(&envelope) {
            Decoded::Facts(facts) => facts,
            Decoded::Ignored { .. } => Vec::new(),
            Decoded::Malformed { problem } => {
                tracing::warn!(kind, problem, "an answer of Connect cannot be told as an event");
                Vec::new()
            }
        }
    }
}

/// The contact's events as EventBridge would have published them: kind, time, detail. Each knows only what was known
/// then.
fn events(terms: &Terms, leg: &LegRef, contact: &Contact) -> Vec<(&'static str, Timestamp, Value)> {
    let instance = contact.arn.as_deref().and_then(|arn| arn.split_once("/contact/")).map_or_else(
        || format!("arn:aws:connect:{}::instance/{}", terms.region, terms.instance_id),
        |(arn, _)| arn.into(),
    );
    let mut detail = Map::new();
    put(&mut detail, "contactId", contact.id.as_deref().or(Some(leg.native.as_str())));
    put(&mut detail, "initialContactId", contact.initial_contact_id.as_deref());
    put(&mut detail, "previousContactId", contact.previous_contact_id.as_deref());
    put(&mut detail, "relatedContactId", contact.related_contact_id.as_deref());
    put(&mut detail, "channel", contact.channel.as_ref().map(aws_sdk_connect::types::Channel::as_str));
    put(&mut detail, "instanceArn", Some(instance.as_str()));
    let method = contact.initiation_method.as_ref().map(aws_sdk_connect::types::ContactInitiationMethod::as_str);
    put(&mut detail, "initiationMethod", method);
    let mut events = Vec::with_capacity(6);
    let mut tell = |detail: &mut Map<String, Value>, kind, at: Option<&DateTime>| {
        if let Some(at) = at.and_then(moment) {
            put(detail, "eventType", Some(kind));
            events.push((kind, at, Value::Object(detail.clone())));
        }
    };
    let mark = |detail: &mut Map<String, Value>, name: &str, at: Option<&DateTime>| {
        put(detail, name, at.and_then(moment).map(|at| format!("{at:.3}")).as_deref());
    };

    mark(&mut detail, "initiationTimestamp", contact.initiation_timestamp.as_ref());
    tell(&mut detail, "INITIATED", contact.initiation_timestamp.as_ref());
    mark(&mut detail, "connectedToSystemTimestamp", contact.connected_to_system_timestamp.as_ref());
    tell(&mut detail, "CONNECTED_TO_SYSTEM", contact.connected_to_system_timestamp.as_ref());
    if let Some(queue) = &contact.queue_info {
        let mut info = Map::new();
        let arn = queue.id.as_deref().map(|id| format!("{instance}/queue/{id}"));
        put(&mut info, "queueArn", arn.as_deref());
        mark(&mut info, "enqueueTimestamp", queue.enqueue_timestamp.as_ref());
        detail.insert("queueInfo".to_owned(), Value::Object(info));
        tell(&mut detail, "QUEUED", queue.enqueue_timestamp.as_ref());
    }
    let agent = contact.agent_info.as_ref();
    if let Some(agent) = agent {
        let mut info = Map::new();
        let arn = agent.id.as_deref().map(|id| format!("{instance}/agent/{id}"));
        put(&mut info, "agentArn", arn.as_deref());
        mark(&mut info, "connectedToAgentTimestamp", agent.connected_to_agent_timestamp.as_ref());
        detail.insert("agentInfo".to_owned(), Value::Object(info));
        tell(&mut detail, "CONNECTED_TO_AGENT", agent.connected_to_agent_timestamp.as_ref());
    }
    mark(&mut detail, "disconnectTimestamp", contact.disconnect_timestamp.as_ref());
    put(&mut detail, "disconnectReason", contact.disconnect_reason.as_deref());
    tell(&mut detail, "DISCONNECTED", contact.disconnect_timestamp.as_ref());
    if let (Some(agent), Some(Value::Object(info))) = (agent, detail.get_mut("agentInfo")) {
        mark(info, "afterContactWorkStartTimestamp", agent.after_contact_work_start_timestamp.as_ref());
        mark(info, "afterContactWorkEndTimestamp", agent.after_contact_work_end_timestamp.as_ref());
        tell(&mut detail, "COMPLETED", agent.after_contact_work_end_timestamp.as_ref());
    }
    events
}

fn put(object: &mut Map<String, Value>, name: &str, text: Option<&str>) {
    if let Some(text) = text {
        object.insert(name.to_owned(), text.into());
    }
}

/// The SDK's time as ours, in the milliseconds that events have. Rounded: the API writes seconds with a fraction, and as
/// a binary number that is a hair off on either side. The first millisecond of 1970 stands for "did not happen".
fn moment(at: &DateTime) -> Option<Timestamp> {
    let millis = (at.as_nanos() + 500_000).div_euclid(1_000_000);
    Timestamp::from_millisecond(i64::try_from(millis).ok()?).ok().filter(|at| at.as_millisecond() > 1)
}

/// An item of a transcript as the stream would have carried it.
fn streamed(leg: &LegRef, initial: Option<&str>, item: &Item) -> Value {
    let mut message = Map::new();
    put(&mut message, "AbsoluteTime", item.absolute_time.as_deref());
    put(&mut message, "Content", item.content.as_deref());
    put(&mut message, "ContentType", item.content_type.as_deref());
    put(&mut message, "Id", item.id.as_deref());
    put(&mut message, "Type", Some(stream_type(item)));
    put(&mut message, "ParticipantId", item.participant_id.as_deref());
    put(&mut message, "DisplayName", item.display_name.as_deref());
    let role = item.participant_role.as_ref().map(aws_sdk_connectparticipant::types::ParticipantRole::as_str);
    put(&mut message, "ParticipantRole", role);
    put(&mut message, "InitialContactId", initial.or(Some(leg.native.as_str())));
    put(&mut message, "ContactId", item.contact_id.as_deref().or(Some(leg.native.as_str())));
    if let Some(attachments) = &item.attachments {
        let attachments = attachments.iter().map(|attachment| {
            let mut one = Map::new();
            put(&mut one, "ContentType", attachment.content_type.as_deref());
            put(&mut one, "AttachmentId", attachment.attachment_id.as_deref());
            put(&mut one, "AttachmentName", attachment.attachment_name.as_deref());
            let status = attachment.status.as_ref().map(aws_sdk_connectparticipant::types::ArtifactStatus::as_str);
            put(&mut one, "Status", status);
            Value::Object(one)
        });
        message.insert("Attachments".to_owned(), attachments.collect());
    }
    Value::Object(message)
}

/// The transcript has a type for each kind of event (`PARTICIPANT_JOINED`, `CHAT_ENDED` …); the stream has only
/// `MESSAGE`, `ATTACHMENT` and `EVENT`, and tells events apart by content type.
fn stream_type(item: &Item) -> &str {
    match item.r#type.as_ref().map(aws_sdk_connectparticipant::types::ChatItemType::as_str) {
        Some(same @ ("MESSAGE" | "ATTACHMENT")) => same,
        _ => "EVENT",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_went_through_a_binary_fraction_is_the_same_to_the_millisecond() {
        for millis in (1_700_000_000_000_i64..1_700_000_001_000).step_by(7) {
            let travelled = DateTime::from_secs_f64(millis as f64 / 1_000.0);
            assert_eq!(moment(&travelled).map(Timestamp::as_millisecond), Some(millis));
        }
    }

    #[test]
    fn what_did_not_happen_has_no_time() {
        assert_eq!(moment(&DateTime::from_millis(1)), None);
        assert_eq!(moment(&DateTime::from_secs(i64::MAX)), None);
    }
}
