//! What every engine must do: one table of checks, run on each of them.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::rows::dedupe::{Day, DedupeKey};
use super::rows::log_entry::{LogKey, SEQS_PER_BUCKET};
use super::*;

type Check = fn(&Arc<dyn Store>);

const CHECKS: [(&str, Check); 15] = [
    ("what was put is found, in its keyspace alone", what_was_put_is_found_in_its_keyspace_alone),
    ("what was deleted is gone", what_was_deleted_is_gone),
    ("of several changes to a key in one batch the last counts", of_several_changes_the_last_counts),
    ("a batch whose requirement fails changes nothing", a_batch_whose_requirement_fails_changes_nothing),
    ("requirements see the state before the batch", requirements_see_the_state_before_the_batch),
    ("a batch that is refused changes nothing", a_batch_that_is_refused_changes_nothing),
    ("ranges keep order, bounds and limit", ranges_keep_order_bounds_and_limit),
    ("ranges run across buckets", ranges_run_across_buckets),
    ("old buckets are dropped whole", old_buckets_are_dropped_whole),
    ("any batches leave what a plain map would hold", any_batches_leave_what_a_plain_map_would_hold),
    ("a log appends at its end alone", a_log_appends_at_its_end_alone),
    ("a log takes the highest epoch alone", a_log_takes_the_highest_epoch_alone),
    ("records and rows come together", records_and_rows_come_together),
    ("reading a log is bounded in count and bytes", reading_a_log_is_bounded),
    ("a log lets go of whole buckets", a_log_lets_go_of_whole_buckets),
];

fn run(open: impl Fn() -> Arc<dyn Store>) {
    for (sentence, check) in CHECKS {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&open())));
        assert!(outcome.is_ok(), "does not hold: {sentence}");
    }
}

#[test]
fn the_memory_store_does_what_every_engine_must() {
    run(|| Arc::new(Memory::new()));
}

#[test]
fn the_embedded_store_does_what_every_engine_must() {
    let directories = tempfile::tempdir().unwrap();
    let opened = std::cell::Cell::new(0);
    run(|| {
        opened.set(opened.get() + 1);
        // Small memtables, so that a check of some thousand rows also reads from tables on disk.
        let settings = Settings { log_memtable_bytes: 64 * 1024, memtable_bytes: 64 * 1024, ..Settings::default() };
        Arc::new(Embedded::open(&directories.path().join(opened.get().to_string()), settings).unwrap())
    });
}

/// A store into which every batch but the last has arrived.
struct Late {
    store: Arc<dyn Store>,
    ahead: Ahead,
    coming: Mutex<Option<Arc<Batch>>>,
}

impl Late {
    fn arrive(&self) {
        if let Some(batch) = self.coming.lock().unwrap().take() {
            let mut changes = Batch::new();
            for change in batch.changes() {
                match change.clone() {
                    Change::Put { keyspace, key, value } => changes.put(keyspace, key, value),
                    Change::Delete { keyspace, key } => changes.delete(keyspace, key),
                };
            }
            self.store.commit(&changes).unwrap();
            self.ahead.settle();
        }
    }
}

impl Store for Late {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let found = self.ahead.get(keyspace, key)?;
        assert_eq!(self.ahead.contains(keyspace, key)?, found.is_some());
        Ok(found)
    }

    fn range(
        &self,
        keyspace: Keyspace,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        self.ahead.range(keyspace, from, to, limit)
    }

    fn last(&self, keyspace: Keyspace) -> Result<Option<(Bytes, Bytes)>, StoreError> {
        self.ahead.last(keyspace)
    }

    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        batch.check()?;
        for Requirement { keyspace, key, expected } in batch.requirements() {
            if !expected.is_met_by(self.get(*keyspace, key)?.as_deref()) {
                return Err(StoreError::Unmet { keyspace: *keyspace, key: key.clone() });
            }
        }
        self.arrive();
        let batch = Arc::new(batch.clone().in_order());
        self.ahead.expect(Arc::clone(&batch));
        *self.coming.lock().unwrap() = Some(batch);
        Ok(())
    }

    fn drop_before(&self, keyspace: Keyspace, bucket: Bucket) -> Result<u64, StoreError> {
        self.arrive();
        self.ahead.drop_before(keyspace, bucket)
    }

    fn scrub(&self, keyspace: Keyspace) -> Result<(), StoreError> {
        self.arrive();
        self.ahead.scrub(keyspace)
    }
}

