#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
use super::*;
use crate::store::{MasterKey, Memory, SeededEntropy};

const ANN: SubjectId = SubjectId([1; 16]);
const BOB: SubjectId = SubjectId([2; 16]);

fn master(byte: u8) -> MasterKey {
    MasterKey::new(Zeroizing::new([byte; 32]))
}

fn open_with(store: &Arc<Memory>, masters: MasterKeys, seed: u64) -> Result<Keys, KeyError> {
    Keys::open(Arc::<Memory>::clone(store), masters, Arc::new(SeededEntropy::new(seed)), 2)
}

fn keys(store: &Arc<Memory>, seed: u64) -> Keys {
    open_with(store, MasterKeys::new(master(1), vec![]), seed).unwrap()
}

/// Seals one text for a subject and commits.
fn sealed(keys: &Keys, subject: SubjectId, seq: u64, text: &[u8]) -> Vec<u8> {
    let (mut out, mut batch) = (Vec::new(), Batch::new());
    keys.seal(&mut out, subject, Place::Record { seq, part: 0 }, text, &mut batch).unwrap();
    keys.store.commit(&batch).unwrap();
    keys.settle(true);
    out
}

fn opened(keys: &Keys, seq: u64, sealed: &[u8]) -> Option<Vec<u8>> {
    let opened = keys.open_record(seq, sealed).unwrap();
    opened[0].1.text().map(<[u8]>::to_vec)
}

#[test]
fn what_was_sealed_opens_again_after_a_restart() {
    let store = Arc::new(Memory::new());
    let part = sealed(&keys(&store, 1), ANN, 5, b"hello");
    assert_eq!(opened(&keys(&store, 2), 5, &part).as_deref(), Some(&b"hello"[..]));
}

#[test]
fn one_record_can_hold_parts_of_several_subjects_and_lose_one() {
    let store = Arc::new(Memory::new());
    let keys = keys(&store, 1);
    let (mut out, mut batch) = (Vec::new(), Batch::new());
    keys.seal(&mut out, ANN, Place::Record { seq: 1, part: 0 }, b"ann", &mut batch).unwrap();
    keys.seal(&mut out, BOB, Place::Record { seq: 1, part: 1 }, b"bob", &mut batch).unwrap();
    keys.destroy(ANN, &mut batch).unwrap();
    store.commit(&batch).unwrap();
    keys.settle(true);

    let opened = keys.open_record(1, &out).unwrap();

    assert_eq!((opened[0].0, opened[0].1.text()), (ANN, None));
    assert_eq!((opened[1].0, opened[1].1.text()), (BOB, Some(&b"bob"[..])));
}

#[test]
fn a_destroyed_subject_is_gone_and_comes_back_with_another_key() {
    let store = Arc::new(Memory::new());
    let keys = keys(&store, 1);
    let part = sealed(&keys, ANN, 1, b"hello");
    let old = keys.data_key(ANN, &mut Batch::new()).unwrap();

    let mut batch = Batch::new();
    keys.destroy(ANN, &mut batch).unwrap();
    assert_eq!(opened(&keys, 1, &part), None, "gone from the moment it was asked for");
    store.commit(&batch).unwrap();
    keys.settle(true);
    assert_eq!(opened(&keys, 1, &part), None);
    assert!(store.get(Keyspace::Keys, &data_key::encode(ANN)).unwrap().is_none());

    let again = sealed(&keys, ANN, 2, b"back");
    let new = keys.data_key(ANN, &mut Batch::new()).unwrap();
    assert_ne!(new.id(), old.id());
    assert_ne!(new.bytes(), old.bytes());
    assert_eq!(opened(&keys, 2, &again).as_deref(), Some(&b"back"[..]));
    assert_eq!(opened(&keys, 1, &part), None, "the new key does not open the old part");
}

#[test]
fn a_destruction_that_was_not_committed_did_not_happen() {
    let store = Arc::new(Memory::new());
    let keys = keys(&store, 1);
    let part = sealed(&keys, ANN, 1, b"hello");
    keys.destroy(ANN, &mut Batch::new()).unwrap();
    keys.settle(false);
    assert_eq!(opened(&keys, 1, &part).as_deref(), Some(&b"hello"[..]));
}

#[test]
fn a_key_whose_row_was_taken_out_of_its_batch_is_made_again() {
    let store = Arc::new(Memory::new());
    let keys = keys(&store, 1);
    let part = sealed(&keys, ANN, 1, b"ann");
    let mark = keys.mark();
    let lost = keys.data_key(BOB, &mut Batch::new()).unwrap();
    keys.destroy(ANN, &mut Batch::new()).unwrap();
    keys.rewind(mark);
    keys.settle(true);

    assert_eq!(opened(&keys, 1, &part).as_deref(), Some(&b"ann"[..]), "it was not destroyed");
    let part = sealed(&keys, BOB, 2, b"bob");
    assert_ne!(keys.data_key(BOB, &mut Batch::new()).unwrap().id(), lost.id());
    assert_eq!(opened(&self::keys(&store, 2), 2, &part).as_deref(), Some(&b"bob"[..]));
}

