//! fjall, opened: the only file that calls it for data.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use fjall::config::{BlockSizePolicy, CompressionPolicy, FilterPolicy};
use fjall::{CompressionType, Database, KeyspaceCreateOptions, LsmError, PersistMode};

use super::settings::Settings;
use crate::store::batch::{Batch, Change, Expected};
use crate::store::contract::is_empty_range;
use crate::store::error::StoreError;
use crate::store::keyspace::{Bucket, Keyspace};

/// Most buckets in all. Ten million records and nine days are twenty.
const MAX_BUCKETS: usize = 4096;
/// fjall stops every writer at 4 memtables waiting to be flushed; the store waits before it comes to that.
const MAX_SEALED_MEMTABLES: usize = 3;
/// fjall slows writers down at 20 tables in the first level and stops them at 30.
const MAX_FIRST_LEVEL_TABLES: usize = 20;

/// An open database and its keyspaces.
pub(super) struct Engine {
    fixed: BTreeMap<Keyspace, fjall::Keyspace>,
    buckets: RwLock<BTreeMap<(Keyspace, u64), fjall::Keyspace>>,
    pub(super) settings: Settings,
    // Last, so that the handles above are gone when it closes.
    pub(super) database: Database,
}

/// Why a batch was not written.
pub(super) enum WriteError {
    /// fjall had given up before; nothing was written. It must be opened again.
    GaveUp,
    /// It gave up over this batch, which may or may not be found when it is opened again.
    Failed(StoreError),
    /// The batch was refused; nothing was written and nothing is wrong with the engine.
    Refused(StoreError),
}

impl From<StoreError> for WriteError {
    fn from(error: StoreError) -> WriteError {
        WriteError::Refused(error)
    }
}

impl Engine {
    /// Opens the files at the path, making them when there are none. Damage is an error, never a panic.
    pub(super) fn open(path: &Path, settings: &Settings) -> Result<Engine, StoreError> {
        // fjall asserts here and there that its files are as it left them.
        catch_unwind(AssertUnwindSafe(|| Engine::open_unguarded(path, settings)))
            .unwrap_or_else(|_| Err(StoreError::damaged(format!("the engine cannot make sense of {}", path.display()))))
    }

    fn open_unguarded(path: &Path, settings: &Settings) -> Result<Engine, StoreError> {
        const MIN_JOURNAL: u64 = 64 * 1024 * 1024;
        let database = Database::builder(path)
            .cache_size(settings.cache_bytes)
            .max_journaling_size(settings.journal_bytes.max(MIN_JOURNAL))
            .worker_threads(settings.worker_threads.max(1))
            // Records are sealed or small; squeezing them in the writer's thread costs more than the disk saves.
            .journal_compression(CompressionType::None)
            .open()
            .map_err(|error| engine_error("opening the store", error))?;
        let mut engine =
            Engine { fixed: BTreeMap::new(), buckets: RwLock::default(), settings: settings.clone(), database };
        for keyspace in Keyspace::ALL.into_iter().filter(|keyspace| !keyspace.is_bucketed()) {
            let handle = engine.handle(keyspace, keyspace.name())?;
            engine.fixed.insert(keyspace, handle);
        }
        let mut buckets = BTreeMap::new();
        for name in engine.database.list_keyspace_names() {
            let Some((keyspace, bucket)) = name.split_once('@') else { continue };
            let (Ok(keyspace), Ok(bucket)) = (keyspace.parse::<Keyspace>(), bucket.parse()) else {
                return Err(StoreError::damaged(format!("the engine has a keyspace {:?}", name.to_string())));
            };
            buckets.insert((keyspace, bucket), engine.handle(keyspace, &name)?);
        }
        engine.buckets = RwLock::new(buckets);
        Ok(engine)
    }

    fn handle(&self, keyspace: Keyspace, name: &str) -> Result<fjall::Keyspace, StoreError> {
        let opened = self.database.keyspace(name, || options(keyspace, &self.settings));
        opened.map_err(|error| engine_error("opening a keyspace", error))
    }

    /// The keyspace that holds this key, unless it is a bucket that does not exist.
    fn holder(&self, keyspace: Keyspace, key: &[u8]) -> Option<fjall::Keyspace> {
        match keyspace.bucket_of(key) {
            Some(Bucket(bucket)) => {
                let buckets = self.buckets.read().unwrap_or_else(PoisonError::into_inner);
                buckets.get(&(keyspace, bucket)).cloned()
            }
            None => self.fixed.get(&keyspace).cloned(),
        }
    }