#[test]
fn a_batch_on_its_way_is_read_as_if_it_had_arrived() {
    run(|| {
        let store: Arc<dyn Store> = Arc::new(Memory::new());
        let ahead = Ahead::new(Arc::clone(&store));
        Arc::new(Late { store, ahead, coming: Mutex::default() })
    });
}

const ALL: (Bound<&[u8]>, Bound<&[u8]>) = (Bound::Unbounded, Bound::Unbounded);

fn commit(store: &Arc<dyn Store>, fill: impl FnOnce(&mut Batch) -> &mut Batch) -> Result<(), StoreError> {
    let mut batch = Batch::new();
    fill(&mut batch);
    store.commit(&batch)
}

fn everything(store: &Arc<dyn Store>, keyspace: Keyspace) -> Vec<(Bytes, Bytes)> {
    store.range(keyspace, ALL.0, ALL.1, usize::MAX).unwrap()
}

/// A key of this keyspace that ends in the given text.
fn key(keyspace: Keyspace, text: &str) -> Vec<u8> {
    match keyspace {
        Keyspace::Log | Keyspace::Dedupe => [&[0; 8], text.as_bytes()].concat(),
        _ => text.as_bytes().to_vec(),
    }
}

fn what_was_put_is_found_in_its_keyspace_alone(store: &Arc<dyn Store>) {
    for keyspace in Keyspace::ALL {
        let key = key(keyspace, "a");
        commit(store, |batch| batch.put(keyspace, key.clone(), keyspace.name())).unwrap();
    }
    for keyspace in Keyspace::ALL {
        let found = store.get(keyspace, &key(keyspace, "a")).unwrap();
        assert_eq!(found.as_deref(), Some(keyspace.name().as_bytes()));
        assert!(store.contains(keyspace, &key(keyspace, "a")).unwrap());
        assert!(!store.contains(keyspace, &key(keyspace, "b")).unwrap());
        assert_eq!(store.get(keyspace, b"").unwrap(), None);
        assert_eq!(store.get(keyspace, b"a and more").unwrap(), None);
        assert_eq!(store.last(keyspace).unwrap(), everything(store, keyspace).pop());
    }
    commit(store, |batch| batch.put(Keyspace::Meta, "empty", "")).unwrap();
    assert_eq!(store.get(Keyspace::Meta, b"empty").unwrap(), Some(Bytes::new()));
}

fn what_was_deleted_is_gone(store: &Arc<dyn Store>) {
    for keyspace in Keyspace::ALL {
        let key = key(keyspace, "a");
        commit(store, |batch| batch.delete(keyspace, key.clone())).unwrap();
        commit(store, |batch| batch.put(keyspace, key.clone(), "1")).unwrap();
        commit(store, |batch| batch.delete(keyspace, key.clone())).unwrap();
        assert_eq!(store.get(keyspace, &key).unwrap(), None);
        assert_eq!(store.last(keyspace).unwrap(), None);
        assert!(everything(store, keyspace).is_empty());
    }
}

fn of_several_changes_the_last_counts(store: &Arc<dyn Store>) {
    commit(store, |batch| {
        batch.put(Keyspace::Refs, "a", "1").delete(Keyspace::Refs, "a").put(Keyspace::Refs, "a", "2");
        batch.put(Keyspace::Refs, "b", "1").put(Keyspace::Refs, "b", "2").delete(Keyspace::Refs, "b")
    })
    .unwrap();
    assert_eq!(everything(store, Keyspace::Refs), [(Bytes::from("a"), Bytes::from("2"))]);
}

