//! Access-key signatures (HMAC-SHA256), as the service checks them.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, Method};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use ring::{digest, hmac};

/// What a signature covers, as it came over the wire.
pub(super) struct Signed<'a> {
    pub(super) method: &'a Method,
    pub(super) path_and_query: &'a str,
    pub(super) host: &'a str,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
}

/// Checks a signed request; Err says what is wrong with it.
///
/// The string to sign is `VERB\npathAndQuery\ndate;host;contentHash`, its headers named in `SignedHeaders`, the date being
/// `x-ms-date` or `date`. The key is the access key, decoded. How far the date may be off is not published.
pub(super) fn check(request: &Signed<'_>, key: &[u8], now: Timestamp, tolerance: Duration) -> Result<(), String> {
    let authorization = text(request.headers, "authorization").ok_or("Denied: no Authorization header")?;
    let parameters = authorization.strip_prefix("HMAC-SHA256 ").ok_or("Denied: Authorization is not HMAC-SHA256")?;
    let parameter = |name: &str| {
        parameters.split('&').filter_map(|part| part.split_once('=')).find(|(key, _)| *key == name).map(|(_, v)| v)
    };
    let names = parameter("SignedHeaders").ok_or("Denied: no SignedHeaders")?;
    let signature = parameter("Signature").ok_or("Denied: no Signature")?;
    let date_header = match names {
        "x-ms-date;host;x-ms-content-sha256" => "x-ms-date",
        "date;host;x-ms-content-sha256" => "date",
        _ => return Err(format!("Denied: SignedHeaders {names:?} are not the ones asked for")),
    };
    let date = text(request.headers, date_header).ok_or("Denied: the signed date header is missing")?;
    let sent = DateTimeParser::new().parse_timestamp(date).map_err(|_| "Denied: the date is not RFC 1123")?;
    if now.duration_since(sent).unsigned_abs() > tolerance {
        return Err("Denied: the date is too far from the server's".to_owned());
    }
    let claimed = text(request.headers, "x-ms-content-sha256").ok_or("Denied: x-ms-content-sha256 is missing")?;
    if claimed != STANDARD.encode(digest::digest(&digest::SHA256, request.body)) {
        return Err("Denied: Request 'x-ms-content-sha256' differs from the hash of the content".to_owned());
    }
    let signed = format!("{}\n{}\n{date};{};{claimed}", request.method.as_str(), request.path_and_query, request.host);
    let signature = STANDARD.decode(signature).map_err(|_| "Denied: Signature is not base64")?;
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, key), signed.as_bytes(), &signature)
        .map_err(|_| "Denied: Signature does not match".to_owned())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use super::*;

    const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    const DATE: &str = "Mon, 01 Jan 2024 00:00:00 GMT";
    const EMPTY: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

    struct Case {
        host: &'static str,
        method: Method,
        target: &'static str,
        body: &'static str,
        hash: &'static str,
        signature: &'static str,
    }

    /// Computed with the algorithm of the vendor's Python SDK.
    fn known_answers() -> [Case; 3] {
        [
            Case {
                host: "contoso.communication.azure.com",
                method: Method::POST,
                target: "/sms?api-version=2021-03-07",
                body: r#"{"from":"+18001110000"}"#,
                hash: "3If0AVBQCrEhRUYfL67ED45B8vfTnM1PNvnt9Eis60s=",
                signature: "F1XB+2bbbbpMu7MteIB5/TOkSIl/Fzr1H2UIDOI1t0o=",
            },
            Case {
                host: "contoso.communication.azure.com",
                method: Method::GET,
                target: "/routing/workers/w1?api-version=2023-11-01",
                body: "",
                hash: EMPTY,
                signature: "aIlhMvwvgKoStNvlVA9C4VM9T15gdarXdWdrtimpdUw=",
            },
            Case {
                host: "localhost:8443",
                method: Method::POST,
                target: "/identities/8%3Aacs%3Aabc/:issueAccessToken?api-version=2023-10-01",
                body: r#"{"scopes":["chat"]}"#,
                hash: "J+doRQjtFVYLx3qOvzptwBLjQWqy6OEWEEk1TY1+rT4=",
                signature: "8QSzBrYdjtaH1ee0I22AzMECmLAFuNeWe90PWlDEeFI=",
            },
        ]
    }

    fn headers(case: &Case) -> HeaderMap {
        let signed = "HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature=";
        let mut headers = HeaderMap::new();
        headers.insert("x-ms-date", DATE.parse().unwrap());
        headers.insert("x-ms-content-sha256", case.hash.parse().unwrap());
        headers.insert("authorization", format!("{signed}{}", case.signature).parse().unwrap());
        headers
    }

    fn verdict(case: &Case, headers: &HeaderMap, seconds_later: i64) -> Result<(), String> {
        let request = Signed {
            method: &case.method,
            path_and_query: case.target,
            host: case.host,
            headers,
            body: case.body.as_bytes(),
        };
        let now = Timestamp::new(1_704_067_200 + seconds_later, 0).unwrap();
        check(&request, &STANDARD.decode(KEY).unwrap(), now, Duration::from_secs(300))
    }

    #[test]
    fn known_answers_are_accepted() {
        for case in known_answers() {
            assert_eq!(verdict(&case, &headers(&case), 300), Ok(()), "{}", case.target);
        }
    }

    #[test]
    fn what_does_not_fit_is_denied() {
        let [case, ..] = known_answers();
        let wrong = |change: &dyn Fn(&mut HeaderMap)| {
            let mut headers = headers(&case);
            change(&mut headers);
            verdict(&case, &headers, 0).unwrap_err()
        };
        assert!(verdict(&case, &headers(&case), 301).unwrap_err().contains("too far"));
        assert!(verdict(&case, &headers(&case), -301).unwrap_err().contains("too far"));
        let other_host = Case { host: "localhost", ..known_answers()[0].clone_case() };
        assert!(verdict(&other_host, &headers(&other_host), 0).unwrap_err().contains("does not match"));
        let other_body = Case { body: "{}", ..known_answers()[0].clone_case() };
        let denied = verdict(&other_body, &headers(&other_body), 0).unwrap_err();
        assert!(denied.starts_with("Denied: Request 'x-ms-content-sha256' differs"), "{denied}");
        for name in ["authorization", "x-ms-date", "x-ms-content-sha256"] {
            let denied = wrong(&|headers| drop(headers.remove(name)));
            assert!(denied.starts_with("Denied"), "{name}: {denied}");
        }
        for authorization in [
            "Bearer abc",
            "HMAC-SHA256 ",
            "HMAC-SHA256 Signature=abc",
            "HMAC-SHA256 SignedHeaders=host&Signature=abc",
            "HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature=%",
        ] {
            let denied = wrong(&|headers| drop(headers.insert("authorization", authorization.parse().unwrap())));
            assert!(denied.starts_with("Denied"), "{authorization}: {denied}");
        }
    }

    impl Case {
        fn clone_case(&self) -> Self {
            Self { method: self.method.clone(), ..*self }
        }
    }
}
