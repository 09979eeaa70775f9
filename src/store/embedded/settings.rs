//! What can be set about the embedded store, and why it is set as it is.

use std::time::Duration;

/// Memory, journal and patience of the embedded store.
///
/// Memory in use is about `cache_bytes`, plus for the log up to four memtables of `log_memtable_bytes` (one being filled, the others
/// being flushed), plus one of up to `memtable_bytes` for each of the other keyspaces that are written, plus a few MiB. With the
/// defaults a store stays near 100 MiB whatever it holds; `benches/store.rs` prints what it measures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Blocks and filters read from disk and kept, in bytes. Default 32 MiB: recovery reads the log once from end to end, and everything
    /// that is read again and again is young enough to be in a memtable.
    pub cache_bytes: u64,
    /// The log's memtable, in bytes. Default 8 MiB, which is 3 000 records of 2.5 KB: a flush writes it in one go and takes a fraction of
    /// a second, and the next ones wait meanwhile. A new value counts for buckets made after it.
    pub log_memtable_bytes: u64,
    /// The memtable of each other keyspace, in bytes of keys and values. Default 2 MiB: most rows are so small that what holds them weighs
    /// three times as much again. A new value counts for keyspaces made after it.
    pub memtable_bytes: u64,
    /// The journal in all, in bytes, at least 64 MiB. Default 192 MiB. It is what a restart replays (about 0.3 s for all of it), and what
    /// keeps memtables of keyspaces that are rarely written from staying unflushed for ever.
    pub journal_bytes: u64,
    /// Threads that flush and compact. Default 1: of several, fjall keeps one for flushing by having it hand every compaction back to the
    /// queue, and until another takes it that one does nothing else, at the cost of a core.
    pub worker_threads: usize,
    /// How long a commit waits for flushing to catch up before it says [`Unavailable`](crate::store::StoreError::Unavailable).
    /// Default 5 s. (fjall itself would wait for ever, in steps of 100 ms; the store waits before fjall does, in steps of 1 ms.)
    pub stall_limit: Duration,
    /// How long after a failed attempt to come back the next one is made. Default 1 s.
    pub revive_after: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        const MIB: u64 = 1024 * 1024;
        Settings {
            cache_bytes: 32 * MIB,
            log_memtable_bytes: 8 * MIB,
            memtable_bytes: 2 * MIB,
            journal_bytes: 192 * MIB,
            worker_threads: 1,
            stall_limit: Duration::from_secs(5),
            revive_after: Duration::from_secs(1),
        }
    }
}
