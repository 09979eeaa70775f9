//! The desk: one per domain, the only writer.
//!
//! Whatever the house is told becomes an input here. The desk drains what waits, takes each input through dedupe,
//! correlation, folding and conduct, commits all of it at once, and only then answers everybody. While one batch is on its
//! way to the disk it puts the next one together.
//!
//! **Invariant:** nothing outside this module writes to the store, and an answer means that the record is durable.
//! **Invariant:** recovery folds recorded facts and steps; it never decodes and never decides.

mod answer;
mod at_rest;
mod claims;
mod committing;
mod finding;
mod guarding;
mod handle;
mod house_work;
mod lanes;
mod loading;
mod outbox;
mod outcomes;
mod persist;
mod reading;
mod recover;
mod redriving;
mod run;
mod shelf;
mod timers;
mod work;

pub use answer::{AskedChat, DeskError, Done, Overview, Status};
pub use at_rest::{house_at_rest, interaction_at_rest};
pub use claims::{Claim, Whose};
pub use handle::Desk;
pub use lanes::{Capacities, Priority};
pub use loading::{Setup, open};
pub use reading::{dead_commands, owner_of_dead};
pub(crate) use recover::{Given, fold_given, fold_house, fold_interaction, is_nothing_new};
pub use work::{Incoming, Work};
