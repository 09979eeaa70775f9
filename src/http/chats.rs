//! `POST /v1/chats`: a verified caller opens a chat for a customer: thread, identities, token.

use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tandem_sdk::model::{Attribute, Identity, IdentityKind, InteractionId};

use super::access::Gate;
use super::following::{Refused, json, not_now};
use super::hooks::read;
use super::problem::{Code, problem};
use crate::config::Scope;
use crate::desk::{AskedChat, Desk, DeskError, Priority, Work};
use crate::interactions::ChatRequest;

/// Longest time that the caller waits for the chat cloud.
const PATIENCE: Duration = Duration::from_secs(10);

/// Attributes that one wish may have.
const MOST_ATTRIBUTES: usize = 100;

/// Names and values of all attributes together. Connect takes 32 768 bytes; the rest is for what the hub adds.
const MOST_ATTRIBUTE_BYTES: usize = 30_000;

/// Who waits for a chat looks at it again after this, and ever less often.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// The longest time between two looks.
const LOOK_AT_LEAST: Duration = Duration::from_millis(250);

/// The room behind `/v1/chats`.
#[derive(Clone)]
pub struct Chats {
    desk: Desk,
    gate: Gate,
    body: usize,
    endpoint: String,
}

/// What the caller says of the customer. Whatever stands here the caller has verified.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    /// Same key, same chat: a request that is sent again opens no second one.
    idempotency_key: String,
    customer: Who,
    #[serde(default)]
    topic: Option<String>,
    #[serde(default)]
    language: Option<String>,
    #[serde(default)]
    attributes: std::collections::BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Who {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    customer: Option<String>,
    #[serde(default)]
    phone: Option<String>,
    #[serde(default)]
    email: Option<String>,
}

/// The chat, as the customer's client needs it.
#[derive(Serialize)]
struct Opened {
    interaction: InteractionId,
    thread: String,
    identity: String,
    token: String,
    /// Until when the token works. Asking again with the same key gets one that works longer.
    expires_at: Timestamp,
    endpoint: String,
}

impl Chats {
    /// Opens chats whose clients talk to `endpoint`.
    pub fn new(desk: Desk, gate: Gate, body: usize, endpoint: String) -> Self {
        Chats { desk, gate, body, endpoint }
    }

    pub(super) fn routes(self) -> Router {
        Router::new().route("/v1/chats", post(create)).with_state(self)
    }
}

async fn create(State(chats): State<Chats>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if let Err(refused) = chats.gate.check(&parts.headers, Scope::Chats) {
        return *refused;
    }
    let body = match read(body, chats.body).await {
        Ok(body) => body,
        Err(response) => return *response,
    };
    let wish: Wish = match serde_json::from_slice(&body) {
        Ok(wish) => wish,
        Err(error) => {
            return problem(
                Code::Malformed,
                &format!("line {}, column {}: {}", error.line(), error.column(), kind(&error)),
            );
        }
    };
    match requested(wish) {
        Ok(request) => open(&chats, request).await,
        Err(detail) => problem(Code::Malformed, detail),
    }
}

/// What is wrong with the JSON, without quoting it: it holds personal data.
fn kind(error: &serde_json::Error) -> &'static str {
    match error.classify() {
        serde_json::error::Category::Data => {
            "expected {idempotency_key, customer {name, customer, phone, email}, topic, language, attributes}"
        }
        _ => "this is no JSON",
    }
}

