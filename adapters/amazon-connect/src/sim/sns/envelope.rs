//! The bodies that SNS posts.

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use url::form_urlencoded::byte_serialize;

use crate::sim::instance::{Facts, Item, instant, view};

/// A chat item as a notification, unsigned.
pub(super) fn notification(
    facts: &Facts,
    topic: &str,
    subscription: &str,
    id: &str,
    item: &Item,
    now: Timestamp,
) -> Map<String, Value> {
    let host = host(&facts.region);
    object(json!({
        "Type": "Notification",
        "MessageId": id,
        "TopicArn": topic,
        "Message": view(item).to_string(),
        "Timestamp": instant(now),
        "UnsubscribeURL": format!("https://{host}/?Action=Unsubscribe&SubscriptionArn={subscription}"),
        "MessageAttributes": attributes(facts, item),
    }))
}

/// What a new subscriber gets first, unsigned.
pub(super) fn confirmation(facts: &Facts, topic: &str, token: &str, id: &str, now: Timestamp) -> Map<String, Value> {
    let message = format!(
        "You have chosen to subscribe to the topic {topic}.\nTo confirm the subscription, visit the SubscribeURL included in this message."
    );
    let escaped: String = byte_serialize(topic.as_bytes()).collect();
    let host = host(&facts.region);
    object(json!({
        "Type": "SubscriptionConfirmation",
        "MessageId": id,
        "Token": token,
        "TopicArn": topic,
        "Message": message,
        "SubscribeURL": format!("https://{host}/?Action=ConfirmSubscription&TopicArn={escaped}&Token={token}"),
        "Timestamp": instant(now),
    }))
}

fn host(region: &str) -> String {
    format!("sns.{region}.amazonaws.com")
}

/// The message attributes of a chat item: not signed, and the only place where its visibility stands.
fn attributes(facts: &Facts, item: &Item) -> Value {
    let string = |value: &str| json!({ "Type": "String", "Value": value });
    json!({
        "InitialContactId": string(&item.initial_contact_id),
        "ContactId": string(&item.contact_id),
        "ParticipantRole": string(item.role.name()),
        "InstanceId": string(&facts.instance_id),
        "AccountId": string(&facts.account),
        "Type": string(item.kind.name()),
        "ContentType": string(&item.content_type),
        "MessageVisibility": string(item.visibility.name()),
    })
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
