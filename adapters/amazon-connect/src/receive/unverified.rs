//! Payloads that somebody has in a file: through which door would they have come?

use bytes::Bytes;
use ring::digest::{SHA256, digest};
use serde::Deserialize;
use serde_json::value::RawValue;
use tandem_sdk::doors::Envelope;

use super::{CHAT, contacts};

/// What tells an SNS message from a contact event.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Notice<'b> {
    #[serde(borrow)]
    r#type: &'b RawValue,
    #[serde(borrow, rename = "Message")]
    _message: &'b RawValue,
}

/// One envelope for each message of a body: the elements of an array, else the body itself. What is no JSON is one
/// envelope, and decoding says what is wrong with it.
pub(crate) fn unverified(body: &Bytes) -> Vec<Envelope> {
    match serde_json::from_slice::<Vec<&RawValue>>(body) {
        Ok(messages) => messages.iter().map(|message| envelope(body.slice_ref(message.get().as_bytes()))).collect(),
        Err(_) => vec![envelope(body.clone())],
    }
}

fn envelope(body: Bytes) -> Envelope {
    match serde_json::from_slice::<Notice<'_>>(&body) {
        Ok(notice) => Envelope {
            door: CHAT.to_owned(),
            kind: serde_json::from_str(notice.r#type.get()).ok(),
            dedupe: vec![format!("body/{}", hex::encode(digest(&SHA256, &body)))],
            origin: Vec::new(),
            body,
        },
        Err(_) => contacts::envelope(&body, "nobody"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doors(body: &str) -> Vec<(String, Option<String>)> {
        let envelopes = unverified(&Bytes::from(body.to_owned()));
        envelopes.into_iter().map(|envelope| (envelope.door, envelope.kind)).collect()
    }

    #[test]
    fn each_payload_comes_as_if_through_its_own_door() {
        let (contacts, chat) = ("contacts".to_owned(), "chat".to_owned());
        let event = r#"{"detail-type":"Amazon Connect Contact Event","detail":{"eventType":"QUEUED"}}"#;
        let bare = r#"{"eventType":"QUEUED"}"#;
        let notice = r#"{"Type":"Notification","MessageId":"m","Message":"{}"}"#;
        assert_eq!(doors(event), [(contacts.clone(), Some("QUEUED".to_owned()))]);
        assert_eq!(doors(bare), [(contacts.clone(), Some("QUEUED".to_owned()))]);
        assert_eq!(doors(notice), [(chat.clone(), Some("Notification".to_owned()))]);
        assert_eq!(
            doors(&format!("[{event}, {notice}]")),
            [(contacts.clone(), Some("QUEUED".to_owned())), (chat, Some("Notification".to_owned()))]
        );
        for broken in ["", "{", "[1, {}", "\u{0}"] {
            assert_eq!(doors(broken), [(contacts.clone(), None)], "{broken:?}");
        }
    }
}
