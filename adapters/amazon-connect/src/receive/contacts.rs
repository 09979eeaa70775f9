//! Contact events, as an EventBridge API destination posts them. One event a request, the native envelope, no
//! transformer. Whatever comes with the right credential is kept whole: EventBridge never sends a 4xx again.

use bytes::Bytes;
use http::{Method, StatusCode};
use ring::digest::{Context, SHA256, digest};
use serde_json::{Map, Value};
use tandem_sdk::doors::{Envelope, Kept, Received, Refusal, Reply, Request};
use uuid::Uuid;

use super::credential;
use crate::settings::ApiDestination;

/// The name of the door.
pub(crate) const CONTACTS: &str = "contacts";

/// The door for contact events.
pub(crate) struct ContactsDoor {
    destination: ApiDestination,
}

impl ContactsDoor {
    /// A door for what carries the credential of this destination.
    pub(crate) fn new(destination: ApiDestination) -> Self {
        ContactsDoor { destination }
    }

    pub(super) fn receive(&self, request: &Request<'_>) -> Received {
        let origin = match credential::check(&self.destination, request.headers) {
            Ok(origin) => origin,
            Err(why) => return Received::Refused(Refusal::NotAuthentic(why)),
        };
        if request.method != Method::POST {
            let reply = Reply { status: StatusCode::METHOD_NOT_ALLOWED, ..Reply::default() };
            return Received::Kept(Kept { reply, ..Kept::default() });
        }
        Received::Kept(Kept { envelopes: vec![envelope(request.body, origin)], ..Kept::default() })
    }
}

pub(super) fn envelope(body: &Bytes, origin: &str) -> Envelope {
    let event = serde_json::from_slice::<Map<String, Value>>(body).unwrap_or_default();
    let (kind, dedupe) = identify(&event, body);
    Envelope { door: CONTACTS.to_owned(), kind, dedupe, origin: vec![origin.to_owned()], body: body.clone() }
}

/// The kind of an event and the keys that two deliveries of it share.
///
/// EventBridge delivers at least once, and with Global Resiliency two regions report the same contact, each with an
/// envelope of its own. So the first key is made of the contact, the kind and a hash of the detail in which the region
/// of ARNs does not count; the second is the id of the envelope.
fn identify(event: &Map<String, Value>, body: &[u8]) -> (Option<String>, Vec<String>) {
    // A rule with `InputPath = $.detail` sends the detail alone.
    let detail = field(event, "detail").and_then(Value::as_object).unwrap_or(event);
    let kind = text(detail, "eventType").or_else(|| text(event, "detail-type"));
    if detail.is_empty() {
        return (kind.map(str::to_owned), vec![format!("body/{}", hex::encode(digest(&SHA256, body)))]);
    }
    let mut hash = Context::new(&SHA256);
    feed_object(&mut hash, detail);
    let mut dedupe = vec![format!(
        "event/{}/{}/{}/{}",
        text(detail, "instanceArn").map(without_region).unwrap_or_default(),
        text(detail, "contactId").unwrap_or_default(),
        kind.unwrap_or_default(),
        hex::encode(hash.finish()),
    )];
    // Only what looks like EventBridge's own id: a constant from a transformer would make every event a duplicate.
    if let Some(id) = text(event, "id").filter(|id| Uuid::try_parse(id).is_ok()) {
        dedupe.push(format!("eventbridge/{}", id.to_ascii_lowercase()));
    }
    (kind.map(str::to_owned), dedupe)
}

/// A field whose first letter may be a capital: the vendor has written both.
fn field<'v>(object: &'v Map<String, Value>, name: &str) -> Option<&'v Value> {
    object.get(name).or_else(|| {
        let mut letters = name.chars();
        let capital = letters.next()?.to_ascii_uppercase();
        object.get(&format!("{capital}{}", letters.as_str()))
    })
}

