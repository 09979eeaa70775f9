//! `refs`: something belongs to something.
//!
//! ```text
//! key:   0   1  relation, numbered by its writer
//!        1   16 from: an id or a digest of a native reference
//!        17  16 to: an id; left out where one thing belongs to at most one other, which then stands in the value
//! value: the relation's own
//! ```
//!
//! A relation always has its second id in the key or never. Native references appear only as ids derived from them, because they can be
//! personal (a telephone number is one).

use std::fmt;

pub(in crate::store) const DESCRIPTION: &str = "Which thing belongs to which: relation (1 byte), from (16 bytes) and, where there are several, to (16 bytes). \
     Value: as the relation says. Written by the desk. The log can rebuild it.";

/// One thing that belongs to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RefKey {
    /// Which relation.
    pub relation: u8,
    /// What is looked up.
    pub from: [u8; 16],
    /// What it belongs to, in relations to several.
    pub to: Option<[u8; 16]>,
}

impl RefKey {
    /// The key's bytes.
    pub fn encode(self) -> Vec<u8> {
        let mut key = Vec::with_capacity(33);
        key.push(self.relation);
        key.extend_from_slice(&self.from);
        key.extend_from_slice(self.to.as_ref().map_or(&[], |to| to.as_slice()));
        key
    }

    /// Reads a key; `None` when it is neither 17 nor 33 bytes long.
    pub fn decode(key: &[u8]) -> Option<RefKey> {
        let (&relation, rest) = key.split_first()?;
        let (from, to) = rest.split_first_chunk()?;
        let to = if to.is_empty() { None } else { Some(to.try_into().ok()?) };
        Some(RefKey { relation, from: *from, to })
    }
}

impl fmt::Display for RefKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/", self.relation)?;
        super::write_id(f, &self.from)?;
        let Some(to) = &self.to else { return Ok(()) };
        f.write_str("/")?;
        super::write_id(f, to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn keys_read_back_and_keep_their_order(a: (u8, [u8; 16], Option<[u8; 16]>), b: (u8, [u8; 16], Option<[u8; 16]>)) {
            let [a, b] = [a, b].map(|(relation, from, to)| RefKey { relation, from, to });
            assert_eq!(RefKey::decode(&a.encode()), Some(a));
            assert_eq!(a.encode().cmp(&b.encode()), a.cmp(&b));
        }
    }
}