fn a_batch_whose_requirement_fails_changes_nothing(store: &Arc<dyn Store>) {
    commit(store, |batch| batch.put(Keyspace::Meta, "a", "1")).unwrap();
    for (name, expected, holds) in [
        ("a", Expected::Present, true),
        ("a", Expected::Absent, false),
        ("a", Expected::Value(Bytes::from("1")), true),
        ("a", Expected::Value(Bytes::from("2")), false),
        ("b", Expected::Absent, true),
        ("b", Expected::Present, false),
        ("b", Expected::Value(Bytes::new()), false),
    ] {
        let done = commit(store, |batch| {
            batch.put(Keyspace::States, name, "changed").require(Keyspace::Meta, name, expected.clone())
        });
        match done {
            Ok(()) => assert!(holds, "{name} {expected:?}"),
            Err(StoreError::Unmet { keyspace: Keyspace::Meta, key }) => {
                assert!(!holds, "{name} {expected:?}");
                assert_eq!(key, name.as_bytes());
            }
            Err(other) => panic!("{other}"),
        }
        assert_eq!(store.contains(Keyspace::States, name.as_bytes()).unwrap(), holds);
        commit(store, |batch| batch.delete(Keyspace::States, name)).unwrap();
    }
    commit(store, |batch| batch.require(Keyspace::Meta, "a", Expected::Present)).unwrap();
}

fn requirements_see_the_state_before_the_batch(store: &Arc<dyn Store>) {
    commit(store, |batch| batch.put(Keyspace::Meta, "a", "1").require(Keyspace::Meta, "a", Expected::Absent)).unwrap();
    assert!(store.contains(Keyspace::Meta, b"a").unwrap());
}

fn a_batch_that_is_refused_changes_nothing(store: &Arc<dyn Store>) {
    for refused in [
        commit(store, |batch| batch.put(Keyspace::Meta, "a", "1").put(Keyspace::Meta, vec![0; 1025], "1")),
        commit(store, |batch| batch.put(Keyspace::Meta, "a", "1").put(Keyspace::Meta, "", "1")),
        commit(store, |batch| batch.put(Keyspace::Meta, "a", "1").put(Keyspace::Log, "short", "1")),
    ] {
        assert!(!refused.unwrap_err().is_transient());
        assert!(everything(store, Keyspace::Meta).is_empty());
    }
    store.commit(&Batch::new()).unwrap();
}

fn ranges_keep_order_bounds_and_limit(store: &Arc<dyn Store>) {
    let names = ["a", "ab", "b", "ba", "c"];
    commit(store, |batch| names.iter().rev().fold(batch, |batch, name| batch.put(Keyspace::Refs, *name, *name)))
        .unwrap();
    let keys = |from: Bound<&str>, to: Bound<&str>, limit| {
        let found = store.range(Keyspace::Refs, from.map(str::as_bytes), to.map(str::as_bytes), limit).unwrap();
        found.into_iter().map(|(key, _)| String::from_utf8(key.to_vec()).unwrap()).collect::<Vec<_>>().join(" ")
    };
    use Bound::{Excluded, Included, Unbounded};
    assert_eq!(keys(Unbounded, Unbounded, 9), "a ab b ba c");
    assert_eq!(keys(Included("ab"), Included("ba"), 9), "ab b ba");
    assert_eq!(keys(Excluded("ab"), Excluded("ba"), 9), "b");
    assert_eq!(keys(Included("aa"), Unbounded, 2), "ab b");
    assert_eq!(keys(Included("b"), Included("b"), 9), "b");
    assert_eq!(keys(Unbounded, Unbounded, 0), "");
    for (from, to) in [
        (Included("b"), Excluded("b")),
        (Excluded("b"), Included("b")),
        (Excluded("b"), Excluded("b")),
        (Included("c"), Included("a")),
        (Included("x"), Unbounded),
    ] {
        assert_eq!(keys(from, to, 9), "", "{from:?} {to:?}");
    }
}

