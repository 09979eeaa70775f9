//! Who may use `/v1`.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::http::{HeaderMap, header};
use axum::response::Response;
use tandem_sdk::secret::Secret;

use super::problem::{Code, problem};
use crate::config::Scope;

/// A bearer token and what it is good for.
#[derive(Clone, Debug)]
pub struct Access {
    /// The token.
    pub token: Secret,
    /// What it is good for.
    pub scopes: BTreeSet<Scope>,
}

/// Lets callers of `/v1` in, or not.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Vec<Access>>);

impl Gate {
    /// A gate with these tokens. Without any it stands open: the config allows that on loopback only.
    pub fn new(accesses: Vec<Access>) -> Self {
        Gate(Arc::new(accesses))
    }

    /// Whether the caller may do this; if not, what they get instead.
    pub fn check(&self, headers: &HeaderMap, scope: Scope) -> Result<(), Box<Response>> {
        if self.0.is_empty() {
            return Ok(());
        }
        let given = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
            .unwrap_or_default();
        // Every token is compared, so that the time taken says nothing about which one was near.
        let scopes = self.0.iter().filter(|access| access.token.matches(given)).map(|access| &access.scopes);
        match scopes.fold(None, |_, scopes| Some(scopes)) {
            None => Err(Box::new(problem(Code::NotAuthentic, "a bearer token of [[api.tokens]] is needed"))),
            Some(scopes) if scopes.contains(&scope) => Ok(()),
            Some(_) => {
                let detail = format!("this token lacks the scope {}", format!("{scope:?}").to_lowercase());
                Err(Box::new(problem(Code::NotAllowed, &detail)))
            }
        }
    }

    /// Whether the caller may also read what was said.
    pub fn allows(&self, headers: &HeaderMap, scope: Scope) -> bool {
        self.check(headers, scope).is_ok()
    }
}
