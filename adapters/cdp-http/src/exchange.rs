//! One HTTP exchange: sent, bounded, and its failures told without addresses and bodies, which hold personal data.

use std::time::Duration;

use bytes::BytesMut;
use http::{HeaderMap, StatusCode, header};
use tandem_sdk::error::{AdapterError, ErrorKind, Retry};

/// Longest pause that an answer's `Retry-After` is believed for.
const MAX_PAUSE: Duration = Duration::from_secs(3_600);

/// An answer within its bound.
pub(crate) struct Exchanged {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// Sends a request and reads its answer.
pub(crate) async fn exchange(
    http: &reqwest::Client,
    request: reqwest::Request,
    max_response: usize,
    operation: &str,
) -> Result<Exchanged, AdapterError> {
    let broken = |error: reqwest::Error| broken(&error, operation);
    let mut response = http.execute(request).await.map_err(broken)?;
    let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        if body.len() + chunk.len() > max_response {
            let detail = format!("{status}, more than {max_response} bytes");
            return Err(AdapterError::new(ErrorKind::Malformed, operation, detail));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Exchanged { status, headers, body: body.to_vec() })
}

fn broken(error: &reqwest::Error, operation: &str) -> AdapterError {
    let (kind, detail) = match error {
        error if error.is_builder() => (ErrorKind::Misconfigured, "the request cannot be written"),
        error if error.is_timeout() => (ErrorKind::Unavailable, "timed out"),
        error if error.is_connect() => (ErrorKind::Unavailable, "cannot connect"),
        _ => (ErrorKind::Unavailable, "the connection broke"),
    };
    AdapterError::new(kind, operation, detail)
}

/// What a status that is no success means; the answer to a profile question.
pub(crate) fn refused(status: StatusCode, headers: &HeaderMap, operation: &str) -> AdapterError {
    let kind = match status.as_u16() {
        300..=399 => ErrorKind::Misconfigured,
        400 | 405 | 413 | 414 | 415 | 422 => ErrorKind::Malformed,
        401 => ErrorKind::Unverified,
        403 => ErrorKind::Refused,
        408 | 425 => ErrorKind::Unavailable,
        409 => ErrorKind::Conflict,
        429 => ErrorKind::RateLimited,
        501 => ErrorKind::Unsupported,
        500..=599 => ErrorKind::Unavailable,
        _ => ErrorKind::Unexpected,
    };
    let error = AdapterError::new(kind, operation, format!("status {}", status.as_u16()));
    match pause(headers) {
        Some(pause) if error.retry == Retry::Later => error.retry(Retry::After(pause)),
        _ => error,
    }
}

/// `Retry-After` in seconds (RFC 9110, section 10.2.3). Dates are not used here: the clock is an argument elsewhere.
fn pause(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(MAX_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_a_kind_and_a_verdict() {
        let cases = [
            (302, ErrorKind::Misconfigured, Retry::Never),
            (400, ErrorKind::Malformed, Retry::Never),
            (401, ErrorKind::Unverified, Retry::Never),
            (403, ErrorKind::Refused, Retry::Never),
            (409, ErrorKind::Conflict, Retry::Never),
            (418, ErrorKind::Unexpected, Retry::Never),
            (429, ErrorKind::RateLimited, Retry::Later),
            (500, ErrorKind::Unavailable, Retry::Later),
            (501, ErrorKind::Unsupported, Retry::Never),
            (503, ErrorKind::Unavailable, Retry::Later),
        ];
        for (status, kind, retry) in cases {
            let status = StatusCode::from_u16(status).unwrap_or_default();
            let error = refused(status, &HeaderMap::new(), "GET profile");
            assert_eq!((error.kind, error.retry), (kind, retry), "{status}");
        }
    }

    #[test]
    fn retry_after_is_believed_within_reason() {
        let cases =
            [("7", Retry::After(Duration::from_secs(7))), ("999999", Retry::After(MAX_PAUSE)), ("soon", Retry::Later)];
        for (value, retry) in cases {
            let headers = HeaderMap::from_iter([(header::RETRY_AFTER, http::HeaderValue::from_static(value))]);
            assert_eq!(refused(StatusCode::SERVICE_UNAVAILABLE, &headers, "GET profile").retry, retry);
        }
    }
}
