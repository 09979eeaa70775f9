//! Body → one envelope for each event.
//!
//! The array is cut by looking for brackets and strings only, without parsing what is between, so that one event that
//! is no JSON, no UTF-8 or cut off does not spoil its neighbours. Nothing recurses.

use std::borrow::Cow;

use bytes::Bytes;
use ring::digest::{SHA256, digest};
use serde::Deserialize;
use tandem_sdk::doors::Envelope;
use tandem_sdk::model::Derive;

use super::DOOR;

/// What of an event says which one it is, in either schema.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    /// EventGrid schema.
    #[serde(borrow, default)]
    topic: Option<Cow<'a, str>>,
    /// CloudEvents; the same path as `topic`.
    #[serde(borrow, default)]
    source: Option<Cow<'a, str>>,
    /// EventGrid schema.
    #[serde(borrow, default, rename = "eventType")]
    event_type: Option<Cow<'a, str>>,
    /// CloudEvents; the same word as `eventType`.
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
}

/// One envelope for each event, in order. What is no array, and an array of more than `most` elements, is one envelope.
pub(crate) fn envelopes(body: &Bytes, most: usize, origin: &[String]) -> Vec<Envelope> {
    let text = trim(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body));
    let pieces = elements(text, most).unwrap_or_else(|| vec![text]);
    pieces.into_iter().map(|piece| envelope(body.slice_ref(piece), origin)).collect()
}

/// The events of a body that nobody verified.
pub(crate) fn unverified(body: &Bytes) -> Vec<Envelope> {
    envelopes(body, usize::MAX, &[])
}

