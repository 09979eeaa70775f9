//! A payload as one flat, borrowed list of values: one allocation for a whole event, text without escapes not copied.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Most values that one payload may hold. An ACS thread of 250 participants has about 2 500.
const MOST_VALUES: usize = 65_536;

/// A parsed payload. Values stand in the order of the text; a list or object is followed by its content.
#[derive(Debug)]
pub(super) struct Tape<'a>(Vec<Entry<'a>>);

#[derive(Debug)]
struct Entry<'a> {
    /// The key that the value stands under; empty inside lists and at the top.
    key: Cow<'a, str>,
    value: Scalar<'a>,
    /// Index of the first entry that is not inside this one.
    end: usize,
}

#[derive(Debug)]
enum Scalar<'a> {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(Cow<'a, str>),
    List,
    Object,
}

impl<'a> Tape<'a> {
    /// Parses one JSON document. The problem names a position and never quotes the document.
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, String> {
        let text =
            std::str::from_utf8(body).map_err(|error| format!("not UTF-8 after byte {}", error.valid_up_to()))?;
        Self::parse_str(text.strip_prefix('\u{feff}').unwrap_or(text))
    }

    /// Parses one JSON document. Nesting is bounded by serde_json at 127 levels.
    pub(super) fn parse_str(text: &'a str) -> Result<Self, String> {
        let mut entries = Vec::with_capacity(text.len() / 24 + 8);
        let mut parser = serde_json::Deserializer::from_str(text);
        Slot { entries: &mut entries, key: Cow::Borrowed("") }
            .deserialize(&mut parser)
            .and_then(|()| parser.end())
            .map_err(|error| format!("not readable as JSON: {error}"))?;
        Ok(Tape(entries))
    }

    /// The document itself.
    pub(super) fn top(&self) -> Node<'_> {
        Node { tape: self, index: 0 }
    }
}

/// Where the next value goes.
struct Slot<'t, 'a> {
    entries: &'t mut Vec<Entry<'a>>,
    key: Cow<'a, str>,
}

impl<'a> Slot<'_, 'a> {
    fn put<E: serde::de::Error>(self, value: Scalar<'a>) -> Result<(), E> {
        let end = self.entries.len() + 1;
        if end > MOST_VALUES {
            return Err(E::custom(format_args!("more than {MOST_VALUES} values")));
        }
        self.entries.push(Entry { key: self.key, value, end });
        Ok(())
    }
}

impl<'a> DeserializeSeed<'a> for Slot<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Slot<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.put(Scalar::Null)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        self.put(Scalar::Bool(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.put(Scalar::Unsigned(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.put(Scalar::Signed(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        self.put(Scalar::Float(value))
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, value: &'a str) -> Result<(), E> {
        self.put(Scalar::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<(), E> {
        self.put(Scalar::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut list: A) -> Result<(), A::Error> {
        let Slot { entries, key } = self;
        let start = entries.len();
        Slot { entries: &mut *entries, key }.put::<A::Error>(Scalar::List)?;
        while list.next_element_seed(Slot { entries: &mut *entries, key: Cow::Borrowed("") })?.is_some() {}
        close(entries, start);
        Ok(())
    }

    fn visit_map<A: MapAccess<'a>>(self, mut object: A) -> Result<(), A::Error> {
        let Slot { entries, key } = self;
        let start = entries.len();
        Slot { entries: &mut *entries, key }.put::<A::Error>(Scalar::Object)?;
        while let Some(Key(key)) = object.next_key::<Key<'a>>()? {
            object.next_value_seed(Slot { entries: &mut *entries, key })?;
        }
        close(entries, start);
        Ok(())
    }
}

fn close(entries: &mut [Entry<'_>], start: usize) {
    entries[start].end = entries.len();
}

struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'a> Visitor<'a> for Text {
            type Value = Cow<'a, str>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_borrowed_str<E>(self, value: &'a str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(value))
            }
            fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
                Ok(Cow::Owned(value.to_owned()))
            }
        }
        from.deserialize_str(Text).map(Key).map_err(D::Error::custom)
    }
}

/// One value of a payload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node<'t> {
    tape: &'t Tape<'t>,
    index: usize,
}

/// What a value is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind<'t> {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(&'t str),
    List,
    Object,
}

impl<'t> Node<'t> {
    fn entry(self) -> &'t Entry<'t> {
        &self.tape.0[self.index]
    }

