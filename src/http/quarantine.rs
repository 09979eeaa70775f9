//! `/v1/quarantine`: what could not be understood; look at it, send it back, discard it.

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;

use super::following::{Following, Refused, either, json as answer, not_now};
use super::problem::{Code, problem};
use super::query::{Query, wrong};
use super::segment::Named;
use crate::config::Scope;
use crate::delivery::{QuarantineId, Verdict};
use crate::desk::{Done, Priority, Work};

/// Entries of one list at most.
const LISTED: usize = 200;

pub(super) fn routes(following: Following) -> Router {
    Router::new()
        .route("/v1/quarantine", get(list))
        .route("/v1/quarantine/{id}", get(one).delete(discard))
        .route("/v1/quarantine/{id}/redrive", post(redrive))
        .with_state(following)
}

/// Oldest first. `next` is what comes into `after` for more.
async fn list(State(following): State<Following>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let listed = async {
        following.admit(&headers, Scope::Operate)?;
        let query = Query::read(query.as_deref(), &["after", "limit"])?;
        let most = query.limit(LISTED)?;
        let after = query.get("after").map(str::parse::<QuarantineId>).transpose();
        let after = after.map_err(|error| wrong(&error.to_string()))?;
        let found = following.read(move |reader| reader.quarantine(after, most)).await?;
        let next = found.last().filter(|_| found.len() == most).map(|last| last.id);
        Ok::<_, Refused>(answer(&json!({ "quarantine": found, "next": next })))
    };
    either(listed.await)
}

async fn one(State(following): State<Following>, headers: HeaderMap, Named(id): Named<String>) -> Response {
    let shown = async {
        following.admit(&headers, Scope::Operate)?;
        let (id, sight) = (named(&id)?, following.sight(&headers));
        let found = following.read(move |reader| reader.quarantined(id, sight)).await?;
        found.map(|found| answer(&found)).ok_or_else(nothing)
    };
    either(shown.await)
}

async fn redrive(State(following): State<Following>, headers: HeaderMap, Named(id): Named<String>) -> Response {
    let redriven = async {
        following.admit(&headers, Scope::Operate)?;
        let id = named(&id)?;
        let redriving = following.redriving.clone();
        let verdict = following.tasks.blocking(move || redriving.decode(id)).await;
        let incoming = match verdict.map_err(|error| Box::new(following.unreadable(&error)))? {
            Verdict::Understood(incoming) => incoming,
            Verdict::NoSuch => return Err(nothing()),
            Verdict::NotYet(why) => return Err(conflict(&format!("it is still not understood: {why}"))),
            Verdict::NoInstance(name) => return Err(conflict(&format!("no adapter instance {name} is configured"))),
            Verdict::Gone => {
                return Err(Box::new(problem(
                    Code::Gone,
                    "its bytes are no longer kept; all that can be done is to discard it",
                )));
            }
        };
        let done = submit(&following, Work::Redrive { row: id.0, incoming }).await?;
        Ok::<_, Refused>(answer(&json!({ "id": id, "interaction": done.interaction })))
    };
    either(redriven.await)
}

async fn discard(State(following): State<Following>, headers: HeaderMap, Named(id): Named<String>) -> Response {
    let discarded = async {
        following.admit(&headers, Scope::Operate)?;
        submit(&following, Work::Discard { row: named(&id)?.0 }).await?;
        Ok::<_, Refused>(StatusCode::NO_CONTENT.into_response())
    };
    either(discarded.await)
}

/// Has the desk do it; somebody else may have been faster.
async fn submit(following: &Following, work: Work) -> Result<Done, Refused> {
    match following.desk.submit(Priority::Webhook, work).await {
        Ok(Done { duplicate: true, .. }) => Err(nothing()),
        Ok(done) => Ok(done),
        Err(error) => Err(Box::new(not_now(error))),
    }
}

fn named(id: &str) -> Result<QuarantineId, Refused> {
    id.parse().map_err(|_| nothing())
}

fn nothing() -> Refused {
    Box::new(problem(Code::NotFound, "nothing of this id is in quarantine"))
}

fn conflict(detail: &str) -> Refused {
    Box::new(problem(Code::Conflict, detail))
}