#[test]
fn destroying_and_sealing_anew_can_share_a_batch() {
    let store = Arc::new(Memory::new());
    let keys = keys(&store, 1);
    let old = sealed(&keys, ANN, 1, b"old");
    let (mut new, mut batch) = (Vec::new(), Batch::new());
    keys.destroy(ANN, &mut batch).unwrap();
    keys.seal(&mut new, ANN, Place::Record { seq: 2, part: 0 }, b"new", &mut batch).unwrap();
    store.commit(&batch).unwrap();
    keys.settle(true);
    assert_eq!(opened(&keys, 1, &old), None);
    assert_eq!(opened(&keys, 2, &new).as_deref(), Some(&b"new"[..]));
}

#[test]
fn a_key_whose_commit_failed_is_forgotten_and_one_without_an_answer_is_written_again() {
    let store = Arc::new(Memory::new());
    let keys = keys(&store, 1);
    let mut lost = Batch::new();
    let first = keys.data_key(ANN, &mut lost).unwrap();
    keys.settle(false);
    let mut batch = Batch::new();
    let second = keys.data_key(ANN, &mut batch).unwrap();
    assert_ne!(first.id(), second.id());

    // Not settled yet: the next batch brings the same key along, and either may be the one that is committed.
    let mut next = Batch::new();
    assert_eq!(keys.data_key(ANN, &mut next).unwrap().id(), second.id());
    store.commit(&next).unwrap();
    keys.settle(true);
    assert_eq!(keys.data_key(ANN, &mut Batch::new()).unwrap().id(), second.id());
    assert!(store.commit(&batch).is_err(), "the batch that made the key expects that there is none");
}

#[test]
fn while_one_batch_is_on_its_way_the_next_one_has_keys_of_its_own() {
    let store = Arc::new(Memory::new());
    let keys = keys(&store, 1);
    let (mut one, mut two) = (Batch::new(), Batch::new());
    let first = keys.data_key(ANN, &mut one).unwrap();
    let after_one = keys.mark();
    keys.destroy(ANN, &mut two).unwrap();
    let second = keys.data_key(ANN, &mut two).unwrap();
    let mark = keys.mark();
    keys.data_key(BOB, &mut two).unwrap();
    store.commit(&one).unwrap();
    keys.settle_to(after_one);

    assert_eq!(keys.data_key(ANN, &mut two).unwrap().id(), second.id(), "not the first, which is destroyed");
    keys.rewind(mark);
    store.commit(&two).unwrap();
    keys.settle(true);
    let after = self::keys(&store, 2);
    assert_eq!(after.data_key(ANN, &mut Batch::new()).unwrap().id(), second.id());
    assert_ne!(first.id(), second.id());
}

#[test]
fn a_key_made_by_somebody_else_meanwhile_is_not_replaced() {
    let store = Arc::new(Memory::new());
    let (here, there) = (keys(&store, 1), keys(&store, 2));
    let mut batch = Batch::new();
    here.data_key(ANN, &mut batch).unwrap();
    sealed(&there, ANN, 1, b"hello");
    assert!(matches!(store.commit(&batch), Err(StoreError::Unmet { keyspace: Keyspace::Keys, .. })));
}

#[test]
fn the_cache_is_bounded_and_misses_are_read_from_the_store() {
    let store = Arc::new(Memory::new());
    let keys = keys(&store, 1);
    let parts: Vec<_> = (1..=5).map(|n| (n, sealed(&keys, SubjectId([n; 16]), u64::from(n), &[n]))).collect();
    assert_eq!(keys.known().cache.len(), 2);
    for (n, part) in parts {
        assert_eq!(opened(&keys, u64::from(n), &part), Some(vec![n]));
    }
}

#[test]
fn a_second_master_key_takes_over() {
    let store = Arc::new(Memory::new());
    let before = keys(&store, 1);
    let parts: Vec<_> = (1..=5).map(|n| sealed(&before, SubjectId([n; 16]), u64::from(n), &[n])).collect();

    let both = open_with(&store, MasterKeys::new(master(2), vec![master(1)]), 2).unwrap();
    let mut from = Some(SubjectId([0; 16]));
    let mut steps = 0;
    while let Some(subject) = from {
        let mut batch = Batch::new();
        from = both.rewrap(subject, 2, &mut batch).unwrap();
        store.commit(&batch).unwrap();
        steps += 1;
    }
    assert_eq!(steps, 3);

    let after = open_with(&store, MasterKeys::new(master(2), vec![]), 3).unwrap();
    for (n, part) in (1u8..).zip(parts) {
        assert_eq!(opened(&after, u64::from(n), &part), Some(vec![n]));
    }
}

#[test]
fn the_wrong_master_key_is_noticed_when_opening() {
    let store = Arc::new(Memory::new());
    sealed(&keys(&store, 1), ANN, 1, b"hello");
    let wrong = open_with(&store, MasterKeys::new(master(9), vec![]), 2).unwrap_err();
    assert!(matches!(&wrong, KeyError::UnknownMaster { needed } if *needed == master(1).id()), "{wrong}");
}

#[test]
fn the_house_key_stays() {
    let keys = keys(&Arc::new(Memory::new()), 1);
    assert!(matches!(keys.destroy(SubjectId::HOUSE, &mut Batch::new()), Err(KeyError::HouseKey)));
}
