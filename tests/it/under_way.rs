//! While one commit is under way the desk puts the next batch together: nobody hears of it before it is durable, and what
//! fails takes along what was thought on it.

use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use tandem::clock::{Clock, SetClock};
use tandem::desk::{self, Desk, DeskError, Done, Incoming, Priority, Work};
use tandem::interactions::Settings;
use tandem::routing::Rules;
use tandem::store::{Batch, Bucket, Keyspace, Log, Memory, Store, StoreError};
use tandem_sdk::doors::{Decoded, Envelope};
use tokio::task::JoinHandle;

use crate::desk_house::{CUSTOMER, RULES, said, setup, thread};
use crate::play;

/// Long enough for a desk that would answer too early.
const A_WHILE: Duration = Duration::from_millis(60);

/// A disk whose commits wait while it is held, and fail when it is broken.
#[derive(Default)]
struct Disk {
    inner: Memory,
    is_held: Mutex<bool>,
    changed: Condvar,
    is_broken: AtomicBool,
    waiting: AtomicBool,
}

impl Disk {
    fn hold(&self, is_held: bool) {
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
        self.waiting.store(*held, Ordering::SeqCst);
        drop(self.changed.wait_while(held, |is_held| *is_held).unwrap());
        self.waiting.store(false, Ordering::SeqCst);
        if self.is_broken.swap(false, Ordering::SeqCst) {
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

/// A desk that is awake: what the house owes from its beginning is in somebody's hands.
async fn opened() -> (Arc<Disk>, Desk, Timestamp) {
    let (disk, now) = (Arc::new(Disk::default()), "2026-01-01T12:00:00Z".parse().unwrap());
    let clock: Arc<dyn Clock> = Arc::new(SetClock::at(now));
    let (rules, keys) = (Arc::new(Rules::parse("rules.toml", RULES).unwrap()), play::keys(&disk, 1));
    let (desk, _) =
        desk::open(setup(Settings::default(), false), rules, Arc::<Disk>::clone(&disk), keys, clock).unwrap();
    assert!(!desk.claim(9).await.unwrap().is_empty());
    (disk, desk, now)
}

#[expect(clippy::disallowed_methods, reason = "a test has tasks of its own")]
fn sends(desk: &Desk, now: Timestamp, key: &str) -> JoinHandle<Result<Done, DeskError>> {
    let envelope = Envelope {
        door: "test".into(),
        kind: None,
        dedupe: vec![key.to_owned()],
        origin: vec![],
        body: Bytes::from_static(b"{}"),
    };
    let decoded = Decoded::Facts(vec![said(thread(), now, key, CUSTOMER, None, "I need help")]);
    let incoming = Incoming { instance: "acs".into(), envelope, decoded, mapping: "m".into() };
    let desk = desk.clone();
    tokio::spawn(async move { desk.submit(Priority::Webhook, Work::Envelope(Box::new(incoming))).await })
}

/// Two messages and the first one's duplicate, thought while the first one's commit waits.
async fn three_at_a_held_disk(disk: &Disk, desk: &Desk, now: Timestamp) -> [JoinHandle<Result<Done, DeskError>>; 3] {
    disk.hold(true);
    let first = sends(desk, now, "1");
    while !disk.waiting.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let (twin, second) = (sends(desk, now, "1"), sends(desk, now, "2"));
    tokio::time::sleep(A_WHILE).await;
    let claimed = tokio::time::timeout(A_WHILE, desk.claim(9)).await;
    assert!(claimed.is_err(), "what is owed is not durable");
    assert!(!first.is_finished() && !twin.is_finished() && !second.is_finished());
    [first, twin, second]
}

fn records(disk: &Arc<Disk>) -> usize {
    Log::new(Arc::clone(disk)).read(1, 1000, usize::MAX).unwrap().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_answered_and_nothing_goes_before_it_is_durable() {
    let (disk, desk, now) = opened().await;
    let before = records(&disk);
    let sent = three_at_a_held_disk(&disk, &desk, now).await;
    assert_eq!(records(&disk), before);
    disk.hold(false);
    let mut duplicates = Vec::new();
    for sent in sent {
        duplicates.push(sent.await.unwrap().unwrap().duplicate);
    }
    assert_eq!(duplicates, [false, true, false]);
    assert_eq!(desk.claim(1).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_thought_on_a_commit_that_failed_is_refused_with_it_and_taken_once_when_it_comes_again() {
    let (disk, desk, now) = opened().await;
    let before = records(&disk);
    let sent = three_at_a_held_disk(&disk, &desk, now).await;
    disk.is_broken.store(true, Ordering::SeqCst);
    disk.hold(false);
    for sent in sent {
        assert_eq!(sent.await.unwrap(), Err(DeskError::Unavailable));
    }
    assert_eq!(records(&disk), before);
    let mut duplicates = Vec::new();
    for key in ["1", "2", "1"] {
        duplicates.push(sends(&desk, now, key).await.unwrap().unwrap().duplicate);
    }
    assert_eq!((duplicates, records(&disk)), (vec![false, false, true], before + 2));
}
