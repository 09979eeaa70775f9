//! How ACS wants a request signed with an access key: HMAC-SHA-256 over the request as it goes on the wire.
//!
//! The signature covers verb, path and query, date, host and the hash of the body; so it is made after the URL is final
//! and made again for every attempt.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, Method};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use ring::{digest, hmac};
use url::{Position, Url};

/// An access key of an ACS resource, decoded. Never printed.
#[derive(Clone)]
pub(crate) struct AccessKey(hmac::Key);

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessKey(..)")
    }
}

impl AccessKey {
    /// Decodes a key as the portal shows it. The HMAC key is the decoded bytes, not the text.
    pub(crate) fn from_base64(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text.trim()).ok().filter(|bytes| !bytes.is_empty())?;
        Some(AccessKey(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// The headers that sign this request at this moment.
    pub(crate) fn sign(&self, method: &Method, url: &Url, body: &[u8], now: Timestamp) -> [(HeaderName, String); 3] {
        let date = http_date(now);
        let content_hash = STANDARD.encode(digest::digest(&digest::SHA256, body));
        // `Url` has left the default port out, as the Host header does.
        let host = &url[Position::BeforeHost..Position::AfterPort];
        let path_and_query = &url[Position::BeforePath..Position::AfterQuery];
        let text = format!("{method}\n{path_and_query}\n{date};{host};{content_hash}");
        let signature = STANDARD.encode(hmac::sign(&self.0, text.as_bytes()));
        let authorization =
            format!("HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature={signature}");
        [
            (HeaderName::from_static("x-ms-date"), date),
            (HeaderName::from_static("x-ms-content-sha256"), content_hash),
            (http::header::AUTHORIZATION, authorization),
        ]
    }
}

/// RFC 1123 in GMT: `Mon, 01 Jan 2024 00:00:00 GMT`.
fn http_date(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use super::*;

    /// Method, URL, body, content hash, signature. The answers were computed with the algorithm of the vendor's Python
    /// SDK, for one key and one date.
    const KNOWN: [(Method, &str, &str, &str, &str); 3] = [
        (
            Method::POST,
            "https://contoso.communication.azure.com/sms?api-version=2021-03-07",
            r#"{"from":"+18001110000"}"#,
            "3If0AVBQCrEhRUYfL67ED45B8vfTnM1PNvnt9Eis60s=",
            "F1XB+2bbbbpMu7MteIB5/TOkSIl/Fzr1H2UIDOI1t0o=",
        ),
        (
            Method::GET,
            "https://contoso.communication.azure.com/routing/workers/w1?api-version=2023-11-01",
            "",
            "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
            "aIlhMvwvgKoStNvlVA9C4VM9T15gdarXdWdrtimpdUw=",
        ),
        (
            Method::POST,
            "https://localhost:8443/identities/8%3Aacs%3Aabc/:issueAccessToken?api-version=2023-10-01",
            r#"{"scopes":["chat"]}"#,
            "J+doRQjtFVYLx3qOvzptwBLjQWqy6OEWEEk1TY1+rT4=",
            "8QSzBrYdjtaH1ee0I22AzMECmLAFuNeWe90PWlDEeFI=",
        ),
    ];

    #[test]
    fn known_requests_get_known_signatures() {
        let key = AccessKey::from_base64("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=").unwrap();
        let now = "2024-01-01T00:00:00Z".parse().unwrap();

        for (method, url, body, content_hash, signature) in KNOWN {
            let [(_, date), (_, hash), (_, authorization)] =
                key.sign(&method, &url.parse().unwrap(), body.as_bytes(), now);
            assert_eq!(date, "Mon, 01 Jan 2024 00:00:00 GMT");
            assert_eq!(hash, content_hash, "{url}");
            assert_eq!(authorization.rsplit_once("&Signature=").unwrap().1, signature, "{url}");
        }
    }

    #[test]
    fn a_key_that_is_not_base64_is_no_key() {
        assert!(AccessKey::from_base64("not base64!").is_none());
        assert!(AccessKey::from_base64("").is_none());
    }
}
