//! Tokens of an identity provider: RS256, by keys from the settings.

use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;

use crate::error::Error;
use crate::grants::Grant;
use crate::settings::JwtIssuer;

/// Whose tokens are good, with the keys ready for use.
pub(crate) struct Issuer {
    settings: JwtIssuer,
    keys: Vec<(String, DecodingKey)>,
    validation: Validation,
}

#[derive(Deserialize)]
struct Claims {
    exp: i64,
}

impl Issuer {
    /// # Errors
    /// [`Error::Setting`] when a key cannot be used.
    pub(crate) fn new(settings: &JwtIssuer) -> Result<Self, Error> {
        let wrong = |problem: String| Error::Setting { key: "jwt.keys", problem };
        let mut keys = Vec::new();
        for key in &settings.keys {
            if key.kty.as_deref().is_some_and(|kind| kind != "RSA")
                || key.alg.as_deref().is_some_and(|alg| alg != "RS256")
            {
                return Err(wrong(format!("{} is no RSA key for RS256", key.kid)));
            }
            let made = DecodingKey::from_rsa_components(&key.n, &key.e);
            keys.push((key.kid.clone(), made.map_err(|error| wrong(format!("{}: {error}", key.kid)))?));
        }
        let audience = settings.audience.trim_end_matches('/').to_owned();
        let mut validation = Validation::new(Algorithm::RS256);
        validation.leeway = 0;
        validation.validate_nbf = true;
        validation.set_issuer(&[&settings.issuer]);
        // Some clients ask for the scope with a slash too many.
        validation.set_audience(&[format!("{audience}/"), audience]);
        validation.set_required_spec_claims(&["exp", "aud", "iss"]);
        Ok(Issuer { settings: settings.clone(), keys, validation })
    }

    /// What a token allows.
    ///
    /// # Errors
    /// Why it allows nothing, for the client: a sentence without any part of the token.
    pub(crate) fn verify(&self, token: &str) -> Result<Grant, String> {
        let header = decode_header(token).map_err(|error| format!("the token cannot be read: {error}"))?;
        let named = header.kid.ok_or("the token does not name its key")?;
        let key = self.keys.iter().find(|(kid, _)| *kid == named);
        let (_, key) = key.ok_or("the token names a key that is not known")?;
        let claims = decode::<Claims>(token, key, &self.validation).map_err(|error| error.to_string())?.claims;
        let until = Timestamp::from_second(claims.exp).map_err(|_| "the expiry is no time")?;
        Ok(Grant { rights: self.settings.rights.clone(), until })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use serde_json::{Value, json};
    use tandem_sdk::sim::{Authority, RsaIdentity};

    use super::*;
    use crate::settings::{JwtKey, Right};

    fn issuer(identity: &RsaIdentity) -> Issuer {
        let keys: Vec<JwtKey> = serde_json::from_value(identity.jwks()["keys"].clone()).unwrap();
        Issuer::new(&JwtIssuer {
            issuer: "https://sts.test/tenant".to_owned(),
            audience: "https://eventhubs.azure.net".to_owned(),
            keys,
            rights: vec![Right::Send],
        })
        .unwrap()
    }

    fn claims(changes: &Value) -> Value {
        let mut claims = json!({"iss": "https://sts.test/tenant", "aud": "https://eventhubs.azure.net",
                                "exp": Timestamp::now().as_second() + 60});
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
    }

    #[test]
    fn wrong_audience_issuer_expiry_and_key_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::open(dir.path()).unwrap();
        let (ours, other) = (authority.issue_rsa("sts.test").unwrap(), authority.issue_rsa("other.test").unwrap());
        let issuer = issuer(&ours);
        assert_eq!(issuer.verify(&ours.jwt(&claims(&json!({})))).unwrap().rights, [Right::Send]);
        assert!(issuer.verify(&ours.jwt(&claims(&json!({"aud": "https://eventhubs.azure.net/"})))).is_ok());
        let now = Timestamp::now().as_second();
        for wrong in [
            json!({"aud": "https://servicebus.azure.net"}),
            json!({"iss": "https://sts.test/other"}),
            json!({"exp": now - 1}),
            json!({"nbf": now + 60}),
        ] {
            assert!(issuer.verify(&ours.jwt(&claims(&wrong))).is_err(), "{wrong}");
        }
        let good = ours.jwt(&claims(&json!({})));
        let foreign = other.jwt(&claims(&json!({})));
        assert!(issuer.verify(&foreign).is_err());
        // Our header and claims under somebody else's signature.
        let forged = format!("{}.{}", good.rsplit_once('.').unwrap().0, foreign.rsplit_once('.').unwrap().1);
        assert!(issuer.verify(&forged).is_err());
        for nothing in ["", "a.b.c", "ey"] {
            assert!(issuer.verify(nothing).is_err(), "{nothing}");
        }
    }
}
