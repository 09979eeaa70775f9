//! A simulated cloud, a subscriber, and a client that signs.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tandem_sdk::sim::{Authority, Entry, Served, serve};
use tempfile::TempDir;

use crate::sim::{Running, Settings, run};

pub(super) const INSTANCE: &str = "5f1ab6ce-7a3b-4c57-9d0f-3c1f6f2a9b11";
pub(super) const FLOW: &str = "846ec553-a005-41c0-8341-27b2a9f2a8c1";
pub(super) const GOLD: &str = "c0ffee00-0000-4000-8000-000000000001";
pub(super) const ADA: &str = "ada00000-0000-4000-8000-000000000001";
pub(super) const BEN: &str = "be000000-0000-4000-8000-000000000002";
pub(super) const TOPIC: &str = "arn:aws:sns:eu-central-1:111122223333:tandem-chat";
pub(super) const KEY_ID: &str = "AKIDTANDEM";
pub(super) const SECRET: &str = "not-a-real-secret";

/// A cloud and what it pushed so far.
pub(super) struct World {
    pub(super) cloud: Running,
    pub(super) client: reqwest::Client,
    pub(super) inbox: Inbox,
    _subscriber: Served,
    _dir: TempDir,
}

/// What the subscriber got.
#[derive(Clone, Default)]
pub(super) struct Inbox {
    pub(super) events: Arc<Mutex<Vec<(HeaderMap, Value)>>>,
    pub(super) notifications: Arc<Mutex<Vec<(HeaderMap, Value)>>>,
    /// What the subscriber answers to the next pushes; 200 when it is empty.
    pub(super) answers: Arc<Mutex<Vec<u16>>>,
}

impl World {
    /// A cloud with the shipped flow, two agents and no limits, changed as wished.
    pub(super) async fn with(change: impl FnOnce(&mut Value)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::open(dir.path()).unwrap();
        let inbox = Inbox::default();
        let routes = Router::new()
            .route("/events", post(take_event))
            .route("/sns", post(take_notification))
            .route("/token", post(async || r#"{"access_token":"bearer","token_type":"bearer","expires_in":3600}"#))
            .with_state(inbox.clone());
        let tls = authority.server_config(&["localhost"]).unwrap();
        let subscriber = serve("127.0.0.1:0".parse().unwrap(), tls, routes).await.unwrap();
        let hook = format!("https://localhost:{}", subscriber.addr.port());
        let flow = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/aws/tandem-chat-flow.json");
        let mut settings = json!({
            "listen": "127.0.0.1:0", "ca": dir.path(), "instance_id": INSTANCE,
            "access_key_id": KEY_ID, "secret_access_key": SECRET, "flows": { FLOW: flow }, "limits": "off",
            "queues": [{ "id": GOLD, "name": "Gold" }],
            "agents": [agent(ADA, "Ada"), agent(BEN, "Ben")],
            "eventbridge": {
                "url": format!("{hook}/events"),
                "authorization": { "api_key": { "header": "x-tandem-key", "value": "k" } },
            },
            "sns": { "topics": [TOPIC], "endpoint": format!("{hook}/sns") },
            "time_scale": 20.0,
        });
        change(&mut settings);
        let settings: Settings = serde_json::from_value(settings).unwrap();
        let cloud = run(settings).await.unwrap();
        let client = reqwest::Client::builder().no_proxy().resolve("sns.eu-central-1.amazonaws.com", cloud.addr);
        let client = authority.trusted_by(client).unwrap().build().unwrap();
        Self { cloud, client, inbox, _subscriber: subscriber, _dir: dir }
    }

    /// Confirms the subscription as the hub would: by the address in the message.
    pub(super) async fn confirm_subscription(&self) {
        let message = self.notification(|body| body["Type"] == "SubscriptionConfirmation").await;
        let url = message["SubscribeURL"].as_str().unwrap();
        assert_eq!(self.client.get(url).send().await.unwrap().status(), 200);
    }

    pub(super) async fn event(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let events = Arc::clone(&self.inbox.events);
        until(move || events.lock().unwrap().iter().map(|(_, body)| body).find(|body| wanted(&body["detail"])).cloned())
            .await
    }

    pub(super) async fn notification(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let notifications = Arc::clone(&self.inbox.notifications);
        until(move || notifications.lock().unwrap().iter().map(|(_, body)| body).find(|body| wanted(body)).cloned())
            .await
    }

    /// The chat item in a notification.
    pub(super) async fn item(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let message = self.notification(|body| wanted(&item_of(body))).await;
        item_of(&message)
    }

    pub(super) async fn effect(&self, effect: &str) -> Entry {
        let ledger = self.cloud.ledger.clone();
        until(move || ledger.entries().into_iter().find(|entry| entry.effect == effect)).await
    }

    pub(super) fn effects(&self, effect: &str) -> Vec<Entry> {
        self.cloud.ledger.entries().into_iter().filter(|entry| entry.effect == effect).collect()
    }

    /// The types of the contact events of a contact, as they arrived.
    pub(super) fn event_types(&self, contact: &str) -> Vec<String> {
        let events = self.inbox.events.lock().unwrap();
        let details = events.iter().map(|(_, body)| &body["detail"]).filter(|detail| detail["contactId"] == contact);
        details.map(|detail| detail["eventType"].as_str().unwrap().to_owned()).collect()
    }
}

fn agent(id: &str, name: &str) -> Value {
    json!({
        "user_id": id, "username": name.to_lowercase(), "first_name": name, "last_name": "Example",
        "queues": ["Gold"], "after_contact_ms": null,
    })
}

pub(super) fn item_of(body: &Value) -> Value {
    body["Message"].as_str().and_then(|message| serde_json::from_str(message).ok()).unwrap_or_default()
}

/// Looks every few milliseconds, for twenty seconds.
pub(super) async fn until<T>(look: impl Fn() -> Option<T>) -> T {
    for _ in 0..4_000 {
        if let Some(found) = look() {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it did not happen within twenty seconds");
}

async fn take_event(State(inbox): State<Inbox>, headers: HeaderMap, body: Bytes) -> StatusCode {
    inbox.events.lock().unwrap().push((headers, serde_json::from_slice(&body).unwrap()));
    inbox.answer()
}

async fn take_notification(State(inbox): State<Inbox>, headers: HeaderMap, body: Bytes) -> StatusCode {
    inbox.notifications.lock().unwrap().push((headers, serde_json::from_slice(&body).unwrap()));
    inbox.answer()
}

impl Inbox {
    fn answer(&self) -> StatusCode {
        let mut answers = self.answers.lock().unwrap();
        let status = if answers.is_empty() { 200 } else { answers.remove(0) };
        StatusCode::from_u16(status).unwrap()
    }
}
