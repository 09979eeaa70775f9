//! Events that come from elsewhere: as Event Grid delivers them to a hub.

use fe2o3_amqp_types::messaging::{ApplicationProperties, Body, Data, Message};
use fe2o3_amqp_types::primitives::{Binary, OrderedMap, SimpleValue, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::event::{self, AmqpMessage};
use crate::namespace::Namespace;

/// Events of Event Grid for one hub. Each becomes a message of its own, with Event Grid's `aeg-` headers as application
/// properties ("Event hub as an event handler for Azure Event Grid events").
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Injection {
    /// The events, in Event Grid's schema or as CloudEvents 1.0.
    pub events: Vec<Json>,
    /// The event subscription.
    #[serde(default = "default_subscription")]
    pub subscription: String,
    /// How often each was tried before.
    #[serde(default)]
    pub delivery_count: u32,
    /// The delivery property `PartitionKey`.
    #[serde(default)]
    pub partition_key: Option<String>,
    /// One partition, whatever the key.
    #[serde(default)]
    pub partition: Option<String>,
    /// Whether a body is an array of one event, or the bare event. What the service does is not documented beyond doubt,
    /// so a reader has to understand both.
    #[serde(default)]
    pub as_array: bool,
}

/// Stores them; gives how many.
///
/// # Errors
/// What there is not.
pub(crate) fn inject(namespace: &Namespace, hub: &str, injection: &Injection) -> Result<usize, String> {
    let hub = namespace.hub(hub).ok_or_else(|| format!("there is no hub {hub}"))?;
    let count = injection.events.len();
    for event in &injection.events {
        let partition = match &injection.partition {
            Some(id) => hub.partition(id).ok_or_else(|| format!("there is no partition {id}"))?,
            None => hub.choose(injection.partition_key.as_deref()),
        };
        namespace.store(hub, partition, vec![message(event, injection)]);
    }
    Ok(count)
}

fn message(event: &Json, injection: &Injection) -> AmqpMessage {
    let text = |name: &str| event.get(name).and_then(Json::as_str);
    let mut headers = OrderedMap::new();
    let mut set = |name: &str, value: String| {
        headers.insert(name.to_owned(), SimpleValue::String(value));
    };
    set("aeg-subscription-name", injection.subscription.clone());
    set("aeg-delivery-count", injection.delivery_count.to_string());
    set("aeg-event-type", "Notification".to_owned());
    if let Some(version) = text("specversion").or(text("metadataVersion")) {
        set("aeg-metadata-version", version.to_owned());
    }
    if let Some(version) = text("dataVersion") {
        set("aeg-data-version", version.to_owned());
    }
    if let Some(id) = text("id") {
        set("aeg-output-event-id", id.to_owned());
    }
    let body = if injection.as_array { json!([event]) } else { event.clone() }.to_string();
    let data = Data(Binary::from(body.into_bytes()));
    let mut message = Message::builder()
        .application_properties(ApplicationProperties(headers))
        .body(Body::<Value>::Data(vec![data].into()))
        .build();
    if let Some(key) = &injection.partition_key {
        event::annotate(&mut message, "x-opt-partition-key", Value::String(key.clone()));
    }
    message
}

fn default_subscription() -> String {
    "TANDEM-SIM".to_owned()
}
