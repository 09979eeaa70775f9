//! The shelf everything stands on: ordered keys, one atomic durable batch, the log, and the sealing of personal data.
//!
//! Bytes come in and bytes go out; nothing here knows what an interaction is, and nothing outside this folder knows which
//! engine is under it. [`rows`] is the catalogue of what is stored where.
//!
//! - [`Store`] is what an engine offers; [`Embedded`] keeps a directory, [`Memory`] keeps nothing.
//! - [`Ahead`] is a store with the batch that is on its way into it, for whoever goes on thinking meanwhile.
//! - [`Log`] is the numbered sequence of records on top of any store; [`Frame`] is the shape of one record's bytes.
//! - [`Keys`] holds one data key per subject, [`seal`] uses them, [`Vault`] keeps secrets under them.
//!
//! **Invariant:** when [`Store::commit`] returns `Ok`, the batch survives a power cut, whole.
//! **Invariant:** one store holds one domain, so keys carry no domain.
//! **Invariant:** the bytes of a frame, of a sealed part and of every key in [`rows`] are written down where they are encoded, and
//! tests hold fixed examples of them: what one version wrote, every later version reads.

mod ahead;
mod batch;
mod contract;
mod embedded;
mod entropy;
mod error;
mod frame;
mod keys;
mod keyspace;
mod log;
mod lru;
mod master;
mod memory;
pub mod rows;
pub mod seal;
mod subject;
mod vault;

#[cfg(test)]
mod conformance;

pub use ahead::Ahead;
pub use batch::{Batch, Change, Expected, Requirement};
pub use contract::Store;
pub use embedded::{Embedded, Settings};
pub use entropy::{Entropy, OsEntropy, SeededEntropy};
pub use error::{AppendError, StoreError};
pub use frame::{Frame, FrameDraft, FrameError};
pub use keys::{KeyError, Keys, Mark};
pub use keyspace::{Bucket, Keyspace, describe, pretty};
pub use log::{Append, FIRST_SEQ, Log, LogBatch};
pub use master::{MasterKey, MasterKeyId, MasterKeys};
pub use memory::Memory;
pub use subject::{DataKey, KeyId, SubjectId};
pub use vault::{SecretBytes, SecretName, Vault};
