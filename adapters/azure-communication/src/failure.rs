//! What a failed call means: one table from the vendor's status to kind, retry verdict and effect.
//!
//! Details name the status and the vendor's code and never quote a body or a URL: those hold personal data.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use serde_json::Value;
use tandem_sdk::error::{AdapterError, ErrorKind, Retry};

/// Longer waits than this are cut: no documented limit of the vendor is longer than a minute.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// An answer that is no success.
#[derive(Debug)]
pub(crate) struct Rejection {
    pub(crate) operation: &'static str,
    pub(crate) status: StatusCode,
    pub(crate) code: Option<String>,
    pub(crate) retry_after: Option<Duration>,
    /// Whether the call changes something there.
    pub(crate) writes: bool,
    /// Whether it was made with a user's token.
    pub(crate) user: bool,
}

impl Rejection {
    /// The table.
    ///
    /// * 401 to a user's token is `unverified`, later: a new token helps. 401 to the access key is `misconfigured`,
    ///   later: it is the key or our clock, which a person puts right while the command waits.
    /// * 403 to a user's token says that the speaker is no participant.
    /// * 408 and 5xx leave in doubt whether a write happened; 429 and the other 4xx do not.
    pub(crate) fn into_error(self) -> AdapterError {
        let wait = self.retry_after.map_or(Retry::Later, Retry::After);
        let (kind, retry, hint) = match self.status.as_u16() {
            401 if self.user => (ErrorKind::Unverified, Retry::Later, ": the user's token is not accepted"),
            401 => (ErrorKind::Misconfigured, Retry::Later, ": the access key or our clock is wrong"),
            403 if self.user => (ErrorKind::Refused, Retry::Never, ": the speaker is no participant of the thread"),
            403 => (ErrorKind::Refused, Retry::Never, ""),
            404 => (ErrorKind::NotFound, Retry::Never, ""),
            409 | 412 => (ErrorKind::Conflict, Retry::Never, ""),
            413 => (ErrorKind::Refused, Retry::Never, ": it is too large"),
            429 => (ErrorKind::RateLimited, wait, ""),
            408 | 500..=599 => (ErrorKind::Unavailable, wait, ""),
            400..=499 => (ErrorKind::Malformed, Retry::Never, ""),
            _ => (ErrorKind::Unexpected, Retry::Never, ""),
        };
        let code = self.code.map(|code| format!(" {code}")).unwrap_or_default();
        let detail = format!("{}{code}{hint}", self.status.as_u16());
        let error = AdapterError::new(kind, self.operation, detail).retry(retry);
        if self.writes && kind == ErrorKind::Unavailable { error.perhaps_done() } else { error }
    }
}

/// A call without an answer. Only what failed before it was connected certainly had no effect.
pub(crate) fn broken(operation: &'static str, writes: bool, error: &reqwest::Error) -> AdapterError {
    let (sent, detail) = if error.is_builder() {
        return AdapterError::new(ErrorKind::Malformed, operation, "the call cannot be written");
    } else if error.is_connect() {
        (false, "no connection")
    } else if error.is_timeout() {
        (true, "no answer in time")
    } else {
        (true, "the connection broke")
    };
    let error = AdapterError::new(ErrorKind::Unavailable, operation, detail);
    if sent && writes { error.perhaps_done() } else { error }
}

/// The vendor's error code: from the header, else from the body however its members are spelled.
pub(crate) fn code(headers: &HeaderMap, body: &[u8]) -> Option<String> {
    let header = headers.get("x-ms-error-code").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let code = header.or_else(|| {
        let body: Value = serde_json::from_slice(body).ok()?;
        let fields = body.as_object()?;
        // `{"error":{"code"}}`, `{"CommunicationError":{"Code"}}`, `{"code"}`.
        let inner = fields.values().find_map(|value| text(value, "code"));
        inner.or_else(|| text(&body, "code")).map(str::to_owned)
    })?;
    // A code is one short word; anything else might be a sentence about somebody.
    let word = !code.is_empty() && code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    word.then_some(code)
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.as_object()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).and_then(|(_, value)| value.as_str())
}

