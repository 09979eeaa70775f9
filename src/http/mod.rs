//! The front desk: the only axum in the building. Each sub-router carries its own room.

mod access;
mod chats;
mod hooks;
mod problem;
mod routes;
mod serve;
mod signs;

pub use access::{Access, Gate};
pub use chats::Chats;
pub use hooks::Hooks;
pub use problem::{Code, problem};
pub use routes::{Rooms, routes};
pub use serve::{ServeError, serve, tls};
pub use signs::Signs;
