//! The bytes of what only the holder of a subject's key can read.
//!
//! A *part* is one text sealed for one subject:
//!
//! ```text
//! offset   length  what
//! 0        1       format: 1 = AES-256-GCM, 96-bit nonce, 128-bit tag
//! 1        16      subject
//! 17       8       key id: which of the subject's keys, see rows/data_key.rs
//! 25       12      nonce
//! 37       4       C, the length of what follows, big-endian: text and tag
//! 41       C       ciphertext, then 16 bytes of tag
//! ```
//!
//! The sealed part of a frame is any number of parts one after the other, so one record may concern several subjects and each can be erased
//! alone. Associated data of a part, which is not stored:
//!
//! ```text
//! "tandem.seal.1", subject (16), key id (8), then
//!   in a record:  0x01, sequence number (8, big-endian), number of the part within the record from 0 (2, big-endian)
//!   in a row:     0x02, length of the keyspace's name (1), the name, the key
//! ```
//!
//! so a part opens only where it was put: not in another record, not in another position, not under another key.
//!
//! **Nonces** are 96 random bits. A data key belongs to one subject and seals that subject's messages; after 2^32 of them the
//! chance that two nonces were equal is still below 2^-32, and no customer sends that many. AES-256-GCM rather than ChaCha20-Poly1305
//! because every server CPU has it in hardware, where it is the faster of the two, and auditors ask for it by name.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::entropy::{Entropy, NoEntropy};
use super::keyspace::Keyspace;
use super::subject::{DataKey, KeyId, SubjectId};

/// The only format so far.
const FORMAT: u8 = 1;
/// Bytes before the ciphertext.
const HEADER: usize = 41;

/// Where a part stands; it opens nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// In the sealed part of a record.
    Record {
        /// The record's sequence number.
        seq: u64,
        /// Which part of the record, from 0.
        part: u16,
    },
    /// In the value of a row.
    Row {
        /// The row's keyspace.
        keyspace: Keyspace,
        /// The row's key.
        key: &'a [u8],
    },
}

/// What became of something sealed. The text is wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub enum Sealed {
    /// The text.
    Text(Zeroizing<Vec<u8>>),
    /// The subject's key has been destroyed; nobody can read this any more.
    Gone,
}

impl Sealed {
    /// The text, if it is still to be had.
    pub fn text(&self) -> Option<&[u8]> {
        match self {
            Sealed::Text(text) => Some(text),
            Sealed::Gone => None,
        }
    }
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Sealed::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Sealed::Gone => f.write_str("Gone"),
        }
    }
}

/// Why bytes are not a row of sealed parts, or a part cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Written by a later version.
    #[error("sealed part format {0} is not known here; a later version wrote it")]
    UnknownFormat(u8),
    /// Ends before its own length.
    #[error("sealed part ends before its length")]
    Truncated,
    /// More text or more parts than the format can number.
    #[error("more text or more parts than one record can seal")]
    TooLarge,
    /// The text or its place is not what was sealed.
    #[error("sealed part does not open: its bytes, its place or its key are not those it was sealed with")]
    Tampered,
}

/// One sealed part, borrowed from its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// Whose it is.
    pub subject: SubjectId,
    /// Which of the subject's keys sealed it.
    pub key: KeyId,
    nonce: [u8; 12],
    ciphertext: &'a [u8],
}

impl<'a> Part<'a> {
    /// The first part in the bytes, and what follows it.
    pub fn split(bytes: &'a [u8]) -> Result<(Part<'a>, &'a [u8]), SealError> {
        let (&format, rest) = bytes.split_first().ok_or(SealError::Truncated)?;
        if format != FORMAT {
            return Err(SealError::UnknownFormat(format));
        }
        let (subject, rest) = rest.split_first_chunk().ok_or(SealError::Truncated)?;
        let (key, rest) = rest.split_first_chunk().ok_or(SealError::Truncated)?;
        let (nonce, rest) = rest.split_first_chunk().ok_or(SealError::Truncated)?;
        let (length, rest) = rest.split_first_chunk().ok_or(SealError::Truncated)?;
        let length = u32::from_be_bytes(*length) as usize;
        if length < AES_256_GCM.tag_len() {
            return Err(SealError::Truncated);
        }
        let (ciphertext, rest) = rest.split_at_checked(length).ok_or(SealError::Truncated)?;
        Ok((Part { subject: SubjectId(*subject), key: KeyId(*key), nonce: *nonce, ciphertext }, rest))
    }

