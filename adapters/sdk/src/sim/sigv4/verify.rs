//! Whether a request is signed by who it says, for what it asks, and now.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ring::{digest, hmac};

use super::Arrived;
use super::canonical::canonical_request;
use super::claim::Claim;

/// How far the clock of a caller may be off, in seconds.
const SKEW_SECONDS: i64 = 300;
pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// Who may call, and what the call must be scoped to.
#[derive(Clone, Copy)]
pub struct Expected<'a> {
    /// The one access key id that may call.
    pub access_key_id: &'a str,
    /// The secret that belongs to it.
    pub secret_access_key: &'a str,
    /// The region of the credential scope, for example `eu-central-1`.
    pub region: &'a str,
    /// The service's signing name, for example `connect`.
    pub service: &'a str,
}

/// Why a request is not authentic.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no `Authorization` header.
    #[error("Missing Authentication Token")]
    Missing,
    /// Something is missing from the header or from what it says is signed.
    #[error("Authorization header is incomplete: {0}")]
    Incomplete(&'static str),
    /// The access key id is not the expected one.
    #[error("The security token included in the request is invalid.")]
    UnknownKey,
    /// Another region or service, or another date than the header's; the scope that would be right.
    #[error("Credential should be scoped to {0}")]
    Scope(String),
    /// The time of the request is off or of another day than its scope; the stamp.
    #[error("Signature expired or not yet current: {0} is more than five minutes away")]
    Clock(String),
    /// Something that is signed is not what was signed, or another secret signed it.
    #[error("The request signature we calculated does not match the signature you provided.")]
    Mismatch,
}

impl Refusal {
    /// The error code in `x-amzn-ErrorType`; all of them go with status 403.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing => "MissingAuthenticationTokenException",
            Self::Incomplete(_) => "IncompleteSignatureException",
            Self::UnknownKey => "UnrecognizedClientException",
            Self::Scope(_) | Self::Clock(_) | Self::Mismatch => "InvalidSignatureException",
        }
    }
}

/// Verifies a request.
///
/// # Errors
/// The first thing that is wrong, in the order in which AWS looks: header, key, scope, clock, signature.
pub fn verify(arrived: &Arrived<'_>, expected: &Expected<'_>, now: Timestamp) -> Result<(), Refusal> {
    let header = arrived.headers.get("authorization").ok_or(Refusal::Missing)?;
    let claim = Claim::parse(header.to_str().map_err(|_| Refusal::Incomplete("not ASCII"))?)?;
    if claim.access_key_id != expected.access_key_id {
        return Err(Refusal::UnknownKey);
    }
    let scope = format!("{}/{}/{}/aws4_request", claim.date, expected.region, expected.service);
    if claim.scope != scope {
        return Err(Refusal::Scope(scope));
    }
    let stamp = arrived.headers.get("x-amz-date").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let at = parse_stamp(stamp).ok_or(Refusal::Incomplete("x-amz-date"))?;
    if !stamp.starts_with(claim.date) || (now.as_second() - at.as_second()).abs() > SKEW_SECONDS {
        return Err(Refusal::Clock(stamp.to_owned()));
    }
    if !["host", "x-amz-date"].iter().all(|name| claim.signed.contains(name)) {
        return Err(Refusal::Incomplete("host and x-amz-date must be signed"));
    }
    let canonical = canonical_request(arrived, &claim.signed).ok_or(Refusal::Mismatch)?;
    let signed = sign(&canonical, stamp, &scope, claim.date, expected);
    let given = hex::decode(claim.signature).map_err(|_| Refusal::Mismatch)?;
    // Compared through an HMAC under a key of the moment, so that the time tells nothing.
    let blind = hmac::Key::new(hmac::HMAC_SHA256, canonical.as_bytes());
    hmac::verify(&blind, &given, hmac::sign(&blind, &signed).as_ref()).map_err(|_| Refusal::Mismatch)
}

/// The `Authorization` header with which a client signs a request: for tests that call a simulator. `stamp` is its
/// `x-amz-date`. None when a header to sign is not there, or the stamp is too short to hold a date.
#[must_use]
pub fn authorization(arrived: &Arrived<'_>, expected: &Expected<'_>, stamp: &str, signed: &[&str]) -> Option<String> {
    let date = stamp.get(..8)?;
    let scope = format!("{date}/{}/{}/aws4_request", expected.region, expected.service);
    let canonical = canonical_request(arrived, signed)?;
    Some(format!(
        "{ALGORITHM} Credential={}/{scope}, SignedHeaders={}, Signature={}",
        expected.access_key_id,
        signed.join(";"),
        hex::encode(sign(&canonical, stamp, &scope, date, expected)),
    ))
}

fn sign(canonical: &str, stamp: &str, scope: &str, date: &str, expected: &Expected<'_>) -> Vec<u8> {
    let hash = hex::encode(digest::digest(&digest::SHA256, canonical.as_bytes()));
    let to_sign = format!("{ALGORITHM}\n{stamp}\n{scope}\n{hash}");
    mac(&signing_key(expected, date), to_sign.as_bytes())
}

