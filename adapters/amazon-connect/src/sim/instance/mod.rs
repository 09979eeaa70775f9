//! What a Connect instance knows and does.
//!
//! A *chat* is one customer's conversation: its transcript, attributes, tokens and streams, named by the initial
//! contact id. A *contact* is one segment of it: from being started or transferred to being completed. Every verb
//! takes the time as an argument and leaves what it caused in a list of [`Emission`]s.

mod agents;
mod attachments;
mod attributes;
mod chat;
mod connection;
mod contact;
mod emission;
mod ending;
mod messages;
mod overview;
mod placement;
mod reading;
mod roster;
mod start;
mod state;
mod streaming;
#[cfg(test)]
mod tests;
mod timers;
mod transcript;
mod transfer;

pub(super) use attachments::{AttachmentWish, MAX_ATTACHMENT, Upload};
pub(super) use chat::{AttachmentRef, Item, ItemKind, Receipt, Role, Visibility};
pub(super) use connection::{ConnectionWish, instant};
pub(super) use contact::{Contact, QueueRef, Stage};
pub(super) use emission::Emission;
pub(super) use messages::{EventWish, MessageWish, Sent};
pub(super) use overview::AgentChange;
pub(super) use roster::Roster;
pub(super) use start::StartWish;
pub(super) use state::{Facts, Instance};
pub(super) use streaming::{StreamEnd, StreamWish};
pub(super) use transcript::{TranscriptWish, view};
pub(super) use transfer::Target;
