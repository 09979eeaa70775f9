//! What every call passes before its operation: the signature, then the rate.

use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use tandem_sdk::sim::sigv4::{Arrived, verify};

use crate::sim::cloud::Cloud;
use crate::sim::errors::Refused;
use crate::sim::quotas::Operation;

/// The largest body of a call, in bytes: attributes and a message are far smaller.
const MAX_BODY: usize = 256 * 1024;

/// A body whose signature was verified.
pub(super) struct Signed(Bytes);

impl FromRequest<Arc<Cloud>> for Signed {
    type Rejection = Refused;

    async fn from_request(request: Request, cloud: &Arc<Cloud>) -> Result<Self, Refused> {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, MAX_BODY).await.map_err(|_| Refused::invalid_request("the body is too large"))?;
        let arrived = Arrived {
            method: parts.method.as_str(),
            path: parts.uri.path(),
            query: parts.uri.query().unwrap_or_default(),
            headers: &parts.headers,
            authority: parts.uri.authority().map(http::uri::Authority::as_str),
            body: &body,
        };
        verify(&arrived, &cloud.expected("connect"), Timestamp::now())
            .map_err(|refusal| Refused::unauthentic(&refusal))?;
        Ok(Self(body))
    }
}

impl Signed {
    /// Takes one of the operation's tokens, then reads the body.
    pub(super) fn read<T: DeserializeOwned>(&self, cloud: &Cloud, operation: Operation) -> Result<T, Refused> {
        self.take_quota(cloud, operation)?;
        serde_json::from_slice(&self.0).map_err(|error| Refused::invalid_request(error.to_string()))
    }

    pub(super) fn take_quota(&self, cloud: &Cloud, operation: Operation) -> Result<(), Refused> {
        cloud.with(|instance, now| instance.take_quota(operation, now))
    }
}
