//! Events in Event Grid's two envelopes, and the headers of a delivery.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde_json::{Value, json};

use super::events::Event;
use super::settings::{Family, Schema};
use super::stamps::seven_digits;

const PREFIX: &str = "Microsoft.Communication.";

/// The ARM path of the resource as events of a family write it: user-level ones in camel case, thread-level ones in
/// lower case.
pub(super) fn topic(resource: &str, family: Family) -> String {
    let path = format!(
        "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/tandem/providers/Microsoft.Communication/communicationServices/{resource}"
    );
    match family {
        Family::User => path,
        Family::Thread => path.to_ascii_lowercase(),
    }
}

/// One event in its envelope.
pub(super) fn envelope(event: &Event, resource: &str, schema: Schema) -> Value {
    let (topic, kind) = (topic(resource, event.family), format!("{PREFIX}{}", event.kind));
    let (id, time) = (event.id, seven_digits(event.at));
    match schema {
        Schema::EventGrid => json!({
            "id": id, "topic": topic, "subject": event.subject, "data": event.data, "eventType": kind,
            "dataVersion": "1.0", "metadataVersion": "1", "eventTime": time,
        }),
        Schema::CloudEvents => json!({
            "id": id, "source": topic, "subject": event.subject, "data": event.data, "type": kind,
            "time": time, "specversion": "1.0",
        }),
    }
}

/// The body of a delivery: always an array in Event Grid's schema, an array in CloudEvents only when batching is on.
pub(super) fn body(envelopes: &[Value], schema: Schema, batching: bool) -> Bytes {
    let text = match (schema, envelopes) {
        (Schema::CloudEvents, [one]) if !batching => one.to_string(),
        _ => json!(envelopes).to_string(),
    };
    Bytes::from(text)
}

/// The content type of a delivery.
pub(super) fn content_type(schema: Schema, batching: bool) -> &'static str {
    match (schema, batching) {
        (Schema::EventGrid, _) => "application/json; charset=utf-8",
        (Schema::CloudEvents, false) => "application/cloudevents+json; charset=utf-8",
        (Schema::CloudEvents, true) => "application/cloudevents-batch+json; charset=utf-8",
    }
}

/// The headers that do not change from attempt to attempt, `aeg-event-type` included.
pub(super) fn headers(subscription: &str, schema: Schema, batching: bool, event_type: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut put = |name: &'static str, value: &str| {
        // Settings come from whoever runs the simulator; a name that is no header value is left out.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    put("aeg-event-type", event_type);
    // The service is said to send it in upper case, so subscribers must not compare it as written.
    put("aeg-subscription-name", &subscription.to_ascii_uppercase());
    match schema {
        Schema::EventGrid => {
            put("aeg-data-version", "1.0");
            put("aeg-metadata-version", "1");
        }
        Schema::CloudEvents => {
            put("aeg-metadata-version", "1.0");
            put("webhook-request-origin", "eventgrid.azure.net");
        }
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(schema, batching)));
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lone_cloud_event_is_an_object_and_everything_else_an_array() {
        let one = [json!({"id": 1})];
        assert_eq!(body(&one, Schema::CloudEvents, false), r#"{"id":1}"#);
        assert_eq!(body(&one, Schema::CloudEvents, true), r#"[{"id":1}]"#);
        assert_eq!(body(&one, Schema::EventGrid, false), r#"[{"id":1}]"#);
    }

    #[test]
    fn the_topic_changes_its_case_between_the_families() {
        assert!(topic("r", Family::User).contains("/resourceGroups/"));
        assert!(topic("r", Family::Thread).contains("/resourcegroups/"));
    }
}
