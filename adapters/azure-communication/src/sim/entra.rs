//! The Entra tenant that signs Event Grid's deliveries.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde_json::{Value, json};
use tandem_sdk::sim::{Authority, RsaIdentity, SimError};

use super::settings::{Entra, Issuer};

/// Event Grid's own application in the public cloud.
const EVENT_GRID: &str = "4962773b-9cdb-44cf-a8bf-237846a00ab7";
const LIFETIME_SECONDS: i64 = 3_600;

/// Signs tokens and shows its keys.
pub(super) struct Tenant {
    settings: Entra,
    key: RsaIdentity,
    /// The token in use and when it was made; signing for every delivery would be slow and is not what Entra does.
    current: Mutex<Option<(Timestamp, String)>>,
}

impl Tenant {
    pub(super) fn new(settings: Entra, authority: &Authority) -> Result<Self, SimError> {
        let key = authority.issue_rsa("sts.windows.net")?;
        Ok(Self { settings, key, current: Mutex::new(None) })
    }

    pub(super) fn keys(&self) -> Value {
        self.key.jwks()
    }

    pub(super) fn is(&self, tenant: &str) -> bool {
        self.settings.tenant == tenant
    }

    /// A token that is good for at least half its lifetime.
    pub(super) fn token(&self, now: Timestamp) -> String {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        match &*current {
            Some((made, token)) if now.as_second() - made.as_second() < LIFETIME_SECONDS / 2 => token.clone(),
            _ => {
                let token = self.key.jwt(&self.claims(now));
                *current = Some((now, token.clone()));
                token
            }
        }
    }

    fn claims(&self, now: Timestamp) -> Value {
        let Entra { tenant, audience, role, issuer } = &self.settings;
        let (issued_by, caller, version) = match issuer {
            Issuer::V1 => (format!("https://sts.windows.net/{tenant}/"), "appid", "1.0"),
            Issuer::V2 => (format!("https://login.microsoftonline.com/{tenant}/v2.0"), "azp", "2.0"),
        };
        json!({
            "aud": audience, "iss": issued_by, "tid": tenant, caller: EVENT_GRID, "roles": [role], "ver": version,
            "iat": now.as_second(), "nbf": now.as_second(), "exp": now.as_second() + LIFETIME_SECONDS,
        })
    }
}
