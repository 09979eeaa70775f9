//! The Participant API: no SigV4, a bearer token in `X-Amz-Bearer`.

mod attachments;
mod bearer;
mod chat;
mod routes;

pub(super) use routes::routes;
