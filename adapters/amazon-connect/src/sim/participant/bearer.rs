//! What every call brings: a token and a JSON body.

use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::sim::cloud::Cloud;
use crate::sim::errors::Refused;
use crate::sim::quotas::Operation;

const MAX_BODY: usize = 128 * 1024;

/// A call with its token. Whether the token is good depends on the operation.
pub(super) struct Bearing {
    pub(super) token: String,
    /// `https://` and where the caller reached this server, for addresses on it.
    pub(super) origin: String,
    body: Bytes,
}

impl FromRequest<Arc<Cloud>> for Bearing {
    type Rejection = Refused;

    async fn from_request(request: Request, _cloud: &Arc<Cloud>) -> Result<Self, Refused> {
        let (parts, body) = request.into_parts();
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let token = header("x-amz-bearer").ok_or_else(Refused::access_denied)?.to_owned();
        let authority = parts.uri.authority().map(http::uri::Authority::as_str).or_else(|| header("host"));
        let origin = format!("https://{}", authority.unwrap_or("localhost"));
        let body = to_bytes(body, MAX_BODY).await.map_err(|_| Refused::validation("the body is too large"))?;
        Ok(Self { token, origin, body })
    }
}

impl Bearing {
    /// Takes one of the operation's tokens, then reads the body; an empty body is an empty object.
    pub(super) fn read<T: DeserializeOwned>(&self, cloud: &Cloud, operation: Operation) -> Result<T, Refused> {
        cloud.with(|instance, now| instance.take_quota(operation, now))?;
        let body: &[u8] = if self.body.is_empty() { b"{}" } else { &self.body };
        serde_json::from_slice(body).map_err(|error| Refused::validation(error.to_string()))
    }
}
