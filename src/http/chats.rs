//! `POST /v1/chats`: a verified caller opens a chat for a customer: thread, identities, token.

use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde::{Deserialize, Serialize};
use tandem_sdk::model::{Attribute, Identity, IdentityKind, InteractionId};

use super::access::Gate;
use super::hooks::read;
use super::problem::{Code, problem};
use crate::config::Scope;
use crate::desk::{Desk, DeskError, Priority, Work};
use crate::interactions::{ChatRequest, Interaction, Side};

/// Longest time that the caller waits for the chat cloud.
const PATIENCE: Duration = Duration::from_secs(10);

/// Attributes that one wish may have.
const MOST_ATTRIBUTES: usize = 100;

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
        loop {
            committed.mark_unchanged();
            match look(chats, id).await {
                Look::Opened(opened) => return Ok(opened),
                Look::Failed(response) => return Err(response),
                Look::NotYet => {}
            }
            if committed.changed().await.is_err() {
                return Err(Box::new(not_now(DeskError::Closed)));
            }
        }
    });
    match opened.await {
        Ok(Ok(opened)) => (StatusCode::CREATED, axum::Json(*opened)).into_response(),
        Ok(Err(response)) => *response,
        Err(_) => {
            problem(Code::NotNow, "the chat cloud does not answer; the same idempotency_key gets this chat later")
        }
    }
}

enum Look {
    Opened(Box<Opened>),
    Failed(Box<Response>),
    NotYet,
}

async fn look(chats: &Chats, id: InteractionId) -> Look {
    let it: Interaction = match chats.desk.interaction(id).await {
        Ok(Some(it)) => it,
        Ok(None) => return Look::NotYet,
        Err(error) => return Look::Failed(Box::new(not_now(error))),
    };
    let thread = it.legs.iter().find(|leg| leg.side == Side::Customer).map(|leg| leg.leg.native.clone());
    let token = chats.desk.secret(format!("i/{id}/customer")).await.ok().flatten();
    match (thread, it.customer.address.reveal(), token) {
        (Some(thread), Some(identity), Some(token)) => Look::Opened(Box::new(Opened {
            interaction: id,
            thread,
            identity: identity.to_owned(),
            token: token.reveal().to_owned(),
            endpoint: chats.endpoint.clone(),
        })),
        _ if it.closed.is_some() => {
            Look::Failed(Box::new(problem(Code::Conflict, "this chat is over, or the chat cloud refused to open it")))
        }
        _ => Look::NotYet,
    }
}

fn not_now(error: DeskError) -> Response {
    problem(Code::NotNow, &error.to_string())
}
