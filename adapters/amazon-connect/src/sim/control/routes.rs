//! The control routes beside those of the kit.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

use super::{agents, contacts};
use crate::sim::cloud::Cloud;

/// - `GET /sim/contacts`, `GET /sim/contacts/{id}`: what is known, the latter with the transcript.
/// - `POST /sim/contacts/{id}/accept {userId}`, `/miss`, `/message {text, contentType?}`, `/typing`,
///   `/attachment {name, contentType, base64}`, `/transfer {userId | queueId}`, `/disconnect {lost?}`, `/complete`.
/// - `POST /sim/agents/{id} {autoAcceptMs?, afterContactMs?, maxChats?}`: null switches off what happens by itself.
/// - `GET /sim/capacity`: taken slots and lengths of queues.
/// - `POST /sim/forget {eventTypes}`: contact events of these types get lost from now on.
/// - `POST /sim/subscribe`: asks the endpoint again to confirm.
pub(in crate::sim) fn routes() -> Router<Arc<Cloud>> {
    Router::new()
        .route("/sim/contacts", get(contacts::list))
        .route("/sim/contacts/{id}", get(contacts::show))
        .route("/sim/contacts/{id}/accept", post(agents::accept))
        .route("/sim/contacts/{id}/miss", post(agents::miss))
        .route("/sim/contacts/{id}/message", post(agents::message))
        .route("/sim/contacts/{id}/typing", post(agents::typing))
        .route("/sim/contacts/{id}/attachment", post(agents::attachment))
        .route("/sim/contacts/{id}/transfer", post(agents::transfer))
        .route("/sim/contacts/{id}/disconnect", post(agents::disconnect))
        .route("/sim/contacts/{id}/complete", post(agents::complete))
        .route("/sim/agents/{id}", post(agents::change))
        .route("/sim/capacity", get(contacts::capacity))
        .route("/sim/forget", post(contacts::forget))
        .route("/sim/subscribe", post(contacts::subscribe))
        .layer(DefaultBodyLimit::max(32 * 1024 * 1024))
}
