//! What stands after everything was checked. Every problem is named, not the first.

use std::path::Path;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use tandem_sdk::model::IdentityKind;
use tandem_sdk::problem::Problem;
use tandem_sdk::secret::Secret;
use url::Url;

use super::{Asking, ClientAuth, IdentityRow, Method, OAuth, Response, Settings, Size};
use crate::ask::VALUE;

/// Settings that can work.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    /// Best first.
    pub(crate) rows: Vec<Row>,
    pub(crate) ask: Asking,
    pub(crate) timeout: Duration,
    pub(crate) max_response: usize,
    pub(crate) response: Response,
    pub(crate) oauth: Option<CheckedOAuth>,
}

/// How to ask with one kind of identity.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) kind: IdentityKind,
    pub(crate) url: String,
    pub(crate) parameter: Option<String>,
}

/// An authorization server that can be asked.
#[derive(Debug)]
pub(crate) struct CheckedOAuth {
    pub(crate) token_url: Url,
    pub(crate) client_id: String,
    pub(crate) client_secret: Secret,
    pub(crate) client_auth: ClientAuth,
    pub(crate) scopes: Vec<String>,
    pub(crate) parameters: Vec<(String, String)>,
    pub(crate) renew_early: Duration,
    pub(crate) lifetime: Duration,
}

struct Findings<'a> {
    base: &'a Path,
    problems: Vec<Problem>,
}

impl Settings {
    /// Checks every key and reads the secret. `base` is the folder of the config file.
    pub(crate) fn check(self, base: &Path) -> Result<Checked, Vec<Problem>> {
        let mut findings = Findings { base, problems: Vec::new() };
        let headers = findings.headers(&self.headers.into_iter().collect::<Vec<_>>());
        let shared_url_is_used = self.identities.iter().any(|row| row.url.is_none());
        if shared_url_is_used || self.identities.is_empty() {
            findings.address("url", &self.url);
        }
        let rows = findings.rows(&self.identities, &self.url);
        findings.span("timeout", self.timeout, 10, 60_000);
        let Size(max_response) = self.max_response;
        if !(1 << 10..=8 << 20).contains(&max_response) {
            findings.wrong("max_response", format!("{max_response} bytes"), "from 1KiB to 8MiB");
        }
        findings.pointer("response.profile", &self.response.profile);
        self.response.id.iter().for_each(|pointer| findings.pointer("response.id", pointer));
        self.response.name.iter().for_each(|pointer| findings.pointer("response.name", pointer));
        let asked_for = self.oauth.is_some();
        let oauth = self.oauth.and_then(|oauth| findings.oauth(oauth));
        if !findings.problems.is_empty() || oauth.is_some() != asked_for {
            return Err(findings.problems);
        }
        Ok(Checked {
            method: self.method,
            headers,
            rows,
            ask: self.ask,
            timeout: self.timeout,
            max_response,
            response: self.response,
            oauth,
        })
    }
}

