//! The process is killed while it commits, again and again; nothing that it acknowledged may be missing, doubled or torn.
//!
//! The test runs itself as the process to be killed: with `TANDEM_STORE_KILL` set to a directory, [`a_child_commits_until_it_is_killed`]
//! appends numbered batches there and prints the sequence number that follows each acknowledged one.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use std::io::{BufRead, BufReader, Write};
use std::ops::Bound;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tandem::store::rows::dedupe::{Day, DedupeKey};
use tandem::store::{Batch, Embedded, Frame, Keyspace, Log, LogBatch, Settings, Store};

const DIRECTORY: &str = "TANDEM_STORE_KILL";
const KILLS: u32 = 30;

/// Small, so that kills also land in flushes, compactions and journal rotations of tables.
fn settings() -> Settings {
    Settings { log_memtable_bytes: 512 * 1024, memtable_bytes: 64 * 1024, ..Settings::default() }
}

/// How many records the batch that begins at this sequence number has.
fn batch_length(seq: u64) -> u64 {
    1 + seq % 7
}

/// What the record with this number says. Long enough that a batch spans several pages.
fn text(seq: u64) -> Vec<u8> {
    let length = 200 + usize::try_from(seq * 37 % 3000).unwrap();
    seq.to_be_bytes().into_iter().cycle().take(length).collect()
}

fn row(seq: u64) -> [u8; 20] {
    let mut digest = [0; 16];
    digest[..8].copy_from_slice(&seq.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    // A new day every 400 records, so that kills also land while a bucket is made.
    DedupeKey { day: Day(u32::try_from(seq / 400).unwrap()), digest }.encode()
}

#[test]
fn a_child_commits_until_it_is_killed() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let store = Arc::new(Embedded::open(Path::new(&directory), settings()).unwrap());
    let log = Log::new(Arc::clone(&store));
    let epoch = log.claim_epoch().unwrap();
    let mut next = log.next_seq().unwrap();
    let mut out = std::io::stdout().lock();
    // On a line of its own: the test harness has printed the beginning of one.
    writeln!(out, "\nready {next}").unwrap();
    // The parent kills it long before.
    for _ in 0..1_000_000 {
        let seqs = next..next + batch_length(next);
        let mut rows = Batch::new();
        for seq in seqs.clone() {
            rows.put(Keyspace::Dedupe, row(seq), seq.to_be_bytes().to_vec());
            rows.put(Keyspace::States, [&[1], &seq.to_be_bytes()[..]].concat(), text(seq));
            if let Some(earlier) = seq.checked_sub(500) {
                rows.delete(Keyspace::States, [&[1], &earlier.to_be_bytes()[..]].concat());
            }
        }
        let entries = seqs.map(|seq| Frame::encode(&text(seq), Some(&seq.to_be_bytes())).unwrap()).collect();
        next = log.append(next, epoch, LogBatch { entries, rows }).unwrap();
        writeln!(out, "acknowledged {next}").unwrap();
    }
}

#[test]
fn whatever_was_acknowledged_is_there_once_and_whole_after_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let mut random = Random(0x5eed);
    let (mut kept, mut kills_in_mid_commit) = (1, 0);
    for round in 0..KILLS {
        let (mut child, mut lines) = spawn(directory.path());
        // Half of the kills count from the start and hit opening and recovery, half from the first commit.
        if round % 2 == 0 {
            lines.wait();
        }
        let patience = Duration::from_micros(u64::from(random.below(150_000)));
        let killer = std::thread::spawn(move || {
            std::thread::sleep(patience);
            child.kill().unwrap();
            child.wait().unwrap();
        });
        let acknowledged = lines.last().unwrap_or(kept);
        killer.join().unwrap();

        let next = check(directory.path());

        assert!(next >= acknowledged, "round {round}: {acknowledged} was acknowledged, the log goes on at {next}");
        assert!(next <= acknowledged + batch_length(acknowledged), "round {round}: at most one batch was not answered");
        kills_in_mid_commit += u32::from(next > acknowledged);
        kept = next;
    }
    assert!(kept > 500, "the child hardly wrote: {kept} records");
    writeln!(
        std::io::stderr(),
        "{kept} records over {KILLS} kills, {kills_in_mid_commit} of them behind an unanswered commit"
    )
    .unwrap();
}

