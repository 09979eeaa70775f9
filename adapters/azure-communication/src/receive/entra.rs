//! The bearer token that Entra issues to Event Grid: a JWT, RS256 only.
//!
//! Claims are looked at before the signature: a token that is wrong anyway shall not make the hub fetch keys. Times are
//! compared with the clock of the request.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde::Deserialize;
use tandem_sdk::doors::KeyRing;

use super::senders::{Stop, refused};
use crate::settings::CheckedEntra;

/// What we need of the header.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
}

/// What we need of the claims. `appid` is the caller in v1 tokens, `azp` in v2 tokens.
#[derive(Deserialize)]
struct Claims {
    aud: OneOrMany,
    iss: String,
    exp: f64,
    #[serde(default)]
    nbf: Option<f64>,
    #[serde(default)]
    appid: Option<String>,
    #[serde(default)]
    azp: Option<String>,
    #[serde(default)]
    roles: Option<OneOrMany>,
}

/// A claim that may be one string or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn any(&self, accept: impl Fn(&str) -> bool) -> bool {
        match self {
            OneOrMany::One(one) => accept(one),
            OneOrMany::Many(many) => many.iter().any(|one| accept(one)),
        }
    }
}

/// A key document. Keys of other types and unknown members are passed over.
#[derive(Deserialize)]
struct Keys {
    keys: Vec<Key>,
}

#[derive(Deserialize)]
struct Key {
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    n: Option<String>,
    #[serde(default)]
    e: Option<String>,
}

/// Passes only a token that Entra signed, for us, for Event Grid, valid now.
pub(crate) fn verify(token: &str, expected: &CheckedEntra, now: Timestamp, ring: &KeyRing) -> Result<(), Stop> {
    let unreadable = || refused("the bearer token cannot be read");
    let (message, signature) = token.rsplit_once('.').ok_or_else(unreadable)?;
    let (header, claims) = message.split_once('.').ok_or_else(unreadable)?;
    let header: Header = part(header).ok_or_else(unreadable)?;
    if header.alg != "RS256" {
        return Err(refused("the bearer token is not signed with RS256"));
    }
    let kid = header.kid.ok_or_else(|| refused("the bearer token names no key"))?;
    let claims: Claims = part(claims).ok_or_else(unreadable)?;
    if let Some(wrong) = wrong_claim(&claims, expected, now) {
        return Err(refused(wrong));
    }
    let Some(key) = signing_key(&kid, expected, ring) else {
        return Err(Stop::NeedKey(expected.jwks_url.clone()));
    };
    match crypto::verify(signature, message.as_bytes(), &key, Algorithm::RS256) {
        Ok(true) => Ok(()),
        _ => Err(refused("the signature of the bearer token is wrong")),
    }
}

fn part<T: for<'de> Deserialize<'de>>(text: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

fn wrong_claim(claims: &Claims, expected: &CheckedEntra, now: Timestamp) -> Option<&'static str> {
    let now = now.as_duration().as_secs_f64();
    let leeway = expected.leeway.as_secs_f64();
    let caller = claims.appid.as_deref().or(claims.azp.as_deref());
    if !expected.issuers.contains(&claims.iss) {
        Some("the bearer token is from another issuer")
    } else if !claims.aud.any(|audience| expected.audiences.iter().any(|ours| ours == audience)) {
        Some("the bearer token is for another audience")
    } else if caller != Some(expected.app_id.as_str()) {
        Some("the bearer token belongs to another caller")
    } else if let Some(role) = &expected.role
        && !claims.roles.as_ref().is_some_and(|roles| roles.any(|found| found == role))
    {
        Some("the bearer token lacks the role")
    } else if now >= claims.exp + leeway {
        Some("the bearer token has expired")
    } else if claims.nbf.is_some_and(|begin| now + leeway < begin) {
        Some("the bearer token is not valid yet")
    } else {
        None
    }
}

