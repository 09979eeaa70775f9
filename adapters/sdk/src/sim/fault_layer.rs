//! Faults in calls to a simulator's API.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};

use super::{Fault, FaultKind, Faults, Ledger};

/// The longest body that is looked at for what a faulted call was about; a longer one arrives empty, and is refused.
const MAX_LOOKED_AT: usize = 32 * 1024 * 1024;

/// Marks a response that must not be sent: [`serve`](super::serve) closes the connection instead.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the simulator closed the connection on purpose")]
pub(super) struct Severed;

impl From<Infallible> for Severed {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// A response that [`serve`](super::serve) turns into a closed connection: the caller gets no answer.
#[must_use]
pub fn sever() -> Response {
    let mut response = StatusCode::SERVICE_UNAVAILABLE.into_response();
    response.extensions_mut().insert(Severed);
    response
}

/// What a call was about, by its path and its body.
pub type WhatWasCalled = fn(&str, &[u8]) -> String;

/// What [`fault_layer`] needs to know. Use it with `axum::middleware::from_fn_with_state(layer, fault_layer)`.
///
/// The site of a call is `METHOD matched-path`, for example `POST /chat/threads/{thread}/messages`.
#[derive(Clone)]
pub struct FaultLayer {
    faults: Faults,
    allowed: Arc<[FaultKind]>,
    hold: Duration,
    retry_after_seconds: u64,
    body: Arc<dyn Fn(FaultKind) -> Response + Send + Sync>,
    /// Where faults are entered, and under what: found in the path and the body of the call.
    book: Option<(Ledger, WhatWasCalled)>,
    is_full: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl FaultLayer {
    /// `body` writes the vendor's answer, status included, for [`FaultKind::Throttle`] and [`FaultKind::ServerError`]; the
    /// layer adds `Retry-After: 1` to the first. A swallowed request is held for ten seconds before its connection is
    /// closed.
    pub fn new(faults: Faults, body: impl Fn(FaultKind) -> Response + Send + Sync + 'static) -> Self {
        Self {
            faults,
            allowed: Arc::from(FaultKind::CALLS),
            hold: Duration::from_secs(10),
            retry_after_seconds: 1,
            body: Arc::new(body),
            book: None,
            is_full: Arc::new(|| false),
        }
    }

    /// While the simulator is full, every call is answered as for [`FaultKind::ServerError`], without being one: what
    /// waits to be told about is bounded by refusing more of it, not by losing it.
    #[must_use]
    pub fn refusing_while(mut self, is_full: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.is_full = Arc::new(is_full);
        self
    }

    /// Enters every fault as `call.faulted`, under what `key` finds in the path and the body of the call.
    #[must_use]
    pub fn entering(mut self, ledger: Ledger, key: WhatWasCalled) -> Self {
        self.book = Some((ledger, key));
        self
    }

    /// Only these kinds are drawn.
    #[must_use]
    pub fn allowing(mut self, kinds: &[FaultKind]) -> Self {
        self.allowed = Arc::from(kinds);
        self
    }

    /// How long a swallowed request is held before its connection is closed. Should be longer than the caller's
    /// deadline.
    #[must_use]
    pub fn holding(mut self, hold: Duration) -> Self {
        self.hold = hold;
        self
    }

    /// What `Retry-After` says, in seconds.
    #[must_use]
    pub fn retrying_after(mut self, seconds: u64) -> Self {
        self.retry_after_seconds = seconds;
        self
    }
}

impl FaultLayer {
    async fn enter(&self, fault: FaultKind, site: &str, request: Request) -> Request {
        let Some((ledger, key)) = &self.book else { return request };
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, MAX_LOOKED_AT).await.unwrap_or_default();
        let detail = serde_json::json!({ "site": site, "fault": fault });
        ledger.enter("call.faulted", &key(parts.uri.path(), &body), detail);
        Request::from_parts(parts, Body::from(body))
    }
}

/// Draws a fault for a call and lets it befall the caller.
pub async fn fault_layer(State(layer): State<FaultLayer>, request: Request, next: Next) -> Response {
    if (layer.is_full)() {
        return (layer.body)(FaultKind::ServerError);
    }
    let path = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str);
    let site = format!("{} {path}", request.method());
    let drawn = layer.faults.draw(&site, &layer.allowed);
    let request = match drawn {
        Some(fault) => layer.enter(fault.kind(), &site, request).await,
        None => request,
    };
    match drawn {
        Some(Fault::Delay(delay)) => {
            tokio::time::sleep(delay).await;
            next.run(request).await
        }
        Some(Fault::Throttle) => {
            let mut response = (layer.body)(FaultKind::Throttle);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(layer.retry_after_seconds));
            response
        }
        Some(Fault::ServerError) => (layer.body)(FaultKind::ServerError),
        Some(Fault::Timeout) => {
            tokio::time::sleep(layer.hold).await;
            sever()
        }
        Some(Fault::UnknownOutcome) => {
            drop(next.run(request).await);
            sever()
        }
        // These befall deliveries, not calls.
        Some(Fault::Duplicate | Fault::Reorder | Fault::Drop) | None => next.run(request).await,
    }
}
