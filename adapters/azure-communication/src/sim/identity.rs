//! The Identity API: users and their tokens. Calls are signed with the access key.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, post};
use axum::{Json, Router};
use bytes::Bytes;
use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::Refusal;
use super::calls::parse;
use super::limits::Limit;
use super::stamps::seven_digits;
use super::state::{Identity, Sim, World};
use super::tokens::{Claims, Scope};

pub(super) fn routes() -> Router<Arc<Sim>> {
    Router::new()
        .without_v07_checks()
        .route("/identities", post(create))
        .route("/identities/{id}", delete(remove))
        .route("/identities/{id}/:issueAccessToken", post(issue))
        .route("/identities/{id}/:revokeAccessTokens", post(revoke))
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Create {
    create_token_with_scopes: Vec<Scope>,
    expires_in_minutes: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Issue {
    scopes: Vec<Scope>,
    expires_in_minutes: Option<u64>,
}

async fn create(State(sim): State<Arc<Sim>>, body: Bytes) -> Result<Response, Refusal> {
    let wish: Create = if body.is_empty() { Create::default() } else { parse(&body)? };
    let lifetime = lifetime(wish.expires_in_minutes)?;
    sim.limits.spend(&Limit::identity("create", 1_000), Instant::now())?;
    let mut world = sim.world();
    if world.identities.len() >= sim.settings.bounds.identities {
        return Err(Refusal::unavailable());
    }
    let (one, two) = (Uuid::new_v4().as_u128(), world.identities.len());
    // `8:acs:{resource}_{suffix}`: the suffix is opaque; published ones look like this.
    let suffix = format!(
        "{two:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        one >> 112,
        one >> 96 & 0xffff,
        one & 0xffff,
        one >> 16 & 0xffff_ffff_ffff
    );
    let id = format!("8:acs:{}_{suffix}", sim.settings.resource_id);
    world.identities.insert(id.clone(), Identity::default());
    sim.ledger.enter("identity.created", &id, Value::Null);
    let mut answer = json!({"identity": {"id": id}});
    if !wish.create_token_with_scopes.is_empty() {
        answer["accessToken"] = token(&sim, &mut world, &id, &wish.create_token_with_scopes, lifetime);
    }
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

async fn issue(State(sim): State<Arc<Sim>>, Path(id): Path<String>, body: Bytes) -> Result<Response, Refusal> {
    let wish: Issue = parse(&body)?;
    if wish.scopes.is_empty() {
        return Err(Refusal::bad_request("At least one scope is required."));
    }
    let lifetime = lifetime(wish.expires_in_minutes)?;
    sim.limits.spend(&Limit::identity("issue", 1_000), Instant::now())?;
    let mut world = sim.world();
    world.living(&id).ok_or_else(|| Refusal::not_found("The identity"))?;
    Ok(Json(token(&sim, &mut world, &id, &wish.scopes, lifetime)).into_response())
}

async fn revoke(State(sim): State<Arc<Sim>>, Path(id): Path<String>) -> Result<Response, Refusal> {
    sim.limits.spend(&Limit::identity("revoke", 500), Instant::now())?;
    if !sim.world().revoke(&id) {
        return Err(Refusal::not_found("The identity"));
    }
    sim.ledger.enter("token.revoked", &id, Value::Null);
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn remove(State(sim): State<Arc<Sim>>, Path(id): Path<String>) -> Result<Response, Refusal> {
    sim.limits.spend(&Limit::identity("delete", 500), Instant::now())?;
    let mut world = sim.world();
    world.living(&id).ok_or_else(|| Refusal::not_found("The identity"))?.deleted = true;
    sim.ledger.enter("identity.deleted", &id, Value::Null);
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Documented: 60 to 1440 minutes, 1440 when left out.
fn lifetime(minutes: Option<u64>) -> Result<Duration, Refusal> {
    let minutes = minutes.unwrap_or(1_440);
    if (60..=1_440).contains(&minutes) {
        Ok(Duration::from_secs(minutes * 60))
    } else {
        Err(Refusal::bad_request("expiresInMinutes must be between 60 and 1440."))
    }
}

fn token(sim: &Sim, world: &mut World, id: &str, scopes: &[Scope], lifetime: Duration) -> Value {
    let now = Timestamp::now();
    let real = jiff::SignedDuration::try_from(sim.settings.time_scale.real(lifetime)).unwrap_or_default();
    let expires = now.saturating_add(real).unwrap_or(now);
    let serial = world.next_token();
    let claims = Claims::new(id, scopes, sim.settings.resource_id.to_string(), serial, (now, expires));
    sim.ledger.enter("token.issued", id, json!({"serial": serial, "scopes": scopes, "exp": claims.exp}));
    json!({"token": sim.mint.make(&claims), "expiresOn": seven_digits(expires)})
}
