//! The doors against the simulator, over real TLS sockets.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

mod deliveries;
mod errors;
mod journey;
mod probe;
mod stage;
