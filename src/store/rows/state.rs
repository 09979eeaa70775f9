//! `states`: a state that the log can rebuild.
//!
//! ```text
//! key:   0   1  kind, numbered by its writer
//!        1   n  id, 1 to 255 bytes; ordered as bytes, so a kind whose id begins with a due time can be walked in due order
//! value: the kind's own, usually a frame
//! ```

use std::fmt;

pub(in crate::store) const DESCRIPTION: &str = "States that the log can rebuild: kind (1 byte) and id (1 to 255 bytes). Value: as the kind says, usually a frame. \
     Written by the desk in bulk, with a watermark in meta that says which record they stand at.";

/// One state of one kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StateKey {
    kind: u8,
    id: Vec<u8>,
}

impl StateKey {
    /// Names a state; `None` when the id is empty or longer than 255 bytes.
    pub fn new(kind: u8, id: impl Into<Vec<u8>>) -> Option<StateKey> {
        let id = id.into();
        (1..=255).contains(&id.len()).then_some(StateKey { kind, id })
    }

    /// The kind.
    pub fn kind(&self) -> u8 {
        self.kind
    }

    /// The id within the kind.
    pub fn id(&self) -> &[u8] {
        &self.id
    }

    /// The key's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut key = Vec::with_capacity(1 + self.id.len());
        key.push(self.kind);
        key.extend_from_slice(&self.id);
        key
    }

    /// Reads a key; `None` when it is too short or too long.
    pub fn decode(key: &[u8]) -> Option<StateKey> {
        let (&kind, id) = key.split_first()?;
        StateKey::new(kind, id)
    }
}

impl fmt::Display for StateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/", self.kind)?;
        super::write_id(f, &self.id)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use super::*;

    #[test]
    fn an_id_has_one_to_255_bytes() {
        assert_eq!(StateKey::new(1, []), None);
        assert_eq!(StateKey::new(1, [0; 256]), None);
        assert!(StateKey::new(1, [0; 255]).is_some());
    }

    proptest::proptest! {
        #[test]
        fn keys_read_back_and_keep_their_order(
            a in (0u8.., proptest::collection::vec(0u8.., 1..40)),
            b in (0u8.., proptest::collection::vec(0u8.., 1..40)),
        ) {
            let [a, b] = [a, b].map(|(kind, id)| StateKey::new(kind, id).unwrap());
            assert_eq!(StateKey::decode(&a.encode()), Some(a.clone()));
            assert_eq!(a.encode().cmp(&b.encode()), a.cmp(&b));
        }
    }
}