/// `Retry-After` in seconds or as a date.
pub(crate) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = DateTimeParser::new().parse_timestamp(text).ok()?;
            Duration::try_from(at.duration_since(now)).unwrap_or_default()
        }
    };
    Some(wait.min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use tandem_sdk::error::Effect;

    use super::*;

    fn error(status: u16, writes: bool, user: bool) -> AdapterError {
        Rejection {
            operation: "SendChatMessage",
            status: StatusCode::from_u16(status).unwrap(),
            code: Some("Word".to_owned()),
            retry_after: Some(Duration::from_secs(7)),
            writes,
            user,
        }
        .into_error()
    }

    #[test]
    fn every_status_has_a_kind_a_verdict_and_an_effect() {
        use ErrorKind as Kind;
        let seven = Retry::After(Duration::from_secs(7));
        for (status, kind, retry, effect) in [
            (302, Kind::Unexpected, Retry::Never, Effect::None),
            (400, Kind::Malformed, Retry::Never, Effect::None),
            (401, Kind::Unverified, Retry::Later, Effect::None),
            (403, Kind::Refused, Retry::Never, Effect::None),
            (404, Kind::NotFound, Retry::Never, Effect::None),
            (408, Kind::Unavailable, seven, Effect::Unknown),
            (409, Kind::Conflict, Retry::Never, Effect::None),
            (412, Kind::Conflict, Retry::Never, Effect::None),
            (413, Kind::Refused, Retry::Never, Effect::None),
            (415, Kind::Malformed, Retry::Never, Effect::None),
            (429, Kind::RateLimited, seven, Effect::None),
            (500, Kind::Unavailable, seven, Effect::Unknown),
            (502, Kind::Unavailable, seven, Effect::Unknown),
            (503, Kind::Unavailable, seven, Effect::Unknown),
            (504, Kind::Unavailable, seven, Effect::Unknown),
        ] {
            let found = error(status, true, true);
            assert_eq!((found.kind, found.retry, found.effect), (kind, retry, effect), "{status}");
            assert!(found.detail.starts_with(&format!("{status} Word")), "{}", found.detail);
        }
        assert_eq!(error(503, false, true).effect, Effect::None, "reading changes nothing");
        assert_eq!(error(401, true, false).kind, ErrorKind::Misconfigured);
        assert!(error(403, true, true).detail.contains("no participant"));
    }

    #[test]
    fn codes_are_found_however_the_body_is_spelled_and_never_quote_it() {
        let none = HeaderMap::new();
        for (body, expected) in [
            (r#"{"error":{"code":"Forbidden","message":"8:acs:x is not allowed"}}"#, Some("Forbidden")),
            (r#"{"CommunicationError":{"Code":"Forbidden"}}"#, Some("Forbidden")),
            (r#"{"code":"TooManyRequests"}"#, Some("TooManyRequests")),
            (r#"{"error":{"code":"8:acs:secret person"}}"#, None),
            (r#"{"error":{"code":403}}"#, None),
            ("<html>", None),
            ("", None),
            ("[1e999]", None),
        ] {
            assert_eq!(code(&none, body.as_bytes()).as_deref(), expected, "{body}");
        }
        let mut headers = HeaderMap::new();
        headers.insert("x-ms-error-code", "Denied".parse().unwrap());
        assert_eq!(code(&headers, b"{}").as_deref(), Some("Denied"));
        let deep = "[".repeat(5000);
        assert_eq!(code(&none, deep.as_bytes()), None);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_bounded() {
        let now = "2024-01-01T00:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("3", Some(3)),
            ("Mon, 01 Jan 2024 00:00:09 GMT", Some(9)),
            ("Sun, 31 Dec 2023 00:00:00 GMT", Some(0)),
            ("999999999999", Some(3600)),
            ("soon", None),
            ("-1", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, text.parse().unwrap());
            assert_eq!(retry_after(&headers, now), expected.map(Duration::from_secs), "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
