//! `GET /v1/interactions`, one of them, its timeline and its decisions.

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use serde_json::json;

use super::following::{Following, Refused, either, json as answer, not_now};
use super::query::Query;
use super::segment::Named;
use super::view::View;
use crate::config::Scope;
use crate::delivery::Sight;

/// Interactions that one list holds at most.
const LISTED: usize = 1000;
/// Records of a timeline in one answer at most.
const LINES: usize = 500;

pub(super) fn routes(following: Following) -> Router {
    Router::new()
        .route("/v1/interactions", get(list))
        .route("/v1/interactions/{id}", get(one))
        .route("/v1/interactions/{id}/timeline", get(timeline))
        .route("/v1/interactions/{id}/decisions", get(decisions))
        .with_state(following)
}

/// Those that changed last; what closed long ago is found by its id only.
async fn list(State(following): State<Following>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let listed = async {
        following.admit(&headers, Scope::Read)?;
        let most = Query::read(query.as_deref(), &["limit"])?.limit(LISTED)?;
        let found = following.desk.interactions(most).await.map_err(|error| Box::new(not_now(error)))?;
        Ok::<_, Refused>(answer(&json!({ "interactions": found })))
    };
    either(listed.await)
}

async fn one(State(following): State<Following>, headers: HeaderMap, Named(id): Named<String>) -> Response {
    let shown = async {
        following.admit(&headers, Scope::Read)?;
        let it = following.interaction(&id).await?;
        let sight = following.sight(&headers);
        let view = following
            .read(move |reader| Ok(View::new(reader.completeness(&it)?, reader.is_erased(&it)?, it, sight)))
            .await?;
        Ok::<_, Refused>(answer(&view))
    };
    either(shown.await)
}

async fn timeline(
    State(following): State<Following>,
    headers: HeaderMap,
    Named(id): Named<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let shown = async {
        following.admit(&headers, Scope::Read)?;
        let query = Query::read(query.as_deref(), &["after", "limit"])?;
        let most = query.limit(LINES)?;
        let from = query.get("after").map(|after| following.cursor(after)).transpose()?;
        let it = following.interaction(&id).await?;
        let (id, sight) = (it.id, following.sight(&headers));
        let (lines, next) = following.read(move |reader| reader.timeline(&it, from, most, sight)).await?;
        Ok::<_, Refused>(answer(&json!({
            "interaction": id,
            "redacted": sight == Sight::Redacted,
            "records": lines,
            "next": next.map(|next| next.write(following.reader.source())),
        })))
    };
    either(shown.await)
}

async fn decisions(State(following): State<Following>, headers: HeaderMap, Named(id): Named<String>) -> Response {
    let shown = async {
        following.admit(&headers, Scope::Read)?;
        let it = following.interaction(&id).await?;
        let id = it.id;
        let made = following.read(move |reader| reader.decisions(&it)).await?;
        Ok::<_, Refused>(answer(&json!({ "interaction": id, "decisions": made })))
    };
    either(shown.await)
}
