//! `POST /v1/erasures`: a customer's personal data become unreadable, for ever. The log still folds.

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::post;
use serde::Deserialize;
use serde_json::json;
use tandem_sdk::model::{Identity, IdentityKind, InteractionId};
use uuid::Uuid;

use super::following::{Following, Refused, either, json as answer, not_now};
use super::hooks::read;
use super::problem::{Code, problem};
use super::query::wrong;
use crate::config::Scope;
use crate::desk::Whose;

/// What a body must be.
const EXPECTED: &str = "expected {\"interaction\": id}, or {\"identity\": {\"kind\": \"customer\" | \"phone\" | \"email\" | \
                        \"communication_user\", \"value\": text}}";

/// Who is to be erased: the customer of an interaction, or whoever has an identity.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    #[serde(default)]
    interaction: Option<Uuid>,
    #[serde(default)]
    identity: Option<WishedIdentity>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WishedIdentity {
    kind: IdentityKind,
    value: String,
}

pub(super) fn routes(following: Following) -> Router {
    Router::new().route("/v1/erasures", post(create)).with_state(following)
}

async fn create(State(following): State<Following>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let erased = async {
        following.admit(&parts.headers, Scope::Operate)?;
        let body = read(body, following.body).await?;
        // What is wrong is not quoted: it is somebody's identity.
        let wish: Wish = serde_json::from_slice(&body).map_err(|_| wrong(EXPECTED))?;
        let whose = match (wish.interaction, wish.identity) {
            (Some(id), None) => Whose::Interaction(InteractionId(id)),
            (None, Some(WishedIdentity { kind, value })) => {
                Whose::Identity(Identity { kind, value: value.into(), source: "erasure".to_owned(), verified: true })
            }
            _ => return Err(wrong(EXPECTED)),
        };
        let subjects = following.desk.subjects_of(whose).await.map_err(|error| Box::new(not_now(error)))?;
        if subjects.is_empty() {
            return Err(Box::new(problem(Code::NotFound, "nothing of this customer is known here")));
        }
        following.desk.erase(subjects.clone()).await.map_err(|error| Box::new(not_now(error)))?;
        tracing::info!(subjects = subjects.len(), "personal data were erased");
        Ok::<_, Refused>(answer(&json!({ "subjects": subjects })))
    };
    either(erased.await)
}