fn envelope(body: Bytes, origin: &[String]) -> Envelope {
    let head = std::str::from_utf8(&body).ok().and_then(|text| serde_json::from_str::<Head<'_>>(text).ok());
    let (kind, key) = match head {
        Some(Head { id, topic, source, event_type, kind }) => {
            let key = topic.or(source).map(|topic| named(&topic, &id)).unwrap_or_else(|| hashed(&body));
            (event_type.or(kind).map(Cow::into_owned), key)
        }
        None => (None, hashed(&body)),
    };
    Envelope { door: DOOR.to_owned(), kind, dedupe: vec![key], origin: origin.to_vec(), body }
}

/// The vendor's identity of an event is (topic, id). The topic changes its case between events and its name between
/// the schemas; the key is short however long the id is.
fn named(topic: &str, id: &str) -> String {
    format!("event/{}", Derive::entity("event_grid").part(&super::fold(topic)).part(id).uuid())
}

fn hashed(body: &[u8]) -> String {
    format!("bytes/{}", hex::encode(digest(&SHA256, body)))
}

/// The elements of an array, and what stands behind it. Nothing when it is no array or has more than `most` elements.
fn elements(text: &[u8], most: usize) -> Option<Vec<&[u8]>> {
    if text.first() != Some(&b'[') {
        return None;
    }
    let mut elements = Vec::new();
    let mut begin = 1;
    let (mut depth, mut string, mut escaped) = (0_usize, false, false);
    let mut closed = false;
    for (at, byte) in text.iter().enumerate().skip(1) {
        if string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => string = true,
            b'[' | b'{' => depth += 1,
            b']' if depth == 0 => {
                elements.push(&text[begin..at]);
                (begin, closed) = (at + 1, true);
                break;
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                elements.push(&text[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
        if elements.len() > most {
            return None;
        }
    }
    // What is left when the array was cut off, or what stands behind it.
    elements.push(&text[begin..]);
    let mut elements: Vec<&[u8]> = elements.into_iter().map(trim).collect();
    elements.retain(|element| !element.is_empty());
    // An array that was cut off before its first element is kept as it is; an empty one holds nothing to keep.
    (elements.len() <= most && (closed || !elements.is_empty())).then_some(elements)
}

/// Without JSON's blanks at both ends.
fn trim(mut text: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    while let Some((_, rest)) = text.split_first().filter(|(first, _)| blank(first)) {
        text = rest;
    }
    while let Some((_, rest)) = text.split_last().filter(|(last, _)| blank(last)) {
        text = rest;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT_GRID: &str = r#"{"id":"1","topic":"/S/Contoso/","eventType":"K","data":{"type":"x"}}"#;
    const CLOUD_EVENT: &str = r#"{"specversion":"1.0","id":"1","source":"/s/contoso","type":"K","data":{"id":"9"}}"#;

    fn split(body: impl Into<Vec<u8>>) -> Vec<Envelope> {
        envelopes(&Bytes::from(body.into()), 10, &["query_secret".to_owned()])
    }

    fn bodies(envelopes: &[Envelope]) -> Vec<String> {
        envelopes.iter().map(|envelope| String::from_utf8_lossy(&envelope.body).into_owned()).collect()
    }

    #[test]
    fn both_schemas_give_one_event_one_key_and_its_own_bytes() {
        let grid = split(format!(" [ {EVENT_GRID} ] "));
        let batch = split(format!("[{CLOUD_EVENT},\n{EVENT_GRID}]"));
        let single = split(format!("\u{feff}\r\n{CLOUD_EVENT}\n"));

        assert_eq!(bodies(&grid), [EVENT_GRID]);
        assert_eq!(bodies(&batch), [CLOUD_EVENT, EVENT_GRID]);
        assert_eq!(bodies(&single), [CLOUD_EVENT]);
        for envelope in grid.iter().chain(&batch).chain(&single) {
            assert_eq!(envelope.dedupe, grid[0].dedupe);
            assert_eq!(envelope.kind.as_deref(), Some("K"));
            assert_eq!(
                (envelope.door.as_str(), envelope.origin.as_slice()),
                ("events", &["query_secret".to_owned()][..])
            );
        }
        assert!(grid[0].dedupe[0].starts_with("event/"));
    }

    #[test]
    fn what_cannot_be_understood_is_kept_and_spoils_nothing() {
        let bad_utf8 =
            [b"[".as_slice(), EVENT_GRID.as_bytes(), b",{\"id\":\"\xff\"},", EVENT_GRID.as_bytes(), b"]"].concat();
        let deep = format!("{{\"id\":\"1\",\"topic\":\"t\",\"x\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
        for (body, kept, named) in [
            (b"".to_vec(), 1, 0),
            (b"[]".to_vec(), 0, 0),
            (b"[".to_vec(), 1, 0),
            (b"not json".to_vec(), 1, 0),
            (b"{\"id\":\"1\",\"topic\":".to_vec(), 1, 0),
            (b"[1, null, \"a,]b\\\"\", {}, []]".to_vec(), 5, 0),
            (format!("[{EVENT_GRID},{{bad}},{EVENT_GRID}]").into_bytes(), 3, 2),
            (format!("[{EVENT_GRID},{{\"id\":\"1").into_bytes(), 2, 1),
            (format!("[{EVENT_GRID}] and more").into_bytes(), 2, 1),
            (bad_utf8, 3, 2),
            (format!("[{EVENT_GRID},{deep},{EVENT_GRID}]").into_bytes(), 3, 3),
            ("[".repeat(5000).into_bytes(), 1, 0),
            (r#"[{"id":"1","topic":"t","n":1e999}]"#.into(), 1, 1),
            (r#"[{"id":1e999,"topic":"t"}]"#.into(), 1, 0),
            (r#"[{"id":7,"topic":"t"},{"id":"7"}]"#.into(), 2, 0),
            (format!("[{}]", ["{}"; 11].join(",")).into_bytes(), 1, 0),
            (format!("[{}]", ["{}"; 10].join(",")).into_bytes(), 10, 0),
        ] {
            let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
            let envelopes = split(body);
            assert_eq!(envelopes.len(), kept, "{shown}");
            let by_name = envelopes.iter().filter(|envelope| envelope.dedupe[0].starts_with("event/")).count();
            assert_eq!(by_name, named, "{shown}");
            assert!(envelopes.iter().all(|envelope| envelope.dedupe.len() == 1), "{shown}");
        }
    }

    #[test]
    fn a_huge_id_makes_a_short_key() {
        let huge = format!(r#"[{{"id":"{}","topic":"t"}}]"#, "i".repeat(1 << 20));
        assert_eq!(split(huge)[0].dedupe[0].len(), "event/".len() + 36);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_split_without_panic_and_every_envelope_has_a_key(body: Vec<u8>) {
            let envelopes = split(body);
            proptest::prop_assert!(envelopes.iter().all(|envelope| !envelope.dedupe[0].is_empty()));
        }

        #[test]
        fn any_events_in_an_array_come_back_byte_for_byte(texts in proptest::collection::vec(".*", 0..10)) {
            let events: Vec<String> =
                texts.iter().map(|text| serde_json::json!({"id": text, "topic": text}).to_string()).collect();
            let envelopes = split(format!("[{}]", events.join(" ,")));
            proptest::prop_assert_eq!(bodies(&envelopes), events);
        }
    }
}