fn signing_key(expected: &Expected<'_>, date: &str) -> Vec<u8> {
    let secret = format!("AWS4{}", expected.secret_access_key);
    [date, expected.region, expected.service, "aws4_request"]
        .iter()
        .fold(secret.into_bytes(), |key, part| mac(&key, part.as_bytes()))
}

fn mac(key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message).as_ref().to_vec()
}

/// `YYYYMMDDTHHMMSSZ`.
fn parse_stamp(stamp: &str) -> Option<Timestamp> {
    let civil = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", stamp).ok()?;
    civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use http::HeaderMap;

    use super::*;

    /// AWS's published example credentials.
    const EXAMPLE: Expected<'_> = Expected {
        access_key_id: "AKIDEXAMPLE",
        secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        region: "us-east-1",
        service: "service",
    };
    const VANILLA: &str = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
        SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn the_documented_key_derivation_gives_the_documented_key() {
        let iam = Expected { service: "iam", ..EXAMPLE };
        assert_eq!(
            hex::encode(signing_key(&iam, "20150830")),
            "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"
        );
    }

    /// The published request with one thing changed, and the code with which it is refused.
    struct Case {
        name: &'static str,
        signature: String,
        path: &'static str,
        body: &'static [u8],
        now: &'static str,
        code: Option<&'static str>,
    }

    fn published(name: &'static str, code: Option<&'static str>) -> Case {
        Case { name, signature: VANILLA.to_owned(), path: "/", body: b"", now: "2015-08-30T12:36:00Z", code }
    }

    #[test]
    fn the_published_vanilla_request_is_accepted_and_every_deviation_is_not() {
        let invalid = Some("InvalidSignatureException");
        let (unknown, incomplete) = (Some("UnrecognizedClientException"), Some("IncompleteSignatureException"));
        let signed = |from: &str, to: &str| VANILLA.replace(from, to);
        let cases = [
            published("as published", None),
            Case { now: "2015-08-30T12:40:00Z", ..published("four minutes late", None) },
            Case { now: "2015-08-30T12:42:00Z", ..published("six minutes late", invalid) },
            Case { now: "2015-08-30T12:30:00Z", ..published("six minutes early", invalid) },
            Case { path: "/x", ..published("another path", invalid) },
            Case { body: b"x", ..published("another body", invalid) },
            Case { signature: signed("=5fa0", "=5fa1"), ..published("another signature", invalid) },
            Case { signature: signed("=5fa0", "=5fg0"), ..published("a signature that is not hex", invalid) },
            Case { signature: signed("us-east-1", "us-west-2"), ..published("another region", invalid) },
            Case { signature: signed("AKIDEXAMPLE", "AKIDOTHER"), ..published("another key", unknown) },
            Case { signature: signed("host;", ""), ..published("host left unsigned", incomplete) },
            Case { signature: signed("Signature=", "Sig="), ..published("no signature", incomplete) },
            Case { signature: String::new(), ..published("no header", Some("MissingAuthenticationTokenException")) },
        ];
        for case in cases {
            let mut headers = headers(&[("host", "example.amazonaws.com"), ("x-amz-date", "20150830T123600Z")]);
            if !case.signature.is_empty() {
                headers.insert("authorization", case.signature.parse().unwrap());
            }
            let arrived = Arrived {
                method: "GET",
                path: case.path,
                query: "",
                headers: &headers,
                authority: None,
                body: case.body,
            };
            let answer = verify(&arrived, &EXAMPLE, at(case.now));
            assert_eq!(answer.err().map(|refusal| refusal.code()), case.code, "{}", case.name);
        }
    }

    #[test]
    fn the_published_request_with_a_query_and_a_content_type_is_accepted() {
        let headers = headers(&[
            ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
            ("host", "iam.amazonaws.com"),
            ("x-amz-date", "20150830T123600Z"),
            (
                "authorization",
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
                 SignedHeaders=content-type;host;x-amz-date, \
                 Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
            ),
        ]);
        let query = "Version=2010-05-08&Action=ListUsers";
        let arrived = Arrived { method: "GET", path: "/", query, headers: &headers, authority: None, body: b"" };
        let iam = Expected { service: "iam", ..EXAMPLE };
        assert_eq!(verify(&arrived, &iam, at("2015-08-30T12:36:00Z")), Ok(()));
        let elsewhere = Expected { region: "us-west-2", service: "iam", ..EXAMPLE };
        assert!(matches!(verify(&arrived, &elsewhere, at("2015-08-30T12:36:00Z")), Err(Refusal::Scope(_))));
    }

    #[test]
    fn http2_takes_the_host_from_the_authority() {
        let with_host = headers(&[("host", "localhost:1"), ("x-amz-date", "20150830T123600Z")]);
        let arrived = Arrived {
            method: "PUT",
            path: "/contact/chat",
            query: "",
            headers: &with_host,
            authority: None,
            body: b"{}",
        };
        let signature = authorization(&arrived, &EXAMPLE, "20150830T123600Z", &["host", "x-amz-date"]).unwrap();
        let over_h2 = headers(&[("x-amz-date", "20150830T123600Z"), ("authorization", &signature)]);
        let arrived = Arrived { headers: &over_h2, authority: Some("localhost:1"), ..arrived };
        assert_eq!(verify(&arrived, &EXAMPLE, at("2015-08-30T12:36:00Z")), Ok(()));
    }
}
