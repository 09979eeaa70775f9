//! The log: records numbered without gaps, appended by one writer at a time.
//!
//! Appending is conditional twice over. The sequence number must be the next one, so a writer that does not know what the log holds cannot
//! write behind it; and the writer's epoch must be the highest claimed, so one that was replaced cannot write at all. Both are
//! checked by the store in the step that writes, not before it.

use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use super::batch::{Batch, Expected};
use super::contract::Store;
use super::error::{AppendError, StoreError};
use super::keyspace::Keyspace;
use super::rows::log_entry::LogKey;
use super::rows::meta::MetaKey;

/// The sequence number of the first record; 0 means "before everything".
pub const FIRST_SEQ: u64 = 1;

/// Records fetched from the store at once while reading, so that a small byte limit does not load a large count.
const READ_STEP: usize = 64;

/// Records and the rows that become true with them.
#[derive(Clone, Debug, Default)]
pub struct LogBatch {
    /// The bytes of the records, each one a frame; they get consecutive sequence numbers.
    pub entries: Vec<Vec<u8>>,
    /// What else changes in the same commit.
    pub rows: Batch,
}

/// An append, put together: what becomes durable, and under which conditions.
#[derive(Debug)]
pub struct Append {
    expected: u64,
    next: u64,
    epoch: u64,
    batch: Arc<Batch>,
}

impl Append {
    /// Puts an append together; `None` where `expected` is no place in a log: the first record is [`FIRST_SEQ`].
    pub fn new(expected: u64, epoch: u64, batch: LogBatch) -> Option<Append> {
        let next = expected.checked_add(batch.entries.len() as u64).filter(|_| expected >= FIRST_SEQ)?;
        let mut commit = Batch::new();
        commit.require(Keyspace::Meta, MetaKey::Epoch.encode(), Expected::Value(epoch_value(epoch)));
        if expected > FIRST_SEQ {
            commit.require(Keyspace::Log, LogKey(expected - 1).encode(), Expected::Present);
        }
        commit.require(Keyspace::Log, LogKey(expected).encode(), Expected::Absent);
        for (seq, entry) in (expected..next).zip(batch.entries) {
            commit.put(Keyspace::Log, LogKey(seq).encode(), entry);
        }
        commit.append(batch.rows);
        Some(Append { expected, next, epoch, batch: Arc::new(commit.in_order()) })
    }

    /// The sequence number that comes next when it is durable.
    pub fn next_seq(&self) -> u64 {
        self.next
    }

    /// What changes, each key once, in the order of their places.
    pub fn batch(&self) -> &Arc<Batch> {
        &self.batch
    }
}

/// The log of a store.
pub struct Log<S: ?Sized> {
    store: Arc<S>,
}

impl<S: Store + ?Sized> Log<S> {
    /// The log of this store.
    pub fn new(store: Arc<S>) -> Log<S> {
        Log { store }
    }

    /// Appends records from `expected_seq` on and changes the rows, as one durable commit; returns the sequence number that comes next.
    /// A batch without records changes rows under the same two conditions.
    ///
    /// After [`StoreError::Unavailable`] the batch may have landed all the same; appending it again then answers with
    /// [`AppendError::Conflict`], and reading from `expected_seq` shows what is there.
    pub fn append(&self, expected_seq: u64, epoch: u64, batch: LogBatch) -> Result<u64, AppendError> {
        match Append::new(expected_seq, epoch, batch) {
            Some(append) => self.commit(&append),
            None => Err(AppendError::Conflict { expected: expected_seq, next: self.next_seq()? }),
        }
    }

    /// [`append`](Log::append) of what was put together before.
    pub fn commit(&self, append: &Append) -> Result<u64, AppendError> {
        match self.store.commit(&append.batch) {
            Ok(()) => Ok(append.next),
            Err(StoreError::Unmet { keyspace: Keyspace::Meta, key }) if key == MetaKey::Epoch.encode() => {
                Err(AppendError::Fenced { epoch: append.epoch, highest: self.epoch()? })
            }
            Err(StoreError::Unmet { keyspace: Keyspace::Log, .. }) => {
                Err(AppendError::Conflict { expected: append.expected, next: self.next_seq()? })
            }
            Err(other) => Err(AppendError::Store(other)),
        }
    }

