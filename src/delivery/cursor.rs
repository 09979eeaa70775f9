//! Cursors: how far a consumer has read. Opaque to them.
//!
//! ```text
//! offset  length  what
//! 0       1       format: 1
//! 1       8       sequence number of the record with the next event, big-endian
//! 9       2       how many events of that record were read, big-endian
//! 11      4       the first bytes of SHA-256 over the 11 before it, the deployment and the domain
//! ```
//!
//! and all of it in base64url, which makes 20 characters. The last four bytes are no protection; they tell a cursor of
//! another hub, or a mangled one, from one of ours.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::cloud_event::Source;
use crate::store::FIRST_SEQ;

/// The only format so far.
const FORMAT: u8 = 1;
/// Bytes before the check.
const BODY: usize = 11;

/// The next event that a consumer has not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// The record in which it is, or the first that may hold it.
    pub seq: u64,
    /// How many events of that record come before it.
    pub ordinal: u16,
}

/// A text is no cursor, or none of this deployment and domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is no cursor of this hub; take the header Tandem-Cursor of a page or the id of an event in a stream, as it is"
)]
pub struct BadCursor;

impl Cursor {
    /// Before everything.
    pub const START: Cursor = Cursor { seq: FIRST_SEQ, ordinal: 0 };

    /// Before the first event of a record.
    pub fn before(seq: u64) -> Cursor {
        Cursor { seq, ordinal: 0 }
    }

    /// The text that a consumer keeps.
    pub fn write(self, source: &Source) -> String {
        let body = self.body();
        let mut bytes = [0; BODY + 4];
        bytes[..BODY].copy_from_slice(&body);
        bytes[BODY..].copy_from_slice(&source.mark(&body));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// A cursor from the text that a consumer kept.
    pub fn read(text: &str, source: &Source) -> Result<Cursor, BadCursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| BadCursor)?;
        let (body, mark) = bytes.split_first_chunk::<BODY>().ok_or(BadCursor)?;
        let (format, rest) = body.split_first().ok_or(BadCursor)?;
        let (seq, rest) = rest.split_first_chunk().ok_or(BadCursor)?;
        let ordinal = rest.try_into().map_err(|_| BadCursor)?;
        let cursor = Cursor { seq: u64::from_be_bytes(*seq), ordinal: u16::from_be_bytes(ordinal) };
        let is_ours = *format == FORMAT && mark == source.mark(body) && cursor.seq >= FIRST_SEQ;
        if is_ours { Ok(cursor) } else { Err(BadCursor) }
    }

    fn body(self) -> [u8; BODY] {
        let mut body = [0; BODY];
        body[0] = FORMAT;
        body[1..9].copy_from_slice(&self.seq.to_be_bytes());
        body[9..].copy_from_slice(&self.ordinal.to_be_bytes());
        body
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use proptest::prelude::*;

    use super::*;

    fn source(deployment: &str) -> Source {
        Source::new(deployment, "main".into())
    }

    #[test]
    fn a_cursor_keeps_its_text_for_ever() {
        let text = Cursor { seq: 4711, ordinal: 2 }.write(&source("tandem"));
        insta::assert_snapshot!(text, @"AQAAAAAAABJnAAKIRKQj");
        assert_eq!(Cursor::read(&text, &source("tandem")).unwrap(), Cursor { seq: 4711, ordinal: 2 });
    }

    #[test]
    fn what_is_no_cursor_of_this_hub_is_refused() {
        let good = Cursor::START.write(&source("tandem"));
        let mut later = URL_SAFE_NO_PAD.decode(&good).unwrap();
        later[0] = 2;
        for text in [
            String::new(),
            "12".to_owned(),
            format!("{good}="),
            good[1..].to_owned(),
            good.replace(&good[8..10], "zz"),
            Cursor::START.write(&source("other")),
            Cursor { seq: 0, ordinal: 0 }.write(&source("tandem")),
            URL_SAFE_NO_PAD.encode([0; 15]),
            URL_SAFE_NO_PAD.encode(later),
        ] {
            assert_eq!(Cursor::read(&text, &source("tandem")), Err(BadCursor), "{text}");
        }
    }

    proptest! {
        #[test]
        fn cursors_read_back(seq in 1_u64.., ordinal: u16) {
            let cursor = Cursor { seq, ordinal };
            let text = cursor.write(&source("tandem"));
            prop_assert_eq!(text.len(), 20);
            prop_assert_eq!(Cursor::read(&text, &source("tandem")), Ok(cursor));
        }

        #[test]
        fn any_text_is_a_cursor_or_none(text in ".{0,40}") {
            prop_assert!(Cursor::read(&text, &source("tandem")).is_err());
        }
    }
}