fn day_key(day: u32, number: u8) -> [u8; 20] {
    DedupeKey { day: Day(day), digest: [number; 16] }.encode()
}

fn ranges_run_across_buckets(store: &Arc<dyn Store>) {
    commit(store, |batch| {
        for (day, number) in [(12, 1), (10, 1), (10, 2), (11, 9), (300, 1)] {
            batch.put(Keyspace::Dedupe, day_key(day, number), vec![number]);
        }
        batch
    })
    .unwrap();
    let days = |from: Bound<&[u8]>, to: Bound<&[u8]>, limit| {
        let found = store.range(Keyspace::Dedupe, from, to, limit).unwrap();
        found.iter().map(|(key, _)| DedupeKey::decode(key).unwrap().day.0).collect::<Vec<_>>()
    };
    assert_eq!(days(ALL.0, ALL.1, 9), [10, 10, 11, 12, 300]);
    assert_eq!(days(ALL.0, ALL.1, 3), [10, 10, 11]);
    assert_eq!(days(Bound::Included(&day_key(10, 2)), Bound::Excluded(&day_key(12, 1)), 9), [10, 11]);
    assert_eq!(days(Bound::Included(&[0, 0, 0, 11]), Bound::Excluded(&[0, 0, 1]), 9), [11, 12]);
    assert_eq!(days(Bound::Included(&[0, 0, 1]), ALL.1, 9), [300]);
    assert_eq!(store.last(Keyspace::Dedupe).unwrap().unwrap().0.as_ref(), day_key(300, 1));
}

fn old_buckets_are_dropped_whole(store: &Arc<dyn Store>) {
    for day in 1..=9 {
        commit(store, |batch| {
            for number in 0..50 {
                batch.put(Keyspace::Dedupe, day_key(day, number), vec![number]);
            }
            batch
        })
        .unwrap();
    }
    assert_eq!(store.drop_before(Keyspace::Dedupe, Bucket(1)).unwrap(), 0);
    assert_eq!(store.drop_before(Keyspace::Dedupe, Bucket(4)).unwrap(), 3);
    assert_eq!(store.drop_before(Keyspace::Dedupe, Bucket(4)).unwrap(), 0);
    assert_eq!(everything(store, Keyspace::Dedupe).len(), 6 * 50);
    assert_eq!(store.get(Keyspace::Dedupe, &day_key(3, 1)).unwrap(), None);
    assert!(store.contains(Keyspace::Dedupe, &day_key(4, 1)).unwrap());

    // A day that went can come back, empty.
    commit(store, |batch| batch.put(Keyspace::Dedupe, day_key(2, 1), "again")).unwrap();
    assert_eq!(everything(store, Keyspace::Dedupe).len(), 6 * 50 + 1);
    assert_eq!(store.get(Keyspace::Dedupe, &day_key(2, 2)).unwrap(), None);
    assert!(matches!(store.drop_before(Keyspace::Refs, Bucket(9)), Err(StoreError::NoBucket(Keyspace::Refs))));
}

