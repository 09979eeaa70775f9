//! The settings of one instance: what a person may write, and what stands after everything was checked.

mod check;
mod schema;

pub(crate) use check::{ApiDestination, Checked, CheckedSns};
pub use schema::{ApiKey, Basic, Bearer, Chat, Credentials, Endpoints, EventBridge, Settings, Sns, Timeouts};
