//! The embedded store: one writer at a time over an engine that can be closed and opened again.
//!
//! When a write, a sync or a flush fails, fjall gives up for good: reads go on, every further write is refused until it is opened again.
//! So the store notices, and at a later commit (at most one try per `revive_after`) writes a probe file; when the disk takes it, the
//! engine is closed and opened again, which replays the journal, and the commit goes on. Until then commits answer
//! [`StoreError::Unavailable`] and reads keep working.

use std::ops::Bound;
use std::path::Path;
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::Instant;

use bytes::Bytes;

use super::directory::Directory;
use super::engine::{Engine, WriteError};
use super::settings::Settings;
use super::{journal, manifest, scrub};
use crate::store::batch::Batch;
use crate::store::contract::Store;
use crate::store::error::StoreError;
use crate::store::keyspace::{Bucket, Keyspace};

/// A store in a directory.
pub struct Embedded {
    // Before the directory, so that the engine is closed when the lock is let go.
    engine: RwLock<Option<Engine>>,
    writer: Mutex<Writer>,
    settings: Settings,
    directory: Directory,
}

/// What the one who writes knows about the engine.
#[derive(Default)]
struct Writer {
    /// The engine takes no more writes; it must be opened again.
    is_down: bool,
    /// When that was last tried.
    tried: Option<Instant>,
}

impl Embedded {
    /// Opens the store in a directory, making both when there is nothing. Refuses a directory that another process has open
    /// ([`StoreError::Locked`]), that a later version wrote ([`StoreError::Newer`]), that is something else ([`StoreError::Foreign`]) or
    /// whose files are not as they were written ([`StoreError::Damaged`]).
    pub fn open(directory: &Path, settings: Settings) -> Result<Embedded, StoreError> {
        let directory = Directory::claim(directory)?;
        directory.create_engine(|path| Engine::open(path, &settings).map(drop))?;
        let engine = open_engine(&directory, &settings)?;
        Ok(Embedded { engine: RwLock::new(Some(engine)), writer: Mutex::default(), settings, directory })
    }

    fn engine(&self) -> RwLockReadGuard<'_, Option<Engine>> {
        self.engine.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(&self, read: impl FnOnce(&Engine) -> Result<T, StoreError>) -> Result<T, StoreError> {
        match self.engine().as_ref() {
            Some(engine) => read(engine),
            None => Err(StoreError::unavailable("reading", "the store is closed until the disk works again")),
        }
    }

    /// Opens the engine again if the disk takes writes.
    fn revive(&self, writer: &mut Writer) -> Result<(), StoreError> {
        if writer.tried.is_some_and(|tried| tried.elapsed() < self.settings.revive_after) {
            return Err(StoreError::unavailable("writing", "the disk failed a moment ago; it is tried again shortly"));
        }
        writer.tried = Some(Instant::now());
        self.directory.probe()?;
        self.reopen(writer, || Ok(()))?;
        writer.tried = None;
        tracing::info!("the store takes writes again");
        Ok(())
    }

    /// Closes the engine, does something to its files and opens it again.
    fn reopen(&self, writer: &mut Writer, between: impl FnOnce() -> Result<(), StoreError>) -> Result<(), StoreError> {
        let mut engine = self.engine.write().unwrap_or_else(PoisonError::into_inner);
        // Until it is open again, should one of these fail.
        writer.is_down = true;
        // Closed before it is opened: it holds a lock of its own.
        *engine = None;
        between()?;
        *engine = Some(open_engine(&self.directory, &self.settings)?);
        writer.is_down = false;
        Ok(())
    }
}

fn open_engine(directory: &Directory, settings: &Settings) -> Result<Engine, StoreError> {
    manifest::check(&directory.engine())?;
    journal::check(&directory.engine())?;
    Engine::open(&directory.engine(), settings)
}

