//! `$management`: what a hub and its partitions are like.

use fe2o3_amqp_types::messaging::{AmqpValue, Body};
use fe2o3_amqp_types::primitives::{Array, OrderedMap, Timestamp as AmqpTime, Value};
use jiff::Timestamp;
use tandem_sdk::sim::{Fault, FaultKind};

use crate::event::AmqpMessage;
use crate::namespace::Hub;
use crate::partition::Partition;
use crate::request_response::{Reply, property};
use crate::sas::ANY;
use crate::session::Place;

/// Answers a request; none: no answer ever comes.
pub(crate) async fn answer(request: &AmqpMessage, place: &Place) -> Option<Reply> {
    let name = property(request, "name").unwrap_or_default();
    let Some(hub) = place.namespace.hub(name) else {
        return Some(Reply::refusal(404, format!("there is no hub {name}"), "amqp:not-found"));
    };
    match place.namespace.faults.draw(&format!("management {}", hub.name), &FaultKind::CALLS) {
        Some(Fault::Delay(delay)) => tokio::time::sleep(delay).await,
        Some(Fault::Timeout) => return None,
        Some(Fault::UnknownOutcome) => {
            place.connection.cut.notify_one();
            return None;
        }
        Some(Fault::Throttle) => {
            return Some(Reply::refusal(503, "the simulated namespace is busy", "com.microsoft:server-busy"));
        }
        Some(_) => return Some(Reply::refusal(503, "the simulated namespace failed", "amqp:internal-error")),
        None => {}
    }
    Some(read(request, hub, place))
}

fn read(request: &AmqpMessage, hub: &Hub, place: &Place) -> Reply {
    if property(request, "operation") != Some("READ") {
        return Reply::refusal(400, "the only operation is READ", "amqp:not-implemented");
    }
    if !is_allowed(hub, place) {
        return Reply::refusal(401, "no token of this connection allows it", "amqp:unauthorized-access");
    }
    let told = match property(request, "type") {
        Some("com.microsoft:eventhub") => hub_told(hub),
        Some("com.microsoft:partition") => {
            let id = property(request, "partition").unwrap_or_default();
            let Some(partition) = hub.partition(id) else {
                let why = format!("{} has no partition '{id}'", hub.name);
                return Reply::refusal(404, why, "com.microsoft:argument-out-of-range");
            };
            partition_told(hub, partition)
        }
        _ => return Reply::refusal(400, "the type is not known", "amqp:not-implemented"),
    };
    let body = Body::Value(AmqpValue(Value::Map(told)));
    Reply { status: 200, description: "OK".to_owned(), condition: None, body }
}

/// Clients put the token for the hub or for the `$management` below it.
fn is_allowed(hub: &Hub, place: &Place) -> bool {
    let (grants, now) = (&place.connection.grants, Timestamp::now());
    [hub.name.clone(), format!("{}/$management", hub.name)].iter().any(|path| grants.allow(path, &ANY, now).is_some())
}

fn hub_told(hub: &Hub) -> OrderedMap<Value, Value> {
    let ids: Vec<Value> = hub.partitions.iter().map(|partition| Value::String(partition.id.clone())).collect();
    map([
        ("name", Value::String(hub.name.clone())),
        ("type", Value::String("com.microsoft:eventhub".to_owned())),
        ("created_at", time(hub.created_at.as_millisecond())),
        ("partition_count", Value::Int(i32::try_from(ids.len()).unwrap_or(i32::MAX))),
        ("partition_ids", Value::Array(Array::from(ids))),
        ("georeplication_factor", Value::Int(1)),
    ])
}

fn partition_told(hub: &Hub, partition: &Partition) -> OrderedMap<Value, Value> {
    let standing = partition.standing();
    map([
        ("name", Value::String(hub.name.clone())),
        ("type", Value::String("com.microsoft:partition".to_owned())),
        ("partition", Value::String(partition.id.clone())),
        ("begin_sequence_number", Value::Long(standing.begin)),
        ("begin_sequence_number_epoch", Value::Int(-1)),
        ("last_enqueued_sequence_number", Value::Long(standing.last)),
        ("last_enqueued_sequence_number_epoch", Value::Int(-1)),
        ("last_enqueued_offset", Value::String(standing.last_offset.to_string())),
        ("last_enqueued_time_utc", time(standing.last_enqueued)),
        ("is_partition_empty", Value::Bool(standing.is_empty)),
    ])
}

fn time(milliseconds: i64) -> Value {
    Value::Timestamp(AmqpTime::from_milliseconds(milliseconds))
}

fn map<const N: usize>(entries: [(&str, Value); N]) -> OrderedMap<Value, Value> {
    let mut map = OrderedMap::new();
    for (name, value) in entries {
        map.insert(Value::String(name.to_owned()), value);
    }
    map
}
