//! The Amazon Connect flow language, version 2019-10-30: as much of it as a chat flow uses.
//!
//! [`Flow`] reads a file as the flow designer exports it and refuses what the designer would refuse to import.
//! [`interpret`] walks it. Facts: the flow language pages of the Amazon Connect API reference.

mod compare;
mod document;
mod interpret;
mod path;

pub(super) use document::{Flow, Routing};
pub(super) use interpret::{Ending, Scene, interpret};
