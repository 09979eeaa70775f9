//! Looks at the lists of tables before fjall does.
//!
//! Each of fjall's keyspaces has a file that lists its tables, and fjall reads it without checking it, though its checksum is kept. A
//! changed bit in it can make tables, or the part of the journal that they replace, disappear without a word. So:
//!
//! ```text
//! engine/keyspaces/<number>/current   number of the list (8)  xxh3-128 of the list's file (16)  0x00      little-endian
//! engine/keyspaces/<number>/v<number of the list>
//! ```
//!
//! A folder without `current` is a keyspace that was never finished, which fjall clears away.

use std::io;
use std::path::Path;

use crate::store::error::StoreError;

/// Checks the list of tables of every keyspace in fjall's folder.
pub(super) fn check(engine: &Path) -> Result<(), StoreError> {
    let unavailable = |source: io::Error| StoreError::unavailable("checking the lists of tables", source);
    for entry in std::fs::read_dir(engine.join("keyspaces")).map_err(unavailable)? {
        let folder = entry.map_err(unavailable)?.path();
        match is_right(&folder) {
            Ok(true) => {}
            Ok(false) => {
                return Err(StoreError::damaged(format!(
                    "the list of tables in {} is not what was written; restore the directory from a backup",
                    folder.display()
                )));
            }
            Err(error) => return Err(unavailable(error)),
        }
    }
    Ok(())
}

fn is_right(folder: &Path) -> io::Result<bool> {
    let Some(current) = read(&folder.join("current"))? else { return Ok(true) };
    let Some((number, rest)) = current.split_first_chunk::<8>() else { return Ok(false) };
    let Some((checksum, [0])) = rest.split_first_chunk::<16>() else { return Ok(false) };
    let list = read(&folder.join(format!("v{}", u64::from_le_bytes(*number))))?;
    Ok(list.is_some_and(|list| xxhash_rust::xxh3::xxh3_128(&list) == u128::from_le_bytes(*checksum)))
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        // A file where a folder belongs is none of fjall's keyspaces.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}
