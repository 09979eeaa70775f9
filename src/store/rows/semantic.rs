//! `semantic`: a fact has been taken, whichever envelope brought it.
//!
//! ```text
//! key:   0   16 leg the fact is about
//!        16  16 digest of what the fact says (message id, kind, version), made by its writer
//! value: 0   8  sequence number of the record that took the fact, big-endian
//! ```
//!
//! The leg stands first so that everything about it stands together; the leg of a fact is known before the interaction is. Nothing
//! deletes these rows: the envelope's key is gone after days, and a fact that its cloud tells once more after that would be
//! applied to its closed interaction a second time.

use std::fmt;

pub(in crate::store) const DESCRIPTION: &str = "Facts already taken: leg id (16 bytes) and a 16-byte digest of what the fact says. Value: sequence number of the record that \
     took it (8 bytes, big-endian). Written by the desk with the record. Lives for ever.";

/// One fact about one leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SemanticKey {
    /// The leg's id.
    pub leg: [u8; 16],
    /// Digest of what the fact says.
    pub digest: [u8; 16],
}

impl SemanticKey {
    /// The key's bytes.
    pub fn encode(self) -> [u8; 32] {
        let mut key = [0; 32];
        key[..16].copy_from_slice(&self.leg);
        key[16..].copy_from_slice(&self.digest);
        key
    }

    /// Reads a key; `None` when it is not 32 bytes long.
    pub fn decode(key: &[u8]) -> Option<SemanticKey> {
        let (leg, digest) = key.split_first_chunk()?;
        Some(SemanticKey { leg: *leg, digest: digest.try_into().ok()? })
    }
}

impl fmt::Display for SemanticKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::write_id(f, &self.leg)?;
        f.write_str("/")?;
        super::write_id(f, &self.digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn keys_read_back_and_begin_with_their_leg(leg: [u8; 16], digest: [u8; 16]) {
            let key = SemanticKey { leg, digest };
            assert_eq!(SemanticKey::decode(&key.encode()), Some(key));
            assert!(key.encode().starts_with(&leg));
        }
    }
}