    /// All parts in the bytes, in order; ends at the first error.
    pub fn all(mut bytes: &'a [u8]) -> Result<Vec<Part<'a>>, SealError> {
        let mut parts = Vec::new();
        while !bytes.is_empty() {
            let (part, rest) = Part::split(bytes)?;
            parts.push(part);
            bytes = rest;
        }
        Ok(parts)
    }

    /// The text, with the right key at the right place.
    pub(super) fn open(&self, key: &DataKey, place: Place<'_>) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let mut text = Zeroizing::new(self.ciphertext.to_vec());
        let opened = cipher(key).open_in_place(
            Nonce::assume_unique_for_key(self.nonce),
            Aad::from(associated(self.subject, self.key, place)),
            &mut text,
        );
        let length = opened.map_err(|_| SealError::Tampered)?.len();
        text.truncate(length);
        Ok(text)
    }
}

/// Seals a text and puts the part behind what is in `out`. On an error `out` is as it was.
pub(super) fn seal(
    out: &mut Vec<u8>,
    subject: SubjectId,
    key: &DataKey,
    place: Place<'_>,
    text: &[u8],
    entropy: &dyn Entropy,
) -> Result<(), SealFailed> {
    let length = text.len().saturating_add(AES_256_GCM.tag_len());
    let length = u32::try_from(length).map_err(|_| SealError::TooLarge)?;
    let mut nonce = [0; 12];
    entropy.fill(&mut nonce)?;
    let start = out.len();
    out.reserve(HEADER + length as usize);
    out.push(FORMAT);
    out.extend_from_slice(&subject.0);
    out.extend_from_slice(&key.id().0);
    out.extend_from_slice(&nonce);
    out.extend_from_slice(&length.to_be_bytes());
    let body = out.len();
    out.extend_from_slice(text);
    let tag = cipher(key).seal_in_place_separate_tag(
        Nonce::assume_unique_for_key(nonce),
        Aad::from(associated(subject, key.id(), place)),
        &mut out[body..],
    );
    match tag {
        Ok(tag) => {
            out.extend_from_slice(tag.as_ref());
            Ok(())
        }
        Err(_) => {
            out.truncate(start);
            Err(SealError::TooLarge.into())
        }
    }
}

/// Why sealing failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum SealFailed {
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
}

fn cipher(key: &DataKey) -> LessSafeKey {
    let unbound = UnboundKey::new(&AES_256_GCM, key.bytes());
    LessSafeKey::new(unbound.expect("a 32-byte key is what the algorithm takes"))
}

