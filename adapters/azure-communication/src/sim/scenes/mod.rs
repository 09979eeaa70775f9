//! The simulator at work over real TLS sockets.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

mod chat;
mod delivery;
mod identity;
mod stage;
