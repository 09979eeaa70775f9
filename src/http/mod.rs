//! The front desk: the only axum in the building. Each sub-router carries its own room.

mod access;
mod agents;
mod chats;
mod connections;
mod deadletters;
mod erasures;
mod events;
mod following;
mod hooks;
mod interactions;
mod problem;
mod quarantine;
mod query;
mod routes;
mod segment;
mod serve;
mod signs;
mod stream;
mod view;

pub use access::{Access, Gate};
pub use chats::Chats;
pub use erasures::Erasures;
pub use following::Following;
pub use hooks::Hooks;
pub use problem::{Code, problem};
pub use routes::{Rooms, routes};
pub use serve::{Bounds, ServeError, serve, tls};
pub use signs::Signs;
