//! What can go wrong with storing, as far as somebody can act on it differently.

use std::path::PathBuf;

use super::keyspace::Keyspace;

/// Why the store could not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The engine cannot write or read at the moment: disk full, I/O error, flushing too far behind. Trying again later can help;
    /// the store comes back by itself when the cause is gone.
    ///
    /// After a failed [`commit`](super::Store::commit) with this error **the batch may or may not be there** once the store is back
    /// (a write that failed to sync can still be found on disk). Whoever needs to know makes the batch conditional, as
    /// [`Log::append`](super::Log::append) does: sending it again answers with a conflict when the first one landed.
    #[error("{during}: {source}")]
    Unavailable {
        /// What was being done.
        during: &'static str,
        /// What the engine or the operating system said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another process has the directory open.
    #[error(
        "directory {directory} is in use by another process (its LOCK file is held); stop that one or choose another directory"
    )]
    Locked {
        /// The directory.
        directory: PathBuf,
    },
    /// The directory was written by a later version of this program.
    #[error(
        "directory {directory} has store format {found}, this program knows formats up to {known}; run the version that wrote it, or a later one"
    )]
    Newer {
        /// The directory.
        directory: PathBuf,
        /// The format it states.
        found: u32,
        /// The newest format known here.
        known: u32,
    },
    /// The directory is not one of ours, or its marker cannot be read.
    #[error("directory {directory} cannot be used: {reason}")]
    Foreign {
        /// The directory.
        directory: PathBuf,
        /// What is odd about it.
        reason: String,
    },
    /// Stored bytes are not what was written: a checksum does not match, a record is missing. Trying again does not help.
    #[error("stored data is damaged: {what}")]
    Damaged {
        /// What was found, and where.
        what: String,
    },
    /// A condition of the batch did not hold; nothing of it was written.
    #[error("a condition on {keyspace} does not hold")]
    Unmet {
        /// Where the key is.
        keyspace: Keyspace,
        /// The key whose condition failed.
        key: Vec<u8>,
    },
    /// A key or value exceeds what an engine takes; nothing was written.
    #[error("{what} of {length} bytes exceeds the limit of {limit}")]
    TooLarge {
        /// Key, value, batch.
        what: &'static str,
        /// Its length in bytes (for a batch: changes).
        length: usize,
        /// The limit in the same unit.
        limit: usize,
    },
    /// A key has no bytes; engines do not take that. Nothing was written.
    #[error("an empty key cannot be stored in {0}")]
    EmptyKey(Keyspace),
    /// Retention was asked of a keyspace that is not kept in buckets, or a key of a bucketed keyspace is too short to have one.
    #[error("{0} is not kept in buckets, or the key has none")]
    NoBucket(Keyspace),
}

impl StoreError {
    /// An [`Unavailable`](StoreError::Unavailable) from anything that is an error.
    pub(crate) fn unavailable(
        during: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> StoreError {
        StoreError::Unavailable { during, source: source.into() }
    }

    /// A [`Damaged`](StoreError::Damaged) in words.
    pub(crate) fn damaged(what: impl Into<String>) -> StoreError {
        StoreError::Damaged { what: what.into() }
    }

    /// Whether the same request can succeed later without anybody changing it.
    pub fn is_transient(&self) -> bool {
        matches!(self, StoreError::Unavailable { .. })
    }
}

/// Why records were not appended. Nothing of the batch was written, except as [`StoreError::Unavailable`] says.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The log has moved on (or an earlier attempt landed after all): read from `expected_seq` on, then decide again.
    #[error("the log continues at {next}, not at {expected}")]
    Conflict {
        /// The sequence number the caller expected to write.
        expected: u64,
        /// The one that comes next.
        next: u64,
    },
    /// Somebody claimed a later epoch; this writer must stop.
    #[error("epoch {epoch} is over, epoch {highest} has been claimed")]
    Fenced {
        /// The caller's epoch.
        epoch: u64,
        /// The highest one claimed.
        highest: u64,
    },
    /// The store said no.
    #[error(transparent)]
    Store(#[from] StoreError),
}