impl Store for Embedded {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.read(|engine| engine.get(keyspace, key))
    }

    fn contains(&self, keyspace: Keyspace, key: &[u8]) -> Result<bool, StoreError> {
        self.read(|engine| engine.contains(keyspace, key))
    }

    fn range(
        &self,
        keyspace: Keyspace,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        self.read(|engine| engine.range(keyspace, from, to, limit))
    }

    fn last(&self, keyspace: Keyspace) -> Result<Option<(Bytes, Bytes)>, StoreError> {
        self.read(|engine| engine.last(keyspace))
    }

    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        batch.check()?;
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if writer.is_down {
            self.revive(&mut writer)?;
        }
        let written = match self.write(batch) {
            // The engine had given up between two commits, over a flush. Nothing of this batch was written: try it on a new one.
            Err(WriteError::GaveUp) => {
                writer.is_down = true;
                self.revive(&mut writer)?;
                self.write(batch)
            }
            written => written,
        };
        written.map_err(|error| writer.note(error))
    }

    fn drop_before(&self, keyspace: Keyspace, bucket: Bucket) -> Result<u64, StoreError> {
        if !keyspace.is_bucketed() {
            return Err(StoreError::NoBucket(keyspace));
        }
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.read(|engine| engine.drop_before(keyspace, bucket))
    }

    fn scrub(&self, keyspace: Keyspace) -> Result<(), StoreError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if writer.is_down {
            self.revive(&mut writer)?;
        }
        let rewritten = match self.engine().as_ref() {
            Some(engine) => engine.rewrite(keyspace),
            None => Err(closed()),
        };
        rewritten.map_err(|error| writer.note(error))?;
        self.reopen(&mut writer, || {
            let cut = scrub::cut_journals(&self.directory.engine());
            cut.map_err(|error| StoreError::unavailable("cutting off the journal", error))
        })
    }
}

impl Writer {
    /// Remembers whether the engine has given up.
    fn note(&mut self, error: WriteError) -> StoreError {
        match error {
            WriteError::Refused(error) => error,
            WriteError::Failed(error) => {
                tracing::error!(%error, "the store takes no more writes until the disk works again");
                self.is_down = true;
                error
            }
            WriteError::GaveUp => {
                self.is_down = true;
                StoreError::unavailable("writing", "the engine has given up; it is opened again shortly")
            }
        }
    }
}

fn closed() -> WriteError {
    WriteError::Failed(StoreError::unavailable("writing", "the store is closed until the disk works again"))
}

impl Embedded {
    fn write(&self, batch: &Batch) -> Result<(), WriteError> {
        match self.engine().as_ref() {
            Some(engine) => engine.write(batch),
            None => Err(closed()),
        }
    }
}

impl std::fmt::Debug for Embedded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Embedded({:?})", self.directory)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use super::*;

    fn holds(directory: &Path, canary: &[u8]) -> bool {
        std::fs::read_dir(directory).unwrap().any(|entry| {
            let entry = entry.unwrap();
            match entry.file_type().unwrap().is_dir() {
                true => holds(&entry.path(), canary),
                false => std::fs::read(entry.path()).unwrap().windows(canary.len()).any(|window| window == canary),
            }
        })
    }

    #[test]
    fn a_scrubbed_keyspace_keeps_nothing_of_what_was_deleted() {
        let directory = tempfile::tempdir().unwrap();
        let settings = Settings { memtable_bytes: 64 * 1024, ..Settings::default() };
        let store = Embedded::open(directory.path(), settings).unwrap();
        let value = |number: u32| {
            let mut value = *b"................canary-";
            value[..4].copy_from_slice(&number.wrapping_mul(0x9e37_79b9).to_be_bytes());
            value[4..8].copy_from_slice(&number.to_be_bytes());
            value.to_vec()
        };
        for number in 0..2000u32 {
            let mut batch = Batch::new();
            batch.put(Keyspace::Keys, number.to_be_bytes(), value(number));
            batch.put(Keyspace::Refs, number.to_be_bytes(), vec![7; 100]);
            store.commit(&batch).unwrap();
        }
        let mut batch = Batch::new();
        for number in (0..2000u32).step_by(100) {
            batch.delete(Keyspace::Keys, number.to_be_bytes());
        }
        store.commit(&batch).unwrap();
        assert!(holds(directory.path(), &value(1900)), "deleting alone does not remove it, or this test shows nothing");

        store.scrub(Keyspace::Keys).unwrap();

        for number in (0..2000u32).step_by(50) {
            let kept = store.get(Keyspace::Keys, &number.to_be_bytes()).unwrap();
            let is_deleted = number % 100 == 0;
            assert_eq!(kept.as_deref(), (!is_deleted).then_some(value(number)).as_deref());
            assert!(!is_deleted || !holds(directory.path(), &value(number)), "{number}");
        }
        let mut batch = Batch::new();
        batch.put(Keyspace::Keys, "again", "1");
        store.commit(&batch).unwrap();
        drop(store);
        let store = Embedded::open(directory.path(), Settings::default()).unwrap();
        assert!(store.contains(Keyspace::Keys, b"again").unwrap());
        let refs = store.range(Keyspace::Refs, Bound::Unbounded, Bound::Unbounded, usize::MAX).unwrap();
        assert_eq!(refs.len(), 2000);
    }
}
