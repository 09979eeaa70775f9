//! A simulated runtime, a function that answers its code hooks, and a client that signs.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};
use tandem_sdk::sim::sigv4::{Arrived, Expected, authorization};
use tandem_sdk::sim::{Authority, Entry, Served, serve};
use tempfile::TempDir;

use crate::sim::{Running, Settings, run};

pub(super) const BOT: &str = "HOTELBOT01";
pub(super) const ALIAS: &str = "LIVEALIAS1";
pub(super) const SIGNED: Expected<'_> = Expected {
    access_key_id: "AKIDTANDEM",
    secret_access_key: "not-a-real-secret",
    region: "eu-central-1",
    service: "lex",
};

pub(super) struct World {
    pub(super) lex: Running,
    pub(super) client: reqwest::Client,
    pub(super) function: Function,
    _served: Served,
    _dir: TempDir,
}

/// A status, an error code, headers, and a body.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) code: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

/// What the function was asked, and what it says to the next questions; it delegates when it was told nothing.
#[derive(Clone, Default)]
pub(super) struct Function {
    pub(super) asked: Arc<Mutex<Vec<(HeaderMap, Value)>>>,
    pub(super) replies: Arc<Mutex<VecDeque<Reply>>>,
}

#[derive(Clone)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) error: bool,
    pub(super) delay: Duration,
    pub(super) body: String,
}

impl Reply {
    pub(super) fn of(body: &Value) -> Self {
        Self { status: 200, error: false, delay: Duration::ZERO, body: body.to_string() }
    }

    pub(super) fn delegate() -> Self {
        Self::of(&json!({ "sessionState": { "dialogAction": { "type": "Delegate" } } }))
    }
}

impl World {
    /// The bot of the examples, with nothing else than the defaults.
    pub(super) async fn new() -> Self {
        Self::with(|_| ()).await
    }

    pub(super) async fn with(change: impl FnOnce(&mut Value)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::open(dir.path()).unwrap();
        let function = Function::default();
        let routes = Router::new().route("/hook", post(answer)).with_state(function.clone());
        let tls = authority.server_config(&["localhost"]).unwrap();
        let served = serve("127.0.0.1:0".parse().unwrap(), tls, routes).await.unwrap();
        let mut settings = json!({
            "listen": "127.0.0.1:0", "ca": dir.path(),
            "access_key_id": SIGNED.access_key_id, "secret_access_key": SIGNED.secret_access_key,
            "bots": [{
                "id": BOT, "name": "Hotel", "aliases": { ALIAS: "live", "TSTALIASID": "TestBotAlias" },
                "script": concat!(env!("CARGO_MANIFEST_DIR"), "/examples/bot.toml"),
                "hook": {
                    "url": format!("https://localhost:{}/hook", served.addr.port()),
                    "headers": { "x-credential": "of the bot" },
                },
            }],
        });
        change(&mut settings);
        let settings: Settings = serde_json::from_value(settings).unwrap();
        let lex = run(settings).await.unwrap();
        let client = reqwest::Client::builder().no_proxy();
        let client = authority.trusted_by(client).unwrap().build().unwrap();
        Self { lex, client, function, _served: served, _dir: dir }
    }

    /// A call that is signed as `signed` says, with the clock `late` seconds late.
    pub(super) async fn call_as(
        &self,
        signed: &Expected<'_>,
        late: i64,
        method: Method,
        path: &str,
        body: &str,
    ) -> Answer {
        self.try_as(signed, late, method, path, body).await.unwrap()
    }

