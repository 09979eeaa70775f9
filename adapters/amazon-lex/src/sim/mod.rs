//! A simulator of the Amazon Lex V2 runtime: a real TLS server on loopback.
//!
//! It serves RecognizeText, PutSession, GetSession and DeleteSession (SigV4, service `lex`), talks as a script says,
//! and asks code hooks as Lex invokes a Lambda function. [`run`] starts it from [`Settings`]; `GET /sim/sessions` shows
//! what it remembers, `GET /sim/ledger` what was done to it (`turn.taken`, `session.put`, `session.deleted`,
//! `hook.called`, `call.faulted`).
//!
//! * [`shapes`], [`limits`], [`errors`], [`gzip`]: the API's structures, their documented sizes, its refusals, its
//!   packed headers.
//! * [`bot`]: what a bot was built to do, and what it understands. Pure.
//! * [`dialog`]: one conversation. Pure: the time is an argument, a code hook to ask is something that it returns.
//! * [`hook`]: the event for a code hook, and asking it.
//! * [`sessions`], [`quotas`]: what is bounded. [`runtime`]: all of it together.
//! * [`api`], [`control`]: the operations, and what a judge asks.
//!
//! **Invariant:** a call that is refused leaves its session as it was.
//!
//! Not simulated: RecognizeUtterance and StartConversation (speech), composite slots beyond keeping them, Kendra,
//! Bedrock, bot networks, wait-and-continue, output contexts of intents.

mod api;
mod bot;
mod control;
mod dialog;
mod errors;
mod gzip;
mod hook;
mod limits;
mod quotas;
mod run;
mod runtime;
mod sessions;
mod settings;
mod shapes;
#[cfg(test)]
mod tests;

pub use run::{Running, run};
pub use settings::{BotSettings, HookSettings, LedgerText, Limits, MissingSession, Omitted, Rate, Settings};
