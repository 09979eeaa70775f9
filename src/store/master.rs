//! The master keys: what wraps the data keys of subjects.
//!
//! A master key is configured, never stored. Each wrapped data key names the master key that wraps it, so a new one can be put in
//! front while the old one still opens what it wrapped; [`Keys::rewrap`](super::Keys::rewrap) then moves everything over.

use std::fmt;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hmac;
use zeroize::Zeroizing;

use super::entropy::Entropy;
use super::keys::KeyError;
use super::rows::data_key::WrappedKey;
use super::subject::{DataKey, KeyId, SubjectId};

/// Names a master key without telling it: the first 8 bytes of HMAC-SHA256 under it of a fixed text. The same key has the same id
/// everywhere, so nobody has to number keys.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct MasterKeyId(pub [u8; 8]);

impl fmt::Display for MasterKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for MasterKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKeyId({self})")
    }
}

/// A master key: 32 random bytes. Wiped when dropped, never printed.
pub struct MasterKey {
    id: MasterKeyId,
    bytes: Zeroizing<[u8; 32]>,
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.id)
    }
}

impl MasterKey {
    /// Takes the bytes over.
    pub fn new(bytes: Zeroizing<[u8; 32]>) -> MasterKey {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, bytes.as_ref()), b"tandem.master-key-id.1");
        let mut id = [0; 8];
        id.copy_from_slice(&tag.as_ref()[..8]);
        MasterKey { id: MasterKeyId(id), bytes }
    }

    /// Names the key.
    pub fn id(&self) -> MasterKeyId {
        self.id
    }

    fn cipher(&self) -> LessSafeKey {
        let unbound = UnboundKey::new(&AES_256_GCM, self.bytes.as_ref());
        LessSafeKey::new(unbound.expect("a 32-byte key is what the algorithm takes"))
    }
}

/// The master keys in use: the first wraps, all of them unwrap.
#[derive(Debug)]
pub struct MasterKeys {
    current: MasterKey,
    earlier: Vec<MasterKey>,
}

impl MasterKeys {
    /// One key that wraps, and those that still unwrap what they once wrapped.
    pub fn new(current: MasterKey, earlier: Vec<MasterKey>) -> MasterKeys {
        MasterKeys { current, earlier }
    }

    /// The key that wraps.
    pub fn current(&self) -> MasterKeyId {
        self.current.id
    }

    /// Wraps a data key under the current master key. A fresh random nonce per wrap: a master key would have to wrap billions of data
    /// keys before two nonces are likely to be equal.
    pub(super) fn wrap(
        &self,
        subject: SubjectId,
        key: &DataKey,
        entropy: &dyn Entropy,
    ) -> Result<WrappedKey, KeyError> {
        let mut nonce = [0; 12];
        entropy.fill(&mut nonce)?;
        let mut wrapped = [0; 48];
        let (bytes, tag) = wrapped.split_at_mut(32);
        bytes.copy_from_slice(key.bytes());
        let sealed = self.current.cipher().seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(associated(subject, key.id())),
            bytes,
        );
        // 32 bytes are far below the algorithm's limit; should sealing fail all the same, the plain key must not leave.
        let sealed = sealed.map_err(|_| KeyError::Tampered { subject })?;
        tag.copy_from_slice(sealed.as_ref());
        Ok(WrappedKey { id: key.id(), master: self.current.id, nonce, wrapped })
    }

    /// Unwraps a data key with whichever master key wrapped it.
    pub(super) fn unwrap(&self, subject: SubjectId, row: &WrappedKey) -> Result<DataKey, KeyError> {
        let mut masters = std::iter::once(&self.current).chain(&self.earlier);
        let master = masters.find(|master| master.id == row.master);
        let master = master.ok_or(KeyError::UnknownMaster { needed: row.master })?;
        let mut wrapped = Zeroizing::new(row.wrapped);
        let opened = master.cipher().open_in_place(
            Nonce::assume_unique_for_key(row.nonce),
            Aad::from(associated(subject, row.id)),
            wrapped.as_mut_slice(),
        );
        let opened = opened.map_err(|_| KeyError::Tampered { subject })?;
        let mut bytes = Zeroizing::new([0; 32]);
        bytes.copy_from_slice(opened);
        Ok(DataKey::new(row.id, bytes))
    }
}

/// What a wrapped key is bound to, so that one subject's row cannot be put in place of another's.
fn associated(subject: SubjectId, id: KeyId) -> Vec<u8> {
    [b"tandem.wrap.1".as_slice(), &subject.0, &id.0].concat()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use super::*;
    use crate::store::SeededEntropy;

    fn master(byte: u8) -> MasterKey {
        MasterKey::new(Zeroizing::new([byte; 32]))
    }

    #[test]
    fn a_key_is_unwrapped_by_its_master_alone_and_for_its_subject_alone() {
        let entropy = SeededEntropy::new(1);
        let key = DataKey::new(KeyId([1; 8]), Zeroizing::new([2; 32]));
        let subject = SubjectId([3; 16]);
        let row = MasterKeys::new(master(1), vec![]).wrap(subject, &key, &entropy).unwrap();

        let rotated = MasterKeys::new(master(2), vec![master(1)]);
        assert_eq!(rotated.unwrap(subject, &row).unwrap().bytes(), key.bytes());

        let other = MasterKeys::new(master(2), vec![]);
        let needed = master(1).id();
        assert!(matches!(other.unwrap(subject, &row), Err(KeyError::UnknownMaster { needed: n }) if n == needed));
        assert!(matches!(rotated.unwrap(SubjectId([4; 16]), &row), Err(KeyError::Tampered { .. })));
    }

    #[test]
    fn nothing_of_a_key_is_printed() {
        let keys = MasterKeys::new(master(0xab), vec![master(0xcd)]);
        let printed = format!("{keys:?}").to_lowercase();
        assert!(!printed.contains("abab") && !printed.contains("171, 171") && !printed.contains("cdcd"), "{printed}");
    }

    #[test]
    fn the_id_of_a_master_key_stays_what_it_is() {
        // From another implementation of HMAC-SHA256.
        assert_eq!(master(0x11).id().to_string(), "cdef3fcb3fa355cf");
    }
}
