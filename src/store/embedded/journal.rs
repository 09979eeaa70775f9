//! Looks at fjall's journals before fjall does.
//!
//! fjall stops reading a journal at the first entry that makes no sense and cuts the file off there. That is right for a write that was
//! torn by a power cut, which can only be the last one, and wrong for a damaged entry with others behind it: those were
//! acknowledged, and would be gone without a word. And where the damage keeps the entries readable but not their checksum, fjall will
//! not open at all, though the last batch may just be torn. So:
//!
//! - a bad batch with a good one behind it, or at the end of a journal that is not the newest, is damage, and the store says so and
//!   touches nothing;
//! - a bad batch at the very end is a torn write that nobody was told had succeeded, and is cut off. (Damage in exactly the last
//!   batch cannot be told from that.)
//!
//! The format (fjall's version 3; it refuses every other by itself), numbers little-endian:
//!
//! ```text
//! start  0x01  number of items (4)  sequence number (8)
//! item   0x02  value type (1)  compression (1)  keyspace (8)  key length (2)  value length (4)  stored length (4)  key  stored value
//! clear  0x04  keyspace (8)
//! end    0x03  xxh3-64 over the bytes of all items and clears (8)  "FJL" 0x03
//! ```
//!
//! A batch is a start, its items, an end. Behind the last one stand zeros, because files are made 64 MiB long.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

use crate::store::error::StoreError;

const TRAILER: &[u8; 4] = b"FJL\x03";

/// Checks all journals in fjall's folder, and cuts off a torn write at the end of the newest.
pub(super) fn check(engine: &Path) -> Result<(), StoreError> {
    let unavailable = |source: io::Error| StoreError::unavailable("checking the journal", source);
    let mut journals = journals(engine).map_err(unavailable)?;
    journals.sort_unstable();
    let newest = journals.pop();
    for (_, path) in &journals {
        match verdict(path).map_err(unavailable)? {
            Verdict::Whole => {}
            Verdict::Torn { end } | Verdict::Damaged { end } => return Err(damaged(path, end)),
        }
    }
    let Some((_, path)) = newest else { return Ok(()) };
    match verdict(&path).map_err(unavailable)? {
        Verdict::Whole => Ok(()),
        Verdict::Damaged { end } => Err(damaged(&path, end)),
        Verdict::Torn { end } => {
            tracing::warn!(journal = %path.display(), end, "cutting off a write that was torn when the process or machine stopped");
            let file = OpenOptions::new().write(true).open(&path).map_err(unavailable)?;
            file.set_len(end).and_then(|()| file.sync_all()).map_err(unavailable)
        }
    }
}

fn damaged(path: &Path, end: u64) -> StoreError {
    StoreError::damaged(format!(
        "journal {} does not read on at byte {end}, and acknowledged writes stand behind; restore the directory from a backup",
        path.display()
    ))
}

/// The journals in fjall's folder, with their numbers, in no order.
pub(super) fn journals(engine: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(engine)? {
        let path = entry?.path();
        let number = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".jnl")?.parse().ok());
        if let Some(number) = number {
            found.push((number, path));
        }
    }
    Ok(found)
}

/// What a journal is like; `end` is the byte behind its last good batch.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Whole,
    Torn { end: u64 },
    Damaged { end: u64 },
}

fn verdict(path: &Path) -> io::Result<Verdict> {
    let mut reader = BufReader::with_capacity(256 * 1024, File::open(path)?);
    let (mut end, mut last) = (0u64, None);
    while let Some(batch) = read_batch(&mut reader)? {
        end += batch.length;
        last = Some(batch.number);
    }
    reader.seek(SeekFrom::Start(end))?;
    if is_zero(&mut reader)? {
        return Ok(Verdict::Whole);
    }
    // Rare, and bounded by the size of a journal: what is behind is looked at from every byte.
    reader.seek(SeekFrom::Start(end))?;
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest)?;
    for start in 1..rest.len() {
        if rest[start] == 1
            && let Some(batch) = read_batch(&mut &rest[start..])?
            && last.is_none_or(|last| batch.number > last)
        {
            return Ok(Verdict::Damaged { end });
        }
    }
    Ok(Verdict::Torn { end })
}

fn is_zero(reader: &mut impl Read) -> io::Result<bool> {
    let mut chunk = vec![0; 256 * 1024];
    loop {
        match reader.read(&mut chunk)? {
            0 => return Ok(true),
            read if chunk[..read].iter().any(|byte| *byte != 0) => return Ok(false),
            _ => {}
        }
    }
}

/// A good batch.
struct Batch {
    number: u64,
    length: u64,
}

