//! Which path is which operation.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post, put};
use http::{HeaderName, StatusCode};
use serde_json::json;
use tandem_sdk::sim::{FaultKind, FaultLayer, Faults, fault_layer};

use super::{contacts, reading};
use crate::sim::cloud::Cloud;
use crate::sim::errors::Refused;

/// The operations that a chat needs.
pub(in crate::sim) fn routes(cloud: &Arc<Cloud>, faults: Faults, hold: Duration) -> Router<Arc<Cloud>> {
    let cloud = Arc::clone(cloud);
    let layer = FaultLayer::new(faults, |kind| match kind {
        FaultKind::Throttle => Refused::throttled("TooManyRequestsException").into_response(),
        _ => Refused::internal("InternalServiceException").into_response(),
    });
    Router::new()
        .route("/contact/chat", put(contacts::start_chat))
        .route("/contact/start-streaming", post(contacts::start_streaming))
        .route("/contact/stop-streaming", post(contacts::stop_streaming))
        .route("/contact/stop", post(contacts::stop))
        .route("/contact/attributes", post(contacts::update_attributes))
        .route("/contact/attributes/{instance}/{contact}", get(contacts::get_attributes))
        .route("/contact/associated/{instance}", get(reading::list_associated_contacts))
        .route("/contacts/{instance}/{contact}", get(reading::describe_contact))
        .route("/users/{instance}/{user}", get(reading::describe_user))
        .route("/queues/{instance}/{queue}", get(reading::describe_queue))
        .route("/queues-summary/{instance}", get(reading::list_queues))
        .route_layer(from_fn_with_state(layer.holding(hold).refusing_while(move || cloud.is_full()), fault_layer))
}

/// What no route knows.
pub(in crate::sim) async fn unknown_operation() -> Response {
    let named = [(HeaderName::from_static("x-amzn-errortype"), "UnknownOperationException")];
    let body = axum::Json(json!({ "Message": "The simulator does not have this operation." }));
    (StatusCode::NOT_FOUND, named, body).into_response()
}
