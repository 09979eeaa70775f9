//! Making a deletion physical.
//!
//! Deleting a key in fjall writes a marker; the value stays in the journal and in tables until they happen to be rewritten. That is not
//! enough for a wrapped data key whose subject was erased: with the master key and an old file it could be had back. So: flush everything,
//! rewrite the keyspace's tables, close the engine, cut off the journal (everything in it stands in tables now), open again.
//!
//! What the file system and the disk keep of deleted files is beyond this; disks are encrypted for that.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use fjall::{AbstractTree, PersistMode};

use super::engine::{Engine, WriteError, engine_error};
use super::journal::journals;
use crate::store::batch::Batch;
use crate::store::error::StoreError;
use crate::store::keyspace::Keyspace;
use crate::store::rows::meta::{MetaKey, MetaName};

impl Engine {
    /// Brings everything from memory and journal into tables, and the keyspace's tables into a form without deleted values.
    /// The caller lets no batch in meanwhile. Afterwards the journal holds nothing that is needed.
    pub(super) fn rewrite(&self, keyspace: Keyspace) -> Result<(), WriteError> {
        // Compaction keeps what a reader of a moment ago might still see; two more commits put the deletion behind that moment.
        let name = MetaName::new("scrubbed").expect("printable and short");
        for round in [0u8, 1] {
            let mut batch = Batch::new();
            batch.put(Keyspace::Meta, MetaKey::Named(name.clone()).encode(), vec![round]);
            self.write(&batch)?;
        }
        let handles = self.all();
        for handle in &handles {
            handle.rotate_memtable().map_err(|error| engine_error("flushing", error))?;
        }
        let since = Instant::now();
        while handles.iter().any(|handle| handle.sealed_memtable_count() > 0) {
            if matches!(self.database.persist(PersistMode::Buffer), Err(fjall::Error::Poisoned)) {
                return Err(WriteError::GaveUp);
            }
            if since.elapsed() > self.settings.stall_limit.max(Duration::from_secs(60)) {
                return Err(StoreError::unavailable("scrubbing", "flushing to disk has fallen behind").into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        for handle in self.handles_of(keyspace) {
            handle.major_compact().map_err(|error| engine_error("compacting", error))?;
        }
        if handles.iter().all(|handle| handle.tree.active_memtable().is_empty()) {
            Ok(())
        } else {
            Err(StoreError::unavailable("scrubbing", "something was written meanwhile").into())
        }
    }
}

/// Cuts off the journals of a closed engine whose every row stands in tables.
pub(super) fn cut_journals(engine: &Path) -> io::Result<()> {
    let mut journals = journals(engine)?;
    journals.sort_unstable();
    let newest = journals.pop();
    for (_, path) in journals {
        std::fs::remove_file(path)?;
    }
    if let Some((_, path)) = newest {
        let file = OpenOptions::new().write(true).open(path)?;
        file.set_len(0)?;
        file.sync_all()?;
    }
    Ok(())
}
