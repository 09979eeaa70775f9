//! One conversation between a customer and the bot. Pure: the time is an argument, and a code hook that has to be asked
//! is something that the conversation says, not something that it does.
//!
//! * [`conversation`]: what is remembered between turns, and what a turn works on.
//! * [`hearing`]: what a text does to the conversation.
//! * [`proceeding`]: what the bot does by itself: asks for a slot, asks for confirmation, fulfils.
//! * [`answering`]: what a code hook's answer does, and what is refused of it.
//! * [`putting`]: what a client sets from outside.

mod answering;
mod conversation;
mod hearing;
mod proceeding;
mod putting;
#[cfg(test)]
mod tests;

pub(super) use answering::{Answer, HookFailure};
pub(super) use conversation::{Conversation, HookCall, Next, Remembered, Source, Wish};
