//! A simulator of Amazon Connect chat: a real TLS server on loopback.
//!
//! It serves the Connect API (SigV4), the Participant API (bearer tokens) and the two addresses of SNS that a
//! subscriber calls, and it pushes: contact events as an EventBridge API destination does, chat items as an SNS topic
//! does. [`run`] starts it from [`Settings`]; `POST /sim/...` plays the agents; `GET /sim/ledger` shows the effects
//! that it suffered.
//!
//! * [`instance`]: what a Connect instance knows and does: contacts, chats, queues, agents. Pure: the time is an
//!   argument, and what leaves the instance is a list of emissions.
//! * [`flow`]: reads and interprets files in the Connect flow language. Pure.
//! * [`api`], [`participant`]: the two APIs over the instance.
//! * [`eventbridge`], [`sns`]: the shapes that are pushed, their authentication, and the pushing.
//! * [`control`]: the agents' desktop and what a judge asks.
//!
//! **Invariant:** nothing is pushed and nothing is entered in the ledger but what the instance emitted, in its order.
//!
//! Not simulated: websockets (a request for one is refused), voice, tasks, e-mail, supervisors, persistent chats.

mod api;
mod cloud;
mod control;
mod errors;
mod eventbridge;
mod flow;
mod ids;
mod instance;
mod participant;
mod quotas;
mod run;
mod settings;
mod sns;
#[cfg(test)]
mod tests;

pub use run::{Running, run};
pub use settings::{AgentSettings, Authorization, EventBridgeSettings, Limits, QueueSettings, Settings, SnsSettings};
