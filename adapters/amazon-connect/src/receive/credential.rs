//! The credential that an EventBridge connection adds. Compared in constant time, against every value that is valid.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderName};
use tandem_sdk::secret::Secret;

use crate::settings::ApiDestination;

/// How the sender proved itself, or what was wrong. Never says the value.
pub(super) fn check(destination: &ApiDestination, headers: &HeaderMap) -> Result<&'static str, String> {
    let (origin, right) = match destination {
        ApiDestination::ApiKey(header, secrets) => ("api_key", any(secrets, only(headers, header)?)),
        ApiDestination::Basic(pairs) => {
            let pair = STANDARD.decode(scheme(headers, "basic")?).ok().and_then(|pair| String::from_utf8(pair).ok());
            ("basic", any(pairs, &pair.ok_or("the Basic credential is not base64 of text")?))
        }
        ApiDestination::Bearer(tokens) => ("bearer", any(tokens, scheme(headers, "bearer")?)),
    };
    if right { Ok(origin) } else { Err(format!("the {origin} credential is not one of ours")) }
}

/// Whether one of the values matches. Looks at all of them, so that time tells nothing.
fn any(secrets: &[Secret], candidate: &str) -> bool {
    secrets.iter().fold(false, |found, secret| secret.matches(candidate) | found)
}

/// The one value of a header. Two values would let a proxy and us believe different ones.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<&'h str, String> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Err(format!("header {name} is missing")),
        (Some(_), Some(_)) => Err(format!("header {name} is there more than once")),
        (Some(value), None) => value.to_str().map_err(|_| format!("header {name} is not text")),
    }
}

/// What follows the scheme in `Authorization`.
fn scheme<'h>(headers: &'h HeaderMap, scheme: &str) -> Result<&'h str, String> {
    let (found, credential) = only(headers, &AUTHORIZATION)?.split_once(' ').unwrap_or_default();
    if found.eq_ignore_ascii_case(scheme) {
        Ok(credential.trim_start())
    } else {
        Err(format!("Authorization is not of the scheme {scheme}"))
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn secrets(values: &[&str]) -> Vec<Secret> {
        values.iter().map(|value| Secret::new(*value)).collect()
    }

    fn headers(pairs: &[(&'static str, &[u8])]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (HeaderName::from_static(name), HeaderValue::from_bytes(value).expect("bytes that a header may have"))
            })
            .collect()
    }

    #[test]
    fn each_authorization_takes_both_its_values_and_nothing_else() {
        let api_key = ApiDestination::ApiKey(HeaderName::from_static("x-api-key"), secrets(&["one", "two"]));
        let basic = ApiDestination::Basic(secrets(&["tandem:one", "tandem:two"]));
        let bearer = ApiDestination::Bearer(secrets(&["one", "two"]));
        let table: [(&ApiDestination, HeaderMap, bool); 20] = [
            (&api_key, headers(&[("x-api-key", b"one")]), true),
            (&api_key, headers(&[("x-api-key", b"two")]), true),
            (&api_key, headers(&[("x-api-key", b"three")]), false),
            (&api_key, headers(&[("x-api-key", b"on")]), false),
            (&api_key, headers(&[("x-api-key", b"")]), false),
            (&api_key, headers(&[("x-api-key", b"\xff")]), false),
            (&api_key, headers(&[("x-api-key", b"one"), ("x-api-key", b"one")]), false),
            (&api_key, headers(&[("authorization", b"one")]), false),
            (&api_key, headers(&[]), false),
            (&basic, headers(&[("authorization", b"Basic dGFuZGVtOm9uZQ==")]), true),
            (&basic, headers(&[("authorization", b"basic dGFuZGVtOnR3bw==")]), true),
            (&basic, headers(&[("authorization", b"Basic dGFuZGVtOnRocmVl")]), false),
            (&basic, headers(&[("authorization", b"Basic ???")]), false),
            (&basic, headers(&[("authorization", b"Basic")]), false),
            (&basic, headers(&[("authorization", b"Bearer dGFuZGVtOm9uZQ==")]), false),
            (&bearer, headers(&[("authorization", b"Bearer one")]), true),
            (&bearer, headers(&[("authorization", b"bearer  two")]), true),
            (&bearer, headers(&[("authorization", b"Bearer three")]), false),
            (&bearer, headers(&[("authorization", b"one")]), false),
            (&bearer, headers(&[]), false),
        ];
        for (row, (destination, headers, right)) in table.iter().enumerate() {
            assert_eq!(check(destination, headers).is_ok(), *right, "row {row}");
        }
    }

    #[test]
    fn a_refusal_does_not_repeat_the_credential() {
        let bearer = ApiDestination::Bearer(secrets(&["one"]));
        let refused = check(&bearer, &headers(&[("authorization", b"Bearer hunter2")]));
        assert!(refused.is_err_and(|why| !why.contains("hunter2")));
    }
}
