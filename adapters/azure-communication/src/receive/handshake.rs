//! The two handshakes by which Event Grid makes sure that we want its events.

use bytes::Bytes;
use http::{HeaderMap, header};
use serde::{Deserialize, Serialize};
use tandem_sdk::doors::Reply;

/// The handshake of the EventGrid schema: an event with a code that must be sent back within 30 seconds, with 200.
pub(crate) struct Validation {
    /// Who wants to subscribe our URL.
    pub(crate) topic: String,
    code: String,
}

#[derive(Deserialize)]
struct Event {
    #[serde(default)]
    topic: String,
    data: Data,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    validation_code: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    validation_response: &'a str,
}

impl Validation {
    /// Reads the one event of the array. Nothing if it is not what it says it is.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let [event]: [Event; 1] = serde_json::from_slice(body).ok()?;
        Some(Validation { topic: event.topic, code: event.data.validation_code })
    }

    /// The synchronous answer.
    pub(crate) fn answer(&self) -> Reply {
        let body = serde_json::to_vec(&Answer { validation_response: &self.code })
            .expect("a struct of one string is always JSON");
        Reply {
            headers: vec![(header::CONTENT_TYPE.as_str(), "application/json".to_owned())],
            body: Bytes::from(body),
            ..Reply::default()
        }
    }
}

/// The handshake of the CloudEvents schema: the permission stands in headers, whatever the status. A stranger gets the
/// same 200 without them.
pub(crate) fn permission(headers: &HeaderMap, origins: &[String]) -> Reply {
    let mut reply = Reply { headers: vec![("allow", "POST, OPTIONS".to_owned())], ..Reply::default() };
    let asked = headers.get("webhook-request-origin").and_then(|origin| origin.to_str().ok()).map(super::fold);
    if let Some(origin) = asked.filter(|origin| origins.contains(origin)) {
        reply.headers.push(("webhook-allowed-origin", origin));
        // Mandatory when a rate was asked for. Our own door answers 503 when it is full, so any rate will do.
        reply.headers.push(("webhook-allowed-rate", "*".to_owned()));
    }
    reply
}
