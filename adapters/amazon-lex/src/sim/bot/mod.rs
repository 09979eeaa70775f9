//! What a bot was built to do, and what it understands. Pure.
//!
//! * [`script`]: the file that says it.
//! * [`words`]: a text as the bot hears it.
//! * [`recognise`]: which intents a text may mean.
//! * [`slots`]: which value a text gives a slot.
//! * [`sentiment`]: how the customer feels, by word lists.

mod recognise;
mod script;
mod sentiment;
mod slots;
mod words;

pub(super) use recognise::{Candidate, candidates, exact};
pub(super) use script::{FALLBACK, IntentDef, Script, SlotDef};
pub(super) use sentiment::sentiment;
pub(super) use slots::resolve;
pub(super) use words::is_one_of;
