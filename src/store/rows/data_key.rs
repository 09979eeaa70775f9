//! `keys`: the data key of a subject, wrapped.
//!
//! ```text
//! key:   0   16 subject
//! value: 0   1  format: 1 = AES-256-GCM
//!        1   8  key id, random; a part sealed under an earlier key of the subject names another one
//!        9   8  id of the master key that wraps it
//!        17  12 nonce
//!        29  48 the 32 bytes of the data key, encrypted, and the tag;
//!               associated data: "tandem.wrap.1", subject (16), key id (8)
//! ```

use crate::store::master::MasterKeyId;
use crate::store::subject::{KeyId, SubjectId};

pub(in crate::store) const DESCRIPTION: &str = "Data keys of subjects: subject id (16 bytes). Value: format, key id, master key id, nonce and the wrapped key (77 bytes). \
     Written in the commit that first uses the key. Lives until the subject is erased, which deletes it.";

/// The only format so far.
const FORMAT: u8 = 1;
/// Length of a value.
const LENGTH: usize = 77;

/// A data key as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedKey {
    /// Which key of the subject.
    pub id: KeyId,
    /// What wraps it.
    pub master: MasterKeyId,
    /// The nonce of the wrapping.
    pub nonce: [u8; 12],
    /// Key and tag, encrypted.
    pub wrapped: [u8; 48],
}

impl WrappedKey {
    /// The value's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut value = Vec::with_capacity(LENGTH);
        value.push(FORMAT);
        value.extend_from_slice(&self.id.0);
        value.extend_from_slice(&self.master.0);
        value.extend_from_slice(&self.nonce);
        value.extend_from_slice(&self.wrapped);
        value
    }

    /// Reads a value; `None` when it is of another format or length.
    pub fn decode(value: &[u8]) -> Option<WrappedKey> {
        let (&format, rest) = value.split_first()?;
        let (id, rest) = rest.split_first_chunk()?;
        let (master, rest) = rest.split_first_chunk()?;
        let (nonce, wrapped) = rest.split_first_chunk()?;
        (format == FORMAT).then_some(WrappedKey {
            id: KeyId(*id),
            master: MasterKeyId(*master),
            nonce: *nonce,
            wrapped: wrapped.try_into().ok()?,
        })
    }
}

/// The key's bytes.
pub fn encode(subject: SubjectId) -> [u8; 16] {
    subject.0
}

/// Reads a key; `None` when it is not 16 bytes long.
pub fn decode(key: &[u8]) -> Option<SubjectId> {
    Some(SubjectId(key.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn rows_read_back(subject: [u8; 16], id: [u8; 8], master: [u8; 8], nonce: [u8; 12], key: [u8; 32], tag: [u8; 16]) {
            let mut wrapped = [0; 48];
            wrapped[..32].copy_from_slice(&key);
            wrapped[32..].copy_from_slice(&tag);
            let row = WrappedKey { id: KeyId(id), master: MasterKeyId(master), nonce, wrapped };
            assert_eq!(WrappedKey::decode(&row.encode()), Some(row.clone()));
            assert_eq!(row.encode().len(), LENGTH);
            assert_eq!(decode(&encode(SubjectId(subject))), Some(SubjectId(subject)));
        }

        #[test]
        fn any_bytes_are_a_row_or_none(value: Vec<u8>) {
            let is_row = WrappedKey::decode(&value).is_some();
            assert_eq!(is_row, value.len() == LENGTH && value[0] == FORMAT);
        }
    }
}
