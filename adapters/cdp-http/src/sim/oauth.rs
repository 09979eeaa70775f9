//! The authorization server: client credentials (RFC 6749, section 4.4).

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, StatusCode, header};
use serde_json::json;

use super::state::Sim;

pub(super) async fn grant(State(sim): State<Arc<Sim>>, headers: HeaderMap, body: String) -> Response {
    match check(&sim, &headers, &body) {
        Ok(scopes) => {
            let Some(token) = sim.grant(&scopes) else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
            let seconds = sim.settings.token_seconds;
            let mut answer = json!({ "access_token": token, "token_type": "Bearer", "expires_in": seconds });
            if !scopes.is_empty() {
                answer["scope"] = scopes.join(" ").into();
            }
            ([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response()
        }
        Err(code) => {
            sim.ledger.enter("token.refused", code, json!({}));
            let body = Json(json!({ "error": code }));
            if code == "invalid_client" {
                let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"cdp\"")];
                (StatusCode::UNAUTHORIZED, challenge, body).into_response()
            } else {
                (StatusCode::BAD_REQUEST, body).into_response()
            }
        }
    }
}

/// The scopes to grant, or the error code of section 5.2.
fn check(sim: &Sim, headers: &HeaderMap, body: &str) -> Result<Vec<String>, &'static str> {
    let form_encoded = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("application/x-www-form-urlencoded"));
    if !form_encoded {
        return Err("invalid_request");
    }
    let mut parameters = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(body.as_bytes()) {
        // Section 3.2: parameters must not be given twice.
        if parameters.insert(name.into_owned(), value.into_owned()).is_some() {
            return Err("invalid_request");
        }
    }
    let named = |name: &str| parameters.get(name).cloned();
    let by_header = basic(headers)?;
    let by_body = named("client_id").zip(named("client_secret"));
    let (client_id, secret) = match (by_header, by_body) {
        // Section 2.3: one way to authenticate in a request.
        (Some(_), Some(_)) => return Err("invalid_request"),
        (Some(client), None) | (None, Some(client)) => client,
        (None, None) => return Err("invalid_client"),
    };
    if client_id != sim.settings.client_id || secret != sim.settings.client_secret {
        return Err("invalid_client");
    }
    match parameters.get("grant_type").map(String::as_str) {
        Some("client_credentials") => {}
        Some(_) => return Err("unsupported_grant_type"),
        None => return Err("invalid_request"),
    }
    let asked: Vec<String> = named("scope").unwrap_or_default().split_whitespace().map(str::to_owned).collect();
    let allowed = &sim.settings.scopes;
    if asked.iter().any(|scope| !allowed.is_empty() && !allowed.contains(scope)) {
        return Err("invalid_scope");
    }
    Ok(asked)
}

/// User and password of HTTP Basic, each form-encoded (section 2.3.1).
fn basic(headers: &HeaderMap) -> Result<Option<(String, String)>, &'static str> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let decoded = value
        .to_str()
        .ok()
        .and_then(|value| value.strip_prefix("Basic "))
        .and_then(|value| STANDARD.decode(value).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let pair = decoded.as_ref().and_then(|text| text.split_once(':')).ok_or("invalid_client")?;
    let plain = |text: &str| {
        let encoded = format!("x={text}");
        url::form_urlencoded::parse(encoded.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
    };
    Ok(Some((plain(pair.0), plain(pair.1))))
}
