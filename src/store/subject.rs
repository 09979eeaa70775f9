//! Whose data is sealed, and the key that it is sealed with.

use std::fmt;

use zeroize::Zeroizing;

/// Somebody whose data is sealed together and erased together. Derived by its owner so that it tells nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubjectId(pub [u8; 16]);

impl SubjectId {
    /// Not a person: the house itself, for what belongs to no customer. It has a key like everybody else and is never erased.
    pub const HOUSE: SubjectId = SubjectId([0; 16]);
}

impl fmt::Display for SubjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// Which of a subject's keys: random, so that a later key is never taken for an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyId(pub [u8; 8]);

/// A subject's key in the clear. Wiped when dropped, never printed.
#[derive(Clone)]
pub struct DataKey {
    id: KeyId,
    bytes: Zeroizing<[u8; 32]>,
}

impl DataKey {
    pub(super) fn new(id: KeyId, bytes: Zeroizing<[u8; 32]>) -> DataKey {
        DataKey { id, bytes }
    }

    /// Which key of the subject.
    pub fn id(&self) -> KeyId {
        self.id
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataKey({})", hex::encode(self.id.0))
    }
}
