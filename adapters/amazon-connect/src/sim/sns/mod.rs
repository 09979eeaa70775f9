//! SNS, as far as chat streaming uses it: topics with one HTTPS subscriber.
//!
//! A topic is standard: what it delivers can come twice and out of order. Every body is signed; the certificate for
//! that is served at the address that each body names.

mod delivery;
mod endpoint;
mod envelope;
mod signing;
mod subscription;

pub(super) use delivery::Publisher;
pub(super) use endpoint::routes;