    /// The keyspace that holds this key; a bucket that does not exist is made.
    fn holder_made(&self, keyspace: Keyspace, key: &[u8]) -> Result<fjall::Keyspace, StoreError> {
        if let Some(handle) = self.holder(keyspace, key) {
            return Ok(handle);
        }
        let Bucket(bucket) = keyspace.bucket_of(key).ok_or(StoreError::NoBucket(keyspace))?;
        let mut buckets = self.buckets.write().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MAX_BUCKETS {
            return Err(StoreError::TooLarge {
                what: "number of buckets",
                length: buckets.len() + 1,
                limit: MAX_BUCKETS,
            });
        }
        let handle = self.handle(keyspace, &format!("{keyspace}@{bucket:020}"))?;
        buckets.insert((keyspace, bucket), handle.clone());
        Ok(handle)
    }

    /// The keyspaces that can hold keys between the bounds, in the order of their keys.
    fn holders(&self, keyspace: Keyspace, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Vec<fjall::Keyspace> {
        if let Some(handle) = self.fixed.get(&keyspace) {
            return vec![handle.clone()];
        }
        let lowest = bucket_at(keyspace, from).unwrap_or(0);
        let highest = bucket_at(keyspace, to).unwrap_or(u64::MAX);
        let buckets = self.buckets.read().unwrap_or_else(PoisonError::into_inner);
        buckets.range((keyspace, lowest)..=(keyspace, highest)).map(|(_, handle)| handle.clone()).collect()
    }

    /// What holds this keyspace, buckets in order.
    pub(super) fn handles_of(&self, keyspace: Keyspace) -> Vec<fjall::Keyspace> {
        self.holders(keyspace, Bound::Unbounded, Bound::Unbounded)
    }

    /// Every keyspace there is.
    pub(super) fn all(&self) -> Vec<fjall::Keyspace> {
        Keyspace::ALL.into_iter().flat_map(|keyspace| self.handles_of(keyspace)).collect()
    }

    pub(super) fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let Some(handle) = self.holder(keyspace, key).filter(|_| !key.is_empty()) else { return Ok(None) };
        let found = handle.get(key).map_err(|error| engine_error("reading", error))?;
        Ok(found.map(|value| Bytes::copy_from_slice(&value)))
    }

    pub(super) fn contains(&self, keyspace: Keyspace, key: &[u8]) -> Result<bool, StoreError> {
        let Some(handle) = self.holder(keyspace, key).filter(|_| !key.is_empty()) else { return Ok(false) };
        handle.contains_key(key).map_err(|error| engine_error("reading", error))
    }

    pub(super) fn range(
        &self,
        keyspace: Keyspace,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        let mut found = Vec::new();
        if is_empty_range(from, to) {
            return Ok(found);
        }
        for handle in self.holders(keyspace, from, to) {
            for pair in handle.range::<&[u8], _>((from, to)).take(limit - found.len()) {
                found.push(copied(pair)?);
            }
            if found.len() >= limit {
                break;
            }
        }
        Ok(found)
    }

    pub(super) fn last(&self, keyspace: Keyspace) -> Result<Option<(Bytes, Bytes)>, StoreError> {
        let holders = self.handles_of(keyspace);
        holders.iter().rev().find_map(fjall::Keyspace::last_key_value).map(copied).transpose()
    }

    /// Checks the requirements and writes the changes, durably. The caller lets one batch in at a time.
    pub(super) fn write(&self, batch: &Batch) -> Result<(), WriteError> {
        for requirement in batch.requirements() {
            let (keyspace, key) = (requirement.keyspace, requirement.key.as_slice());
            let is_met = match &requirement.expected {
                Expected::Absent => !self.contains(keyspace, key)?,
                Expected::Present => self.contains(keyspace, key)?,
                Expected::Value(_) => requirement.expected.is_met_by(self.get(keyspace, key)?.as_deref()),
            };
            if !is_met {
                return Err(WriteError::Refused(StoreError::Unmet { keyspace, key: key.to_vec() }));
            }
        }
        let mut writing = self.database.batch().durability(Some(PersistMode::SyncData));
        let mut touched: Vec<fjall::Keyspace> = Vec::new();
        for change in batch.effective() {
            let handle = match change {
                Change::Put { keyspace, key, .. } => self.holder_made(*keyspace, key)?,
                Change::Delete { keyspace, key } => match self.holder(*keyspace, key) {
                    Some(handle) => handle,
                    None => continue,
                },
            };
            match change {
                Change::Put { key, value, .. } => writing.insert(&handle, key.as_slice(), value.as_ref()),
                Change::Delete { key, .. } => writing.remove(&handle, key.as_slice()),
            }
            // Changes are sorted by place, so those of one keyspace stand together.
            if touched.last() != Some(&handle) {
                touched.push(handle);
            }
        }
        if writing.is_empty() {
            return Ok(());
        }
        self.wait_for_room(&touched)?;
        writing.commit().map_err(|error| match error {
            fjall::Error::Poisoned => WriteError::GaveUp,
            error => WriteError::Failed(engine_error("writing", error)),
        })
    }

