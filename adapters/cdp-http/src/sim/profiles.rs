//! The profile endpoint.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Map, Value, json};
use tandem_sdk::sim::sever;

use super::script::Mode;
use super::state::Sim;

/// Largest body of [`Mode::Huge`].
const MAX_HUGE: usize = 16 << 20;

pub(super) async fn by_query(
    State(sim): State<Arc<Sim>>,
    Query(query): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Response {
    match query.as_slice() {
        [(name, value)] => answer(&sim, &headers, Some(name), value).await,
        _ => (StatusCode::BAD_REQUEST, Json(json!({ "error": "one identity, please" }))).into_response(),
    }
}

pub(super) async fn by_path(State(sim): State<Arc<Sim>>, Path(value): Path<String>, headers: HeaderMap) -> Response {
    answer(&sim, &headers, None, &value).await
}

pub(super) async fn by_body(
    State(sim): State<Arc<Sim>>,
    headers: HeaderMap,
    Json(body): Json<Map<String, Value>>,
) -> Response {
    let mut texts = body.iter().filter_map(|(name, value)| Some((name, value.as_str()?)));
    match (texts.next(), texts.next()) {
        (Some((name, value)), None) => answer(&sim, &headers, Some(name), value).await,
        _ => (StatusCode::BAD_REQUEST, Json(json!({ "error": "one identity, please" }))).into_response(),
    }
}

async fn answer(sim: &Sim, headers: &HeaderMap, name: Option<&str>, value: &str) -> Response {
    let token = match allowed(sim, headers) {
        Ok(token) => token,
        Err((status, code)) => {
            sim.ledger.enter("profile.refused", code, json!({}));
            let challenge = format!("Bearer realm=\"cdp\", error=\"{code}\"");
            return (status, [(header::WWW_AUTHENTICATE, challenge)], Json(json!({ "error": code }))).into_response();
        }
    };
    let (mode, document) = sim.find(name, value);
    let detail = json!({ "by": name, "token": token });
    tokio::time::sleep(mode.delay()).await;
    match (mode, document) {
        (Mode::Silent, _) => {
            tokio::time::sleep(Duration::from_millis(sim.settings.hold_ms)).await;
            sever()
        }
        (Mode::Broken, _) => {
            sim.ledger.enter("profile.refused", "500", detail);
            (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({ "error": "internal" }))).into_response()
        }
        (Mode::Garbage, _) => {
            sim.ledger.enter("profile.refused", "garbage", detail);
            ([(header::CONTENT_TYPE, "application/json")], "{\"id\": <html>").into_response()
        }
        (Mode::Huge { bytes }, _) => {
            sim.ledger.enter("profile.refused", "huge", detail);
            Json(json!({ "id": "x".repeat(bytes.min(MAX_HUGE)) })).into_response()
        }
        (Mode::Unknown, _) | (Mode::Normal | Mode::Slow { .. }, None) => {
            sim.ledger.enter("profile.unknown", value, detail);
            (StatusCode::NOT_FOUND, Json(json!({ "error": "not_found" }))).into_response()
        }
        (Mode::Normal | Mode::Slow { .. }, Some(document)) => {
            sim.ledger.enter("profile.found", value, detail);
            Json(document).into_response()
        }
    }
}

/// The ordinal of the token that a request carries, or the status and code of RFC 6750, section 3.1.
fn allowed(sim: &Sim, headers: &HeaderMap) -> Result<u64, (StatusCode, &'static str)> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let token = bearer.and_then(|text| sim.token(text)).ok_or((StatusCode::UNAUTHORIZED, "invalid_token"))?;
    if !sim.settings.scopes.is_empty() && token.scopes.is_empty() {
        return Err((StatusCode::FORBIDDEN, "insufficient_scope"));
    }
    Ok(token.ordinal)
}
