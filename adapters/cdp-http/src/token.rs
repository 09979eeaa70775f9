//! Access tokens by client credentials: asked for once, used until shortly before their end, renewed when refused.

use std::time::Duration;

use http::HeaderValue;
use oauth2::basic::{BasicClient, BasicErrorResponseType, BasicTokenType};
use oauth2::{
    AsyncHttpClient, AuthType, ClientId, ClientSecret, EndpointNotSet, EndpointSet, HttpRequest, HttpResponse,
    RequestTokenError, Scope, TokenResponse as _, TokenUrl,
};
use tandem_sdk::doors::Answer;
use tandem_sdk::error::{AdapterError, ErrorKind};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::exchange::{exchange, refused};
use crate::settings::{CheckedOAuth, ClientAuth};

const OPERATION: &str = "POST token";
/// Largest answer of a token endpoint.
const MAX_ANSWER: usize = 64 << 10;

type Client = BasicClient<EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;

/// The tokens of one client.
pub(crate) struct Tokens {
    client: Client,
    settings: CheckedOAuth,
    wire: Wire,
    /// Locked while a token is asked for, so that many lookups ask once.
    held: Mutex<Option<Held>>,
}

#[derive(Clone)]
struct Held {
    bearer: HeaderValue,
    until: Instant,
}

impl Tokens {
    pub(crate) fn new(settings: CheckedOAuth, http: reqwest::Client) -> Self {
        let auth = match settings.client_auth {
            ClientAuth::Basic => AuthType::BasicAuth,
            ClientAuth::Body => AuthType::RequestBody,
        };
        let client = BasicClient::new(ClientId::new(settings.client_id.clone()))
            .set_client_secret(ClientSecret::new(settings.client_secret.reveal().to_owned()))
            .set_auth_type(auth)
            .set_token_uri(TokenUrl::from_url(settings.token_url.clone()));
        Tokens { client, settings, wire: Wire(http), held: Mutex::new(None) }
    }

    /// The `Authorization` header of a request.
    pub(crate) async fn bearer(&self) -> Result<HeaderValue, AdapterError> {
        let mut held = self.held.lock().await;
        if let Some(token) = held.as_ref().filter(|token| Instant::now() < token.until) {
            return Ok(token.bearer.clone());
        }
        let token = self.ask().await?;
        Ok(held.insert(token).bearer.clone())
    }

    /// Says that this header was refused; it is not used again.
    pub(crate) async fn refuse(&self, bearer: &HeaderValue) {
        let mut held = self.held.lock().await;
        // Another lookup may have renewed it already.
        if held.as_ref().is_some_and(|token| token.bearer == *bearer) {
            *held = None;
        }
    }

    async fn ask(&self) -> Result<Held, AdapterError> {
        let asked = Instant::now();
        let mut request = self.client.exchange_client_credentials();
        request = request.add_scopes(self.settings.scopes.iter().cloned().map(Scope::new));
        for (name, value) in &self.settings.parameters {
            request = request.add_extra_param(name, value);
        }
        let answer = request.request_async(&self.wire).await.map_err(told)?;
        if *answer.token_type() != BasicTokenType::Bearer {
            return Err(AdapterError::new(ErrorKind::Malformed, OPERATION, "a token that is no bearer token"));
        }
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", answer.access_token().secret()))
            .map_err(|_| AdapterError::new(ErrorKind::Malformed, OPERATION, "a token that no header can carry"))?;
        bearer.set_sensitive(true);
        let lifetime = answer.expires_in().unwrap_or(self.settings.lifetime).min(Duration::from_secs(7 * 24 * 3_600));
        let used = lifetime.saturating_sub(self.settings.renew_early).max(lifetime / 2);
        Ok(Held { bearer, until: asked + used })
    }
}

/// Carries the requests of the OAuth client.
struct Wire(reqwest::Client);

impl<'c> AsyncHttpClient<'c> for Wire {
    type Error = AdapterError;
    type Future = Answer<'c, Result<HttpResponse, AdapterError>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

impl Wire {
    /// The exchange. What only a status tells becomes an error here, since the OAuth client looks at the body alone.
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, AdapterError> {
        let unwritable = |_| AdapterError::new(ErrorKind::Misconfigured, OPERATION, "the request cannot be written");
        let request = reqwest::Request::try_from(request).map_err(unwritable)?;
        let answer = exchange(&self.0, request, MAX_ANSWER, OPERATION).await?;
        let speaks_oauth = answer.status.is_success() || matches!(answer.status.as_u16(), 400 | 401);
        if !speaks_oauth {
            return Err(match answer.status.as_u16() {
                404 | 405 => {
                    AdapterError::new(ErrorKind::Misconfigured, OPERATION, "no token endpoint at this address")
                }
                _ => refused(answer.status, &answer.headers, OPERATION),
            });
        }
        let mut response = HttpResponse::new(answer.body);
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        Ok(response)
    }
}

/// What an authorization server's error means. Its description is not repeated: nobody knows what stands in it.
fn told(error: RequestTokenError<AdapterError, oauth2::basic::BasicErrorResponse>) -> AdapterError {
    let new = |kind, detail: &str| AdapterError::new(kind, OPERATION, detail);
    match error {
        RequestTokenError::Request(error) => error,
        RequestTokenError::ServerResponse(response) => match response.error() {
            BasicErrorResponseType::InvalidClient => new(ErrorKind::Unverified, "invalid_client"),
            BasicErrorResponseType::UnauthorizedClient => new(ErrorKind::Unverified, "unauthorized_client"),
            BasicErrorResponseType::InvalidScope => new(ErrorKind::Misconfigured, "invalid_scope"),
            BasicErrorResponseType::UnsupportedGrantType => new(ErrorKind::Misconfigured, "unsupported_grant_type"),
            BasicErrorResponseType::InvalidRequest => new(ErrorKind::Misconfigured, "invalid_request"),
            BasicErrorResponseType::InvalidGrant => new(ErrorKind::Unverified, "invalid_grant"),
            BasicErrorResponseType::Extension(_) => new(ErrorKind::Unexpected, "an error code of its own"),
        },
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
            new(ErrorKind::Malformed, "the answer is no token and no OAuth error")
        }
    }
}
