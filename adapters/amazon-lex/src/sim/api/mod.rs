//! The runtime API: REST-JSON, signed with SigV4 for the service `lex`.

mod front;
mod recognize_text;
mod routes;
mod session;

pub(super) use routes::{number, routes, unknown_operation};
