//! What every call goes through: API version, credential, body, paging.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::request::Parts;
use http::{Uri, header};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use url::form_urlencoded;

use super::answer::Refusal;
use super::credentials::{self, Signed};
use super::state::Sim;
use super::tokens::{Claims, Scope};

/// What a request may weigh.
pub(super) const MAX_BODY: usize = 1024 * 1024;
/// The largest page of any list.
const MAX_PAGE: usize = 200;

/// Refuses calls without an `api-version` that looks like a date.
pub(super) async fn need_api_version(request: Request, next: Next) -> Response {
    match query(request.uri(), "api-version") {
        None => Refusal::bad_request("The api-version query parameter is required.").into_response(),
        Some(version) if looks_like_a_date(&version) => next.run(request).await,
        Some(version) => Refusal::bad_request(format!("The api-version {version:?} is not supported.")).into_response(),
    }
}

/// `2024-03-07`, `2025-01-01-preview`.
fn looks_like_a_date(version: &str) -> bool {
    let date = version.get(..10).unwrap_or_default();
    date.parse::<jiff::civil::Date>().is_ok() && version[10..].strip_prefix('-').is_none_or(|rest| !rest.is_empty())
}

/// Refuses calls that are not signed with the access key.
pub(super) async fn need_signature(State(sim): State<Arc<Sim>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return Refusal::too_large("The request is too large.").into_response();
    };
    let signed = Signed {
        method: &parts.method,
        path_and_query: parts.uri.path_and_query().map_or("/", |target| target.as_str()),
        host: &host(&parts),
        headers: &parts.headers,
        body: &body,
    };
    let tolerance = Duration::from_secs(sim.settings.date_tolerance_seconds);
    match credentials::check(&signed, &sim.key, Timestamp::now(), tolerance) {
        Ok(()) => next.run(Request::from_parts(parts, Body::from(body))).await,
        Err(reason) => Refusal::denied(reason).into_response(),
    }
}

/// Who calls the Chat API: the identity of a user access token that is neither expired nor revoked.
pub(super) struct Caller {
    pub(super) id: String,
    claims: Claims,
}

impl Caller {
    /// Refuses a token without the scope `chat`: `chat.join` cannot create threads.
    pub(super) fn may_create(&self) -> Result<(), Refusal> {
        if self.claims.allows(Scope::Chat) { Ok(()) } else { Err(Refusal::forbidden()) }
    }

    /// Refuses a token that has `chat.join.limited` alone: it cannot add or remove participants.
    pub(super) fn may_change_participants(&self) -> Result<(), Refusal> {
        let may = self.claims.allows(Scope::Chat) || self.claims.allows(Scope::ChatJoin);
        if may { Ok(()) } else { Err(Refusal::forbidden()) }
    }
}

impl FromRequestParts<Arc<Sim>> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, sim: &Arc<Sim>) -> Result<Self, Refusal> {
        let authorization = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = authorization.and_then(|value| value.strip_prefix("Bearer ")).ok_or_else(Refusal::unauthorized)?;
        let claims = sim.mint.check(token, Timestamp::now()).ok_or_else(Refusal::unauthorized)?;
        if !sim.world().honours(&claims) {
            return Err(Refusal::unauthorized());
        }
        if ![Scope::Chat, Scope::ChatJoin, Scope::ChatJoinLimited].into_iter().any(|scope| claims.allows(scope)) {
            return Err(Refusal::forbidden());
        }
        Ok(Self { id: claims.identity(), claims })
    }
}

/// Which part of a list is asked for, and how to ask for the next one.
pub(super) struct Paging {
    /// At most 200.
    pub(super) size: usize,
    pub(super) skip: usize,
    pub(super) start: Option<Timestamp>,
    /// Where the last page ended, as this simulator wrote it.
    pub(super) after: Option<u64>,
    base: String,
    version: String,
}

impl Paging {
    /// `nextLink`: the same list with these parameters.
    pub(super) fn next(&self, path: &str, parameters: &str) -> String {
        let start = self.start.map(|start| format!("&startTime={start}")).unwrap_or_default();
        format!("{}/chat/{path}?{parameters}{start}&maxPageSize={}&api-version={}", self.base, self.size, self.version)
    }
}

impl FromRequestParts<Arc<Sim>> for Paging {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, sim: &Arc<Sim>) -> Result<Self, Refusal> {
        let number = |name: &str| match query(&parts.uri, name).map(|text| text.parse::<usize>()) {
            None => Ok(None),
            Some(Ok(number)) => Ok(Some(number)),
            Some(Err(_)) => Err(Refusal::bad_request(format!("{name} is not a number."))),
        };
        let size = number("maxPageSize")?.unwrap_or(sim.settings.page_size);
        if size == 0 {
            return Err(Refusal::bad_request("maxPageSize must be positive."));
        }
        let start = match query(&parts.uri, "startTime").map(|text| text.parse::<Timestamp>()) {
            None => None,
            Some(Ok(start)) => Some(start),
            Some(Err(_)) => return Err(Refusal::bad_request("startTime is not a date.")),
        };
        let after = match query(&parts.uri, "syncState").map(|text| u64::from_str_radix(&text, 16)) {
            None => None,
            Some(Ok(after)) => Some(after),
            Some(Err(_)) => return Err(Refusal::bad_request("syncState is not one of ours.")),
        };
        Ok(Self {
            size: size.min(MAX_PAGE),
            skip: number("skip")?.unwrap_or(0),
            start,
            after,
            base: format!("https://{}", host(parts)),
            version: query(&parts.uri, "api-version").unwrap_or_default(),
        })
    }
}

/// A JSON body, whatever its content type says.
pub(super) fn parse<T: DeserializeOwned>(body: &Bytes) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::bad_request(format!("The request body is invalid: {error}.")))
}

/// The host as the caller knows it: `Host` in HTTP/1.1, the authority in HTTP/2.
pub(super) fn host(parts: &Parts) -> String {
    let header = parts.headers.get(header::HOST).and_then(|value| value.to_str().ok());
    header.or(parts.uri.authority().map(|authority| authority.as_str())).unwrap_or_default().to_owned()
}

fn query(uri: &Uri, name: &str) -> Option<String> {
    let pairs = form_urlencoded::parse(uri.query()?.as_bytes());
    pairs.into_iter().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_dates_with_an_optional_word_behind() {
        for version in ["2024-03-07", "2021-04-05-preview6"] {
            assert!(looks_like_a_date(version), "{version}");
        }
        for version in ["", "1", "2024-13-07", "latest", "2024-03-07-", "2024-03-0\u{e9}"] {
            assert!(!looks_like_a_date(version), "{version}");
        }
    }
}
