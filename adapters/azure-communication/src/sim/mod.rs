//! A simulator of Azure Communication Services chat and of the Event Grid that reports it.
//!
//! [`run`] starts a TLS server on loopback that speaks the Identity API (access key, HMAC) and the Chat API (user
//! access tokens), and posts chat events to subscriptions as Event Grid does: handshake, both schemas, batches, retry
//! schedule, dead letters. It enforces what the service documents, keeps a ledger of its effects and goes wrong from a
//! seed. Everything is in memory and bounded.
//!
//! Beside the vendor's routes and those of [`tandem_sdk::sim::control_routes`]:
//!
//! - `POST /sim/acs/refuse-participant` `{id, times?}`: the next `times` (1) attempts to put this identity into a thread
//!   end in `invalidParticipants` with code 403.
//! - `POST /sim/acs/attach` `{threadId, sender, content?, attachments: [{name, attachmentType?}]}`: a participant sends
//!   files, as Teams clients can; answers `{id}`.
//! - `GET /sim/acs/subscriptions`: each subscription's name and whether its handshake is done.
//! - `GET /{tenant}/discovery/v2.0/keys`: the keys of the Entra tenant that signs deliveries, where configured.
//!
//! Facts: the Chat, Identity and Event Grid specifications in Azure/azure-rest-api-specs, and Microsoft's documentation.
//! Statuses that none of them names (a message past 28 KB, a participant removed twice) are marked where they are chosen.

mod answer;
mod calls;
mod chat;
mod credentials;
mod deliveries;
mod entra;
mod envelopes;
mod events;
mod handshake;
mod identity;
mod limits;
mod run;
#[cfg(test)]
mod scenes;
mod settings;
mod stamps;
mod state;
mod tokens;

pub use run::{Running, run};
pub use settings::{Bounds, Entra, Family, Issuer, LimitMode, Schema, Settings, Subscription};
