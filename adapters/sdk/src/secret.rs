//! Secrets: a reference in the config, a value in memory, never a print.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// A secret value. `Debug` hides it; it does not implement `Serialize`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Secret(value.into())
    }

    /// The value, for the one line that sends or compares it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Compares in constant time for equal lengths.
    pub fn matches(&self, candidate: &str) -> bool {
        // HMAC under a fixed key makes both sides equally long and the comparison constant in time.
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"tandem compare");
        let tag = ring::hmac::sign(&key, self.0.as_bytes());
        ring::hmac::verify(&key, candidate.as_bytes(), tag.as_ref()).is_ok()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("secret")
    }
}

/// Where a configured secret stands: `env:NAME` or `file:PATH` (relative to the config file). Never the value itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretRef(pub String);

/// Why a secret could not be had. Says the reference, never the value.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Neither `env:` nor `file:`.
    #[error("a secret is written as env:NAME or file:PATH, not inline")]
    Inline,
    /// The environment has no such variable.
    #[error("environment variable {0} is not set")]
    Unset(String),
    /// The file cannot be read.
    #[error("file {0} cannot be read: {1}")]
    Unreadable(String, std::io::Error),
}

impl SecretRef {
    /// Reads the secret. `base` is the folder of the config file. A trailing line break of a file is not part of it.
    pub fn resolve(&self, base: &Path) -> Result<Secret, SecretError> {
        if let Some(name) = self.0.strip_prefix("env:") {
            return std::env::var(name).map(Secret).map_err(|_| SecretError::Unset(name.to_owned()));
        }
        let path = self.0.strip_prefix("file:").ok_or(SecretError::Inline)?;
        std::fs::read_to_string(base.join(path))
            .map(|text| Secret(text.trim_end_matches(['\r', '\n']).to_owned()))
            .map_err(|error| SecretError::Unreadable(path.to_owned(), error))
    }
}

/// What a secret is for, in the words that an adapter understands. The hub decides under which name it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretRole {
    /// Lets one participant enter a leg (Connect ParticipantToken).
    ParticipantToken,
    /// Lets one participant speak on a leg (Connect ConnectionToken).
    ConnectionToken,
    /// Lets one identity speak in its cloud (ACS user access token).
    UserToken,
    /// The address that confirms a subscription (SNS SubscribeURL).
    ConfirmUrl,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "secret");
    }

    #[test]
    fn only_the_same_value_matches() {
        assert!(Secret::new("abc").matches("abc"));
        assert!(!Secret::new("abc").matches("abd"));
        assert!(!Secret::new("abc").matches(""));
    }

    #[test]
    fn an_inline_secret_is_refused() {
        assert!(matches!(SecretRef("hunter2".to_owned()).resolve(Path::new(".")), Err(SecretError::Inline)));
    }
}