    /// As [`World::call_as`]; an error when no answer comes.
    pub(super) async fn try_as(
        &self,
        signed: &Expected<'_>,
        late: i64,
        method: Method,
        path: &str,
        body: &str,
    ) -> Result<Answer, reqwest::Error> {
        let now = Timestamp::from_second(Timestamp::now().as_second() - late).unwrap();
        let stamp = now.strftime("%Y%m%dT%H%M%SZ").to_string();
        let host = format!("localhost:{}", self.lex.addr.port());
        let mut headers = HeaderMap::new();
        headers.insert("host", host.parse().unwrap());
        headers.insert("x-amz-date", stamp.parse().unwrap());
        let body_bytes = body.as_bytes();
        let arrived =
            Arrived { method: method.as_str(), path, query: "", headers: &headers, authority: None, body: body_bytes };
        let signature = authorization(&arrived, signed, &stamp, &["host", "x-amz-date"]).unwrap();
        let request = self.client.request(method, format!("https://{host}{path}")).header("x-amz-date", stamp);
        read(request.header("authorization", signature).body(body.to_owned())).await
    }

    pub(super) async fn call(&self, method: Method, path: &str, body: &str) -> Answer {
        self.call_as(&SIGNED, 0, method, path, body).await
    }

    pub(super) async fn recognize(&self, session: &str, body: &Value) -> Answer {
        self.call(Method::POST, &format!("{}/text", path(session)), &body.to_string()).await
    }

    /// Says something that is understood; the answer's body.
    pub(super) async fn say(&self, session: &str, text: &str) -> Value {
        let answer = self.recognize(session, &json!({ "text": text })).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    pub(super) async fn put(&self, session: &str, body: &Value) -> Answer {
        self.call(Method::POST, &path(session), &body.to_string()).await
    }

    pub(super) async fn get(&self, session: &str) -> Answer {
        self.call(Method::GET, &path(session), "").await
    }

    pub(super) async fn control(&self, path: &str) -> Value {
        let response = self.client.get(format!("https://localhost:{}/sim/{path}", self.lex.addr.port()));
        response.send().await.unwrap().json().await.unwrap_or_default()
    }

    pub(super) fn effects(&self, effect: &str) -> Vec<Entry> {
        self.lex.ledger.entries().into_iter().filter(|entry| entry.effect == effect).collect()
    }
}

impl Function {
    /// What it says next.
    pub(super) fn reply(&self, reply: Reply) {
        self.replies.lock().unwrap().push_back(reply);
    }

    /// What it was asked last.
    pub(super) fn event(&self) -> Value {
        self.asked.lock().unwrap().last().unwrap().1.clone()
    }

    pub(super) fn sources(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked.iter().map(|(_, event)| event["invocationSource"].as_str().unwrap().to_owned()).collect()
    }
}

pub(super) fn path(session: &str) -> String {
    format!("/bots/{BOT}/botAliases/{ALIAS}/botLocales/en_US/sessions/{session}")
}

/// The kind of the next action, the name and the state of the intent.
pub(super) fn stands(body: &Value) -> (&str, &str, &str) {
    let state = &body["sessionState"];
    (
        state["dialogAction"]["type"].as_str().unwrap_or_default(),
        state["intent"]["name"].as_str().unwrap_or_default(),
        state["intent"]["state"].as_str().unwrap_or_default(),
    )
}

/// What the bot says first.
pub(super) fn said(body: &Value) -> &str {
    body["messages"][0]["content"].as_str().unwrap_or_default()
}

pub(super) async fn read(request: reqwest::RequestBuilder) -> Result<Answer, reqwest::Error> {
    let response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let code = headers.get("x-amzn-errortype").map_or("", |code| code.to_str().unwrap()).to_owned();
    let body = serde_json::from_slice(&response.bytes().await?).unwrap_or_default();
    Ok(Answer { status, code, headers, body })
}

async fn answer(State(function): State<Function>, headers: HeaderMap, body: Bytes) -> Response {
    function.asked.lock().unwrap().push((headers, serde_json::from_slice(&body).unwrap()));
    let reply = function.replies.lock().unwrap().pop_front().unwrap_or_else(Reply::delegate);
    tokio::time::sleep(reply.delay).await;
    let mut response = (StatusCode::from_u16(reply.status).unwrap(), reply.body).into_response();
    if reply.error {
        let name = HeaderName::from_static("x-amz-function-error");
        response.headers_mut().insert(name, HeaderValue::from_static("Unhandled"));
    }
    response
}