    /// Claims the next epoch: from now on whoever holds an earlier one can no longer append.
    pub fn claim_epoch(&self) -> Result<u64, StoreError> {
        let key = MetaKey::Epoch.encode();
        loop {
            let held = self.epoch()?;
            let claimed = held.checked_add(1).ok_or_else(|| StoreError::damaged("no epoch is left"))?;
            let expected = if held == 0 { Expected::Absent } else { Expected::Value(epoch_value(held)) };
            let mut batch = Batch::new();
            batch.require(Keyspace::Meta, key.as_slice(), expected);
            batch.put(Keyspace::Meta, key.as_slice(), epoch_value(claimed));
            match self.store.commit(&batch) {
                Ok(()) => return Ok(claimed),
                // Somebody else claimed in between, so the epoch has grown and this ends.
                Err(StoreError::Unmet { .. }) => {}
                Err(other) => return Err(other),
            }
        }
    }

    /// The highest epoch claimed; 0 when nobody has claimed one.
    pub fn epoch(&self) -> Result<u64, StoreError> {
        match self.store.get(Keyspace::Meta, &MetaKey::Epoch.encode())? {
            None => Ok(0),
            Some(value) => match value.as_ref().try_into() {
                Ok(value) => Ok(u64::from_be_bytes(value)),
                Err(_) => Err(StoreError::damaged("the epoch is not a number of 8 bytes")),
            },
        }
    }

    /// The records from `from_seq` on, in order and without gaps: at most `max_entries`, and no more once they exceed `max_bytes`
    /// together. The first one is given whatever its size, so that a reader always gets on. Starts at the first record kept when
    /// `from_seq` lies before it, which the numbers show.
    pub fn read(&self, from_seq: u64, max_entries: usize, max_bytes: usize) -> Result<Vec<(u64, Bytes)>, StoreError> {
        let mut found: Vec<(u64, Bytes)> = Vec::new();
        let mut bytes = 0usize;
        let mut from = from_seq;
        while found.len() < max_entries {
            let step = READ_STEP.min(max_entries - found.len());
            let start = LogKey(from).encode();
            let rows = self.store.range(Keyspace::Log, Bound::Included(&start), Bound::Unbounded, step)?;
            let is_end = rows.len() < step;
            for (key, value) in rows {
                let LogKey(seq) =
                    LogKey::decode(&key).ok_or_else(|| StoreError::damaged("a key of the log is malformed"))?;
                if let Some((last, _)) = found.last()
                    && *last + 1 != seq
                {
                    return Err(StoreError::damaged(format!("the log goes from record {last} to {seq}")));
                }
                bytes = bytes.saturating_add(value.len());
                if bytes > max_bytes && !found.is_empty() {
                    return Ok(found);
                }
                from = seq.saturating_add(1);
                found.push((seq, value));
            }
            if is_end {
                break;
            }
        }
        Ok(found)
    }

    /// The sequence number that the next record gets.
    pub fn next_seq(&self) -> Result<u64, StoreError> {
        let last = self.store.last(Keyspace::Log)?;
        last.map_or(Ok(FIRST_SEQ), |(key, _)| seq_of(&key).map(|seq| seq.saturating_add(1)))
    }

    /// The first record kept; the next sequence number when there is none.
    pub fn first_seq(&self) -> Result<u64, StoreError> {
        let first = self.store.range(Keyspace::Log, Bound::Unbounded, Bound::Unbounded, 1)?;
        first.first().map_or_else(|| self.next_seq(), |(key, _)| seq_of(key))
    }

    /// Lets go of whole buckets of records that all lie before `seq`; the last record always stays. Returns how many buckets went.
    pub fn drop_before(&self, seq: u64) -> Result<u64, StoreError> {
        let last = self.next_seq()?.saturating_sub(1);
        self.store.drop_before(Keyspace::Log, LogKey(seq.min(last)).bucket())
    }
}

impl<S: ?Sized> Clone for Log<S> {
    fn clone(&self) -> Log<S> {
        Log { store: Arc::clone(&self.store) }
    }
}

impl<S: ?Sized> fmt::Debug for Log<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Log")
    }
}

fn epoch_value(epoch: u64) -> Bytes {
    Bytes::copy_from_slice(&epoch.to_be_bytes())
}

fn seq_of(key: &[u8]) -> Result<u64, StoreError> {
    let key = LogKey::decode(key).ok_or_else(|| StoreError::damaged("a key of the log is malformed"))?;
    Ok(key.0)
}
