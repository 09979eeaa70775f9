//! `/healthz`, `/readyz`, `/metrics`: what the house shows to whoever runs it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;
use tokio::sync::Mutex;

use super::problem::{Code, problem};
use crate::desk::{Desk, DeskError, Status};
use crate::intake::Intake;
use crate::telemetry::{Metrics, OPEN_METRICS, OfDesk};

/// How old what the desk said of itself may be. Anybody may look here, and the desk answers workers in the same lane.
const STALE: Duration = Duration::from_secs(1);

/// What the desk said of itself, and when it was asked.
type Told = Option<(Instant, Result<Status, DeskError>)>;

/// The room behind the signs.
#[derive(Clone)]
pub struct Signs {
    desk: Desk,
    intake: Intake,
    metrics: Arc<Metrics>,
    stopping: Arc<AtomicBool>,
    told: Arc<Mutex<Told>>,
}

impl Signs {
    /// Signs of this house; `stopping` turns readiness off.
    pub fn new(desk: Desk, intake: Intake, metrics: Arc<Metrics>, stopping: Arc<AtomicBool>) -> Self {
        Signs { desk, intake, metrics, stopping, told: Arc::default() }
    }

    /// How the desk is, or was a moment ago. It is asked by one at a time.
    async fn status(&self) -> Result<Status, DeskError> {
        let mut told = self.told.lock().await;
        if let Some((at, status)) = *told
            && at.elapsed() < STALE
        {
            return status;
        }
        let asked = Instant::now();
        let status = self.desk.status().await;
        *told = Some((asked, status));
        status
    }

    pub(super) fn routes(self) -> Router {
        Router::new()
            .route("/healthz", get(healthz))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics))
            .with_state(self)
    }
}

/// The process lives.
async fn healthz() -> &'static str {
    "ok"
}

/// Work can be taken: the desk answers, its store writes, nobody asked to stop.
async fn readyz(State(signs): State<Signs>) -> Response {
    if signs.stopping.load(Ordering::Relaxed) {
        return problem(Code::NotNow, "the hub is stopping");
    }
    match signs.status().await {
        Ok(status) if !status.is_stuck => {
            let doors: Vec<String> = signs
                .intake
                .doors()
                .into_iter()
                .map(|(instance, door, _)| format!("/hooks/{instance}/{door}"))
                .collect();
            axum::Json(json!({ "status": "ready", "desk": status, "doors": doors })).into_response()
        }
        Ok(_) => problem(Code::NotNow, "the store cannot write at the moment"),
        Err(error) => problem(Code::NotNow, &error.to_string()),
    }
}

/// Takes over what the desk tells of itself.
fn tell(desk: &OfDesk, status: &Status) {
    let count = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let size = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
    desk.records.set(count(status.next_seq.saturating_sub(1)));
    desk.commits.set(count(status.commits));
    desk.commit_seconds.set(status.commit_time.as_secs_f64());
    desk.interactions.set(size(status.in_memory));
    desk.outbox.set(size(status.owed));
    desk.in_flight.set(size(status.in_flight));
    desk.duplicates.set(count(status.duplicates));
    desk.unknown.set(count(status.unknown_kinds));
    desk.quarantined.set(count(status.quarantined));
}

async fn metrics(State(signs): State<Signs>) -> Response {
    if let Ok(status) = signs.status().await {
        tell(&signs.metrics.desk, &status);
    }
    (StatusCode::OK, [(header::CONTENT_TYPE, OPEN_METRICS)], signs.metrics.render()).into_response()
}
