//! Which path is which operation.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use tandem_sdk::sim::{FaultKind, FaultLayer, Faults, fault_layer};

use super::{attachments, chat};
use crate::sim::cloud::Cloud;
use crate::sim::errors::Refused;
use crate::sim::instance::MAX_ATTACHMENT;

/// The operations of a customer, and the addresses of attachments.
pub(in crate::sim) fn routes(cloud: &Arc<Cloud>, faults: Faults, hold: Duration) -> Router<Arc<Cloud>> {
    let cloud = Arc::clone(cloud);
    let layer = FaultLayer::new(faults, |kind| match kind {
        FaultKind::Throttle => Refused::throttled("ThrottlingException").into_response(),
        _ => Refused::internal("InternalServerException").into_response(),
    });
    let operations = Router::new()
        .route("/participant/connection", post(chat::connect))
        .route("/participant/message", post(chat::send_message))
        .route("/participant/event", post(chat::send_event))
        .route("/participant/transcript", post(chat::transcript))
        .route("/participant/disconnect", post(chat::disconnect))
        .route("/participant/start-attachment-upload", post(attachments::start))
        .route("/participant/complete-attachment-upload", post(attachments::complete))
        .route("/participant/attachment", post(attachments::get))
        .route_layer(from_fn_with_state(layer.holding(hold).refusing_while(move || cloud.is_full()), fault_layer));
    let files = Router::new()
        .route("/attachments/{id}", get(attachments::download).put(attachments::upload))
        .layer(DefaultBodyLimit::max(MAX_ATTACHMENT));
    operations.merge(files)
}
