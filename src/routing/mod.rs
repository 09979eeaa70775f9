//! Who should take it: ordered rules over the interaction, the profile and the time name a target.
//!
//! [`Rules`] are read from a TOML file and checked whole before they replace others. [`decide`] is a pure function of
//! its arguments and always names a target; the [`Decision`] says what was looked at and is written to the log.
//! [`next_target`] walks the fallbacks when a target did not take the interaction.
//!
//! **Invariant:** deciding never calls a network, a clock or a disk, never fails, and never writes a personal value
//! into the decision. The same rules, question, profile and time give the same bytes.

mod condition;
mod decide;
mod load;
mod question;
mod reading;
mod reason;
mod rules;
mod scope;
mod vetting;

pub use decide::{Decision, Looked, Standing, decide, next_target};
pub use question::{ProfileView, Question};
pub use rules::{DEFAULT_RULE, Rules};