fn any_batches_leave_what_a_plain_map_would_hold(store: &Arc<dyn Store>) {
    let change = (0usize..9, 0u8..12, prop::option::of(0usize..2000));
    let batches = prop::collection::vec(prop::collection::vec(change, 1..12), 1..60);
    let mut model: BTreeMap<(Keyspace, Vec<u8>), Bytes> = BTreeMap::new();
    // The store goes on from case to case, as stores do.
    let model = std::cell::RefCell::new(&mut model);
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 24,
        max_shrink_iters: 0,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    runner
        .run(&batches, |batches| {
            let mut model = model.borrow_mut();
            for changes in batches {
                let mut batch = Batch::new();
                for (keyspace, name, value) in changes {
                    let keyspace = Keyspace::ALL[keyspace];
                    let key = [&[0, 0, 0, name % 3, 0, name % 2, 0, 0, name][..], &[7; 3]].concat();
                    match value {
                        Some(length) => {
                            let value = Bytes::from(vec![name; length]);
                            batch.put(keyspace, key.clone(), value.clone());
                            model.insert((keyspace, key), value);
                        }
                        None => {
                            batch.delete(keyspace, key.clone());
                            model.remove(&(keyspace, key));
                        }
                    }
                }
                store.commit(&batch).unwrap();
            }
            for keyspace in Keyspace::ALL {
                let expected: Vec<_> = model.iter().filter(|((of, _), _)| *of == keyspace).collect();
                let found = everything(store, keyspace);
                prop_assert_eq!(found.len(), expected.len());
                for ((key, value), ((_, expected_key), expected)) in found.iter().zip(expected) {
                    prop_assert_eq!(key.as_ref(), expected_key.as_slice());
                    prop_assert_eq!(value, expected);
                    let got = store.get(keyspace, key).unwrap();
                    prop_assert_eq!(got.as_ref(), Some(expected));
                }
            }
            Ok(())
        })
        .unwrap();
}

fn entry(text: &str) -> Vec<u8> {
    Frame::encode(text.as_bytes(), None).unwrap()
}

fn entries(texts: &[&str]) -> LogBatch {
    LogBatch { entries: texts.iter().map(|text| entry(text)).collect(), rows: Batch::new() }
}

fn a_log_appends_at_its_end_alone(store: &Arc<dyn Store>) {
    let log = Log::new(Arc::clone(store));
    assert_eq!((log.first_seq().unwrap(), log.next_seq().unwrap()), (1, 1));
    let epoch = log.claim_epoch().unwrap();

    assert_eq!(log.append(1, epoch, entries(&["a", "b"])).unwrap(), 3);
    assert_eq!(log.append(3, epoch, entries(&["c"])).unwrap(), 4);
    for wrong in [0, 1, 2, 3, 5, u64::MAX] {
        let refused = log.append(wrong, epoch, entries(&["x"])).unwrap_err();
        assert!(matches!(refused, AppendError::Conflict { next: 4, expected } if expected == wrong), "{refused}");
        assert!(matches!(log.append(wrong, epoch, entries(&[])), Err(AppendError::Conflict { .. })));
    }
    assert_eq!(log.append(4, epoch, entries(&[])).unwrap(), 4);

    let read = log.read(0, 10, usize::MAX).unwrap();
    let texts: Vec<_> = read.iter().map(|(seq, bytes)| (*seq, Frame::decode(bytes).unwrap().plain)).collect();
    assert_eq!(texts, [(1, &b"a"[..]), (2, b"b"), (3, b"c")]);
    assert_eq!((log.first_seq().unwrap(), log.next_seq().unwrap()), (1, 4));
}

fn a_log_takes_the_highest_epoch_alone(store: &Arc<dyn Store>) {
    let (one, other) = (Log::new(Arc::clone(store)), Log::new(Arc::clone(store)));
    let unclaimed = one.append(1, 0, entries(&["x"])).unwrap_err();
    assert!(matches!(unclaimed, AppendError::Fenced { epoch: 0, highest: 0 }));
    let first = one.claim_epoch().unwrap();
    one.append(1, first, entries(&["a"])).unwrap();
    let second = other.claim_epoch().unwrap();
    assert!(second > first);

    let fenced = one.append(2, first, entries(&["x"])).unwrap_err();
    assert!(matches!(fenced, AppendError::Fenced { epoch, highest } if epoch == first && highest == second));
    assert!(matches!(one.append(2, second + 1, entries(&["x"])), Err(AppendError::Fenced { .. })));
    assert!(matches!(one.append(9, first, entries(&["x"])), Err(AppendError::Fenced { .. })), "whatever it expects");
    assert_eq!(other.append(2, second, entries(&["b"])).unwrap(), 3);
    assert_eq!(one.next_seq().unwrap(), 3);
}

