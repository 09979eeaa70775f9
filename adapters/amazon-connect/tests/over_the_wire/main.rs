//! The adapter against a simulated Amazon Connect, over real sockets and TLS: calls, webhooks, and what goes wrong.

#![cfg(feature = "sim")]
#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

mod failures;
mod house;
mod journey;
