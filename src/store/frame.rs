//! The bytes of one record of the log.
//!
//! ```text
//! offset   length  what
//! 0        1       format: 1
//! 1        1       flags: bit 0 = a sealed part follows (it may still be empty); bits 1 to 7 are 0
//! 2        4       P, the length of the plain part in bytes, big-endian
//! 6        P       plain part
//! 6+P      S       sealed part; S is what is left before the checksum, 0 when bit 0 is clear
//! 6+P+S    4       CRC-32 (IEEE 802.3, as in zlib) of all bytes before it, big-endian
//! ```
//!
//! What stands in the two parts is their writer's business; the sealed part is a row of [`seal`](super::seal) parts.
//!
//! The frame carries its own checksum although the embedded engine has some: it outlives the engine. The same bytes go into an export, a
//! backup and another engine's items, none of which check anything, and a frame that was put together wrongly above the engine has
//! a perfectly good engine checksum. Four bytes and a fraction of a microsecond per record buy that. CRC-32 rather than a stronger
//! hash because every language can check it; against forgery it protects no more than any checksum, and the sealed part has its own tag.
//!
//! **Invariant:** these bytes never change their meaning. A later format gets another first byte; format 1 stays readable.

/// The only format so far.
const FORMAT: u8 = 1;
/// Flag: a sealed part follows the plain one.
const SEALED: u8 = 0b0000_0001;
/// Bytes before the plain part.
const HEADER: usize = 6;
/// Bytes after the sealed part.
const CHECKSUM: usize = 4;

/// Longest frame in bytes. A record holds one vendor message (at most 1 MiB at any door today) and what was derived from it.
pub(super) const MAX_FRAME: usize = 16 * 1024 * 1024;

/// A record's two parts, borrowed from its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What everybody may read who can read the store.
    pub plain: &'a [u8],
    /// What needs a subject's key; `None` when the record concerns nobody.
    pub sealed: Option<&'a [u8]>,
}

/// Why bytes are not a frame, or parts cannot become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Written by a later version.
    #[error("record format {0} is not known here; a later version wrote it")]
    UnknownFormat(u8),
    /// Written by a later version, or damaged.
    #[error("record flags {0:#010b} are not known here")]
    UnknownFlags(u8),
    /// Shorter than its own header says.
    #[error("record of {length} bytes ends before its parts do")]
    Truncated {
        /// Bytes there are.
        length: usize,
    },
    /// Bytes follow where none belong.
    #[error("record without a sealed part has {0} bytes too many")]
    Surplus(usize),
    /// The checksum does not match.
    #[error("record checksum is {found:08x}, its bytes give {computed:08x}")]
    Checksum {
        /// As stored.
        found: u32,
        /// As computed.
        computed: u32,
    },
    /// Longer than the 16 MiB that a frame may have.
    #[error("record of {0} bytes exceeds the limit of {MAX_FRAME}")]
    TooLarge(usize),
}

/// A frame that is being written, in one piece of memory: the plain part, then what is sealed.
#[derive(Debug)]
pub struct FrameDraft {
    bytes: Vec<u8>,
    /// Where the plain part ended, once it did.
    plain_end: Option<usize>,
}

impl FrameDraft {
    /// A frame with room for this many bytes of both parts.
    pub fn with_room(room: usize) -> FrameDraft {
        let mut bytes = Vec::with_capacity(room.saturating_add(HEADER + CHECKSUM));
        bytes.extend_from_slice(&[FORMAT, 0, 0, 0, 0, 0]);
        FrameDraft { bytes, plain_end: None }
    }

    /// Where the plain part is written, behind what is there. Once something was sealed it takes nothing more.
    pub fn plain(&mut self) -> &mut Vec<u8> {
        debug_assert!(self.plain_end.is_none(), "the plain part has ended");
        &mut self.bytes
    }

    /// Where sealed parts are written, behind what is there. Asked for, it is there, be it empty.
    pub fn sealed(&mut self) -> &mut Vec<u8> {
        self.plain_end.get_or_insert(self.bytes.len());
        &mut self.bytes
    }

    /// The bytes of the record. Fails only with [`FrameError::TooLarge`].
    pub fn finish(mut self) -> Result<Vec<u8>, FrameError> {
        let length = self.bytes.len().saturating_add(CHECKSUM);
        let plain = self.plain_end.unwrap_or(self.bytes.len()).saturating_sub(HEADER);
        let plain = u32::try_from(plain).ok().filter(|_| length <= MAX_FRAME).ok_or(FrameError::TooLarge(length))?;
        self.bytes[1] = if self.plain_end.is_some() { SEALED } else { 0 };
        self.bytes[2..HEADER].copy_from_slice(&plain.to_be_bytes());
        let checksum = crc32fast::hash(&self.bytes);
        self.bytes.extend_from_slice(&checksum.to_be_bytes());
        Ok(self.bytes)
    }
}

impl<'a> Frame<'a> {
    /// The bytes of a record. Fails only with [`FrameError::TooLarge`].
    pub fn encode(plain: &[u8], sealed: Option<&[u8]>) -> Result<Vec<u8>, FrameError> {
        let mut draft = FrameDraft::with_room(plain.len().saturating_add(sealed.map_or(0, <[u8]>::len)));
        draft.plain().extend_from_slice(plain);
        if let Some(sealed) = sealed {
            draft.sealed().extend_from_slice(sealed);
        }
        draft.finish()
    }

