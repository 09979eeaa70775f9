//! The settings of one instance: what a person may write, and what stands after everything was checked.

mod check;
mod leaves;
mod period;
mod schema;
mod size;

pub(crate) use check::{Checked, CheckedEntra, CheckedEvents};
pub(crate) use leaves::read;
pub use schema::{Entra, EventGrid, HeaderSecret, QuerySecret, Settings};
pub use size::Size;

#[cfg(test)]
pub(crate) use check::tests::sample;
