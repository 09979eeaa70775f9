//! Commands → calls of the identity and the chat API. One command is one call, except that a list takes its pages.

mod chat;
mod door;
mod identity;
mod list;
mod quotas;
mod recall;
mod wire;

pub(crate) use door::Carrier;
pub(crate) use identity::issue_token;
pub use wire::MARKER;
