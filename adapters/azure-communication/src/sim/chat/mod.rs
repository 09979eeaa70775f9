//! The Chat API. Every call is made as a participant, with that user's access token.

mod conversation;
mod messages;
mod participants;
mod thread;
mod threads;
mod wire;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

pub(super) use messages::attach;
pub(super) use thread::Thread;

use super::state::Sim;

pub(super) fn routes() -> Router<Arc<Sim>> {
    Router::new()
        .without_v07_checks()
        .route("/chat/threads", post(threads::create).get(threads::list))
        .route("/chat/threads/{thread}", get(threads::read).patch(threads::update).delete(threads::remove))
        .route("/chat/threads/{thread}/participants", get(participants::list))
        .route("/chat/threads/{thread}/participants/:add", post(participants::add))
        .route("/chat/threads/{thread}/participants/:remove", post(participants::remove))
        .route("/chat/threads/{thread}/messages", post(messages::send).get(messages::list))
        .route(
            "/chat/threads/{thread}/messages/{message}",
            get(messages::read).patch(messages::update).delete(messages::remove),
        )
        .route("/chat/threads/{thread}/typing", post(conversation::typing))
        .route("/chat/threads/{thread}/readReceipts", post(conversation::receive).get(conversation::receipts))
}
