//! The simulator's rules, seen by an AMQP client over real sockets.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

mod client;
mod control;
mod disturbed;
mod reading;
mod sending;
mod tokens;
