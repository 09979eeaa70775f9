//! A simulator, a client that signs, and a webhook that remembers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use jiff::Timestamp;
use ring::{digest, hmac};
use serde_json::{Value, json};
use tandem_sdk::sim::{Authority, Entry, Served, TimeScale, serve};

use super::super::{LimitMode, Running, Settings, Subscription, run};

/// A simulator and whoever calls it.
pub(super) struct Stage {
    pub(super) sim: Running,
    pub(super) client: reqwest::Client,
    pub(super) authority: Authority,
    key: Vec<u8>,
    _dir: tempfile::TempDir,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

impl Stage {
    pub(super) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// Time runs a thousand times faster, so that the first retry comes after 10 ms.
    pub(super) async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::open(dir.path()).unwrap();
        let mut settings = Settings {
            ca: dir.path().to_owned(),
            time_scale: TimeScale::new(1_000.0).unwrap(),
            limits: LimitMode::Off,
            ..Settings::default()
        };
        change(&mut settings);
        let key = STANDARD.decode(&settings.access_key).unwrap();
        let sim = run(settings).await.unwrap();
        let builder = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10));
        let client = authority.trusted_by(builder).unwrap().build().unwrap();
        Self { sim, client, authority, key, _dir: dir }
    }

    /// A call signed with the access key.
    pub(super) async fn signed(&self, method: Method, target: &str, body: Value) -> Reply {
        let headers = self.signature(&method, target, &body);
        self.call(method, target, headers, body).await
    }

    pub(super) fn signature(&self, method: &Method, target: &str, body: &Value) -> HeaderMap {
        let body = text(body);
        let hash = STANDARD.encode(digest::digest(&digest::SHA256, body.as_bytes()));
        let date = Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let to_sign = format!("{method}\n{target}\n{date};{};{hash}", self.sim.addr);
        let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.key), to_sign.as_bytes());
        let signed = "HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature=";
        let mut headers = HeaderMap::new();
        headers.insert("x-ms-date", date.parse().unwrap());
        headers.insert("x-ms-content-sha256", hash.parse().unwrap());
        headers.insert("authorization", format!("{signed}{}", STANDARD.encode(signature)).parse().unwrap());
        headers
    }

    /// A call to the Chat API with a user's token.
    pub(super) async fn chat(&self, token: &str, method: Method, path: &str, body: Value) -> Reply {
        let headers = HeaderMap::from_iter([(http::header::AUTHORIZATION, bearer(token))]);
        let mark = if path.contains('?') { '&' } else { '?' };
        self.call(method, &format!("/chat/{path}{mark}api-version=2024-03-07"), headers, body).await
    }

    pub(super) async fn call(&self, method: Method, target: &str, headers: HeaderMap, body: Value) -> Reply {
        let url = format!("https://{}{target}", self.sim.addr);
        let response = self.client.request(method, url).headers(headers).body(text(&body)).send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or(Value::Null);
        Reply { status, headers, body }
    }

    /// A new identity and a token with the scope `chat`: (identity, token).
    pub(super) async fn user(&self) -> (String, String) {
        let wish = json!({"createTokenWithScopes": ["chat"]});
        let made = self.signed(Method::POST, "/identities?api-version=2023-10-01", wish).await;
        assert_eq!(made.status, 201, "{made:?}");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&made.body["identity"]["id"]), text(&made.body["accessToken"]["token"]))
    }

    /// A thread of this creator with these others, path-encoded.
    pub(super) async fn thread(&self, token: &str, others: &[&str]) -> String {
        let made = self
            .chat(token, Method::POST, "threads", json!({"topic": "T", "participants": participants(others)}))
            .await;
        assert_eq!(made.status, 201, "{made:?}");
        encoded(made.body["chatThread"]["id"].as_str().unwrap())
    }

    pub(super) fn effects(&self, effect: &str) -> Vec<Entry> {
        self.sim.ledger.entries().into_iter().filter(|entry| entry.effect == effect).collect()
    }
}

pub(super) fn bearer(token: &str) -> HeaderValue {
    format!("Bearer {token}").parse().unwrap()
}

pub(super) fn participants(ids: &[&str]) -> Vec<Value> {
    ids.iter().map(|id| json!({"communicationIdentifier": {"rawId": id, "communicationUser": {"id": id}}})).collect()
}

pub(super) fn encoded(id: &str) -> String {
    id.replace(':', "%3A").replace('@', "%40")
}

fn text(body: &Value) -> String {
    if body.is_null() { String::new() } else { body.to_string() }
}

pub(super) async fn until(what: impl Fn() -> bool) {
    for _ in 0..800 {
        if what() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not within eight seconds");
}

/// One request that a webhook got.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) method: Method,
    pub(super) target: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

impl Told {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(super) fn kinds(&self) -> Vec<String> {
        let one = std::slice::from_ref(&self.body);
        let events = self.body.as_array().map_or(one, Vec::as_slice);
        let kind =
            |event: &Value| event.get("eventType").or(event.get("type")).and_then(Value::as_str).map(str::to_owned);
        events.iter().filter_map(kind).map(|kind| kind.rsplit('.').next().unwrap().to_owned()).collect()
    }
}

/// A webhook that grants every handshake and answers deliveries as scripted, 200 when the script is over.
#[derive(Clone, Default)]
pub(super) struct Webhook {
    pub(super) told: Arc<Mutex<Vec<Told>>>,
    pub(super) script: Arc<Mutex<VecDeque<u16>>>,
    /// Whether the handshake of Event Grid's own schema is answered without the code.
    pub(super) silent: bool,
}

impl Webhook {
    pub(super) fn answering(script: &[u16]) -> Self {
        Self { script: Arc::new(Mutex::new(script.iter().copied().collect())), ..Self::default() }
    }

    pub(super) async fn serve(&self, authority: &Authority, addr: std::net::SocketAddr) -> Served {
        let webhook = self.clone();
        let router = Router::new().fallback(async move |request: Request| webhook.take(request).await);
        serve(addr, authority.server_config(&["127.0.0.1"]).unwrap(), router).await.unwrap()
    }

    pub(super) async fn take(&self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let target = parts.uri.path_and_query().unwrap().to_string();
        let told = Told { method: parts.method, target, headers: parts.headers, body };
        let answer = self.answer(&told);
        self.told.lock().unwrap().push(told);
        answer
    }

    fn answer(&self, told: &Told) -> Response {
        if told.method == Method::OPTIONS {
            return [
                ("webhook-allowed-origin", "eventgrid.azure.net"),
                ("webhook-allowed-rate", "*"),
                ("allow", "POST"),
            ]
            .into_response();
        }
        if told.header("aeg-event-type") == "SubscriptionValidation" {
            let code = &told.body[0]["data"]["validationCode"];
            let body = if self.silent { json!({}) } else { json!({"validationResponse": code}) };
            return axum::Json(body).into_response();
        }
        StatusCode::from_u16(self.script.lock().unwrap().pop_front().unwrap_or(200)).unwrap().into_response()
    }

    pub(super) fn deliveries(&self) -> Vec<Told> {
        let told = self.told.lock().unwrap();
        told.iter().filter(|told| told.header("aeg-event-type") == "Notification").cloned().collect()
    }

    pub(super) fn kinds(&self) -> Vec<String> {
        self.deliveries().iter().flat_map(Told::kinds).collect()
    }
}

/// An address that was free a moment ago.
pub(super) fn free_address() -> std::net::SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

pub(super) fn subscription(addr: std::net::SocketAddr) -> Subscription {
    serde_json::from_value(json!({"name": "chat", "url": format!("https://{addr}/hooks/acs?secret=s")})).unwrap()
}