/// Reads one batch; `None` when what comes next is not a whole and good one.
fn read_batch(reader: &mut impl Read) -> io::Result<Option<Batch>> {
    match try_read_batch(reader) {
        Ok(batch) => Ok(batch),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

fn try_read_batch(reader: &mut impl Read) -> io::Result<Option<Batch>> {
    let [tag] = take::<1>(reader)?;
    if tag != 1 {
        return Ok(None);
    }
    let items = u32::from_le_bytes(take(reader)?);
    let number = u64::from_le_bytes(take(reader)?);
    let mut length = 13u64;
    let mut hash = Xxh3::new();
    for _ in 0..items {
        let tag = take::<1>(reader)?;
        hash.update(&tag);
        let body = match tag {
            [2] => {
                let head = take::<20>(reader)?;
                hash.update(&head);
                let key = u16::from_le_bytes([head[10], head[11]]);
                let stored = u32::from_le_bytes([head[16], head[17], head[18], head[19]]);
                length += 21;
                u64::from(key) + u64::from(stored)
            }
            [4] => {
                length += 1;
                8
            }
            _ => return Ok(None),
        };
        if copy(reader, &mut hash, body)? != body {
            return Ok(None);
        }
        length += body;
    }
    let [tag] = take::<1>(reader)?;
    let checksum = u64::from_le_bytes(take(reader)?);
    let trailer = take::<4>(reader)?;
    let is_good = tag == 3 && checksum == hash.digest() && &trailer == TRAILER;
    Ok(is_good.then_some(Batch { number, length: length + 13 }))
}

fn take<const N: usize>(reader: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Hashes up to `length` bytes; returns how many there were.
fn copy(reader: &mut impl Read, hash: &mut Xxh3, length: u64) -> io::Result<u64> {
    let mut chunk = [0; 8 * 1024];
    let mut left = length;
    while left > 0 {
        let step = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len());
        match reader.read(&mut chunk[..step])? {
            0 => break,
            read => {
                hash.update(&chunk[..read]);
                left -= read as u64;
            }
        }
    }
    Ok(length - left)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use proptest::prelude::*;

    use super::*;

    /// One batch of one item, as fjall writes it.
    fn batch(number: u64, value: &[u8]) -> Vec<u8> {
        let mut item = vec![2, 0, 0];
        item.extend(7u64.to_le_bytes());
        item.extend(3u16.to_le_bytes());
        item.extend(u32::try_from(value.len()).unwrap().to_le_bytes());
        item.extend(u32::try_from(value.len()).unwrap().to_le_bytes());
        item.extend(b"key");
        item.extend(value);
        let mut bytes = vec![1];
        bytes.extend(1u32.to_le_bytes());
        bytes.extend(number.to_le_bytes());
        bytes.extend(&item);
        bytes.push(3);
        bytes.extend(xxhash_rust::xxh3::xxh3_64(&item).to_le_bytes());
        bytes.extend(TRAILER);
        bytes
    }

    fn verdict_of(bytes: &[u8]) -> Verdict {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        verdict(file.path()).unwrap()
    }

    #[test]
    fn a_whole_journal_ends_in_nothing_or_zeros() {
        let mut bytes = [batch(1, b"a"), batch(2, b"b")].concat();
        assert_eq!(verdict_of(&bytes), Verdict::Whole);
        bytes.resize(bytes.len() + 1000, 0);
        assert_eq!(verdict_of(&bytes), Verdict::Whole);
        assert_eq!(verdict_of(&[]), Verdict::Whole);
    }

    #[test]
    fn a_last_batch_with_a_hole_in_it_is_torn() {
        let good = batch(1, b"a");
        let mut bytes = [good.clone(), batch(2, &[0xff; 100]), vec![0; 100]].concat();
        bytes[good.len() + 50..good.len() + 80].fill(0);
        assert_eq!(verdict_of(&bytes), Verdict::Torn { end: good.len() as u64 });
    }

    proptest! {
        #[test]
        fn a_journal_cut_anywhere_is_whole_or_torn(cut: prop::sample::Index, zeros in 0usize..100) {
            let batches = [batch(1, b"a"), batch(2, &[9; 40]), batch(3, b"")];
            let mut bytes = batches.concat();
            bytes.truncate(cut.index(bytes.len() + 1));
            bytes.resize(bytes.len() + zeros, 0);
            let is_damaged = matches!(verdict_of(&bytes), Verdict::Damaged { .. });
            prop_assert!(!is_damaged);
        }

        #[test]
        fn a_changed_byte_before_the_last_batch_is_damage(at: prop::sample::Index, change in 1u8..) {
            let (first, last) = ([batch(1, b"a"), batch(2, &[9; 40])].concat(), batch(3, b"c"));
            let mut bytes = [first.clone(), last, vec![0; 50]].concat();
            // The sequence number of a batch is not under fjall's checksum, so a change there goes unseen by it and by this.
            let at = at.index(first.len());
            let second = batch(1, b"a").len();
            prop_assume!(!(5..13).contains(&at) && !(second + 5..second + 13).contains(&at));
            bytes[at] ^= change;
            let is_damaged = matches!(verdict_of(&bytes), Verdict::Damaged { .. });
            prop_assert!(is_damaged, "{at}");
        }
    }
}
