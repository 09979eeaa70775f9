//! `vault`: a secret, and when it is to be forgotten.
//!
//! ```text
//! key:   0   1  's'
//!        1   n  name of the secret
//! value: 0   1  format: 1
//!        1   8  forgotten from, milliseconds since 1970, big-endian; 2^64-1 = when somebody deletes it
//!        9   m  one sealed part, see seal.rs; its place is this keyspace and this key
//!
//! key:   0   1  'e'
//!        1   8  forgotten from, as above
//!        9   n  name of the secret
//! value: empty; an entry whose secret has been written again with another time is stale and means nothing
//! ```

use std::fmt;

use crate::store::vault::SecretName;

pub(in crate::store) const DESCRIPTION: &str = "Secrets: 's' and name, value: format, expiry (8 bytes, milliseconds since 1970) and one sealed part; and their \
     expiry: 'e', expiry and name, no value. Written by the vault. Lives until its leg ends or its time is over.";

/// The only format so far.
const FORMAT: u8 = 1;

/// A key of the vault.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretKey {
    /// When a secret is to be forgotten: from this many milliseconds since 1970 on.
    Expiry(u64, SecretName),
    /// The secret itself.
    Secret(SecretName),
}

impl SecretKey {
    /// The key's bytes.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            SecretKey::Secret(name) => [b"s", name.as_str().as_bytes()].concat(),
            SecretKey::Expiry(at, name) => [b"e", at.to_be_bytes().as_slice(), name.as_str().as_bytes()].concat(),
        }
    }

    /// Reads a key; `None` when it is neither.
    pub fn decode(key: &[u8]) -> Option<SecretKey> {
        let name = |bytes: &[u8]| SecretName::new(std::str::from_utf8(bytes).ok()?);
        match key.split_first()? {
            (b's', rest) => Some(SecretKey::Secret(name(rest)?)),
            (b'e', rest) => {
                let (at, rest) = rest.split_first_chunk()?;
                Some(SecretKey::Expiry(u64::from_be_bytes(*at), name(rest)?))
            }
            _ => None,
        }
    }
}

impl fmt::Display for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretKey::Secret(name) => write!(f, "secret {}", name.as_str()),
            SecretKey::Expiry(at, name) => match i64::try_from(*at).map(jiff::Timestamp::from_millisecond) {
                Ok(Ok(at)) => write!(f, "expiry {at} of {}", name.as_str()),
                _ => write!(f, "expiry {at} of {}", name.as_str()),
            },
        }
    }
}

/// A secret as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretRow<'a> {
    /// Forgotten from, in milliseconds since 1970; `u64::MAX` when only deleting it does that.
    pub expires_at: u64,
    /// One sealed part.
    pub sealed: &'a [u8],
}

impl<'a> SecretRow<'a> {
    /// The value's bytes.
    pub fn encode(&self) -> Vec<u8> {
        [&[FORMAT], self.expires_at.to_be_bytes().as_slice(), self.sealed].concat()
    }

    /// Reads a value; `None` when it is of another format or too short.
    pub fn decode(value: &'a [u8]) -> Option<SecretRow<'a>> {
        let (&format, rest) = value.split_first()?;
        let (expires_at, sealed) = rest.split_first_chunk()?;
        (format == FORMAT).then_some(SecretRow { expires_at: u64::from_be_bytes(*expires_at), sealed })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use super::*;

    proptest::proptest! {
        #[test]
        fn rows_read_back(name in "[ -~]{1,200}", at: u64, sealed: Vec<u8>) {
            let name = SecretName::new(&name).unwrap();
            for key in [SecretKey::Secret(name.clone()), SecretKey::Expiry(at, name)] {
                assert_eq!(SecretKey::decode(&key.encode()), Some(key.clone()));
                assert!(!key.to_string().is_empty());
            }
            let row = SecretRow { expires_at: at, sealed: &sealed };
            assert_eq!(SecretRow::decode(&row.encode()), Some(row));
        }
    }
}
