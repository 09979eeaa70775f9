//! A store whose commits wait while it is held, and fail while it refuses writes.

use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use bytes::Bytes;
use tandem::store::{Batch, Bucket, Keyspace, Store, StoreError};

/// The disk.
pub(crate) struct Disk {
    inner: Arc<dyn Store>,
    is_held: Mutex<bool>,
    changed: Condvar,
    /// Whether writes fail.
    pub(crate) refuses: AtomicBool,
    /// Whether a commit waits because it is held.
    pub(crate) keeps_waiting: AtomicBool,
}

impl Disk {
    pub(crate) fn over(inner: impl Store + 'static) -> Arc<Self> {
        Arc::new(Disk {
            inner: Arc::new(inner),
            is_held: Mutex::default(),
            changed: Condvar::new(),
            refuses: AtomicBool::new(false),
            keeps_waiting: AtomicBool::new(false),
        })
    }

    pub(crate) fn hold(&self, is_held: bool) {
        *self.is_held.lock().unwrap() = is_held;
        self.changed.notify_all();
    }
}

impl Store for Disk {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.inner.get(keyspace, key)
    }

    fn range(
        &self,
        keyspace: Keyspace,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        self.inner.range(keyspace, from, to, limit)
    }

    fn last(&self, keyspace: Keyspace) -> Result<Option<(Bytes, Bytes)>, StoreError> {
        self.inner.last(keyspace)
    }

    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        let held = self.is_held.lock().unwrap();
        self.keeps_waiting.store(*held, Ordering::SeqCst);
        drop(self.changed.wait_while(held, |is_held| *is_held).unwrap());
        self.keeps_waiting.store(false, Ordering::SeqCst);
        if self.refuses.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable { during: "writing", source: "no space left on device".into() });
        }
        self.inner.commit(batch)
    }

    fn drop_before(&self, keyspace: Keyspace, bucket: Bucket) -> Result<u64, StoreError> {
        self.inner.drop_before(keyspace, bucket)
    }

    fn scrub(&self, keyspace: Keyspace) -> Result<(), StoreError> {
        self.inner.scrub(keyspace)
    }
}
