//! The `detail` of a contact event, in lower camel case as captured events have it.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::sim::instance::{Contact, Facts, instant};

/// What stands where a time would, when the thing has not happened.
const NOT_HAPPENED: &str = "1970-01-01T00:00:00.001Z";

/// What is said about a contact. `updated` names the properties of a `CONTACT_DATA_UPDATED`.
pub(in crate::sim) fn detail(
    facts: &Facts,
    contact: &Contact,
    kind: &str,
    updated: &[&str],
    customer_id: Option<&str>,
) -> Value {
    let time = |at: Option<Timestamp>| at.map_or_else(|| NOT_HAPPENED.to_owned(), instant);
    let mut detail = Map::new();
    let mut put = |key: &str, value: Value| {
        detail.insert(key.to_owned(), value);
    };
    put("eventType", json!(kind));
    put("contactId", json!(contact.id));
    // Both are absent on a first contact.
    if let Some(previous) = &contact.previous_id {
        put("initialContactId", json!(contact.initial_id));
        put("previousContactId", json!(previous));
    }
    put("channel", json!("CHAT"));
    put("instanceArn", json!(facts.instance_arn));
    put("initiationMethod", json!(contact.method));
    put("initiationTimestamp", json!(instant(contact.initiated_at)));
    put("connectedToSystemTimestamp", json!(time(contact.connected_to_system_at)));
    if let Some(at) = contact.disconnected_at {
        put("disconnectTimestamp", json!(instant(at)));
    }
    if let Some(reason) = contact.reason {
        put("disconnectReason", json!(reason));
    }
    if let Some(placement) = &contact.placement {
        put(
            "queueInfo",
            json!({
                "queueArn": format!("{}/queue/{}", facts.instance_arn, placement.queue.id()),
                "queueType": placement.queue.kind(),
                "enqueueTimestamp": instant(placement.enqueued_at),
            }),
        );
    }
    if let Some(agent) = agent_info(facts, contact) {
        put("agentInfo", agent);
    }
    if let Some(customer_id) = customer_id {
        put("customerId", json!(customer_id));
    }
    if !updated.is_empty() {
        put("updatedProperties", json!(updated));
    }
    put("tags", json!({ "aws:connect:instanceId": facts.instance_id }));
    put("segmentAttributes", json!({ "connect:Subtype": { "ValueString": "connect:Chat" } }));
    Value::Object(detail)
}

fn agent_info(facts: &Facts, contact: &Contact) -> Option<Value> {
    let serving = contact.serving.as_ref()?;
    let mut agent = json!({
        "agentArn": format!("{}/agent/{}", facts.instance_arn, serving.user_id),
        "connectedToAgentTimestamp": instant(serving.connected_at),
        "acceptedByAgentTimestamp": instant(serving.connected_at),
        "agentInitiatedHoldDuration": 0,
    });
    if let Some(started) = serving.after_work_started_at {
        agent["afterContactWorkStartTimestamp"] = json!(instant(started));
        if let Some(ended) = serving.after_work_ended_at {
            agent["afterContactWorkEndTimestamp"] = json!(instant(ended));
            agent["afterContactWorkDuration"] = json!(ended.duration_since(started).as_secs().max(0));
        }
    }
    Some(agent)
}
