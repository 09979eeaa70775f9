//! What happens to a store whose files are not as it left them: cut off, or changed by a bit.
//!
//! Whatever is damaged, no record is ever read that is not what was written, and none is missing without an error (but for the last
//! commit, which cannot be told from one that was torn before it was acknowledged).

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tandem::store::{Batch, Embedded, Frame, Keyspace, Log, LogBatch, Settings, Store, StoreError};

/// Records in all; three in each commit.
const RECORDS: u64 = 600;

fn settings() -> Settings {
    // So that about half of the records stand in tables and half in the journal.
    Settings { log_memtable_bytes: 200 * 1024, memtable_bytes: 200 * 1024, ..Settings::default() }
}

fn text(seq: u64) -> Vec<u8> {
    seq.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes().repeat(100)
}

/// A store that was closed in good order.
fn written(directory: &Path) {
    let store = Arc::new(Embedded::open(directory, settings()).unwrap());
    let log = Log::new(Arc::clone(&store));
    let epoch = log.claim_epoch().unwrap();
    let mut next = 1;
    while next <= RECORDS {
        let mut rows = Batch::new();
        rows.put(Keyspace::Refs, next.to_be_bytes(), text(next));
        let entries = (next..next + 3).map(|seq| Frame::encode(&text(seq), None).unwrap()).collect();
        next = log.append(next, epoch, LogBatch { entries, rows }).unwrap();
    }
    drop((log, store));
    // Opening cuts the journal to its length, so that copies are small.
    drop(Embedded::open(directory, settings()).unwrap());
}

/// What can be read: how many records from the first on, all of them as they were written, or the first error.
fn read(directory: &Path) -> Result<u64, StoreError> {
    let store = Arc::new(Embedded::open(directory, settings())?);
    let log = Log::new(Arc::clone(&store));
    let records = log.read(1, usize::MAX, usize::MAX)?;
    for ((seq, record), expected) in records.iter().zip(1..) {
        assert_eq!(*seq, expected, "a record is missing without an error");
        let frame = Frame::decode(record).map_err(|error| StoreError::Damaged { what: error.to_string() })?;
        assert_eq!(frame.plain, text(*seq), "record {seq} is not what was written");
        if seq % 3 == 1
            && let Some(row) = store.get(Keyspace::Refs, &seq.to_be_bytes())?
        {
            assert_eq!(row, text(*seq));
        }
    }
    Ok(records.len() as u64)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => drop(fs::copy(entry.path(), to.join(entry.file_name())).unwrap()),
        }
    }
}

/// All files with something in them, in a fixed order.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(files(&entry.path())),
            false if entry.metadata().unwrap().len() > 0 => found.push(entry.path()),
            false => {}
        }
    }
    found.sort();
    found
}

fn journals(directory: &Path) -> Vec<PathBuf> {
    let mut found = files(directory);
    found.retain(|path| path.extension().is_some_and(|extension| extension == "jnl"));
    found
}

fn random(state: &mut u64, limit: usize) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state % limit as u64).unwrap()
}

#[test]
fn a_journal_cut_off_anywhere_leaves_whole_commits() {
    let directories = tempfile::tempdir().unwrap();
    let (whole, cut) = (directories.path().join("whole"), directories.path().join("cut"));
    written(&whole);
    assert_eq!(read(&whole).unwrap(), RECORDS);
    let mut state = 7;
    for _ in 0..20 {
        copy(&whole, &cut);
        let journal = journals(&cut).pop().unwrap();
        let length = usize::try_from(fs::metadata(&journal).unwrap().len()).unwrap();
        let file = fs::OpenOptions::new().write(true).open(&journal).unwrap();
        file.set_len(random(&mut state, length) as u64).unwrap();
        let kept = read(&cut).unwrap();
        assert_eq!(kept % 3, 0, "part of a commit");
        assert!(kept < RECORDS);
        fs::remove_dir_all(&cut).unwrap();
    }
}

#[test]
fn a_torn_commit_is_cut_off_and_the_next_one_follows_it() {
    let directory = tempfile::tempdir().unwrap();
    written(directory.path());
    let journal = journals(directory.path()).pop().unwrap();
    let mut bytes = fs::read(&journal).unwrap();
    let end = bytes.len();
    // The disk kept the end of the last commit and not its middle, which a power cut can do and a kill cannot.
    bytes[end - 700..end - 300].fill(0);
    fs::write(&journal, bytes).unwrap();

    assert_eq!(read(directory.path()).unwrap(), RECORDS - 3);
    let log = Log::new(Arc::new(Embedded::open(directory.path(), settings()).unwrap()));
    let epoch = log.claim_epoch().unwrap();
    let entries = vec![Frame::encode(&text(RECORDS - 2), None).unwrap()];
    log.append(RECORDS - 2, epoch, LogBatch { entries, rows: Batch::new() }).unwrap();
    drop(log);
    assert_eq!(read(directory.path()).unwrap(), RECORDS - 2);
}

#[test]
fn damage_in_the_middle_of_the_journal_is_an_error_and_nothing_is_cut_off() {
    let directory = tempfile::tempdir().unwrap();
    written(directory.path());
    let journal = journals(directory.path()).pop().unwrap();
    let mut bytes = fs::read(&journal).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&journal, &bytes).unwrap();

    let refused = Embedded::open(directory.path(), settings()).unwrap_err();

    assert!(matches!(refused, StoreError::Damaged { .. }), "{refused}");
    assert!(refused.to_string().contains("restore the directory from a backup"), "{refused}");
    assert_eq!(fs::read(&journal).unwrap(), bytes);
}

#[test]
fn a_changed_bit_anywhere_gives_right_records_or_an_error() {
    let directories = tempfile::tempdir().unwrap();
    let (whole, changed) = (directories.path().join("whole"), directories.path().join("changed"));
    written(&whole);
    let mut state = 11;
    let mut noticed = 0;
    for round in 0..60 {
        copy(&whole, &changed);
        let files = files(&changed.join("engine"));
        // Every file in turn, so that the small ones are hit as well.
        let path = &files[round % files.len()];
        let mut bytes = fs::read(path).unwrap();
        let at = random(&mut state, bytes.len());
        bytes[at] ^= 1 << random(&mut state, 8);
        fs::write(path, bytes).unwrap();
        match read(&changed) {
            Ok(kept) => assert!(
                kept >= RECORDS - 3,
                "{} records are gone after byte {at} of {}",
                RECORDS - kept,
                path.display()
            ),
            Err(_) => noticed += 1,
        }
        fs::remove_dir_all(&changed).unwrap();
    }
    assert!(noticed > 20, "only {noticed} changes were noticed");
}
