//! Which path is which operation.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use http::{HeaderName, HeaderValue, StatusCode};
use tandem_sdk::sim::{FaultKind, FaultLayer, Faults, Ledger, fault_layer};
use uuid::Uuid;

use super::{recognize_text, session};
use crate::sim::errors::Refused;
use crate::sim::runtime::Runtime;

const SESSION: &str = "/bots/{bot}/botAliases/{alias}/botLocales/{locale}/sessions/{session}";

/// The id of a request, told in `x-amzn-requestid` and in the session as `originatingRequestId`.
#[derive(Clone)]
pub(super) struct RequestId(pub(super) String);

/// The four operations, with faults before them.
pub(in crate::sim) fn routes(faults: &Faults, ledger: &Ledger, hold: Duration) -> Router<Arc<Runtime>> {
    let layer = |answers: &'static [fn() -> Refused]| {
        let drawn = AtomicUsize::new(0);
        let layer = FaultLayer::new(faults.clone(), move |kind| match kind {
            FaultKind::Throttle => Refused::throttled().into_response(),
            // One exception of those that the operation can give after the other.
            _ => answers[drawn.fetch_add(1, Ordering::Relaxed) % answers.len()]().into_response(),
        });
        layer.holding(hold).entering(ledger.clone(), |path, _| path.to_owned())
    };
    let all: &[fn() -> Refused] =
        &[Refused::internal, Refused::bad_gateway, || Refused::dependency_failed("A dependency failed.")];
    let texts = Router::new()
        .route(&format!("{SESSION}/text"), post(recognize_text::recognize_text))
        .route(SESSION, post(session::put))
        .route_layer(from_fn_with_state(layer(all), fault_layer));
    let reading = Router::new()
        .route(SESSION, get(session::get).delete(session::delete))
        .route_layer(from_fn_with_state(layer(&[Refused::internal]), fault_layer));
    texts.merge(reading)
}

/// Gives a request its id.
pub(in crate::sim) async fn number(mut request: Request, next: Next) -> Response {
    let id = Uuid::new_v4().to_string();
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = next.run(request).await;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HeaderName::from_static("x-amzn-requestid"), value);
    }
    response
}

/// What no route knows.
pub(in crate::sim) async fn unknown_operation() -> Response {
    Refused::new(StatusCode::NOT_FOUND, "UnknownOperationException", "The simulator does not have this operation.")
        .into_response()
}
