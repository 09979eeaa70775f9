//! Replay: every envelope that was kept is understood again with the mappings of today, every turn is taken again with the
//! rules of today, and whatever comes out otherwise than it was recorded is named.
//!
//! **Invariant:** a difference does not spread: each record is compared from the state that the recorded steps give.
//! **Invariant:** with the mappings, rules and settings that were in force there are no differences.

mod facts;
mod report;
mod turns;
mod walk;

pub use report::{Difference, Replayed, Room};
pub use walk::{Today, replay};
