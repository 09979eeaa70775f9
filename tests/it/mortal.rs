//! A store that stops a process at its n-th commit: before the commit is durable, or after it and before anybody hears of
//! it. Or one that has no room for a single commit, and the process lives on.

use std::ops::Bound;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tandem::store::{Batch, Bucket, Keyspace, Memory, Store, StoreError};
use tokio::sync::Notify;

/// When a process stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Death {
    /// Not at all.
    Never,
    /// Instead of its n-th commit, counted from 1.
    Before(usize),
    /// When its n-th commit is durable and nobody knows.
    After(usize),
    /// Not at all, but the disk has no room for its n-th commit.
    Refused(usize),
}

/// What one process sees of the store. Stopping unwinds the thread that commits, so nothing of that process runs on.
pub(crate) struct Mortal {
    durable: Arc<Memory>,
    death: Death,
    commits: AtomicUsize,
    is_dead: AtomicBool,
    died: Notify,
    /// What was committed, if somebody wants to know.
    seen: Arc<Mutex<Vec<Batch>>>,
}

impl Mortal {
    pub(crate) fn new(durable: Arc<Memory>, death: Death, seen: Arc<Mutex<Vec<Batch>>>) -> Self {
        let (commits, is_dead) = (AtomicUsize::new(0), AtomicBool::new(false));
        Mortal { durable, death, commits, is_dead, died: Notify::new(), seen }
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.is_dead.load(Ordering::SeqCst)
    }

    /// Comes back when the process has stopped.
    pub(crate) async fn dead(&self) {
        loop {
            let notified = self.died.notified();
            if self.is_dead() {
                return;
            }
            notified.await;
        }
    }

    fn die(&self) -> ! {
        self.is_dead.store(true, Ordering::SeqCst);
        self.died.notify_waiters();
        std::panic::resume_unwind(Box::new("the process stopped"))
    }
}

impl Store for Mortal {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.durable.get(keyspace, key)
    }

    fn range(
        &self,
        keyspace: Keyspace,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        self.durable.range(keyspace, from, to, limit)
    }

    fn last(&self, keyspace: Keyspace) -> Result<Option<(Bytes, Bytes)>, StoreError> {
        self.durable.last(keyspace)
    }

    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        assert!(!self.is_dead(), "a process that stopped does not commit");
        let n = self.commits.fetch_add(1, Ordering::SeqCst) + 1;
        if self.death == Death::Before(n) {
            self.die();
        }
        if self.death == Death::Refused(n) {
            return Err(StoreError::Unavailable { during: "writing", source: "no space left on device".into() });
        }
        self.seen.lock().unwrap().push(batch.clone());
        self.durable.commit(batch)?;
        if self.death == Death::After(n) {
            self.die();
        }
        Ok(())
    }

    fn drop_before(&self, keyspace: Keyspace, bucket: Bucket) -> Result<u64, StoreError> {
        self.durable.drop_before(keyspace, bucket)
    }

    fn scrub(&self, keyspace: Keyspace) -> Result<(), StoreError> {
        self.durable.scrub(keyspace)
    }
}
