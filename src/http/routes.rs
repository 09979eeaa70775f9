//! One page of routes.

use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state, map_request};
use axum::response::Response;
use tower_http::catch_panic::CatchPanicLayer;

use super::access::say_host;
use super::chats::Chats;
use super::erasures::Erasures;
use super::following::Following;
use super::hooks::Hooks;
use super::problem::{Code, problem};
use super::signs::Signs;
use super::{agents, deadletters, events, interactions, quarantine};

/// The rooms that answer the door.
pub struct Rooms {
    /// Vendors speak here.
    pub hooks: Hooks,
    /// The site's backend opens chats here.
    pub chats: Chats,
    /// CDP, CRM and people follow here.
    pub following: Following,
    /// Customers are erased here.
    pub erasures: Erasures,
    /// Whoever runs the hub looks here.
    pub signs: Signs,
    /// How long a request may take.
    pub timeout: Duration,
}

/// Every route of the hub.
pub fn routes(rooms: Rooms) -> Router {
    Router::new()
        .merge(rooms.hooks.routes())
        .merge(rooms.chats.routes())
        .merge(events::routes(rooms.following.clone()))
        .merge(interactions::routes(rooms.following.clone()))
        .merge(agents::routes(rooms.following.clone()))
        .merge(quarantine::routes(rooms.following.clone()))
        .merge(deadletters::routes(rooms.following))
        .merge(rooms.erasures.routes())
        .merge(rooms.signs.routes())
        .layer(map_request(async |request: Request| say_host(request)))
        .layer(from_fn_with_state(rooms.timeout, in_time))
        .fallback(|| async { problem(Code::NotFound, "no such address") })
        .method_not_allowed_fallback(|| async {
            problem(Code::MethodNotAllowed, "see README.md for what this address takes")
        })
        .layer(CatchPanicLayer::custom(|_| problem(Code::Unexpected, "the request made the hub panic")))
}

/// Answers in time, whatever the room does.
async fn in_time(State(timeout): State<Duration>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(timeout, next.run(request)).await {
        Ok(response) => response,
        Err(_) => problem(Code::NotNow, "this took too long; listen.timeout says how long a request may take"),
    }
}