    /// What it is.
    pub(super) fn kind(self) -> Kind<'t> {
        match &self.entry().value {
            Scalar::Null => Kind::Null,
            Scalar::Bool(value) => Kind::Bool(*value),
            Scalar::Unsigned(value) => Kind::Unsigned(*value),
            Scalar::Signed(value) => Kind::Signed(*value),
            Scalar::Float(value) => Kind::Float(*value),
            Scalar::Text(value) => Kind::Text(value),
            Scalar::List => Kind::List,
            Scalar::Object => Kind::Object,
        }
    }

    /// The text, if it is one.
    pub(super) fn text(self) -> Option<&'t str> {
        match &self.entry().value {
            Scalar::Text(value) => Some(value),
            _ => None,
        }
    }

    /// The number, whole and unsigned or not, as a decimal text; the text itself; `true` and `false`.
    pub(super) fn plain(self) -> Option<Cow<'t, str>> {
        match self.kind() {
            Kind::Text(value) => Some(Cow::Borrowed(value)),
            Kind::Unsigned(value) => Some(Cow::Owned(value.to_string())),
            Kind::Signed(value) => Some(Cow::Owned(value.to_string())),
            Kind::Float(value) => Some(Cow::Owned(value.to_string())),
            Kind::Bool(value) => Some(Cow::Borrowed(if value { "true" } else { "false" })),
            Kind::Null | Kind::List | Kind::Object => None,
        }
    }

    /// What is inside a list or an object, each with its key.
    pub(super) fn content(self) -> impl Iterator<Item = (&'t str, Node<'t>)> {
        let Node { tape, index } = self;
        let (mut next, end) = (index + 1, self.entry().end);
        std::iter::from_fn(move || {
            (next < end).then(|| {
                let found = Node { tape, index: next };
                next = found.entry().end;
                (found.entry().key.as_ref(), found)
            })
        })
    }

    /// The value under this key; the last one where the key stands twice. `fold` ignores the case of the first letter.
    pub(super) fn get(self, key: &str, fold: bool) -> Option<Node<'t>> {
        if !matches!(self.entry().value, Scalar::Object) {
            return None;
        }
        let same = |found: &str| found == key || (fold && same_but_first(found, key));
        self.content().filter(|(found, _)| same(found)).last().map(|(_, node)| node)
    }

    /// The n-th value of a list.
    pub(super) fn nth(self, n: usize) -> Option<Node<'t>> {
        if !matches!(self.entry().value, Scalar::List) {
            return None;
        }
        self.content().nth(n).map(|(_, node)| node)
    }
}

fn same_but_first(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    a.len() == b.len() && !a.is_empty() && a[0].eq_ignore_ascii_case(&b[0]) && a[1..] == b[1..]
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use proptest::prelude::*;

    use super::*;

    fn text_at<'t>(tape: &'t Tape<'t>, key: &str, fold: bool) -> Option<&'t str> {
        tape.top().get(key, fold).and_then(Node::text)
    }

    #[test]
    fn text_is_borrowed_unless_it_has_escapes() {
        let tape = Tape::parse(br#"{"a":"plain","b":"tab\there"}"#).unwrap();
        assert!(matches!(&tape.0[1].value, Scalar::Text(Cow::Borrowed("plain"))));
        assert!(matches!(&tape.0[2].value, Scalar::Text(Cow::Owned(_))));
    }

    #[test]
    fn of_a_key_that_stands_twice_the_last_one_counts() {
        let tape = Tape::parse(br#"{"a":"first","b":{"a":"inner"},"a":"last"}"#).unwrap();
        assert_eq!(text_at(&tape, "a", false), Some("last"));
    }

    #[test]
    fn folding_touches_the_first_letter_alone() {
        let tape = Tape::parse(br#"{"ContactId":"one","queueARN":"two"}"#).unwrap();
        assert_eq!(text_at(&tape, "contactId", true), Some("one"));
        assert_eq!(text_at(&tape, "contactId", false), None);
        assert_eq!(text_at(&tape, "QueueARN", true), Some("two"));
        assert_eq!(text_at(&tape, "queueArn", true), None);
    }

    #[test]
    fn content_skips_what_is_inside_of_it() {
        let tape = Tape::parse(br#"[[1,[2]],{"x":[3]},4]"#).unwrap();
        assert_eq!(tape.top().content().count(), 3);
        assert!(matches!(tape.top().nth(2).unwrap().kind(), Kind::Unsigned(4)));
        assert!(tape.top().nth(3).is_none());
    }

    #[test]
    fn what_is_not_json_is_named_by_position_without_a_quotation() {
        for (body, problem) in [
            (&b""[..], "not readable as JSON: EOF while parsing a value at line 1 column 0"),
            (b"{\"secret\":", "not readable as JSON: EOF while parsing a value at line 1 column 10"),
            (b"{\"secret\":1e999}", "not readable as JSON: number out of range at line 1 column 15"),
            (b"{\"secret\":\"\xff\"}", "not UTF-8 after byte 11"),
            (b"{} {}", "not readable as JSON: trailing characters at line 1 column 4"),
        ] {
            assert_eq!(Tape::parse(body).unwrap_err(), problem);
        }
    }

    #[test]
    fn deep_nesting_and_endless_lists_are_problems_and_not_a_crash() {
        let deep = "[".repeat(5_000) + &"]".repeat(5_000);
        assert!(Tape::parse(deep.as_bytes()).unwrap_err().contains("recursion limit"));
        let long = format!("[{}0]", "0,".repeat(MOST_VALUES));
        assert!(Tape::parse(long.as_bytes()).unwrap_err().contains("more than 65536 values"));
    }

    #[test]
    fn a_byte_order_mark_is_skipped() {
        assert!(Tape::parse(b"\xef\xbb\xbf{}").is_ok());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(body: Vec<u8>) {
            let _read = Tape::parse(&body);
        }

        #[test]
        fn it_reads_what_serde_json_reads(body in r#"[\[\]{}",:0-9a\\n ]{0,40}"#) {
            prop_assert_eq!(Tape::parse(body.as_bytes()).is_ok(), serde_json::from_str::<serde_json::Value>(&body).is_ok());
        }
    }
}