/// The key, if its document is on the ring, can be read, and holds it.
fn signing_key(kid: &str, expected: &CheckedEntra, ring: &KeyRing) -> Option<DecodingKey> {
    let document: Keys = serde_json::from_slice(ring.get(&expected.jwks_url)?).ok()?;
    let key = document.keys.into_iter().find(|key| key.kid.as_deref() == Some(kid))?;
    DecodingKey::from_rsa_components(&key.n?, &key.e?).ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use std::time::Duration;

    use serde_json::{Value, json};
    use tandem_sdk::sim::{Authority, RsaIdentity};
    use url::Url;

    use super::*;

    const NOW: i64 = 1_704_067_200;

    fn expected() -> CheckedEntra {
        CheckedEntra {
            audiences: vec!["api://hub".to_owned()],
            issuers: vec![
                "https://sts.windows.net/t/".to_owned(),
                "https://login.microsoftonline.com/t/v2.0".to_owned(),
            ],
            app_id: "event-grid".to_owned(),
            role: Some("Subscriber".to_owned()),
            jwks_url: jwks_url(),
            leeway: Duration::from_secs(300),
        }
    }

    fn jwks_url() -> Url {
        "https://login.microsoftonline.com/t/discovery/v2.0/keys".parse().unwrap()
    }

    fn claims() -> Value {
        json!({
            "aud": "api://hub", "iss": "https://sts.windows.net/t/", "appid": "event-grid",
            "roles": ["Other", "Subscriber"], "nbf": NOW - 60, "exp": NOW + 3600,
        })
    }

    /// The claims with some of them replaced; null takes one out.
    fn with(changes: &Value) -> Value {
        let mut claims = claims();
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        claims
    }

    fn ring(document: impl Into<Vec<u8>>) -> KeyRing {
        let mut ring = KeyRing::default();
        ring.insert(jwks_url(), document.into().into());
        ring
    }

    fn check(token: &str, ring: &KeyRing) -> Result<(), Stop> {
        verify(token, &expected(), Timestamp::from_second(NOW).unwrap(), ring)
    }

    fn part_of(value: &Value) -> String {
        URL_SAFE_NO_PAD.encode(value.to_string())
    }

    struct Entra {
        ours: RsaIdentity,
        other: RsaIdentity,
        ring: KeyRing,
    }

    fn entra() -> Entra {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::open(folder.path()).unwrap();
        let ours = authority.issue_rsa("entra").unwrap();
        let other = authority.issue_rsa("other").unwrap();
        let ring = ring(ours.jwks().to_string());
        Entra { ours, other, ring }
    }

    #[test]
    fn only_a_right_token_passes() {
        let Entra { ours, other, ring } = entra();
        let refusal = |claims: Value| match check(&ours.jwt(&claims), &ring) {
            Ok(()) => "passed".to_owned(),
            Err(Stop::NotAuthentic(reason)) => reason,
            Err(Stop::NeedKey(_)) => "need key".to_owned(),
        };
        for (changes, outcome) in [
            (json!({}), "passed"),
            (json!({"iss": "https://login.microsoftonline.com/t/v2.0", "appid": null, "azp": "event-grid"}), "passed"),
            (json!({"aud": ["x", "api://hub"], "roles": "Subscriber", "nbf": null}), "passed"),
            (json!({"exp": NOW - 299}), "passed"),
            (json!({"nbf": NOW + 300}), "passed"),
            (json!({"exp": NOW - 300}), "the bearer token has expired"),
            (json!({"nbf": NOW + 301}), "the bearer token is not valid yet"),
            (json!({"exp": null}), "the bearer token cannot be read"),
            (json!({"exp": "never"}), "the bearer token cannot be read"),
            (json!({"aud": "api://other"}), "the bearer token is for another audience"),
            (json!({"aud": []}), "the bearer token is for another audience"),
            (json!({"iss": "https://sts.windows.net/other/"}), "the bearer token is from another issuer"),
            (json!({"appid": "other"}), "the bearer token belongs to another caller"),
            (json!({"appid": null}), "the bearer token belongs to another caller"),
            (json!({"appid": "other", "azp": "event-grid"}), "the bearer token belongs to another caller"),
            (json!({"roles": null}), "the bearer token lacks the role"),
            (json!({"roles": ["Other"]}), "the bearer token lacks the role"),
        ] {
            assert_eq!(refusal(with(&changes)), outcome, "{changes}");
        }

        // Signed by somebody else under our key's name.
        let token = other.jwt(&claims());
        let (message, _) = token.rsplit_once('.').unwrap();
        let (_, payload) = message.split_once('.').unwrap();
        let header = part_of(&json!({"alg": "RS256", "kid": ours.key_id()}));
        let signature = URL_SAFE_NO_PAD.encode(other.sign_sha256(format!("{header}.{payload}").as_bytes()));
        let wrong = Err(refused("the signature of the bearer token is wrong"));
        assert_eq!(check(&format!("{header}.{payload}.{signature}"), &ring), wrong);

        // One character of the claims changed.
        let good = ours.jwt(&claims());
        let (message, signature) = good.rsplit_once('.').unwrap();
        let (header, _) = message.split_once('.').unwrap();
        let payload = part_of(&with(&json!({"exp": NOW + 3601})));
        assert_eq!(check(&format!("{header}.{payload}.{signature}"), &ring), wrong);
        assert_eq!(check(&format!("{message}."), &ring), wrong);
    }

    #[test]
    fn no_other_algorithm_is_believed() {
        let Entra { ours, ring, .. } = entra();
        let payload = part_of(&claims());
        for alg in ["none", "None", "HS256", "RS384", "PS256", "ES256", ""] {
            let header = part_of(&json!({"alg": alg, "kid": ours.key_id()}));
            // The public key as HMAC secret: what a verifier that believes the header would compare with.
            let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &ours.modulus());
            let tag = ring::hmac::sign(&key, format!("{header}.{payload}").as_bytes());
            for signature in [String::new(), URL_SAFE_NO_PAD.encode(tag)] {
                assert_eq!(
                    check(&format!("{header}.{payload}.{signature}"), &ring),
                    Err(refused("the bearer token is not signed with RS256")),
                    "{alg}"
                );
            }
        }
    }

    #[test]
    fn rubbish_is_refused() {
        let deep = URL_SAFE_NO_PAD.encode("[".repeat(5000));
        let named = part_of(&json!({"alg": "RS256", "kid": "k"}));
        for token in
            ["", ".", "..", "a.b", "a.b.c", "....", &format!("{deep}.{deep}."), &format!("{named}.{deep}."), "é.é.é"]
        {
            assert_eq!(check(token, &KeyRing::default()), Err(refused("the bearer token cannot be read")), "{token}");
        }
        let nameless = part_of(&json!({"alg": "RS256"}));
        let token = format!("{nameless}.{}.x", part_of(&claims()));
        assert_eq!(check(&token, &KeyRing::default()), Err(refused("the bearer token names no key")));
    }

    #[test]
    fn keys_are_asked_for_only_for_a_token_that_may_be_right() {
        let Entra { ours, other, ring: known } = entra();
        let need = Err(Stop::NeedKey(jwks_url()));
        assert_eq!(check(&ours.jwt(&claims()), &KeyRing::default()), need);
        assert_eq!(check(&other.jwt(&claims()), &known), need, "rotated: the document on the ring lacks the key");
        for document in ["", "<html>", "{\"keys\":[{}]}", &"[".repeat(5000)] {
            assert_eq!(check(&ours.jwt(&claims()), &ring(document)), need, "{document}");
        }
        let expired = with(&json!({"exp": NOW - 3600}));
        assert!(matches!(check(&ours.jwt(&expired), &KeyRing::default()), Err(Stop::NotAuthentic(_))));
    }
}
