//! `GET /v1/events`: the canonical stream, as pages or as Server-Sent Events.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tandem_sdk::model::InteractionId;

use super::following::{Following, Refused, either, not_now};
use super::problem::{Code, problem};
use super::query::{Query, wrong};
use super::stream::{self, Stream};
use crate::config::Scope;
use crate::delivery::{Among, Cursor, Page, Wanted};

/// Header with the cursor behind a page.
static CURSOR: HeaderName = HeaderName::from_static("tandem-cursor");
/// Header that says whether more is there already.
static MORE: HeaderName = HeaderName::from_static("tandem-more");
/// What a stream that is taken up again says it has seen.
const LAST_EVENT_ID: &str = "last-event-id";
/// Media type of pages.
const NDJSON: HeaderValue = HeaderValue::from_static("application/x-ndjson");

pub(super) fn routes(following: Following) -> Router {
    Router::new().route("/v1/events", get(events)).with_state(following)
}

async fn events(State(following): State<Following>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    either(follow(following, &headers, query.as_deref()).await)
}

async fn follow(following: Following, headers: &HeaderMap, raw: Option<&str>) -> Result<Response, Refused> {
    following.admit(headers, Scope::Read)?;
    let query = Query::read(raw, &["after", "limit", "interaction", "type"])?;
    let interaction = match query.get("interaction").map(str::parse) {
        None => None,
        Some(Ok(id)) => Some(InteractionId(id)),
        Some(Err(_)) => return Err(wrong("interaction is the id of an interaction, a UUID")),
    };
    let wanted = Wanted {
        interaction,
        prefix: query.get("type").map(str::to_owned),
        sight: following.sight(headers),
        most: query.limit(following.settings.page)?,
    };
    let is_stream = headers
        .get_all(header::ACCEPT)
        .iter()
        .any(|accept| accept.to_str().is_ok_and(|accept| accept.contains("text/event-stream")));
    let last = headers.get(LAST_EVENT_ID).and_then(|value| value.to_str().ok()).filter(|value| !value.is_empty());
    // A browser that takes a stream up again sends the address as it was and the id of what it saw last.
    let after = last.filter(|_| is_stream).or(query.get("after"));
    let from = after.map(|after| following.cursor(after)).transpose()?;
    let among = match interaction {
        Some(id) => Some(records_of(&following, id).await?),
        None => None,
    };
    if is_stream {
        return stream(following, from, wanted, among).await;
    }
    let link = query.get("type").map(|prefix| ("type", prefix));
    let link = link.into_iter().chain(query.get("interaction").map(|id| ("interaction", id)));
    let link: Vec<(&str, String)> = link.map(|(name, value)| (name, value.to_owned())).collect();
    let most = wanted.most;
    let page = following.read(move |reader| reader.page(from, &wanted, among.as_ref())).await?;
    Ok(paged(&page, &page.next.write(following.reader.source()), most, &link))
}

/// Where an interaction's events are; what is recorded after this moment is searched.
async fn records_of(following: &Following, id: InteractionId) -> Result<Among, Refused> {
    let until = *following.desk.committed().borrow();
    match following.desk.interaction(id).await {
        Ok(Some(it)) => Ok(Among { records: it.records, until }),
        Ok(None) => Err(Box::new(problem(Code::NotFound, "no interaction of this id"))),
        Err(error) => Err(Box::new(not_now(error))),
    }
}

fn paged(page: &Page, cursor: &str, most: usize, filters: &[(&str, String)]) -> Response {
    let mut lines = Vec::new();
    for item in &page.items {
        // An event is strings, numbers and what serde_json itself made.
        if serde_json::to_writer(&mut lines, &item.event).is_ok() {
            lines.push(b'\n');
        }
    }
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("after", cursor).append_pair("limit", &most.to_string());
    query.extend_pairs(filters);
    let link = format!("</v1/events?{}>; rel=\"next\"", query.finish());
    let mut response = lines.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, NDJSON);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(MORE.clone(), HeaderValue::from_static(if page.at_end { "false" } else { "true" }));
    for (name, value) in [(CURSOR.clone(), cursor), (header::LINK, link.as_str())] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    response
}

async fn stream(
    following: Following,
    from: Option<Cursor>,
    wanted: Wanted,
    among: Option<Among>,
) -> Result<Response, Refused> {
    let Ok(place) = Arc::clone(&following.places).try_acquire_owned() else {
        return Err(Box::new(problem(
            Code::NotNow,
            "all places for streams are taken; delivery.streams says how many there are",
        )));
    };
    // What is wrong with the cursor is said before anything is streamed.
    let from = following.read(move |reader| reader.begin(from)).await?;
    let body = Body::from_stream(stream::body(Stream::new(following, from, wanted, among, place)));
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
