//! What a judge asks a simulator from outside.

use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Fault, FaultKind, Faults, Ledger};

#[derive(Clone)]
struct Control {
    ledger: Ledger,
    faults: Faults,
}

/// Routes that every simulator has beside its vendor's. They ask for no credential: simulators listen on loopback.
///
/// - `GET /sim/ledger?after=SEQ&limit=N`: entries above SEQ (0 when left out) as NDJSON; header `x-sim-fell-out`
///   counts those that are gone.
/// - `GET /sim/faults`: how often each kind was drawn, of how many.
/// - `POST /sim/faults/force` `{site, fault, delay_ms?, times?}`: the next `times` (1) draws at the site get the fault.
/// - `GET /sim/health`
pub fn control_routes(ledger: Ledger, faults: Faults) -> Router {
    Router::new()
        .route("/sim/ledger", get(read_ledger))
        .route("/sim/faults", get(read_histogram))
        .route("/sim/faults/force", post(force))
        .route("/sim/health", get(async || Json(json!({"status": "ok"}))))
        .with_state(Control { ledger, faults })
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    after: u64,
    limit: Option<usize>,
}

async fn read_ledger(State(control): State<Control>, Query(page): Query<Page>) -> Response {
    let mut lines = String::new();
    for entry in control.ledger.after(page.after, page.limit.unwrap_or(usize::MAX)) {
        match serde_json::to_string(&entry) {
            Ok(line) => {
                lines.push_str(&line);
                lines.push('\n');
            }
            Err(error) => return (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        }
    }
    let fell_out = (HeaderName::from_static("x-sim-fell-out"), control.ledger.fell_out().to_string());
    ([(header::CONTENT_TYPE, "application/x-ndjson".to_owned()), fell_out], lines).into_response()
}

async fn read_histogram(State(control): State<Control>) -> Json<Value> {
    Json(json!(control.faults.histogram()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Force {
    site: String,
    fault: FaultKind,
    delay_ms: Option<u64>,
    times: Option<usize>,
}

async fn force(State(control): State<Control>, Json(wish): Json<Force>) -> Response {
    let fault = Fault::of(wish.fault, Duration::from_millis(wish.delay_ms.unwrap_or(100)));
    let all = (0..wish.times.unwrap_or(1)).all(|_| control.faults.force(&wish.site, fault));
    if all {
        StatusCode::NO_CONTENT.into_response()
    } else {
        (StatusCode::CONFLICT, Json(json!({"error": "too many forced faults wait already"}))).into_response()
    }
}