fn requested(wish: Wish) -> Result<ChatRequest, &'static str> {
    if wish.idempotency_key.is_empty() || wish.idempotency_key.len() > 200 {
        return Err("idempotency_key has 1 to 200 bytes");
    }
    // Names and the language are recorded in plain, so nothing but what they are may stand in them.
    let is_name = |name: &str, most: usize| {
        (1..=most).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    if wish.attributes.len() > MOST_ATTRIBUTES || !wish.attributes.keys().all(|name| is_name(name, 100)) {
        return Err("attributes are at most 100, their names 1 to 100 letters, digits, - and _");
    }
    let bytes: usize = wish.attributes.iter().map(|(name, value)| name.len().saturating_add(value.len())).sum();
    if bytes > MOST_ATTRIBUTE_BYTES {
        return Err("names and values of attributes are at most 30000 bytes together");
    }
    if wish.language.as_deref().is_some_and(|language| !is_name(language, 35)) {
        return Err("language is a tag of BCP 47, for instance de-AT");
    }
    let identity = |kind: IdentityKind, value: Option<String>| {
        value.map(|value| Identity { kind, value: value.into(), source: "caller".to_owned(), verified: true })
    };
    let identities: Vec<Identity> = [
        identity(IdentityKind::Customer, wish.customer.customer),
        identity(IdentityKind::Phone, wish.customer.phone),
        identity(IdentityKind::Email, wish.customer.email),
    ]
    .into_iter()
    .flatten()
    .collect();
    Ok(ChatRequest {
        key: wish.idempotency_key,
        party: None,
        name: wish.customer.name.into(),
        topic: wish.topic.into(),
        language: wish.language,
        identities,
        attributes: wish.attributes.into_iter().map(|(name, value)| Attribute { name, value: value.into() }).collect(),
        known_address: None.into(),
    })
}

async fn open(chats: &Chats, request: ChatRequest) -> Response {
    let mut committed = chats.desk.committed();
    let done = match chats.desk.submit(Priority::Webhook, Work::Chat(Box::new(request))).await {
        Ok(done) => done,
        Err(error) => return not_now(error),
    };
    let Some(id) = done.interaction else {
        return problem(
            Code::Conflict,
            "this idempotency_key came with another customer before; a new chat takes a new key",
        );
    };
    let opened = tokio::time::timeout(PATIENCE, async {
        let (mut pause, mut asked_for_token) = (LOOK_AGAIN, false);
        loop {
            committed.mark_unchanged();
            match look(chats, id).await? {
                Look::Opened(opened) => return Ok(opened),
                Look::TokenLacks if !asked_for_token => {
                    asked_for_token = true;
                    let renew = Work::TokenStale { interaction: id };
                    chats.desk.submit(Priority::Webhook, renew).await.map_err(|error| Box::new(not_now(error)))?;
                }
                Look::TokenLacks | Look::NotYet => {}
            }
            // Others' commits wake everybody who waits, so nobody looks at each of them.
            tokio::time::sleep(pause).await;
            pause = LOOK_AT_LEAST.min(pause.saturating_mul(2));
            if committed.changed().await.is_err() {
                return Err(Box::new(not_now(DeskError::Closed)));
            }
        }
    });
    match opened.await {
        Ok(Ok(opened)) => (StatusCode::CREATED, json(&*opened)).into_response(),
        Ok(Err(response)) => *response,
        Err(_) => {
            problem(Code::NotNow, "the chat cloud does not answer; the same idempotency_key gets this chat later")
        }
    }
}

enum Look {
    Opened(Box<Opened>),
    /// All is there but a token that works for a while.
    TokenLacks,
    NotYet,
}

async fn look(chats: &Chats, id: InteractionId) -> Result<Look, Refused> {
    let chat = chats.desk.asked_chat(id).await.map_err(|error| Box::new(not_now(error)))?;
    let Some(AskedChat { thread, identity, token, is_over }) = chat else { return Ok(Look::NotYet) };
    match (thread, identity.reveal(), token) {
        _ if is_over => {
            Err(Box::new(problem(Code::Conflict, "this chat is over, or the chat cloud refused to open it")))
        }
        (Some(thread), Some(identity), Some((token, expires_at))) => Ok(Look::Opened(Box::new(Opened {
            interaction: id,
            thread,
            identity: identity.to_owned(),
            token: token.reveal().to_owned(),
            expires_at,
            endpoint: chats.endpoint.clone(),
        }))),
        (Some(_), Some(_), None) => Ok(Look::TokenLacks),
        _ => Ok(Look::NotYet),
    }
}
