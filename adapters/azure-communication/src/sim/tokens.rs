//! User access tokens.
//!
//! A token is a JWT whose payload carries `skypeid` (the identity without its `8:`), `scp`, `exp`, `acsScope` and
//! `resourceId`. Nobody but the service checks its signature, so this one is made with a key of the simulator's own.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use ring::hmac;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// What a token may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Scope {
    #[serde(rename = "chat")]
    Chat,
    #[serde(rename = "voip")]
    Voip,
    #[serde(rename = "chat.join")]
    ChatJoin,
    #[serde(rename = "chat.join.limited")]
    ChatJoinLimited,
    #[serde(rename = "voip.join")]
    VoipJoin,
}

impl Scope {
    fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Voip => "voip",
            Self::ChatJoin => "chat.join",
            Self::ChatJoinLimited => "chat.join.limited",
            Self::VoipJoin => "voip.join",
        }
    }

    /// The bit in `scp`; which bit means what is not published, only that it is a number.
    fn bit(self) -> u32 {
        match self {
            Self::Chat => 256,
            Self::Voip => 1_024,
            Self::ChatJoin => 512,
            Self::ChatJoinLimited => 2_048,
            Self::VoipJoin => 4_096,
        }
    }
}

/// The payload of a token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Claims {
    skypeid: String,
    scp: u32,
    /// When it was issued, seconds, as a string.
    csi: String,
    iat: i64,
    /// Seconds.
    pub(super) exp: i64,
    #[serde(rename = "acsScope")]
    acs_scope: String,
    #[serde(rename = "resourceId")]
    resource_id: String,
    /// The how-manyeth token of this simulator: what a revocation is counted in.
    jti: u64,
}

impl Claims {
    pub(super) fn new(
        identity: &str,
        scopes: &[Scope],
        resource_id: String,
        serial: u64,
        (now, expires): (Timestamp, Timestamp),
    ) -> Self {
        Self {
            skypeid: identity.strip_prefix("8:").unwrap_or(identity).to_owned(),
            scp: scopes.iter().fold(0, |bits, scope| bits | scope.bit()),
            csi: now.as_second().to_string(),
            iat: now.as_second(),
            // Whole seconds, never a lifetime of none.
            exp: expires.as_second() + i64::from(expires.subsec_nanosecond() > 0),
            acs_scope: scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>().join(","),
            resource_id,
            jti: serial,
        }
    }

    /// The identity that it speaks for.
    pub(super) fn identity(&self) -> String {
        format!("8:{}", self.skypeid)
    }

    pub(super) fn serial(&self) -> u64 {
        self.jti
    }

    pub(super) fn allows(&self, scope: Scope) -> bool {
        self.acs_scope.split(',').any(|name| name == scope.name())
    }
}

/// Makes and checks tokens.
pub(super) struct Mint(hmac::Key);

impl Mint {
    /// From the access key, so that two runs with one key accept each other's tokens.
    pub(super) fn new(access_key: &[u8]) -> Self {
        let derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, access_key), b"user access tokens");
        Self(hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()))
    }

    pub(super) fn make(&self, claims: &Claims) -> String {
        let header = json!({"alg": "HS256", "kid": "tandem-sim", "typ": "JWT"});
        let signed = format!("{}.{}", part(&header), part(&json!(claims)));
        let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    /// The claims of a token that this mint made and that has not expired.
    pub(super) fn check(&self, token: &str, now: Timestamp) -> Option<Claims> {
        let (signed, signature) = token.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        hmac::verify(&self.0, signed.as_bytes(), &signature).ok()?;
        let (_, payload) = signed.split_once('.')?;
        let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        (now.as_second() < claims.exp).then_some(claims)
    }
}

fn part(value: &serde_json::Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::new(second, 0).unwrap()
    }

    #[test]
    fn a_token_is_good_until_it_expires_and_only_as_it_was_made() {
        let mint = Mint::new(b"key");
        let claims = Claims::new("8:acs:r_u", &[Scope::Chat, Scope::VoipJoin], "r".to_owned(), 3, (at(100), at(160)));
        let token = mint.make(&claims);
        assert_eq!(mint.check(&token, at(159)).unwrap(), claims);
        assert_eq!(mint.check(&token, at(160)), None);
        assert_eq!(Mint::new(b"other").check(&token, at(159)), None);
        let (head, signature) = token.rsplit_once('.').unwrap();
        assert_eq!(mint.check(&format!("{head}x.{signature}"), at(159)), None);
        assert_eq!(mint.check("", at(159)), None);
        assert!(claims.allows(Scope::Chat) && !claims.allows(Scope::ChatJoin));
        assert_eq!(claims.identity(), "8:acs:r_u");
    }

    #[test]
    fn the_payload_has_the_names_that_clients_read() {
        let claims = Claims::new("8:acs:r_u", &[Scope::Chat], "r".to_owned(), 1, (at(100), at(160)));
        let payload = json!(claims);
        assert_eq!((&payload["skypeid"], &payload["exp"]), (&json!("acs:r_u"), &json!(160)));
        assert_eq!((&payload["acsScope"], &payload["resourceId"]), (&json!("chat"), &json!("r")));
    }
}
