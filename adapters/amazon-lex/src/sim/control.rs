//! The control routes beside those of the kit.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::dialog::Remembered;
use super::runtime::Runtime;
use super::sessions::Key;

/// - `GET /sim/sessions`: the sessions that are not over.
/// - `GET /sim/sessions/{bot}/{alias}/{locale}/{session}`: one of them.
pub(super) fn routes() -> Router<Arc<Runtime>> {
    Router::new().route("/sim/sessions", get(list)).route("/sim/sessions/{bot}/{alias}/{locale}/{session}", get(show))
}

async fn list(State(runtime): State<Arc<Runtime>>) -> Json<Value> {
    let open = runtime.sessions.list(Timestamp::now());
    Json(open.iter().map(|(key, remembered)| told(key, remembered)).collect())
}

async fn show(State(runtime): State<Arc<Runtime>>, Path(ids): Path<(String, String, String, String)>) -> Response {
    let (bot, alias, locale, session) = ids;
    let key = Key { bot, alias, locale, session };
    match runtime.sessions.read(&key, Timestamp::now()) {
        Some(remembered) => Json(told(&key, &remembered)).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn told(key: &Key, remembered: &Remembered) -> Value {
    json!({
        "botId": key.bot, "botAliasId": key.alias, "localeId": key.locale, "sessionId": key.session,
        "sessionState": remembered.state, "messages": remembered.messages,
        "attempt": remembered.attempt, "misses": remembered.misses,
    })
}
