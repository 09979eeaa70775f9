//! `POST|OPTIONS /hooks/{instance}/{door}`: bytes to the intake, its reply back.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodFilter;
use axum::routing::on;
use tandem_sdk::doors::{Refusal, Reply};
use tandem_sdk::model::InstanceName;
use tokio::sync::Semaphore;

use super::problem::{Code, problem};
use super::segment::Named;
use crate::intake::{Answered, Intake};
use crate::telemetry::{ByDoor, Metrics};

/// The room behind `/hooks`.
#[derive(Clone)]
pub struct Hooks {
    intake: Intake,
    places: Arc<Semaphore>,
    patience: Duration,
    metrics: Arc<Metrics>,
}

impl Hooks {
    /// Takes at most `at_once` webhooks at a time, each of whose bodies has `patience` to come.
    pub fn new(intake: Intake, at_once: usize, patience: Duration, metrics: Arc<Metrics>) -> Self {
        Hooks { intake, places: Arc::new(Semaphore::new(at_once)), patience, metrics }
    }

    pub(super) fn routes(self) -> Router {
        let methods = MethodFilter::POST.or(MethodFilter::OPTIONS);
        Router::new().route("/hooks/{instance}/{door}", on(methods, receive)).with_state(self)
    }
}

async fn receive(
    State(hooks): State<Hooks>,
    Named((instance, door)): Named<(String, String)>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Response {
    let started = std::time::Instant::now();
    let instance = InstanceName(instance);
    let Some(cap) = hooks.intake.body_cap(&instance, &door) else {
        // Only doors that exist are counted by name: a stranger must not be able to make labels.
        return problem(Code::NotFound, "no door of this name; GET /readyz lists the doors that are open");
    };
    let response = take(&hooks, &instance, &door, query.as_deref().unwrap_or_default(), request, cap).await;
    let labels = ByDoor { instance: instance.0, door, status: response.status().as_u16() };
    hooks.metrics.webhooks.get_or_create(&labels).inc();
    hooks.metrics.webhook_seconds.observe(started.elapsed().as_secs_f64());
    response
}

async fn take(
    hooks: &Hooks,
    instance: &InstanceName,
    door: &str,
    query: &str,
    request: Request,
    cap: usize,
) -> Response {
    let Ok(_place) = hooks.places.try_acquire() else {
        return problem(Code::NotNow, "too many webhooks at once");
    };
    let (parts, body) = request.into_parts();
    // Nobody knows yet who sends this, so it may hold its place for a short time only.
    let body = match tokio::time::timeout(hooks.patience, read(body, cap)).await {
        Ok(Ok(body)) => body,
        Ok(Err(response)) => return *response,
        Err(_) => {
            return problem(Code::NotNow, "the body took too long; listen.body_timeout says how long it may take");
        }
    };
    let answered = hooks.intake.receive(instance, door, &parts.method, query, &parts.headers, &body).await;
    match answered {
        Answered::Kept(reply) => replied(reply),
        Answered::Refused(refusal @ Refusal::NotAuthentic(_)) => problem(Code::NotAuthentic, &refusal.to_string()),
        Answered::Refused(refusal @ Refusal::NoSuchDoor(_)) => problem(Code::NotFound, &refusal.to_string()),
        Answered::NoSuchInstance => problem(Code::NotFound, "no adapter instance of this name"),
        Answered::NotNow(why) => problem(Code::NotNow, why),
    }
}

/// Reads a body within the cap of its door.
pub(super) async fn read(body: Body, cap: usize) -> Result<Bytes, Box<Response>> {
    axum::body::to_bytes(body, cap).await.map_err(|error| {
        // axum's error hides which of the two it was; the limit is the one that it wraps.
        let is_limit = std::error::Error::source(&error).is_some_and(|source| source.to_string().contains("limit"));
        Box::new(match is_limit {
            true => problem(Code::TooLarge, &format!("this door takes at most {cap} bytes")),
            false => problem(Code::Malformed, "the body broke off"),
        })
    })
}

fn replied(reply: Reply) -> Response {
    let mut response = (reply.status, reply.body).into_response();
    response.headers_mut().clear();
    for (name, value) in reply.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
