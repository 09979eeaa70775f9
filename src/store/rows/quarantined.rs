//! `quarantine`: an input that could not be understood.
//!
//! ```text
//! key:   0   8  sequence number of the record that quarantined it, big-endian
//!        8   2  ordinal of the input within that record, big-endian
//! value: a frame: why in plain, the input sealed
//! ```

use std::fmt;

pub(in crate::store) const DESCRIPTION: &str = "Inputs that could not be understood: sequence number of their record (8 bytes, big-endian) and ordinal (2 bytes, \
     big-endian). Value: a frame, the reason in plain and the input sealed. Written by the desk with the record. Lives until redriven and settled, or discarded by a person.";

/// One input in quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct QuarantineKey {
    /// The record that put it there.
    pub seq: u64,
    /// Which of the record's inputs.
    pub ordinal: u16,
}

impl QuarantineKey {
    /// The key's bytes.
    pub fn encode(self) -> [u8; 10] {
        let mut key = [0; 10];
        key[..8].copy_from_slice(&self.seq.to_be_bytes());
        key[8..].copy_from_slice(&self.ordinal.to_be_bytes());
        key
    }

    /// Reads a key; `None` when it is not 10 bytes long.
    pub fn decode(key: &[u8]) -> Option<QuarantineKey> {
        let (seq, ordinal) = key.split_first_chunk()?;
        Some(QuarantineKey { seq: u64::from_be_bytes(*seq), ordinal: u16::from_be_bytes(ordinal.try_into().ok()?) })
    }
}

impl fmt::Display for QuarantineKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.seq, self.ordinal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn keys_read_back_and_keep_their_order(a: (u64, u16), b: (u64, u16)) {
            let [a, b] = [a, b].map(|(seq, ordinal)| QuarantineKey { seq, ordinal });
            assert_eq!(QuarantineKey::decode(&a.encode()), Some(a));
            assert_eq!(a.encode().cmp(&b.encode()), a.cmp(&b));
        }
    }
}
