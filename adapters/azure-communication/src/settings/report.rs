//! Collects what is wrong with settings, and resolves their secrets on the way.

use std::path::Path;

use tandem_sdk::problem::Problem;
use tandem_sdk::secret::{Secret, SecretRef};
use url::Url;

/// Collects problems; resolves secrets.
pub(super) struct Report<'a> {
    pub(super) base: &'a Path,
    pub(super) problems: Vec<Problem>,
}

impl Report<'_> {
    pub(super) fn missing(&mut self, key: &str, expected: &str) {
        self.problems.push(Problem::new("settings.missing", key, "nothing", expected));
    }

    pub(super) fn wrong(&mut self, key: &str, found: impl Into<String>, expected: &str) {
        self.problems.push(Problem::new("settings.wrong_value", key, found, expected));
    }

    pub(super) fn secret(&mut self, key: &str, reference: &SecretRef) -> Option<Secret> {
        match reference.resolve(self.base) {
            Ok(secret) if secret.reveal().is_empty() => {
                self.problems.push(Problem::new("settings.secret", key, "an empty secret", "a secret"));
                None
            }
            Ok(secret) => Some(secret),
            Err(error) => {
                let expected = "env:NAME or file:PATH that can be read";
                self.problems.push(Problem::new("settings.secret", key, error.to_string(), expected));
                None
            }
        }
    }

    pub(super) fn secrets(&mut self, key: &str, references: &[SecretRef]) -> Vec<Secret> {
        if references.is_empty() || references.len() > 2 {
            self.wrong(key, format!("{} secrets", references.len()), "one secret, or two while rotating");
        }
        references.iter().filter_map(|reference| self.secret(key, reference)).collect()
    }

    pub(super) fn url(&mut self, key: &str, text: &str) -> Option<Url> {
        match Url::parse(text) {
            Ok(url) if url.scheme() == "https" && url.username().is_empty() && url.password().is_none() => Some(url),
            _ => {
                self.wrong(key, text, "an https URL");
                None
            }
        }
    }
}
