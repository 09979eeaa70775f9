//! What a test or a demo tells the simulator while it runs.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use http::StatusCode;

use super::script::{Mode, ScriptedProfile};
use super::state::Sim;

pub(super) fn routes() -> Router<Arc<Sim>> {
    Router::new()
        .route("/sim/cdp/mode", post(set_mode))
        .route("/sim/cdp/profiles", post(add_profile))
        .route("/sim/cdp/revoke", post(revoke))
}

async fn set_mode(State(sim): State<Arc<Sim>>, Json(mode): Json<Mode>) -> StatusCode {
    sim.set_mode(mode);
    StatusCode::NO_CONTENT
}

async fn add_profile(State(sim): State<Arc<Sim>>, Json(profile): Json<ScriptedProfile>) -> Response {
    if sim.add(profile) {
        StatusCode::NO_CONTENT.into_response()
    } else {
        (StatusCode::INSUFFICIENT_STORAGE, "too many profiles").into_response()
    }
}

async fn revoke(State(sim): State<Arc<Sim>>) -> StatusCode {
    sim.revoke();
    StatusCode::NO_CONTENT
}
