//! Calls to both APIs, as an SDK makes them.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use http::{HeaderMap, Method};
use jiff::Timestamp;
use serde_json::{Value, json};
use tandem_sdk::sim::sigv4::{Arrived, Expected, authorization};

use super::world::{FLOW, INSTANCE, KEY_ID, SECRET, TOPIC, World};

/// A status, an error code and a body.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) code: String,
    pub(super) body: Value,
}

impl World {
    /// A signed call to the Connect API.
    pub(super) async fn connect(&self, method: Method, path: &str, body: &Value) -> Answer {
        let stamp = Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
        let body = if method == Method::GET { String::new() } else { body.to_string() };
        let host = format!("localhost:{}", self.cloud.addr.port());
        let mut headers = HeaderMap::new();
        headers.insert("host", host.parse().unwrap());
        headers.insert("x-amz-date", stamp.parse().unwrap());
        let (path_only, query) = path.split_once('?').unwrap_or((path, ""));
        let arrived = Arrived {
            method: method.as_str(),
            path: path_only,
            query,
            headers: &headers,
            authority: None,
            body: body.as_bytes(),
        };
        let expected =
            Expected { access_key_id: KEY_ID, secret_access_key: SECRET, region: "eu-central-1", service: "connect" };
        let signature = authorization(&arrived, &expected, &stamp, &["host", "x-amz-date"]).unwrap();
        let request = self.client.request(method, format!("https://{host}{path}"));
        let request = request.header("x-amz-date", stamp).header("authorization", signature).body(body);
        answer(request).await
    }

    /// A call to the Participant API.
    pub(super) async fn participant(&self, operation: &str, token: &str, body: &Value) -> Answer {
        let url = format!("{}/participant/{operation}", self.cloud.endpoint);
        answer(self.client.post(url).header("x-amz-bearer", token).body(body.to_string())).await
    }

    /// A call to the control routes.
    pub(super) async fn control(&self, path: &str, body: &Value) -> Answer {
        let url = format!("{}/sim/{path}", self.cloud.endpoint);
        answer(self.client.post(url).json(body)).await
    }

    /// Starts a chat; its contact id and participant token.
    pub(super) async fn start(&self, client_token: &str, attributes: Value) -> (String, String) {
        let wish = start_wish(client_token, &attributes);
        let answer = self.connect(Method::PUT, "/contact/chat", &wish).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        (text(&answer.body["ContactId"]), text(&answer.body["ParticipantToken"]))
    }

    pub(super) async fn stream(&self, contact: &str, client_token: &str, topic: &str) -> Answer {
        let wish = json!({
            "InstanceId": INSTANCE, "ContactId": contact, "ClientToken": client_token,
            "ChatStreamingConfiguration": { "StreamingEndpointArn": topic },
        });
        self.connect(Method::POST, "/contact/start-streaming", &wish).await
    }

    /// Connects the customer; the connection token.
    pub(super) async fn join(&self, participant_token: &str) -> String {
        let wish = json!({ "Type": ["CONNECTION_CREDENTIALS"], "ConnectParticipant": true });
        let answer = self.participant("connection", participant_token, &wish).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        text(&answer.body["ConnectionCredentials"]["ConnectionToken"])
    }

    /// A chat that is streamed and whose customer has connected: contact id and connection token.
    pub(super) async fn chat(&self, client_token: &str, attributes: Value) -> (String, String) {
        let (contact, token) = self.start(client_token, attributes).await;
        assert_eq!(self.stream(&contact, client_token, TOPIC).await.status, 200);
        let connection = self.join(&token).await;
        (contact, connection)
    }

    pub(super) async fn describe(&self, contact: &str) -> Value {
        let answer = self.connect(Method::GET, &format!("/contacts/{INSTANCE}/{contact}"), &json!(null)).await;
        answer.body["Contact"].clone()
    }
}

pub(super) fn start_wish(client_token: &str, attributes: &Value) -> Value {
    json!({
        "InstanceId": INSTANCE, "ContactFlowId": FLOW, "ParticipantDetails": { "DisplayName": "Customer" },
        "Attributes": attributes, "ClientToken": client_token,
    })
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let code = response.headers().get("x-amzn-errortype").map(|code| code.to_str().unwrap().to_owned());
    let code = code.unwrap_or_default().trim_end_matches(':').to_owned();
    let body = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default();
    Answer { status, code, body }
}
