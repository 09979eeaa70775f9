//! What a durable commit costs, as a ratio to a bare append with fdatasync in the same run; what a store full of events costs in memory,
//! at restart and per look-up.
//!
//! `cargo bench --bench store -- [EVENTS]` (default 100 000 events of 2.5 KB; 1 000 000 needs 4 GB of disk). Prints figures; asserts nothing.

#![expect(clippy::print_stdout, reason = "printing figures is what it is for")]
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed run")]

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tandem::store::rows::dedupe::{Day, DedupeKey, days_with_any, taken_by};
use tandem::store::rows::semantic::SemanticKey;
use tandem::store::rows::state::StateKey;
use tandem::store::{Batch, Embedded, Frame, Keyspace, Log, LogBatch, Settings};

const RECORD: usize = 2_500;
const DAYS: u64 = 9;

fn main() {
    let events = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(100_000);
    let directory = tempfile::tempdir().unwrap();
    println!("record of {RECORD} bytes and three rows, durable:");
    for batch in [1, 25] {
        compare(directory.path(), batch);
    }
    fill(&directory.path().join("full"), events);
}

/// A record as the desk might write one: two thirds JSON-like, one third sealed.
fn record(seq: u64) -> Vec<u8> {
    let mut random = seq.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let mut plain = Vec::with_capacity(RECORD);
    while plain.len() < RECORD * 2 / 3 {
        write!(plain, "{{\"leg\":\"{:016x}\",\"kind\":\"message.posted\",\"seq\":{seq}}},", next()).unwrap();
    }
    let sealed: Vec<u8> = (0..RECORD / 24).flat_map(|_| next().to_be_bytes()).collect();
    Frame::encode(&plain, Some(&sealed)).unwrap()
}

fn digest(seq: u64) -> [u8; 16] {
    let mut digest = [0; 16];
    digest[..8].copy_from_slice(&seq.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    digest[8..].copy_from_slice(&seq.to_be_bytes());
    digest
}

fn events(from: u64, count: u64, day: u64) -> LogBatch {
    let mut rows = Batch::new();
    let mut entries = Vec::new();
    for seq in from..from + count {
        let day = Day(u32::try_from(day).unwrap());
        rows.put(Keyspace::Dedupe, DedupeKey { day, digest: digest(seq) }.encode(), seq.to_be_bytes().to_vec());
        let semantic = SemanticKey { leg: digest(seq / 20), digest: digest(seq) };
        rows.put(Keyspace::Semantic, semantic.encode(), seq.to_be_bytes().to_vec());
        // A thousand interactions, written again and again.
        let state = StateKey::new(1, digest(seq % 1000)).unwrap();
        rows.put(Keyspace::States, state.encode(), vec![b's'; 400]);
        entries.push(record(seq));
    }
    LogBatch { entries, rows }
}

/// Bare appends and commits in turn, so that a slow moment of the machine hits both.
fn compare(directory: &Path, batch: u64) {
    const ROUNDS: u64 = 20;
    let per_round = if batch == 1 { 100 } else { 40 };
    let mut raw = File::create(directory.join(format!("raw-{batch}"))).unwrap();
    let store = Arc::new(Embedded::open(&directory.join(format!("store-{batch}")), Settings::default()).unwrap());
    let log = Log::new(store);
    let epoch = log.claim_epoch().unwrap();
    let (mut appending, mut committing, mut next) = (Duration::ZERO, Duration::ZERO, 1);
    for _ in 0..ROUNDS {
        let batches: Vec<_> = (0..per_round).map(|number| events(next + number * batch, batch, 0)).collect();
        let bytes: Vec<_> = batches.iter().map(|batch| batch.entries.concat()).collect();
        let start = Instant::now();
        for bytes in &bytes {
            raw.write_all(bytes).unwrap();
            raw.sync_data().unwrap();
        }
        appending += start.elapsed();
        let start = Instant::now();
        for batch in batches {
            next = log.append(next, epoch, batch).unwrap();
        }
        committing += start.elapsed();
    }
    let count = ROUNDS * per_round * batch;
    let rate = |took: Duration| count as f64 / took.as_secs_f64();
    println!(
        "  in batches of {batch:>2}: bare append {:>8.0}/s, commit {:>8.0}/s, ratio {:.2}",
        rate(appending),
        rate(committing),
        rate(committing) / rate(appending)
    );
}

/// Nine days of events, then a restart.
fn fill(path: &Path, count: u64) {
    const BATCH: u64 = 25;
    let before = resident();
    let store = Arc::new(Embedded::open(path, Settings::default()).unwrap());
    let log = Log::new(Arc::clone(&store));
    let epoch = log.claim_epoch().unwrap();
    let start = Instant::now();
    let (mut next, mut slowest, mut highest) = (1, Duration::ZERO, 0);
    while next <= count {
        let batch = events(next, BATCH.min(count + 1 - next), next * DAYS / (count + 1));
        let commit = Instant::now();
        next = log.append(next, epoch, batch).unwrap();
        slowest = slowest.max(commit.elapsed());
        if next % 1000 == 1 {
            highest = highest.max(resident());
        }
    }
    let rate = count as f64 / start.elapsed().as_secs_f64();
    println!("{count} events: {rate:.0}/s, slowest commit {slowest:?}");
    println!("  resident: {before} MiB before, {highest} MiB at most, {} MiB after", resident());

    let look_ups = 20_000;
    let days = days_with_any(store.as_ref(), Day(DAYS as u32 - 1)).unwrap();
    let start = Instant::now();
    for number in 0..look_ups {
        assert_eq!(taken_by(store.as_ref(), digest(u64::MAX - number), &days).unwrap(), None);
    }
    println!("  look-up of a new envelope over {DAYS} days: {:?}", start.elapsed() / look_ups as u32);
    let start = Instant::now();
    for number in 0..look_ups {
        let seq = 1 + number * 7919 % count;
        assert_eq!(taken_by(store.as_ref(), digest(seq), &days).unwrap(), Some(seq));
    }
    println!("  look-up of a duplicate: {:?}", start.elapsed() / look_ups as u32);
    println!("  on disk: {} MiB", size(path) >> 20);

    drop((store, log));
    let start = Instant::now();
    let log = Log::new(Arc::new(Embedded::open(path, Settings::default()).unwrap()));
    println!("  open again: {:?}, resident {} MiB", start.elapsed(), resident());
    let start = Instant::now();
    let (mut from, mut bytes) = (1, 0);
    loop {
        let read = log.read(from, 1024, 1 << 20).unwrap();
        let Some((last, _)) = read.last() else { break };
        from = last + 1;
        for (_, record) in &read {
            bytes += Frame::decode(record).unwrap().plain.len();
        }
    }
    println!(
        "  read the log end to end: {:?} ({} MiB plain), resident {} MiB",
        start.elapsed(),
        bytes >> 20,
        resident()
    );
}

/// Resident memory in MiB; 0 where the system does not say.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok()).unwrap_or(0) / 1024
}

fn size(path: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(path) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(data) if data.is_dir() => size(&entry.path()),
            Ok(data) => data.len(),
            Err(_) => 0,
        })
        .sum()
}
