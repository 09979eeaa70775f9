//! The disk stops taking writes under an open store, and later takes them again: nothing acknowledged is lost, nothing is doubled, reads go on,
//! and the store comes back by itself.
//!
//! Both ways are real: a file size limit that the kernel enforces on the running process (every write beyond it fails), and a small
//! file system that is full. The test runs itself as the process it happens to. Linux only, because the limit of a running process
//! can be changed from outside only there.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tandem::store::{AppendError, Batch, Embedded, Frame, Keyspace, Log, LogBatch, Settings, Store, StoreError};

/// The directory of the child's store.
const DIRECTORY: &str = "TANDEM_STORE_DISK";
/// A file the child deletes when the disk is full.
const BALLAST: &str = "TANDEM_STORE_BALLAST";

fn settings() -> Settings {
    Settings { revive_after: Duration::from_millis(50), log_memtable_bytes: 4 << 20, ..Settings::default() }
}

/// What the record with this number says: 8 KB that do not compress, so that flushing it needs the room that it needed in the journal.
fn text(seq: u64) -> Vec<u8> {
    let mut random = seq;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random.to_be_bytes()
    };
    (0..1000).flat_map(|_| next()).collect()
}

fn entries(seq: u64) -> Vec<Vec<u8>> {
    (seq..seq + 4).map(|seq| Frame::encode(&text(seq), None).unwrap()).collect()
}

#[test]
fn a_child_commits_through_a_full_disk() {
    let Some(directory) = std::env::var_os(DIRECTORY).map(PathBuf::from) else { return };
    let ballast = std::env::var_os(BALLAST).map(PathBuf::from);
    if let Some(ballast) = &ballast {
        std::fs::write(ballast, vec![1; 60 << 20]).unwrap();
    }
    let store = Arc::new(Embedded::open(&directory, settings()).unwrap());
    let log = Log::new(Arc::clone(&store));
    let epoch = log.claim_epoch().unwrap();
    let mut out = std::io::stdout().lock();
    let (mut next, mut refused, mut since) = (1u64, 0, 0);
    writeln!(out, "\nready").unwrap();
    while since < 200 {
        let mut rows = Batch::new();
        rows.put(Keyspace::Refs, next.to_be_bytes(), "row");
        match log.append(next, epoch, LogBatch { entries: entries(next), rows }) {
            Ok(seq) => {
                next = seq;
                since += u32::from(refused > 0);
            }
            // The attempt before this one landed although it could not be answered.
            Err(AppendError::Conflict { expected, next: seq }) if refused > 0 && seq == expected + 4 => next = seq,
            Err(AppendError::Store(error @ StoreError::Unavailable { .. })) => {
                refused += 1;
                since = 0;
                // The engine was not closed: what is there can be read.
                assert_eq!(log.read(1, 1, usize::MAX).unwrap().len(), 1);
                writeln!(out, "refused {refused}: {error}").unwrap();
                if refused == 5
                    && let Some(ballast) = &ballast
                {
                    std::fs::remove_file(ballast).unwrap();
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(other) => panic!("{other}"),
        }
        if next == 201 {
            writeln!(out, "begun").unwrap();
        }
    }
    assert!(refused >= 5);
    drop((log, store));
    check(&directory, next);
    writeln!(out, "checked {next}").unwrap();
}

/// Everything acknowledged is there, once, with its row.
fn check(directory: &Path, next: u64) {
    let store = Arc::new(Embedded::open(directory, settings()).unwrap());
    let log = Log::new(Arc::clone(&store));
    assert_eq!(log.next_seq().unwrap(), next);
    let records = log.read(1, usize::MAX, usize::MAX).unwrap();
    for ((seq, record), expected) in records.iter().zip(1..next) {
        assert_eq!(*seq, expected);
        assert_eq!(Frame::decode(record).unwrap().plain, text(*seq));
        assert_eq!(store.contains(Keyspace::Refs, &seq.to_be_bytes()).unwrap(), seq % 4 == 1);
    }
    assert_eq!(u64::try_from(records.len()).unwrap(), next - 1);
}

/// Runs the child through a shell that ignores the signal for files grown too large (else the kernel kills the child), and tells each line.
fn run(script: &str, environment: &[(&str, &Path)], mut told: impl FnMut(u32, &str)) {
    let mut child = Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "a_child_commits_through_a_full_disk", "--nocapture", "--test-threads=1"])
        .envs(environment.iter().copied())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut checked = false;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        checked |= line.starts_with("checked ");
        told(child.id(), &line);
    }
    assert!(child.wait().unwrap().success() && checked, "the child did not come through");
}

fn limit(child: u32, bytes: &str) -> bool {
    let pid = child.to_string();
    let fsize = format!("--fsize={bytes}:unlimited");
    Command::new("prlimit").args(["--pid", &pid, &fsize]).status().is_ok_and(|status| status.success())
}

#[test]
fn a_store_whose_files_may_not_grow_comes_back_when_they_may() {
    if !Command::new("prlimit").arg("--version").stdout(Stdio::null()).status().is_ok_and(|status| status.success()) {
        writeln!(std::io::stderr(), "skipped: there is no prlimit here").unwrap();
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    run("trap '' XFSZ; exec \"$@\"", &[(DIRECTORY, directory.path())], |child, line| match line.split(':').next() {
        Some("begun") => assert!(limit(child, "4096")),
        Some("refused 5") => assert!(limit(child, "unlimited")),
        _ => {}
    });
}

#[test]
fn a_store_on_a_full_disk_comes_back_when_there_is_room() {
    // Sizes at which a commit, and sizes at which a flush behind it, is the first to find the disk full.
    for size in ["78m", "80m"] {
        let mount = tempfile::tempdir().unwrap();
        let own_mounts = ["-rm", "mount", "-t", "tmpfs", "none", mount.path().to_str().unwrap()];
        let can_mount = Command::new("unshare").args(own_mounts).stderr(Stdio::null()).status();
        if !can_mount.is_ok_and(|status| status.success()) {
            writeln!(std::io::stderr(), "skipped: this user may not mount a file system of its own here").unwrap();
            return;
        }
        let (directory, ballast) = (mount.path().join("store"), mount.path().join("ballast"));
        let mounted = format!("mount -t tmpfs -o size={size} none \"$TANDEM_STORE_MOUNT\" && exec \"$@\"");
        let script = format!("exec unshare -rm sh -c '{mounted}' sh \"$@\"");
        let environment =
            [("TANDEM_STORE_MOUNT", mount.path()), (DIRECTORY, directory.as_path()), (BALLAST, ballast.as_path())];
        run(&script, &environment, |_, _| {});
    }
}
