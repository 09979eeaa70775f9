//! Code hooks: the event that a function gets, and asking it.

mod event;
mod invoke;

pub(super) use event::{Bot, event};
pub(super) use invoke::Function;
