//! The one table from what went wrong to what the caller sees: RFC 9457 problem documents with stable codes.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// Seconds that somebody who comes at a bad moment should wait.
const RETRY_AFTER: &str = "2";

/// What went wrong, as callers see it. The codes never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The sender could not be verified, or the caller has no valid token.
    NotAuthentic,
    /// The token is not good for this.
    NotAllowed,
    /// There is nothing here.
    NotFound,
    /// This address does not take this method.
    MethodNotAllowed,
    /// The body is larger than its vendor, or this API, ever sends.
    TooLarge,
    /// The request cannot be read.
    Malformed,
    /// The same key came with another request before.
    Conflict,
    /// Not now: too much to do, a store that cannot write, a cloud that does not answer.
    NotNow,
    /// It was here once.
    Gone,
    /// A mistake of ours.
    Unexpected,
}

impl Code {
    /// Every code.
    pub const ALL: [Code; 10] = [
        Code::NotAuthentic,
        Code::NotAllowed,
        Code::NotFound,
        Code::MethodNotAllowed,
        Code::TooLarge,
        Code::Malformed,
        Code::Conflict,
        Code::NotNow,
        Code::Gone,
        Code::Unexpected,
    ];

    /// The stable code, the status and the title.
    pub fn row(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Code::NotAuthentic => ("not_authentic", StatusCode::UNAUTHORIZED, "not authentic"),
            Code::NotAllowed => ("not_allowed", StatusCode::FORBIDDEN, "not allowed"),
            Code::NotFound => ("not_found", StatusCode::NOT_FOUND, "nothing here"),
            Code::MethodNotAllowed => {
                ("method_not_allowed", StatusCode::METHOD_NOT_ALLOWED, "this address does not take this method")
            }
            Code::TooLarge => ("too_large", StatusCode::PAYLOAD_TOO_LARGE, "the body is too large"),
            Code::Malformed => ("malformed", StatusCode::BAD_REQUEST, "the request cannot be read"),
            Code::Conflict => ("conflict", StatusCode::CONFLICT, "it contradicts an earlier request"),
            Code::NotNow => ("not_now", StatusCode::SERVICE_UNAVAILABLE, "not now"),
            Code::Gone => ("gone", StatusCode::GONE, "no longer here"),
            Code::Unexpected => ("unexpected", StatusCode::INTERNAL_SERVER_ERROR, "a mistake of ours"),
        }
    }
}

#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    code: &'a str,
    detail: &'a str,
}

/// The answer for a problem. `detail` says what was found and what would be right; it never holds what was sent.
pub fn problem(code: Code, detail: &str) -> Response {
    let (name, status, title) = code.row();
    let document =
        Document { r#type: format!("urn:tandem:problem:{name}"), title, status: status.as_u16(), code: name, detail };
    let body = serde_json::to_vec(&document).unwrap_or_default();
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
    }
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_codes_stays_as_it_is() {
        let rows = Code::ALL.map(Code::row).map(|(code, status, title)| format!("{} {code}: {title}", status.as_u16()));
        insta::assert_snapshot!(rows.join("\n"), @r"
        401 not_authentic: not authentic
        403 not_allowed: not allowed
        404 not_found: nothing here
        405 method_not_allowed: this address does not take this method
        413 too_large: the body is too large
        400 malformed: the request cannot be read
        409 conflict: it contradicts an earlier request
        503 not_now: not now
        410 gone: no longer here
        500 unexpected: a mistake of ours
        ");
    }
}