#[test]
fn a_kill_during_the_very_first_start_leaves_a_directory_that_opens() {
    let mut random = Random(0xf1257);
    for _ in 0..20 {
        let directory = tempfile::tempdir().unwrap();
        let (mut child, lines) = spawn(directory.path());
        std::thread::sleep(Duration::from_micros(u64::from(random.below(30_000))));
        child.kill().unwrap();
        child.wait().unwrap();
        let acknowledged = lines.last().unwrap_or(1);
        assert!(check(directory.path()) >= acknowledged);
    }
}

/// Every record from the first on is what it should be and has its rows, and there is nothing else. Returns what comes next.
fn check(directory: &Path) -> u64 {
    let store = Arc::new(Embedded::open(directory, settings()).unwrap());
    let log = Log::new(Arc::clone(&store));
    let records = log.read(1, usize::MAX, usize::MAX).unwrap();
    let next = u64::try_from(records.len()).unwrap() + 1;
    assert_eq!(log.next_seq().unwrap(), next);
    for ((seq, bytes), expected) in records.iter().zip(1..) {
        assert_eq!(*seq, expected);
        let frame = Frame::decode(bytes).unwrap();
        assert_eq!((frame.plain, frame.sealed), (text(*seq).as_slice(), Some(&seq.to_be_bytes()[..])));
    }
    let mut start = 1;
    while start < next {
        start += batch_length(start);
    }
    assert_eq!(start, next, "the log ends between two batches");
    let rows = |keyspace| store.range(keyspace, Bound::Unbounded, Bound::Unbounded, usize::MAX).unwrap();
    let taken = rows(Keyspace::Dedupe);
    assert_eq!(taken.len(), records.len());
    for seq in 1..next {
        let value = store.get(Keyspace::Dedupe, &row(seq)).unwrap();
        assert_eq!(value.as_deref(), Some(&seq.to_be_bytes()[..]));
    }
    let states = rows(Keyspace::States);
    let expected = next.saturating_sub(500).max(1)..next;
    assert_eq!(states.len(), expected.clone().count());
    for ((key, value), seq) in states.iter().zip(expected) {
        assert_eq!((&key[1..], value.as_ref()), (&seq.to_be_bytes()[..], text(seq).as_slice()));
    }
    next
}

/// What a child has printed.
struct Lines(BufReader<std::process::ChildStdout>);

impl Lines {
    /// Returns when the child has opened the store.
    fn wait(&mut self) {
        let mut line = String::new();
        while !line.starts_with("ready ") {
            line.clear();
            assert_ne!(self.0.read_line(&mut line).unwrap(), 0, "the child ended before it was ready");
        }
    }

    /// The number in its last whole line, when the child is gone.
    fn last(self) -> Option<u64> {
        let lines = self.0.split(b'\n').map_while(Result::ok);
        let numbers = lines.filter_map(|line| {
            let line = String::from_utf8(line).ok()?;
            let number = line.strip_prefix("acknowledged ").or(line.strip_prefix("ready "))?;
            number.parse().ok()
        });
        numbers.last()
    }
}

fn spawn(directory: &Path) -> (Child, Lines) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_child_commits_until_it_is_killed", "--nocapture", "--test-threads=1"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = Lines(BufReader::new(child.stdout.take().unwrap()));
    (child, lines)
}

/// xorshift: the same moments in every run, as far as a machine keeps time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u32::try_from(self.0 % u64::from(limit)).unwrap()
    }
}
