//! The settings of one instance: what a person may write, and what stands after everything was checked.

mod check;
mod schema;
mod size;

pub(crate) use check::{Checked, CheckedOAuth, Row};
pub use schema::{Asking, ClientAuth, IdentityRow, Method, OAuth, Response, Settings};
pub use size::Size;
