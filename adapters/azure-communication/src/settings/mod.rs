//! The settings of one instance: what a person may write, and what stands after everything was checked.

mod check;
mod events;
mod period;
mod report;
mod schema;
mod size;

pub(crate) use check::Checked;
pub(crate) use events::{CheckedEntra, CheckedEvents};
pub use schema::{Entra, EventGrid, HeaderSecret, QuerySecret, Settings};
pub use size::Size;

#[cfg(test)]
pub(crate) use check::tests::sample;
