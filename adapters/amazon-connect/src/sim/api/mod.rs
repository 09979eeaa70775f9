//! The Connect API: REST-JSON, signed with SigV4 for the service `connect`.

mod contacts;
mod front;
mod reading;
mod routes;

pub(super) use routes::{routes, unknown_operation};
