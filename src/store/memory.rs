//! A store that keeps nothing: for replay, simulation and tests.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::batch::{Batch, Change};
use super::contract::{Store, is_empty_range};
use super::error::StoreError;
use super::keyspace::{Bucket, Keyspace};

/// Ordered keys in memory. Passes the same suite as the store on disk, durability apart.
#[derive(Debug, Default)]
pub struct Memory {
    rows: Mutex<BTreeMap<Keyspace, BTreeMap<Bytes, Bytes>>>,
}

impl Memory {
    /// An empty store.
    pub fn new() -> Memory {
        Memory::default()
    }

    fn rows(&self) -> MutexGuard<'_, BTreeMap<Keyspace, BTreeMap<Bytes, Bytes>>> {
        // A panic while the lock was held cannot have left a batch half applied: applying does not call anybody.
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Memory {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Ok(self.rows().get(&keyspace).and_then(|rows| rows.get(key)).cloned())
    }

    fn range(
        &self,
        keyspace: Keyspace,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        if is_empty_range(from, to) {
            return Ok(Vec::new());
        }
        let rows = self.rows();
        let Some(rows) = rows.get(&keyspace) else { return Ok(Vec::new()) };
        let found = rows.range::<[u8], _>((from, to)).take(limit);
        Ok(found.map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    fn last(&self, keyspace: Keyspace) -> Result<Option<(Bytes, Bytes)>, StoreError> {
        let rows = self.rows();
        let last = rows.get(&keyspace).and_then(BTreeMap::last_key_value);
        Ok(last.map(|(key, value)| (key.clone(), value.clone())))
    }

    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        batch.check()?;
        let mut rows = self.rows();
        for requirement in batch.requirements() {
            let found = rows.get(&requirement.keyspace).and_then(|rows| rows.get(requirement.key.as_slice()));
            if !requirement.expected.is_met_by(found.map(Bytes::as_ref)) {
                return Err(StoreError::Unmet { keyspace: requirement.keyspace, key: requirement.key.clone() });
            }
        }
        for change in batch.effective() {
            match change {
                Change::Put { keyspace, key, value } => {
                    rows.entry(*keyspace).or_default().insert(Bytes::copy_from_slice(key), value.clone());
                }
                Change::Delete { keyspace, key } => {
                    if let Some(rows) = rows.get_mut(keyspace) {
                        rows.remove(key.as_slice());
                    }
                }
            }
        }
        Ok(())
    }

    fn drop_before(&self, keyspace: Keyspace, bucket: Bucket) -> Result<u64, StoreError> {
        if !keyspace.is_bucketed() {
            return Err(StoreError::NoBucket(keyspace));
        }
        let mut rows = self.rows();
        let Some(rows) = rows.get_mut(&keyspace) else { return Ok(0) };
        let is_old = |key: &Bytes| keyspace.bucket_of(key).is_some_and(|found| found < bucket);
        let mut dropped = Vec::new();
        // Buckets in order are keys in order, so the old keys stand in front.
        while let Some(first) = rows.first_entry()
            && is_old(first.key())
        {
            dropped.push(keyspace.bucket_of(first.key()));
            first.remove();
        }
        dropped.dedup();
        Ok(dropped.len() as u64)
    }

    /// There are no files, so nothing is left to do.
    fn scrub(&self, _: Keyspace) -> Result<(), StoreError> {
        Ok(())
    }
}