fn text<'v>(object: &'v Map<String, Value>, name: &str) -> Option<&'v str> {
    field(object, name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// An ARN without its region, so that a contact's copy in the other region reads the same. A replica of an instance has
/// the id of its original.
fn without_region(text: &str) -> String {
    let mut parts: Vec<&str> = text.splitn(6, ':').collect();
    if let ["arn", _, _, region, _, _] = &mut parts[..] {
        *region = "";
    }
    parts.join(":")
}

fn feed_object(hash: &mut Context, object: &Map<String, Value>) {
    let fold = |key: &str| {
        let mut letters = key.chars();
        letters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(letters).collect::<String>()
    };
    let mut fields: Vec<(String, &Value)> = object.iter().map(|(key, value)| (fold(key), value)).collect();
    fields.sort_by(|(one, _), (other, _)| one.cmp(other));
    feed_text(hash, b'{', &fields.len().to_string());
    for (key, value) in fields {
        feed_text(hash, b'k', &key);
        feed(hash, value);
    }
}

/// Feeds a value; kind and length come first, so that no two values feed the same bytes.
fn feed(hash: &mut Context, value: &Value) {
    match value {
        Value::Null => feed_text(hash, b'0', ""),
        Value::Bool(is) => feed_text(hash, b'b', &is.to_string()),
        Value::Number(number) => feed_text(hash, b'n', &number.to_string()),
        Value::String(text) => feed_text(hash, b's', &without_region(text)),
        Value::Array(items) => {
            feed_text(hash, b'[', &items.len().to_string());
            items.iter().for_each(|item| feed(hash, item));
        }
        Value::Object(object) => feed_object(hash, object),
    }
}

fn feed_text(hash: &mut Context, kind: u8, text: &str) {
    hash.update(&[kind]);
    hash.update(text.len().to_string().as_bytes());
    hash.update(b":");
    hash.update(text.as_bytes());
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use http::{HeaderMap, HeaderName};
    use jiff::Timestamp;
    use proptest::prelude::*;
    use tandem_sdk::doors::KeyRing;
    use tandem_sdk::secret::Secret;

    use super::*;

    const EVENT: &str = r#"{"version":"0","id":"3a3030ce-859f-fbc1-dcef-975a250de885",
        "detail-type":"Amazon Connect Contact Event","source":"aws.connect","region":"us-west-2",
        "detail":{"contactId":"c1","channel":"CHAT","eventType":"QUEUED",
        "instanceArn":"arn:aws:connect:us-west-2:111122223333:instance/i1",
        "queueInfo":{"queueType":"STANDARD","queueArn":"arn:aws:connect:us-west-2:111122223333:instance/i1/queue/q"}}}"#;

    fn ask(method: &Method, key: &str, body: &[u8]) -> Received {
        let door =
            ContactsDoor::new(ApiDestination::ApiKey(HeaderName::from_static("x-api-key"), vec![Secret::new("right")]));
        let headers = HeaderMap::from_iter([(HeaderName::from_static("x-api-key"), key.parse().unwrap())]);
        door.receive(&Request {
            door: CONTACTS,
            method,
            query: "",
            headers: &headers,
            body: &Bytes::copy_from_slice(body),
            now: Timestamp::UNIX_EPOCH,
            keys: &KeyRing::default(),
        })
    }

    fn kept(body: &[u8]) -> Envelope {
        let Received::Kept(mut kept) = ask(&Method::POST, "right", body) else { panic!("refused") };
        assert_eq!((kept.envelopes.len(), kept.reply.status), (1, StatusCode::OK));
        kept.envelopes.remove(0)
    }

    #[test]
    fn an_event_is_kept_whole_with_its_kind_and_two_keys() {
        let envelope = kept(EVENT.as_bytes());
        assert_eq!(envelope.body, EVENT.as_bytes());
        assert_eq!(envelope.kind.as_deref(), Some("QUEUED"));
        assert_eq!(envelope.origin, ["api_key"]);
        assert!(envelope.dedupe[0].starts_with("event/arn:aws:connect::111122223333:instance/i1/c1/QUEUED/"));
        assert_eq!(envelope.dedupe[1], "eventbridge/3a3030ce-859f-fbc1-dcef-975a250de885");
    }

    #[test]
    fn the_copy_of_another_region_and_another_spelling_have_the_same_key() {
        let original = kept(EVENT.as_bytes()).dedupe[0].clone();
        let copy = EVENT.replace("us-west-2", "us-east-1").replace("3a3030ce", "4a3030ce");
        assert_eq!(kept(copy.as_bytes()).dedupe[0], original);
        let spelled = EVENT.replace(r#""contactId""#, r#""ContactId""#).replace(r#""queueInfo""#, r#""QueueInfo""#);
        assert_eq!(kept(spelled.as_bytes()).dedupe[0], original);
        let bare: Value = serde_json::from_str(EVENT).unwrap();
        assert_eq!(kept(bare["detail"].to_string().as_bytes()).dedupe, [original]);
    }

    #[test]
    fn another_fact_of_the_same_contact_has_another_key() {
        let original = kept(EVENT.as_bytes()).dedupe[0].clone();
        for (from, to) in [("QUEUED", "DISCONNECTED"), ("queue/q", "queue/r"), (r#""c1""#, r#""c2""#)] {
            assert_ne!(kept(EVENT.replace(from, to).as_bytes()).dedupe[0], original, "{from}");
        }
    }

    #[test]
    fn an_id_that_a_transformer_made_up_is_no_key() {
        let event = EVENT.replace("3a3030ce-859f-fbc1-dcef-975a250de885", "the event ID");
        assert_eq!(kept(event.as_bytes()).dedupe.len(), 1);
    }

    #[test]
    fn what_cannot_be_read_is_kept_all_the_same() {
        let deep = "[".repeat(5_000);
        for body in [&b""[..], b"{", b"\xff\xfe", b"[]", b"null", b"{}", br#"{"a":1e999}"#, deep.as_bytes()] {
            let envelope = kept(body);
            assert_eq!(envelope.body, body);
            assert!(envelope.dedupe[0].starts_with("body/"), "{}", envelope.dedupe[0]);
        }
    }

    #[test]
    fn without_the_credential_nothing_is_kept() {
        assert!(matches!(ask(&Method::POST, "wrong", EVENT.as_bytes()), Received::Refused(Refusal::NotAuthentic(_))));
    }

    #[test]
    fn only_posts_bring_events() {
        let Received::Kept(kept) = ask(&Method::OPTIONS, "right", b"") else { panic!("refused") };
        assert_eq!((kept.envelopes.len(), kept.reply.status), (0, StatusCode::METHOD_NOT_ALLOWED));
    }

    proptest! {
        #[test]
        fn no_body_makes_the_door_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(!kept(&body).dedupe.is_empty());
        }

        #[test]
        fn a_truncated_event_is_kept(end in 0_usize..500) {
            prop_assert!(!kept(&EVENT.as_bytes()[..end.min(EVENT.len())]).dedupe.is_empty());
        }
    }
}