    /// Waits until fjall would not make the writer wait, within the limit: its own waiting has none, and goes on even when the threads
    /// it waits for have given up.
    fn wait_for_room(&self, touched: &[fjall::Keyspace]) -> Result<(), WriteError> {
        let is_full = |handle: &fjall::Keyspace| {
            handle.sealed_memtable_count() >= MAX_SEALED_MEMTABLES || handle.l0_table_count() >= MAX_FIRST_LEVEL_TABLES
        };
        if !touched.iter().any(is_full) {
            return Ok(());
        }
        let since = Instant::now();
        while touched.iter().any(is_full) {
            // The one public call that tells whether it has given up and does nothing else.
            if matches!(self.database.persist(PersistMode::Buffer), Err(fjall::Error::Poisoned)) {
                return Err(WriteError::GaveUp);
            }
            if since.elapsed() > self.settings.stall_limit {
                let source = "flushing to disk has fallen behind";
                return Err(WriteError::Refused(StoreError::unavailable("waiting to write", source)));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        tracing::debug!(waited_ms = since.elapsed().as_millis(), "waited for flushing to catch up");
        Ok(())
    }

    pub(super) fn drop_before(&self, keyspace: Keyspace, bucket: Bucket) -> Result<u64, StoreError> {
        let mut buckets = self.buckets.write().unwrap_or_else(PoisonError::into_inner);
        let old: Vec<_> = buckets.range((keyspace, 0)..(keyspace, bucket.0)).map(|(place, _)| *place).collect();
        for place in &old {
            let Some(handle) = buckets.get(place) else { continue };
            let dropped = self.database.delete_keyspace(handle.clone());
            dropped.map_err(|error| engine_error("dropping a bucket", error))?;
            buckets.remove(place);
        }
        Ok(old.len() as u64)
    }
}

/// How each keyspace's files are laid out. fjall keeps this with the keyspace: it counts when the keyspace is made.
fn options(keyspace: Keyspace, settings: &Settings) -> KeyspaceCreateOptions {
    let options = KeyspaceCreateOptions::default().max_memtable_size(settings.memtable_bytes);
    match keyspace {
        // Read in long stretches and only for numbers that exist: large blocks make a small index, and no filter is needed.
        // New records stand behind all others, so tables are moved down, never merged: what a flush wrote is what stays,
        // and is compressed then or never.
        Keyspace::Log => options
            .max_memtable_size(settings.log_memtable_bytes)
            .data_block_size_policy(BlockSizePolicy::all(32 * 1024))
            .data_block_compression_policy(CompressionPolicy::all(CompressionType::Lz4))
            .filter_policy(FilterPolicy::disabled())
            .expect_point_read_hits(true),
        // Digests do not compress. Filters (fjall's default) answer nearly every look-up, since nearly all are for what is not there.
        Keyspace::Dedupe | Keyspace::Semantic => options.data_block_compression_policy(CompressionPolicy::disabled()),
        _ => options,
    }
}

/// The bucket of a bound that may be shorter than a key.
fn bucket_at(keyspace: Keyspace, bound: Bound<&[u8]>) -> Option<u64> {
    let (Bound::Included(key) | Bound::Excluded(key)) = bound else { return None };
    // Zeros behind a short bound make the lowest key that begins with it, and no key of a lower bucket is above the bound.
    let mut padded = key.to_vec();
    padded.resize(padded.len().max(8), 0);
    keyspace.bucket_of(&padded).map(|Bucket(bucket)| bucket)
}

fn copied(pair: fjall::Guard) -> Result<(Bytes, Bytes), StoreError> {
    let (key, value) = pair.into_inner().map_err(|error| engine_error("reading", error))?;
    Ok((Bytes::copy_from_slice(&key), Bytes::copy_from_slice(&value)))
}

/// fjall's errors in the store's words: what time can heal, and what it cannot.
pub(super) fn engine_error(during: &'static str, error: fjall::Error) -> StoreError {
    match error {
        fjall::Error::Io(error) => io_error(during, error),
        fjall::Error::Storage(LsmError::Io(error)) => io_error(during, error),
        fjall::Error::Poisoned | fjall::Error::Locked | fjall::Error::KeyspaceDeleted => {
            StoreError::unavailable(during, error)
        }
        error => StoreError::damaged(format!("{during}: {error}")),
    }
}

/// A file that ends too early will not grow back.
fn io_error(during: &'static str, error: std::io::Error) -> StoreError {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::InvalidData => {
            StoreError::damaged(format!("{during}: {error}"))
        }
        _ => StoreError::unavailable(during, error),
    }
}
