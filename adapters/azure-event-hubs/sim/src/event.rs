//! What a client sends, taken apart into events, and what a judge is told of them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fe2o3_amqp_types::definitions::Error;
use fe2o3_amqp_types::messaging::annotations::OwnedKey;
use fe2o3_amqp_types::messaging::{Body, Message, MessageAnnotations, MessageId};
use fe2o3_amqp_types::primitives::{SimpleValue, Value};
use serde_json::{Map, Value as Json, json};

use crate::{conditions, nesting};

/// A message with any body.
pub(crate) type AmqpMessage = Message<Body<Value>>;

/// The message format of a batch: one data section for each encoded message.
pub(crate) const BATCH_FORMAT: u32 = 0x8001_3700;
/// The annotation that holds a partition key.
const PARTITION_KEY: &str = "x-opt-partition-key";

/// The events of one transfer, all of one partition key.
pub(crate) struct Sent {
    pub(crate) key: Option<String>,
    pub(crate) events: Vec<AmqpMessage>,
}

/// Takes one transfer apart.
///
/// # Errors
/// The condition with which it is rejected.
pub(crate) fn unpack(format: u32, envelope: AmqpMessage) -> Result<Sent, Error> {
    let key = partition_key(&envelope);
    if format != BATCH_FORMAT {
        return Ok(Sent { key, events: vec![envelope] });
    }
    let Body::Data(sections) = envelope.body else {
        return Err(conditions::undecodable());
    };
    let mut events = Vec::new();
    for section in sections.into_inner() {
        let mut event = nesting::decode(section.0.as_ref()).map_err(|_| conditions::undecodable())?;
        // The key of a batch is on its envelope; not every client repeats it inside.
        if let (Some(key), None) = (&key, partition_key(&event)) {
            annotate(&mut event, PARTITION_KEY, Value::String(key.clone()));
        }
        events.push(event);
    }
    let key = key.or_else(|| events.first().and_then(partition_key));
    if events.is_empty() {
        Err(conditions::argument_error("the batch is empty".to_owned()))
    } else {
        Ok(Sent { key, events })
    }
}

/// Sets an annotation, in place of one of the same name.
pub(crate) fn annotate(event: &mut AmqpMessage, name: &str, value: Value) {
    event.message_annotations.get_or_insert_with(MessageAnnotations::default).0.insert(OwnedKey::from(name), value);
}

/// The partition key of an event.
pub(crate) fn partition_key(event: &AmqpMessage) -> Option<String> {
    let annotations = &event.message_annotations.as_ref()?.0;
    annotations.iter().find_map(|(name, value)| match (name, value) {
        (OwnedKey::Symbol(name), Value::String(key)) if name.as_str() == PARTITION_KEY => Some(key.clone()),
        _ => None,
    })
}

/// The message id as text; binary ones as base64.
pub(crate) fn message_id(event: &AmqpMessage) -> Option<String> {
    Some(match event.properties.as_ref()?.message_id.as_ref()? {
        MessageId::Ulong(number) => number.to_string(),
        MessageId::Uuid(uuid) => uuid_text(uuid.as_inner()),
        MessageId::Binary(bytes) => STANDARD.encode(bytes),
        MessageId::String(text) => text.clone(),
    })
}

fn uuid_text(bytes: &[u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (place, byte) in bytes.iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

/// The bytes of a body; those of a value are what it looks like.
pub(crate) fn body_bytes(event: &AmqpMessage) -> Vec<u8> {
    match &event.body {
        Body::Data(sections) => sections.iter().flat_map(|section| section.0.iter().copied()).collect(),
        Body::Value(value) => match &value.0 {
            Value::String(text) => text.clone().into_bytes(),
            Value::Binary(bytes) => bytes.to_vec(),
            other => format!("{other:?}").into_bytes(),
        },
        Body::Sequence(values) => format!("{values:?}").into_bytes(),
        Body::Empty => Vec::new(),
    }
}

/// What a judge is told of an event: message id, key, application properties, and the body as text, as base64
/// (`body_base64`) where it is none, or only its length (`body_bytes`) above `longest` bytes.
pub(crate) fn told(event: &AmqpMessage, longest: usize) -> Map<String, Json> {
    let mut told = Map::new();
    told.insert("message_id".to_owned(), json!(message_id(event)));
    told.insert("partition_key".to_owned(), json!(partition_key(event)));
    let mut properties = Map::new();
    for (name, value) in event.application_properties.iter().flat_map(|properties| properties.0.iter()) {
        properties.insert(name.clone(), simple(value));
    }
    told.insert("properties".to_owned(), Json::Object(properties));
    let body = body_bytes(event);
    if body.len() > longest {
        told.insert("body_bytes".to_owned(), json!(body.len()));
    } else {
        match String::from_utf8(body) {
            Ok(text) => told.insert("body".to_owned(), json!(text)),
            Err(error) => told.insert("body_base64".to_owned(), json!(STANDARD.encode(error.as_bytes()))),
        };
    }
    told
}

fn simple(value: &SimpleValue) -> Json {
    match value {
        SimpleValue::Null => Json::Null,
        SimpleValue::Bool(value) => json!(value),
        SimpleValue::Int(value) => json!(value),
        SimpleValue::Long(value) => json!(value),
        SimpleValue::Uint(value) => json!(value),
        SimpleValue::Ulong(value) => json!(value),
        SimpleValue::String(value) => json!(value),
        SimpleValue::Symbol(value) => json!(value.as_str()),
        other => json!(format!("{other:?}")),
    }
}
