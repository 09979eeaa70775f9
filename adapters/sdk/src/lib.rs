//! The language that the hub and its adapters speak.
//!
//! * [`model`]: the canonical words: legs, facts, events, commands, outcomes, and the ids derived for them.
//! * [`doors`]: what an adapter kind offers: `Receive`, `Decode`, `Carry`, `Lookup`, `Probe`, each optional.
//! * [`error`]: what went wrong at a cloud, and whether trying again can help.
//! * [`settings`]: reads the settings of an instance and names every key that is wrong.
//! * [`problem`]: what is wrong in a file that a person wrote, and what would be right.
//! * [`mapping`]: tables that say how one vendor event becomes facts.
//! * `conformance`, behind the feature of that name: the kit that every adapter is put through.
//!
//! Nothing here reads a clock, draws a random number or spawns a task; the simulators' kit behind the feature `sim` is
//! the one exception.

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod doors;
pub mod error;
pub mod mapping;
pub mod model;
pub mod problem;
pub mod secret;
pub mod settings;
#[cfg(feature = "sim")]
pub mod sim;
