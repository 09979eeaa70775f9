//! Is this Event Grid? Event Grid signs nothing; what is configured of query secret, headers and bearer token must all
//! be there and right.

use http::{HeaderName, header};
use tandem_sdk::doors::Request;
use tandem_sdk::secret::Secret;
use url::{Url, form_urlencoded};

use super::entra;
use crate::settings::CheckedEntra;

/// The checks of one door.
pub(crate) struct Senders {
    pub(crate) query: Option<(String, Vec<Secret>)>,
    pub(crate) headers: Vec<(HeaderName, Vec<Secret>)>,
    pub(crate) entra: Option<CheckedEntra>,
}

/// What the sender can be asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Deliveries and the handshake of the EventGrid schema: everything.
    Post,
    /// The handshake of the CloudEvents schema. Only the query secret is sure to be there; nothing documents that
    /// headers and tokens are. One that is there must be right all the same.
    Options,
}

/// Why the checks did not pass.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    NotAuthentic(String),
    NeedKey(Url),
}

impl Senders {
    /// The names of the checks that passed, or the first that did not. Cheap ones first.
    pub(crate) fn check(&self, request: &Request<'_>, stage: Stage) -> Result<Vec<String>, Stop> {
        let mut passed = Vec::new();
        if let Some((name, secrets)) = &self.query {
            let found = form_urlencoded::parse(request.query.as_bytes()).find(|(found, _)| found == name);
            let Some((_, value)) = found else {
                return Err(refused("the query secret is missing"));
            };
            if !matches(secrets, &value) {
                return Err(refused("the query secret is wrong"));
            }
            passed.push("query_secret".to_owned());
        }
        for (name, secrets) in &self.headers {
            match request.headers.get(name) {
                None if stage == Stage::Options => continue,
                None => return Err(refused(&format!("the header {name} is missing"))),
                Some(value) if value.to_str().is_ok_and(|value| matches(secrets, value)) => {
                    passed.push(format!("header {name}"));
                }
                Some(_) => return Err(refused(&format!("the header {name} is wrong"))),
            }
        }
        if let Some(expected) = &self.entra {
            match request.headers.get(header::AUTHORIZATION) {
                None if stage == Stage::Options => {}
                None => return Err(refused("the bearer token is missing")),
                Some(value) => {
                    let token = value.to_str().ok().and_then(bearer);
                    let token = token.ok_or_else(|| refused("authorization is no bearer token"))?;
                    entra::verify(token, expected, request.now, request.keys)?;
                    passed.push("entra".to_owned());
                }
            }
        }
        Ok(passed)
    }
}

/// Looks at every secret, so that the time says nothing about which one was meant.
fn matches(secrets: &[Secret], candidate: &str) -> bool {
    secrets.iter().fold(false, |found, secret| found | secret.matches(candidate))
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

pub(crate) fn refused(reason: &str) -> Stop {
    Stop::NotAuthentic(reason.to_owned())
}
