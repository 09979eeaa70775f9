//! `log`: one record.
//!
//! ```text
//! key:   0  8  sequence number, big-endian; the first record is 1
//! value: a frame, see frame.rs
//! ```
//!
//! Bucket: sequence number divided by [`SEQS_PER_BUCKET`]. Records of one bucket stand together on disk and are dropped together; new
//! records always go behind all others, so their files are never merged with older ones, only moved.

use std::fmt;

use crate::store::keyspace::Bucket;

pub(in crate::store) const DESCRIPTION: &str = "Records of the log by sequence number (8 bytes, big-endian, from 1). Value: one frame with a plain and a \
     sealed part. Written by the desk, never changed. Lives until retention drops its bucket of 1048576 records.";

/// Records in one bucket.
pub const SEQS_PER_BUCKET: u64 = 1 << 20;

/// The sequence number of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogKey(pub u64);

impl LogKey {
    /// The key's bytes.
    pub fn encode(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    /// Reads a key; `None` when it is not 8 bytes long.
    pub fn decode(key: &[u8]) -> Option<LogKey> {
        Some(LogKey(u64::from_be_bytes(key.try_into().ok()?)))
    }

    /// The bucket of this record.
    pub fn bucket(self) -> Bucket {
        Bucket(self.0 / SEQS_PER_BUCKET)
    }
}

pub(in crate::store) fn bucket_of_key(key: &[u8]) -> Option<Bucket> {
    key.first_chunk().map(|seq| LogKey(u64::from_be_bytes(*seq)).bucket())
}

impl fmt::Display for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn keys_read_back_and_keep_their_order(a: u64, b: u64) {
            assert_eq!(LogKey::decode(&LogKey(a).encode()), Some(LogKey(a)));
            assert_eq!(LogKey(a).encode().cmp(&LogKey(b).encode()), a.cmp(&b));
            assert_eq!(bucket_of_key(&LogKey(a).encode()), Some(LogKey(a).bucket()));
        }
    }
}
