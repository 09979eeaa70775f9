//! The keyspaces, and the two of them that are kept in buckets.

use std::fmt;
use std::str::FromStr;

use super::rows;

/// A separate ordered set of keys. [`rows`] says what stands in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Keyspace {
    /// The records, by sequence number. In buckets.
    Log,
    /// Envelopes already taken, by day. In buckets.
    Dedupe,
    /// Facts already taken, by leg.
    Semantic,
    /// Which native reference belongs to what.
    Refs,
    /// States that the log can rebuild.
    States,
    /// Wrapped data keys of subjects.
    Keys,
    /// Secrets that live as long as their leg.
    Vault,
    /// Epoch, watermarks and other single values.
    Meta,
    /// Inputs that could not be understood.
    Quarantine,
}

/// A part of a bucketed keyspace that retention drops as a whole: a UTC day (days since 1970-01-01) for [`Keyspace::Dedupe`], a stretch
/// of [`rows::log_entry::SEQS_PER_BUCKET`] records for [`Keyspace::Log`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket(pub u64);

impl Keyspace {
    /// All of them, in the order of the catalogue.
    pub const ALL: [Keyspace; 9] = [
        Keyspace::Log,
        Keyspace::Dedupe,
        Keyspace::Semantic,
        Keyspace::Refs,
        Keyspace::States,
        Keyspace::Keys,
        Keyspace::Vault,
        Keyspace::Meta,
        Keyspace::Quarantine,
    ];

    /// The name used on disk and on the command line. Never changes.
    pub const fn name(self) -> &'static str {
        match self {
            Keyspace::Log => "log",
            Keyspace::Dedupe => "dedupe",
            Keyspace::Semantic => "semantic",
            Keyspace::Refs => "refs",
            Keyspace::States => "states",
            Keyspace::Keys => "keys",
            Keyspace::Vault => "vault",
            Keyspace::Meta => "meta",
            Keyspace::Quarantine => "quarantine",
        }
    }

    /// Whether retention drops whole buckets here.
    pub const fn is_bucketed(self) -> bool {
        matches!(self, Keyspace::Log | Keyspace::Dedupe)
    }

    /// The bucket of a key; `None` where there are no buckets or the key is too short to have one. The bucket never decreases with
    /// the key, so buckets in order are keys in order.
    pub fn bucket_of(self, key: &[u8]) -> Option<Bucket> {
        match self {
            Keyspace::Log => rows::log_entry::bucket_of_key(key),
            Keyspace::Dedupe => rows::dedupe::bucket_of_key(key),
            _ => None,
        }
    }
}

impl fmt::Display for Keyspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No keyspace has this name; the sentence lists those that exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no keyspace {0:?}; there are log, dedupe, semantic, refs, states, keys, vault, meta and quarantine")]
pub struct UnknownKeyspace(pub String);

impl FromStr for Keyspace {
    type Err = UnknownKeyspace;

    fn from_str(name: &str) -> Result<Keyspace, UnknownKeyspace> {
        let found = Keyspace::ALL.into_iter().find(|keyspace| keyspace.name() == name);
        found.ok_or_else(|| UnknownKeyspace(name.to_owned()))
    }
}

/// One paragraph for people: what stands in the keyspace, who writes it, how long it stays.
pub fn describe(keyspace: Keyspace) -> &'static str {
    match keyspace {
        Keyspace::Log => rows::log_entry::DESCRIPTION,
        Keyspace::Dedupe => rows::dedupe::DESCRIPTION,
        Keyspace::Semantic => rows::semantic::DESCRIPTION,
        Keyspace::Refs => rows::reference::DESCRIPTION,
        Keyspace::States => rows::state::DESCRIPTION,
        Keyspace::Keys => rows::data_key::DESCRIPTION,
        Keyspace::Vault => rows::secret::DESCRIPTION,
        Keyspace::Meta => rows::meta::DESCRIPTION,
        Keyspace::Quarantine => rows::quarantined::DESCRIPTION,
    }
}

/// A key as people read it; one that does not decode is shown in hex behind a question mark.
pub fn pretty(keyspace: Keyspace, key: &[u8]) -> String {
    let shown = match keyspace {
        Keyspace::Log => rows::log_entry::LogKey::decode(key).map(|key| key.to_string()),
        Keyspace::Dedupe => rows::dedupe::DedupeKey::decode(key).map(|key| key.to_string()),
        Keyspace::Semantic => rows::semantic::SemanticKey::decode(key).map(|key| key.to_string()),
        Keyspace::Refs => rows::reference::RefKey::decode(key).map(|key| key.to_string()),
        Keyspace::States => rows::state::StateKey::decode(key).map(|key| key.to_string()),
        Keyspace::Keys => rows::data_key::decode(key).map(|subject| subject.to_string()),
        Keyspace::Vault => rows::secret::SecretKey::decode(key).map(|key| key.to_string()),
        Keyspace::Meta => rows::meta::MetaKey::decode(key).map(|key| key.to_string()),
        Keyspace::Quarantine => rows::quarantined::QuarantineKey::decode(key).map(|key| key.to_string()),
    };
    shown.unwrap_or_else(|| format!("?{}", hex::encode(key)))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use super::*;

    #[test]
    fn every_keyspace_is_described_and_found_by_its_name() {
        for keyspace in Keyspace::ALL {
            assert!(describe(keyspace).len() > 80, "{keyspace}");
            assert_eq!(keyspace.name().parse::<Keyspace>().unwrap(), keyspace);
        }
        assert!("logs".parse::<Keyspace>().unwrap_err().to_string().contains("quarantine"));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_can_be_shown_as_a_key(key in proptest::collection::vec(0u8.., 0..80)) {
            for keyspace in Keyspace::ALL {
                assert!(!pretty(keyspace, &key).is_empty() || key.is_empty());
            }
        }

        #[test]
        fn buckets_in_order_are_keys_in_order(
            mut a in proptest::collection::vec(0u8.., 8..40),
            mut b in proptest::collection::vec(0u8.., 8..40),
        ) {
            if a > b {
                std::mem::swap(&mut a, &mut b);
            }
            for keyspace in [Keyspace::Log, Keyspace::Dedupe] {
                assert!(keyspace.bucket_of(&a) <= keyspace.bucket_of(&b));
            }
        }
    }
}
