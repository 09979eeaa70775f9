//! A platform speaks and we keep what it said.
//!
//! **Invariant:** the reply goes out when the record is durable, never before. What is authentic is never refused for what
//! it says.

mod keys;
mod receive;

pub use keys::{Fetch, KeySettings, Keys};
pub use receive::{Answered, Door, Intake};