fn records_and_rows_come_together(store: &Arc<dyn Store>) {
    let log = Log::new(Arc::clone(store));
    let epoch = log.claim_epoch().unwrap();
    let batch = |name: &str| {
        let mut batch = entries(&["a"]);
        batch.rows.put(Keyspace::Refs, name, "1");
        batch
    };
    log.append(1, epoch, batch("x")).unwrap();
    log.append(1, epoch, batch("y")).unwrap_err();
    log.append(2, epoch - 1, batch("z")).unwrap_err();
    let mut refused = batch("w");
    refused.rows.require(Keyspace::Refs, "x", Expected::Absent);
    let refused = log.append(2, epoch, refused).unwrap_err();
    assert!(matches!(refused, AppendError::Store(StoreError::Unmet { keyspace: Keyspace::Refs, .. })));
    assert_eq!(everything(store, Keyspace::Refs).len(), 1);
    assert_eq!(log.next_seq().unwrap(), 2);
}

fn reading_a_log_is_bounded(store: &Arc<dyn Store>) {
    let log = Log::new(Arc::clone(store));
    let epoch = log.claim_epoch().unwrap();
    let text = "x".repeat(1000);
    let size = entry(&text).len();
    let mut next = 1;
    for _ in 0..10 {
        next = log.append(next, epoch, entries(&[text.as_str(); 30])).unwrap();
    }
    let count = |from, entries, bytes| log.read(from, entries, bytes).unwrap().len();
    assert_eq!(count(1, usize::MAX, usize::MAX), 300);
    assert_eq!(count(1, 0, usize::MAX), 0);
    assert_eq!(count(1, 150, usize::MAX), 150);
    assert_eq!(count(1, 500, size * 100), 100);
    assert_eq!(count(1, 500, size * 100 - 1), 99);
    assert_eq!(count(1, 500, 0), 1, "the first one whatever its size");
    assert_eq!(count(300, 500, usize::MAX), 1);
    assert_eq!(count(301, 500, usize::MAX), 0);
    assert_eq!(count(u64::MAX, 500, usize::MAX), 0);
    let seqs: Vec<_> = log.read(200, 70, usize::MAX).unwrap().iter().map(|(seq, _)| *seq).collect();
    assert_eq!(seqs, (200..270).collect::<Vec<_>>());
}

fn a_log_lets_go_of_whole_buckets(store: &Arc<dyn Store>) {
    let log = Log::new(Arc::clone(store));
    // Three buckets, told by their last and first records.
    for seq in [SEQS_PER_BUCKET - 1, SEQS_PER_BUCKET, 2 * SEQS_PER_BUCKET - 1, 2 * SEQS_PER_BUCKET] {
        commit(store, |batch| batch.put(Keyspace::Log, LogKey(seq).encode(), entry("x"))).unwrap();
    }
    assert_eq!(log.read(SEQS_PER_BUCKET - 1, 2, usize::MAX).unwrap().len(), 2, "across the border of two buckets");
    assert!(matches!(log.read(0, 9, usize::MAX), Err(StoreError::Damaged { .. })), "a gap is damage");

    assert_eq!(log.drop_before(SEQS_PER_BUCKET).unwrap(), 1);
    assert_eq!(log.first_seq().unwrap(), SEQS_PER_BUCKET);
    assert_eq!(log.drop_before(u64::MAX).unwrap(), 1, "but never the last record");
    assert_eq!((log.first_seq().unwrap(), log.next_seq().unwrap()), (2 * SEQS_PER_BUCKET, 2 * SEQS_PER_BUCKET + 1));
}
