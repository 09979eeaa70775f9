//! A store as it will be when the batch that is on its way into it has arrived.
//!
//! Whoever thinks while the disk works needs to read what the disk does not have yet. One batch at most is on its way; it is looked at first,
//! the store behind it after that. Whether it has arrived meanwhile makes no difference: it says the same.

use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use bytes::Bytes;

use super::batch::{Batch, Change};
use super::contract::Store;
use super::error::StoreError;
use super::keyspace::{Bucket, Keyspace};

/// A store, and a batch that is on its way into it.
pub struct Ahead {
    store: Arc<dyn Store>,
    coming: RwLock<Option<Arc<Batch>>>,
}

impl Ahead {
    /// Over this store; nothing is on its way.
    pub fn new(store: Arc<dyn Store>) -> Ahead {
        Ahead { store, coming: RwLock::default() }
    }

    /// From now on this batch, whose changes are in order as [`Append`](super::Append) puts them, counts as if it had arrived.
    pub fn expect(&self, batch: Arc<Batch>) {
        *self.coming.write().unwrap_or_else(PoisonError::into_inner) = Some(batch);
    }

    /// It has arrived, or never will: the store alone counts.
    pub fn settle(&self) {
        *self.coming.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn coming(&self) -> RwLockReadGuard<'_, Option<Arc<Batch>>> {
        self.coming.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// What comes for a key: a value, or that it goes.
    fn comes(&self, keyspace: Keyspace, key: &[u8]) -> Option<Option<Bytes>> {
        let coming = self.coming();
        let changes = coming.as_ref()?.changes();
        let place = changes.binary_search_by(|change| change.place().cmp(&(keyspace, key))).ok()?;
        Some(match changes.get(place)? {
            Change::Put { value, .. } => Some(value.clone()),
            Change::Delete { .. } => None,
        })
    }
}

/// The changes of a batch in order whose keys lie between the bounds.
fn between<'b>(batch: &'b Batch, keyspace: Keyspace, from: Bound<&[u8]>, to: Bound<&[u8]>) -> &'b [Change] {
    let changes = batch.changes();
    let is_before = |change: &Change| match (change.place(), from) {
        ((place, _), Bound::Unbounded) => place < keyspace,
        (place, Bound::Included(from)) => place < (keyspace, from),
        (place, Bound::Excluded(from)) => place <= (keyspace, from),
    };
    let is_within = |change: &Change| match (change.place(), to) {
        ((place, _), Bound::Unbounded) => place <= keyspace,
        (place, Bound::Included(to)) => place <= (keyspace, to),
        (place, Bound::Excluded(to)) => place < (keyspace, to),
    };
    let first = changes.partition_point(is_before);
    let end = changes.partition_point(is_within);
    changes.get(first..end).unwrap_or_default()
}

impl Store for Ahead {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        match self.comes(keyspace, key) {
            Some(value) => Ok(value),
            None => self.store.get(keyspace, key),
        }
    }

    fn contains(&self, keyspace: Keyspace, key: &[u8]) -> Result<bool, StoreError> {
        match self.comes(keyspace, key) {
            Some(value) => Ok(value.is_some()),
            None => self.store.contains(keyspace, key),
        }
    }

    fn range(
        &self,
        keyspace: Keyspace,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        let coming = self.coming().clone();
        let changes = coming.as_ref().map(|batch| between(batch, keyspace, from, to)).unwrap_or_default();
        // Every change takes at most one of them away.
        let stored = self.store.range(keyspace, from, to, limit.saturating_add(changes.len()))?;
        if changes.is_empty() {
            return Ok(stored);
        }
        let (mut stored, mut changes) = (stored.into_iter().peekable(), changes.iter().peekable());
        let mut found = Vec::new();
        while found.len() < limit {
            let key = match (stored.peek(), changes.peek()) {
                (Some((key, _)), Some(change)) => key.as_ref().min(change.place().1),
                (Some((key, _)), None) => key.as_ref(),
                (None, Some(change)) => change.place().1,
                (None, None) => break,
            };
            let key = Bytes::copy_from_slice(key);
            let before = stored.next_if(|(stored, _)| *stored == key);
            match changes.next_if(|change| change.place().1 == key) {
                Some(Change::Put { value, .. }) => found.push((key, value.clone())),
                Some(Change::Delete { .. }) => {}
                None => found.extend(before),
            }
        }
        Ok(found)
    }

    fn last(&self, keyspace: Keyspace) -> Result<Option<(Bytes, Bytes)>, StoreError> {
        let coming = self.coming().clone();
        let all = (Bound::Unbounded, Bound::Unbounded);
        let changes = coming.as_ref().map(|batch| between(batch, keyspace, all.0, all.1)).unwrap_or_default();
        let stored = self.store.last(keyspace)?;
        match (&stored, changes.last()) {
            (_, None) => Ok(stored),
            (_, Some(Change::Put { key, value, .. }))
                if stored.as_ref().is_none_or(|(stored, _)| stored.as_ref() <= key.as_slice()) =>
            {
                Ok(Some((Bytes::copy_from_slice(key), value.clone())))
            }
            // Something goes. Nobody asks this of a keyspace from which things go one by one.
            _ => Ok(self.range(keyspace, all.0, all.1, usize::MAX)?.pop()),
        }
    }

    /// Straight into the store. What is on its way has to arrive first.
    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        self.store.commit(batch)
    }

    fn drop_before(&self, keyspace: Keyspace, bucket: Bucket) -> Result<u64, StoreError> {
        self.store.drop_before(keyspace, bucket)
    }

    fn scrub(&self, keyspace: Keyspace) -> Result<(), StoreError> {
        self.store.scrub(keyspace)
    }
}
