//! `meta`: single values.
//!
//! ```text
//! key                value
//! log/epoch          highest epoch claimed, 8 bytes big-endian
//! at/<name>          watermark: the record up to which <name>'s rows stand, 8 bytes big-endian
//! is/<name>          <name>'s own
//! ```
//!
//! Names are 1 to 200 bytes of printable ASCII.

use std::fmt;

pub(in crate::store) const DESCRIPTION: &str = "Single values by name: log/epoch (highest epoch claimed), at/<name> (watermark: the record up to which <name>'s rows \
     stand; both 8 bytes, big-endian) and is/<name> (its owner's own). Lives for ever.";

/// The name of a single value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MetaKey {
    /// The highest epoch that a writer of the log has claimed.
    Epoch,
    /// Up to which record the rows of this name stand.
    Watermark(MetaName),
    /// A value of its owner's.
    Named(MetaName),
}

/// A name in [`Keyspace::Meta`](crate::store::Keyspace::Meta): 1 to 200 bytes of printable ASCII.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MetaName(String);

impl MetaName {
    /// Checks a name.
    pub fn new(name: impl Into<String>) -> Option<MetaName> {
        let name = name.into();
        let is_printable = name.bytes().all(|byte| (0x20..0x7f).contains(&byte));
        ((1..=200).contains(&name.len()) && is_printable).then_some(MetaName(name))
    }
}

impl MetaKey {
    /// The key's bytes.
    pub fn encode(&self) -> Vec<u8> {
        self.to_string().into_bytes()
    }

    /// Reads a key; `None` when it is none of the above.
    pub fn decode(key: &[u8]) -> Option<MetaKey> {
        let key = std::str::from_utf8(key).ok()?;
        match key.split_once('/')? {
            ("log", "epoch") => Some(MetaKey::Epoch),
            ("at", name) => MetaName::new(name).map(MetaKey::Watermark),
            ("is", name) => MetaName::new(name).map(MetaKey::Named),
            _ => None,
        }
    }
}

impl fmt::Display for MetaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MetaKey::Epoch => f.write_str("log/epoch"),
            MetaKey::Watermark(MetaName(name)) => write!(f, "at/{name}"),
            MetaKey::Named(MetaName(name)) => write!(f, "is/{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use super::*;

    #[test]
    fn the_epoch_has_its_one_name() {
        assert_eq!(MetaKey::Epoch.encode(), b"log/epoch");
        assert_eq!(MetaKey::decode(b"log/epoch"), Some(MetaKey::Epoch));
        assert_eq!(MetaKey::decode(b"log/other"), None);
        assert_eq!(MetaKey::decode(b"at/"), None);
        assert_eq!(MetaName::new("tab\t"), None);
    }

    proptest::proptest! {
        #[test]
        fn keys_read_back(name in "[ -~]{1,200}") {
            let name = MetaName::new(name).unwrap();
            for key in [MetaKey::Watermark(name.clone()), MetaKey::Named(name)] {
                assert_eq!(MetaKey::decode(&key.encode()), Some(key));
            }
        }
    }
}
