//! The store in a directory: fjall underneath, no server.
//!
//! ```text
//! <directory>/
//!   LOCK          held (flock) by the process that has the store open
//!   FORMAT        "tandem store format 1"; written before anything else
//!   engine/       fjall's own files; made as engine.new/ and renamed when complete
//!   PROBE         there for a moment when the store finds out whether the disk takes writes again
//! ```
//!
//! Each keyspace is one of fjall's, named as in [`Keyspace::name`](super::Keyspace::name); each bucket of a bucketed one is a
//! keyspace of its own named `<name>@<bucket, 20 digits>`, so retention removes it whole.
//!
//! Commits run one at a time: requirements are checked and the batch is written under one lock, with one fdatasync. Reads take no part
//! in that. **Invariant:** fjall never gets a key or value that it would cut off, nor two changes of one key in one batch (it gives
//! both the same number and keeps either).
//!
//! What fjall does not do and this folder does: it opens after a kill during its very first start; it refuses, rather than silently loses,
//! what stands behind damage in a journal or a list of tables; and it comes back after the disk was full (see [`store`]).

mod directory;
mod engine;
mod journal;
mod manifest;
mod scrub;
mod settings;
mod store;

pub use settings::Settings;
pub use store::Embedded;
