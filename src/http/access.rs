//! Who may use `/v1`.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, header};
use axum::response::Response;
use tandem_sdk::secret::Secret;

use super::problem::{Code, problem};
use crate::config::Scope;

/// What somebody is told who came by a proxy, or by another name.
const NOT_FROM_HERE: &str = "without [[api.tokens]] this address answers to its own machine only: under a loopback name, \
                             and not through a proxy";

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
    /// A gate with these tokens. Without any it lets in who speaks to this machine from this machine, as far as the
    /// request tells: what a proxy passes on comes from loopback too.
    pub fn new(accesses: Vec<Access>) -> Self {
        Gate(Arc::new(accesses))
    }

    /// Whether the caller may do this; if not, what they get instead.
    pub fn check(&self, headers: &HeaderMap, scope: Scope) -> Result<(), Box<Response>> {
        if self.0.is_empty() {
            return if is_from_here(headers) {
                Ok(())
            } else {
                Err(Box::new(problem(Code::NotAuthentic, NOT_FROM_HERE)))
            };
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

/// Whether a request names this machine by loopback and no proxy left its mark.
fn is_from_here(headers: &HeaderMap) -> bool {
    let is_mark = |name: &HeaderName| {
        *name == header::VIA || *name == header::FORWARDED || name.as_str().starts_with("x-forwarded-")
    };
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => is_loopback(host) && !headers.keys().any(is_mark),
        _ => false,
    }
}

fn is_loopback(host: &HeaderValue) -> bool {
    let Ok(authority) = Authority::try_from(host.as_bytes()) else { return false };
    let host = authority.host();
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || address.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// HTTP/2 names the host in the address of the request: it is put where everybody looks for it.
pub(super) fn say_host<B>(mut request: Request<B>) -> Request<B> {
    let named = request.uri().authority().map(|authority| HeaderValue::from_str(authority.as_str()));
    if let Some(Ok(host)) = named {
        request.headers_mut().insert(header::HOST, host);
    }
    request
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use super::*;

    fn lets_in(headers: &[(&str, &str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        Gate::new(Vec::new()).check(&map, Scope::Read).is_ok()
    }

    #[test]
    fn without_tokens_only_who_names_loopback_is_let_in() {
        for host in ["localhost", "LOCALHOST:8787", "127.0.0.1", "127.9.9.9:1", "[::1]", "[::1]:8787"] {
            assert!(lets_in(&[("host", host)]), "{host}");
        }
        for host in [
            "hub.example.com",
            "localhost.example.com",
            "127.0.0.1.nip.io",
            "10.0.0.1",
            "0.0.0.0",
            "[::]",
            "[fe80::1]:80",
            "127.1",
            "localhost@hub.example.com",
            "",
        ] {
            assert!(!lets_in(&[("host", host)]), "{host}");
        }
        assert!(!lets_in(&[]));
        assert!(!lets_in(&[("host", "localhost"), ("host", "localhost")]));
    }

    #[test]
    fn without_tokens_nobody_is_let_in_through_a_proxy() {
        for (name, value) in [
            ("Forwarded", "for=192.0.2.60"),
            ("X-Forwarded-For", "127.0.0.1"),
            ("x-forwarded-proto", "https"),
            ("X-FORWARDED-ANYTHING", ""),
            ("Via", "1.1 proxy"),
        ] {
            assert!(!lets_in(&[("host", "localhost"), (name, value)]), "{name}");
        }
        let proxied =
            Request::builder().uri("http://hub.example.com/v1/events").header("host", "localhost").body(()).unwrap();
        assert!(!is_from_here(say_host(proxied).headers()));
        let plain = Request::builder().uri("/v1/events").header("host", "localhost").body(()).unwrap();
        assert!(is_from_here(say_host(plain).headers()));
    }
}