    /// The parts of a record. Whatever the bytes are, the answer is a frame that was encoded as such or an error.
    pub fn decode(bytes: &'a [u8]) -> Result<Frame<'a>, FrameError> {
        let truncated = FrameError::Truncated { length: bytes.len() };
        let (&format, after_format) = bytes.split_first().ok_or(truncated)?;
        if format != FORMAT {
            return Err(FrameError::UnknownFormat(format));
        }
        if bytes.len() > MAX_FRAME {
            return Err(FrameError::TooLarge(bytes.len()));
        }
        let (rest, stored) = bytes.split_last_chunk::<CHECKSUM>().ok_or(truncated)?;
        let flags = *after_format.first().ok_or(truncated)?;
        // The checksum is looked at before any length is believed; flags first, because a later version may have moved the checksum.
        if flags & !SEALED != 0 {
            return Err(FrameError::UnknownFlags(flags));
        }
        let (found, computed) = (u32::from_be_bytes(*stored), crc32fast::hash(rest));
        if found != computed {
            return Err(FrameError::Checksum { found, computed });
        }
        let (length, parts) = rest.get(2..).and_then(|rest| rest.split_first_chunk::<4>()).ok_or(truncated)?;
        let plain_length = u32::from_be_bytes(*length) as usize;
        let (plain, sealed) = parts.split_at_checked(plain_length).ok_or(truncated)?;
        match (flags & SEALED != 0, sealed) {
            (true, sealed) => Ok(Frame { plain, sealed: Some(sealed) }),
            (false, []) => Ok(Frame { plain, sealed: None }),
            (false, surplus) => Err(FrameError::Surplus(surplus.len())),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_bytes_are_these_and_stay_these() {
        // Computed by hand and with zlib's crc32, not by this code.
        let plain_only = hex::decode("01000000000361626329a237d3").unwrap();
        let both = hex::decode("010100000003616263ff00ff8a453402").unwrap();

        assert_eq!(Frame::decode(&plain_only).unwrap(), Frame { plain: b"abc", sealed: None });
        assert_eq!(Frame::decode(&both).unwrap(), Frame { plain: b"abc", sealed: Some(&[0xff, 0, 0xff]) });
        assert_eq!(Frame::encode(b"abc", None).unwrap(), plain_only);
        assert_eq!(Frame::encode(b"abc", Some(&[0xff, 0, 0xff])).unwrap(), both);
    }

    #[test]
    fn an_empty_sealed_part_is_not_the_same_as_none() {
        let bytes = Frame::encode(b"", Some(b"")).unwrap();
        assert_eq!(Frame::decode(&bytes).unwrap().sealed, Some(&b""[..]));
        let bytes = Frame::encode(b"", None).unwrap();
        assert_eq!(Frame::decode(&bytes).unwrap().sealed, None);
    }

    #[test]
    fn a_record_of_a_later_version_is_named_as_such() {
        let mut bytes = Frame::encode(b"abc", None).unwrap();
        bytes[0] = 2;
        assert_eq!(Frame::decode(&bytes), Err(FrameError::UnknownFormat(2)));
        bytes[0] = 1;
        bytes[1] = 0b100;
        assert_eq!(Frame::decode(&bytes), Err(FrameError::UnknownFlags(4)));
    }

    #[test]
    fn what_exceeds_the_limit_is_not_encoded() {
        let plain = vec![0; MAX_FRAME - HEADER - CHECKSUM];
        assert_eq!(Frame::encode(&plain, None).unwrap().len(), MAX_FRAME);
        assert_eq!(Frame::encode(&plain, Some(b"x")), Err(FrameError::TooLarge(MAX_FRAME + 1)));
    }

    proptest! {
        #[test]
        fn every_frame_reads_back(plain: Vec<u8>, sealed: Option<Vec<u8>>) {
            let bytes = Frame::encode(&plain, sealed.as_deref()).unwrap();
            prop_assert_eq!(Frame::decode(&bytes).unwrap(), Frame { plain: &plain, sealed: sealed.as_deref() });
        }

        #[test]
        fn any_bytes_are_a_frame_or_an_error(bytes: Vec<u8>) {
            if let Ok(frame) = Frame::decode(&bytes) {
                prop_assert_eq!(Frame::encode(frame.plain, frame.sealed).unwrap(), bytes);
            }
        }

        #[test]
        fn no_prefix_of_a_frame_is_a_frame(plain: Vec<u8>, sealed: Option<Vec<u8>>, cut: prop::sample::Index) {
            let bytes = Frame::encode(&plain, sealed.as_deref()).unwrap();
            prop_assert!(Frame::decode(&bytes[..cut.index(bytes.len())]).is_err());
        }

        #[test]
        fn a_flipped_bit_never_goes_unseen(
            plain: Vec<u8>,
            sealed: Option<Vec<u8>>,
            byte: prop::sample::Index,
            bit in 0u8..8,
        ) {
            let mut bytes = Frame::encode(&plain, sealed.as_deref()).unwrap();
            let byte = byte.index(bytes.len());
            bytes[byte] ^= 1 << bit;
            prop_assert!(Frame::decode(&bytes).is_err());
        }
    }
}
