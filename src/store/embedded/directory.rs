//! The directory of a store: who has it open, which format it is, whether it takes writes.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::store::error::StoreError;

/// The format that this version writes and the newest one it reads.
const FORMAT: u32 = 1;
/// What the FORMAT file says before the number.
const FORMAT_WORDS: &str = "tandem store format ";
/// How much a disk must take before it counts as writable again: less than a flush of the log, more than a moment's breath.
const PROBE_BYTES: usize = 8 * 1024 * 1024;

/// A directory held by this process until dropped.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    _lock: File,
}

impl Directory {
    /// Takes the directory for this process, making it when it does not exist. Refuses one that another process holds, that a later
    /// version wrote, or that is something else.
    pub(super) fn claim(path: &Path) -> Result<Directory, StoreError> {
        let unavailable = |source: io::Error| StoreError::unavailable("opening the data directory", source);
        fs::create_dir_all(path).map_err(unavailable)?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(path.join("LOCK"));
        let lock = lock.map_err(unavailable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::Locked { directory: path.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(unavailable(source)),
        }
        let directory = Directory { path: path.to_owned(), _lock: lock };
        directory.check_format()?;
        Ok(directory)
    }

    /// Where the engine's files are.
    pub(super) fn engine(&self) -> PathBuf {
        self.path.join("engine")
    }

    /// Has the engine's files made somewhere else and moves them into place when they are complete. An engine that is killed while it
    /// makes its first files leaves something it cannot open; this way that is a folder nobody looks at.
    pub(super) fn create_engine(&self, create: impl FnOnce(&Path) -> Result<(), StoreError>) -> Result<(), StoreError> {
        let unavailable = |source: io::Error| StoreError::unavailable("making the data directory", source);
        if self.engine().try_exists().map_err(unavailable)? {
            return Ok(());
        }
        let unfinished = self.path.join("engine.new");
        if unfinished.try_exists().map_err(unavailable)? {
            fs::remove_dir_all(&unfinished).map_err(unavailable)?;
        }
        create(&unfinished)?;
        fs::rename(&unfinished, self.engine()).map_err(unavailable)?;
        self.sync().map_err(unavailable)
    }

    /// Finds out whether the disk takes writes, by writing.
    pub(super) fn probe(&self) -> Result<(), StoreError> {
        let path = self.path.join("PROBE");
        let written = File::create(&path).and_then(|mut file| {
            let zeros = [0; 64 * 1024];
            for _ in 0..PROBE_BYTES / zeros.len() {
                file.write_all(&zeros)?;
            }
            file.sync_data()
        });
        let removed = fs::remove_file(&path);
        written.and(removed).map_err(|source| StoreError::unavailable("waiting for the disk to take writes", source))
    }

    fn check_format(&self) -> Result<(), StoreError> {
        let unavailable = |source: io::Error| StoreError::unavailable("reading FORMAT of the data directory", source);
        let foreign = |reason: String| StoreError::Foreign { directory: self.path.clone(), reason };
        let text = match fs::read(self.path.join("FORMAT")) {
            Ok(text) => String::from_utf8_lossy(&text).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if self.engine().try_exists().map_err(unavailable)? {
                    return Err(foreign("it has an engine folder but no FORMAT file".to_owned()));
                }
                return self.write_format().map_err(unavailable);
            }
            Err(error) => return Err(unavailable(error)),
        };
        let stated = text.strip_prefix(FORMAT_WORDS).and_then(|rest| rest.trim_end().parse::<u32>().ok());
        match stated {
            Some(FORMAT) => Ok(()),
            Some(found) if found > FORMAT => {
                Err(StoreError::Newer { directory: self.path.clone(), found, known: FORMAT })
            }
            _ => Err(foreign("its FORMAT file does not name a store format".to_owned())),
        }
    }

    /// Written aside and renamed, so that it is there whole or not at all.
    fn write_format(&self) -> io::Result<()> {
        let aside = self.path.join("FORMAT.new");
        let mut file = File::create(&aside)?;
        file.write_all(format!("{FORMAT_WORDS}{FORMAT}\n").as_bytes())?;
        file.sync_all()?;
        fs::rename(&aside, self.path.join("FORMAT"))?;
        self.sync()
    }

    /// Makes renames in the directory durable.
    fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use super::*;

    #[test]
    fn a_directory_is_held_by_one_at_a_time() {
        let path = tempfile::tempdir().unwrap();
        let held = Directory::claim(path.path()).unwrap();
        let refused = Directory::claim(path.path()).unwrap_err();
        assert!(matches!(refused, StoreError::Locked { .. }));
        assert!(refused.to_string().contains("in use by another process"), "{refused}");
        drop(held);
        Directory::claim(path.path()).unwrap();
    }

    #[test]
    fn a_later_format_is_refused_with_a_sentence() {
        let path = tempfile::tempdir().unwrap();
        drop(Directory::claim(path.path()).unwrap());
        fs::write(path.path().join("FORMAT"), "tandem store format 7\n").unwrap();
        let refused = Directory::claim(path.path()).unwrap_err();
        assert!(matches!(refused, StoreError::Newer { found: 7, known: 1, .. }));
        assert!(refused.to_string().ends_with("run the version that wrote it, or a later one"), "{refused}");
    }

    #[test]
    fn something_else_is_refused() {
        for text in ["", "tandem store format\n", "tandem store format 0\n", "tandem store format one", "\u{fffd}"] {
            let path = tempfile::tempdir().unwrap();
            fs::write(path.path().join("FORMAT"), text).unwrap();
            assert!(matches!(Directory::claim(path.path()), Err(StoreError::Foreign { .. })), "{text:?}");
        }
        let path = tempfile::tempdir().unwrap();
        fs::create_dir(path.path().join("engine")).unwrap();
        assert!(matches!(Directory::claim(path.path()), Err(StoreError::Foreign { .. })));
    }

    #[test]
    fn an_engine_that_was_not_finished_is_made_again() {
        let path = tempfile::tempdir().unwrap();
        let directory = Directory::claim(path.path()).unwrap();
        fs::create_dir(path.path().join("engine.new")).unwrap();
        fs::write(path.path().join("engine.new/half"), "x").unwrap();
        let create = |engine: &Path| {
            fs::create_dir(engine).unwrap();
            Ok(())
        };
        directory.create_engine(create).unwrap();
        assert!(fs::read_dir(directory.engine()).unwrap().next().is_none());
        directory.create_engine(|_| panic!("made twice")).unwrap();
    }
}