impl Findings<'_> {
    fn wrong(&mut self, key: impl Into<String>, found: impl Into<String>, expected: impl Into<String>) {
        self.problems.push(Problem::new("settings.wrong_value", key, found, expected));
    }

    fn missing(&mut self, key: impl Into<String>, expected: &str) {
        self.problems.push(Problem::new("settings.missing", key, "nothing", expected));
    }

    fn span(&mut self, key: &str, span: Duration, shortest: u64, longest: u64) {
        if !(Duration::from_millis(shortest)..=Duration::from_millis(longest)).contains(&span) {
            self.wrong(key, format!("{span:?}"), format!("from {shortest}ms to {}s", longest / 1_000));
        }
    }

    /// An address to which a token or a client secret may go.
    fn address(&mut self, key: impl Into<String>, text: &str) -> Option<Url> {
        let key = key.into();
        if text.is_empty() {
            self.missing(key, "an https address");
            return None;
        }
        let url = Url::parse(&text.replace(VALUE, "x")).ok();
        let fits = url.as_ref().is_some_and(|url| {
            let loopback = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
            let safe = url.scheme() == "https" || (url.scheme() == "http" && loopback);
            safe && url.host_str().is_some()
                && url.username().is_empty()
                && url.password().is_none()
                && url.fragment().is_none()
        });
        if !fits {
            self.wrong(key, text, "an https address without user and fragment; http on loopback only");
        }
        url.filter(|_| fits)
    }

    fn rows(&mut self, rows: &[IdentityRow], shared: &str) -> Vec<Row> {
        if rows.is_empty() {
            self.missing("identities", "at least one [[identities]] with a kind and a parameter");
        }
        let mut checked: Vec<Row> = Vec::new();
        for (place, row) in rows.iter().enumerate() {
            let key = |name: &str| format!("identities.{place}.{name}");
            let url = row.url.as_deref().unwrap_or(shared);
            if row.url.is_some() {
                self.address(key("url"), url);
            }
            let parameter = row.parameter.clone();
            let in_path = url.contains(VALUE);
            if parameter.as_ref().is_some_and(|name| name.is_empty() || name.len() > 100) {
                self.wrong(key("parameter"), "an empty or very long name", "1 to 100 characters");
            } else if parameter.is_none() && !in_path {
                self.missing(key("parameter"), "the parameter that takes the value, or {value} in the address");
            }
            let host = |value| {
                Url::parse(&url.replace(VALUE, value)).ok().and_then(|url| url.host().map(|host| host.to_owned()))
            };
            if host("x") != host("y") {
                self.wrong(key("url"), url, "{value} in the path, not in the host");
            }
            match &row.kind {
                None => self.missing(key("kind"), "customer, phone, email or communication_user"),
                Some(kind) if checked.iter().any(|row| row.kind == *kind) => {
                    self.wrong(key("kind"), "a kind that a row above has too", "each kind once");
                }
                Some(kind) => checked.push(Row { kind: kind.clone(), url: url.to_owned(), parameter }),
            }
        }
        checked
    }

    fn headers(&mut self, headers: &[(String, String)]) -> HeaderMap {
        let reserved = [header::AUTHORIZATION, header::HOST, header::CONTENT_LENGTH, header::CONTENT_TYPE];
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            match (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value.as_str())) {
                (Ok(name), Ok(value)) if !reserved.contains(&name) => drop(map.insert(name, value)),
                _ => self.wrong(
                    format!("headers.{name}"),
                    "a header that cannot be sent",
                    "another name and a printable value",
                ),
            }
        }
        map
    }

    fn pointer(&mut self, key: &str, pointer: &str) {
        if !pointer.is_empty() && !pointer.starts_with('/') {
            self.wrong(key, pointer, "a JSON pointer, such as /customer/id");
        }
    }

    fn oauth(&mut self, oauth: OAuth) -> Option<CheckedOAuth> {
        let token_url = self.address("oauth.token_url", &oauth.token_url);
        if oauth.client_id.is_empty() {
            self.missing("oauth.client_id", "the id of this client at the authorization server");
        }
        let secret = match &oauth.client_secret {
            None => {
                self.missing("oauth.client_secret", "env:NAME or file:PATH");
                None
            }
            Some(reference) => match reference.resolve(self.base) {
                Ok(secret) if !secret.reveal().is_empty() => Some(secret),
                Ok(_) => {
                    self.wrong("oauth.client_secret", "an empty secret", "at least one character");
                    None
                }
                Err(error) => {
                    let expected = "env:NAME or file:PATH of a secret that is there";
                    self.problems.push(Problem::new(
                        "settings.secret",
                        "oauth.client_secret",
                        error.to_string(),
                        expected,
                    ));
                    None
                }
            },
        };
        for scope in &oauth.scopes {
            let fits =
                !scope.is_empty() && scope.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\');
            if !fits {
                self.wrong(
                    "oauth.scopes",
                    scope.as_str(),
                    "scopes without spaces, quotes and backslashes, each on its own",
                );
            }
        }
        let own = ["grant_type", "scope", "client_id", "client_secret"];
        for name in oauth.parameters.keys().filter(|name| own.contains(&name.as_str())) {
            self.wrong(format!("oauth.parameters.{name}"), "a parameter that has a setting of its own", "that setting");
        }
        self.span("oauth.renew_early", oauth.renew_early, 0, 3_600_000);
        self.span("oauth.lifetime", oauth.lifetime, 1_000, 86_400_000);
        Some(CheckedOAuth {
            token_url: token_url?,
            client_id: oauth.client_id,
            client_secret: secret?,
            client_auth: oauth.client_auth,
            scopes: oauth.scopes,
            parameters: oauth.parameters.into_iter().collect(),
            renew_early: oauth.renew_early,
            lifetime: oauth.lifetime,
        })
    }
}