fn associated(subject: SubjectId, key: KeyId, place: Place<'_>) -> Vec<u8> {
    let mut data = Vec::with_capacity(64);
    data.extend_from_slice(b"tandem.seal.1");
    data.extend_from_slice(&subject.0);
    data.extend_from_slice(&key.0);
    match place {
        Place::Record { seq, part } => {
            data.push(1);
            data.extend_from_slice(&seq.to_be_bytes());
            data.extend_from_slice(&part.to_be_bytes());
        }
        Place::Row { keyspace, key } => {
            data.push(2);
            // Names of keyspaces are constants of a few letters.
            data.push(u8::try_from(keyspace.name().len()).unwrap_or(u8::MAX));
            data.extend_from_slice(keyspace.name().as_bytes());
            data.extend_from_slice(key);
        }
    }
    data
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use proptest::prelude::*;

    use super::*;
    use crate::store::SeededEntropy;

    const SUBJECT: SubjectId = SubjectId([0x11; 16]);
    const PLACE: Place<'static> = Place::Record { seq: 7, part: 0 };

    fn key() -> DataKey {
        DataKey::new(KeyId([0x22; 8]), Zeroizing::new([0x33; 32]))
    }

    fn sealed(text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        seal(&mut out, SUBJECT, &key(), PLACE, text, &SeededEntropy::new(1)).unwrap();
        out
    }

    #[test]
    fn the_bytes_are_these_and_stay_these() {
        // Sealed by another implementation of AES-256-GCM: nonce 00..0b, the layout above.
        let bytes = hex::decode("01111111111111111111111111111111112222222222222222000102030405060708090a0b0000001570c2625684f925875f0969956c3358c7419f7ce1f8").unwrap();
        let (part, rest) = Part::split(&bytes).unwrap();
        assert!(rest.is_empty());
        assert_eq!(part.open(&key(), PLACE).unwrap().as_slice(), b"hello");
    }

    #[test]
    fn a_part_opens_at_its_place_alone() {
        let bytes = sealed(b"text");
        let part = Part::split(&bytes).unwrap().0;
        let row = Place::Row { keyspace: Keyspace::Vault, key: b"k" };
        for place in [Place::Record { seq: 8, part: 0 }, Place::Record { seq: 7, part: 1 }, row] {
            assert_eq!(part.open(&key(), place), Err(SealError::Tampered));
        }
        let renamed = Part { subject: SubjectId([0x12; 16]), ..part };
        assert_eq!(renamed.open(&key(), PLACE), Err(SealError::Tampered));
        let other = DataKey::new(KeyId([0x22; 8]), Zeroizing::new([0x34; 32]));
        assert_eq!(part.open(&other, PLACE), Err(SealError::Tampered));
    }

    #[test]
    fn an_opened_text_is_not_printed() {
        let opened = Sealed::Text(Zeroizing::new(b"canary".to_vec()));
        assert_eq!(format!("{opened:?}"), "Text(6 bytes)");
    }

    proptest! {
        #[test]
        fn parts_one_after_the_other_read_back(texts: Vec<Vec<u8>>) {
            let mut out = Vec::new();
            let entropy = SeededEntropy::new(2);
            for (part, text) in texts.iter().enumerate() {
                let place = Place::Record { seq: 7, part: u16::try_from(part).unwrap() };
                seal(&mut out, SUBJECT, &key(), place, text, &entropy).unwrap();
            }
            let parts = Part::all(&out).unwrap();
            prop_assert_eq!(parts.len(), texts.len());
            for (number, (part, text)) in parts.iter().zip(&texts).enumerate() {
                let place = Place::Record { seq: 7, part: u16::try_from(number).unwrap() };
                let opened = part.open(&key(), place).unwrap();
                prop_assert_eq!(opened.as_slice(), text.as_slice());
            }
        }

        #[test]
        fn any_bytes_are_parts_or_an_error(bytes: Vec<u8>) {
            if let Ok(parts) = Part::all(&bytes) {
                let length: usize = parts.iter().map(|part| HEADER + part.ciphertext.len()).sum();
                prop_assert_eq!(length, bytes.len());
            }
        }

        #[test]
        fn a_changed_byte_never_opens(byte: prop::sample::Index, change in 1u8..) {
            let mut bytes = sealed(b"some text");
            let byte = byte.index(bytes.len());
            bytes[byte] ^= change;
            let opened = Part::split(&bytes).and_then(|(part, _)| part.open(&key(), PLACE));
            prop_assert!(opened.is_err());
        }

        #[test]
        fn no_prefix_of_a_part_is_a_part(cut: prop::sample::Index) {
            let bytes = sealed(b"some text");
            prop_assert!(Part::split(&bytes[..cut.index(bytes.len())]).is_err());
        }
    }
}
