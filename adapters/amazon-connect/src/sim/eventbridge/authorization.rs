//! What an EventBridge connection adds to a request.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::Deserialize;
use tandem_sdk::sim::{Deliverer, SimError};
use tokio::sync::Notify;
use url::Url;
use url::form_urlencoded::Serializer;

use crate::sim::settings::Authorization;

/// How long the token endpoint may take.
const TOKEN_WITHIN: Duration = Duration::from_secs(5);
/// The wait before the token endpoint is asked again after it failed.
const TOKEN_RETRY: Duration = Duration::from_millis(250);

/// The headers that a connection adds. For OAuth they are there once the first token is.
#[derive(Clone)]
pub(super) struct Credentials {
    headers: Arc<Mutex<HeaderMap>>,
    /// Somebody wants another token.
    wanted: Arc<Notify>,
}

impl Credentials {
    /// # Errors
    /// [`SimError::Setting`] for a header that HTTP does not allow.
    pub(super) fn new(authorization: &Authorization) -> Result<Self, SimError> {
        let mut headers = HeaderMap::new();
        match authorization {
            Authorization::ApiKey { header, value } => {
                let name: HeaderName = header.parse().map_err(|_| wrong("header"))?;
                headers.insert(name, value.parse().map_err(|_| wrong("value"))?);
            }
            Authorization::Basic { username, password } => {
                let pair = STANDARD.encode(format!("{username}:{password}"));
                headers.insert(AUTHORIZATION, format!("Basic {pair}").parse().map_err(|_| wrong("password"))?);
            }
            Authorization::Oauth { .. } => {}
        }
        Ok(Self { headers: Arc::new(Mutex::new(headers)), wanted: Arc::new(Notify::new()) })
    }

    /// The headers of an attempt. A second attempt asks for a fresh token, as EventBridge does after a 401.
    pub(super) fn for_attempt(&self, attempt: u32) -> HeaderMap {
        if attempt > 0 {
            self.wanted.notify_one();
        }
        self.headers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Fetches the first token when there is need of one, and others when they are wanted. Never returns for OAuth.
    pub(super) async fn keep_fresh(self, authorization: Authorization, deliverer: Deliverer) {
        let Authorization::Oauth { token_endpoint, client_id, client_secret, scope } = authorization else { return };
        let form = client_credentials(&client_id, &client_secret, scope.as_deref());
        loop {
            match fetch(&deliverer, &token_endpoint, &form).await {
                Some(bearer) => {
                    self.headers.lock().unwrap_or_else(PoisonError::into_inner).insert(AUTHORIZATION, bearer);
                    self.wanted.notified().await;
                }
                None => tokio::time::sleep(TOKEN_RETRY).await,
            }
        }
    }
}

fn client_credentials(id: &str, secret: &str, scope: Option<&str>) -> String {
    let mut form = Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials")
        .append_pair("client_id", id)
        .append_pair("client_secret", secret);
    if let Some(scope) = scope {
        form.append_pair("scope", scope);
    }
    form.finish()
}

async fn fetch(deliverer: &Deliverer, endpoint: &Url, form: &str) -> Option<HeaderValue> {
    #[derive(Deserialize)]
    struct Token {
        access_token: String,
    }
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    let body = Bytes::from(form.to_owned());
    let answer = deliverer.exchange(Method::POST, endpoint, headers, body, TOKEN_WITHIN).await;
    let answer = answer.inspect_err(|error| tracing::warn!(%error, "no token for the event destination")).ok()?;
    let token: Token = serde_json::from_slice(&answer.body).ok()?;
    format!("Bearer {}", token.access_token).parse().ok()
}

fn wrong(what: &str) -> SimError {
    SimError::Setting { key: "eventbridge.authorization", problem: format!("{what} cannot stand in a header") }
}
