//! A simulator of Azure Event Hubs: AMQP 1.0 over plain TCP on loopback.
//!
//! [`run`] starts it. Events are kept in memory, in hubs and partitions with a bounded retention. What it knows of the
//! service is what the vendor documents and what its SDKs for Rust, Python and JavaScript rely on; the judges in
//! `tests/judges` are two of these SDKs.
//!
//! - SASL ANONYMOUS and MSSBCBS, then tokens over `$cbs`: shared access signatures and RS256 tokens, both verified.
//! - `$management`: READ of a hub and of a partition.
//! - Senders to `HUB` and `HUB/Partitions/ID`, single messages and batches (format 0x80013700).
//! - Readers of `HUB/ConsumerGroups/GROUP/Partitions/ID` from every kind of start, with and without an epoch.
//!
//! Beside the routes of [`tandem_sdk::sim::control_routes`], plain HTTP on an address of its own:
//!
//! - `GET /sim/event-hubs`: hubs, partitions, readers and connections as they are now.
//! - `GET /sim/event-hubs/HUB/PARTITION?after=SEQ&limit=N`: what the partition keeps, in order, as NDJSON.
//! - `POST /sim/event-hubs/HUB/inject`: an [`Injection`], stored as Event Grid would deliver it.
//! - `POST /sim/event-hubs/disturb`: one [`Disturbance`] now, for instance `{"what": "cut"}`.
//!
//! Sites of faults, drawn from the seed or forced through `POST /sim/faults/force`:
//!
//! | site | throttle | server_error | timeout | unknown_outcome | drop | delay |
//! |---|---|---|---|---|---|---|
//! | `send HUB`, before storing | rejected `server-busy` | rejected `internal-error` | swallowed | | | late |
//! | `settle HUB`, after storing | | | never settled | socket cut | link detached unsettled | settled late |
//! | `deliver HUB`, for each page of events | | link closed `internal-error` | silence of 1 s | socket cut | | late |
//! | `attach HUB` | refused `server-busy` | refused `internal-error` | | | | |
//! | `management HUB` | 503 | 503 | no answer | socket cut | | late |
//! | `connection`, each second | | links detached | silence of 1 s | socket cut | `connection:forced` | |
//!
//! The ledger's effects: `connection.opened`, `connection.closed`, `token.granted`, `token.refused`, `link.refused`,
//! `event.stored` (its key is the message id), `reader.attached`, `reader.displaced`, `reader.refused`, `reader.left`,
//! `namespace.disturbed`.
//!
//! Not simulated: Kafka, AMQP over WebSocket and TLS (put a TLS terminator in front), publishers, capture, geo-replication,
//! idempotent producers, receiver runtime metrics, throughput units.

mod address;
mod attach;
mod cbs;
mod conditions;
mod connection;
mod consumer;
mod control;
mod disturb;
mod error;
mod event;
mod frames;
mod grants;
mod inject;
mod jwt;
mod listen;
mod management;
mod namespace;
mod nesting;
mod open_connection;
mod partition;
mod partition_key;
mod producer;
mod pump;
mod readers;
mod request_response;
mod run;
mod sas;
mod selector;
mod session;
mod settings;

pub use disturb::Disturbance;
pub use error::Error;
pub use inject::Injection;
pub use run::{Running, run};
pub use sas::sign;
pub use settings::{Bounds, DEFAULT_GROUP, HubSettings, JwtIssuer, JwtKey, Right, SasRule, Settings};
