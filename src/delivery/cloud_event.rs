//! One canonical event as consumers see it: CloudEvents 1.0 in JSON.
//!
//! Extension attributes, after the CloudEvents documented extensions where there is one:
//!
//! | attribute | what |
//! |---|---|
//! | `domain` | the hub's domain |
//! | `sequence` | position inside the interaction: gap-free from 1, ten digits, so that texts in order are numbers in order |
//! | `correlationid` | the interaction |
//! | `causationid` | the record of the hub's log that caused it; events of one record share it |
//! | `recordedtime` | when the hub recorded it; `time` is when it happened |
//! | `dataclassification` | `personal` when `data` holds a personal value, else `internal` |
//! | `redacted` | `true` when personal values were left out because the reader's token lacks the scope `text` |
//! | `erased` | `true` when personal values are gone because their subject was erased |

use std::fmt;

use jiff::Timestamp;
use ring::digest;
use serde::Serialize;
use serde_json::Value;
use tandem_sdk::model::{Derive, DomainName, Event, EventId, InteractionId, Personals};
use uuid::Uuid;

use super::page::Sight;

/// Version of the shapes of `data`; part of every `dataschema`.
const SCHEMA: u32 = 1;

/// Where events come from: what stands in `source` and `domain`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    deployment: String,
    domain: DomainName,
}

/// One event, as a consumer gets it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CloudEvent {
    /// `1.0`.
    pub specversion: &'static str,
    /// Stable: the same event has the same id however often it is delivered.
    pub id: EventId,
    /// `/tandem/<deployment>/<domain>`.
    pub source: String,
    /// `tandem.*`, in the past tense.
    pub r#type: String,
    /// The interaction.
    pub subject: InteractionId,
    /// When it happened, by the source's clock where there is one.
    pub time: Timestamp,
    /// `application/json`.
    pub datacontenttype: &'static str,
    /// Names the shape of `data`.
    pub dataschema: String,
    /// The hub's domain.
    pub domain: DomainName,
    /// Position inside the interaction.
    pub sequence: String,
    /// The interaction.
    pub correlationid: InteractionId,
    /// The record that caused it.
    pub causationid: Uuid,
    /// When the hub recorded it.
    pub recordedtime: Timestamp,
    /// `personal` or `internal`.
    pub dataclassification: &'static str,
    /// Whether personal values were left out for want of a scope.
    #[serde(skip_serializing_if = "is_false")]
    pub redacted: bool,
    /// Whether personal values are gone because their subject was erased.
    #[serde(skip_serializing_if = "is_false")]
    pub erased: bool,
    /// What happened. Values that are not there are left out.
    pub data: Value,
}

/// What a record says of the events in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recorded {
    pub(super) seq: u64,
    pub(super) at: Timestamp,
    /// Whether its sealed part can no longer be opened.
    pub(super) erased: bool,
}

impl Source {
    /// The source of a domain of a deployment.
    pub fn new(deployment: impl Into<String>, domain: DomainName) -> Self {
        Source { deployment: deployment.into(), domain }
    }

    /// The opaque id of a record of this domain's log.
    pub fn record_id(&self, seq: u64) -> Uuid {
        Derive::entity("record").part(&self.domain.0).number(seq).uuid()
    }

    /// Four bytes that tell this source's cursors from others'.
    pub(super) fn mark(&self, body: &[u8]) -> [u8; 4] {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in [body, b"/", self.deployment.as_bytes(), b"/", self.domain.0.as_bytes()] {
            context.update(part);
        }
        let mut mark = [0; 4];
        mark.copy_from_slice(&context.finish().as_ref()[..4]);
        mark
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/tandem/{}/{}", self.deployment, self.domain)
    }
}

impl CloudEvent {
    /// The event as a consumer with this sight gets it.
    pub(super) fn new(source: &Source, recorded: Recorded, mut event: Event, sight: Sight) -> Self {
        let (mut can_hold, mut holds) = (false, false);
        event.each_personal(&mut |_, value| {
            if sight == Sight::Redacted {
                value.take();
            }
            can_hold = true;
            holds |= !value.is_none();
        });
        let (r#type, data) = parts(&event);
        CloudEvent {
            specversion: "1.0",
            id: event.id,
            source: source.to_string(),
            dataschema: format!("urn:tandem:schema:{}:{SCHEMA}", r#type),
            r#type,
            subject: event.interaction,
            time: event.time,
            datacontenttype: "application/json",
            domain: source.domain.clone(),
            sequence: format!("{:010}", event.sequence),
            correlationid: event.interaction,
            causationid: source.record_id(recorded.seq),
            recordedtime: recorded.at,
            dataclassification: if holds { "personal" } else { "internal" },
            redacted: can_hold && sight == Sight::Redacted,
            erased: can_hold && !holds && recorded.erased,
            data,
        }
    }
}

/// The wire name of an event.
pub(super) fn name_of(event: &Event) -> String {
    parts(event).0
}

fn parts(event: &Event) -> (String, Value) {
    let Ok(Value::Object(mut kind)) = serde_json::to_value(&event.kind) else { return Default::default() };
    let name = match kind.remove("type") {
        Some(Value::String(name)) => name,
        _ => String::new(),
    };
    let mut data = kind.remove("data").unwrap_or_default();
    leave_out_nothing(&mut data);
    (name, data)
}

/// Leaves out what is not there.
pub(super) fn leave_out_nothing(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(leave_out_nothing);
        }
        Value::Array(items) => items.iter_mut().for_each(leave_out_nothing),
        _ => {}
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use tandem_sdk::model::{Content, ContentType, EventKind, LegRef, Relay, Role};

    use super::*;

    fn leg() -> LegRef {
        LegRef {
            system: "azure-communication".into(),
            account: "contoso".into(),
            kind: "thread".into(),
            native: "19:t".into(),
        }
    }

    fn message(text: Option<&str>) -> Event {
        Event {
            id: EventId::of(&"main".into(), 7, 0),
            interaction: leg().id().opens(1),
            sequence: 3,
            time: "2026-01-01T12:00:00Z".parse().unwrap(),
            kind: EventKind::MessageReceived {
                leg: leg(),
                message: "1".into(),
                role: Role::Customer,
                content: Content {
                    content_type: ContentType::Text,
                    text: text.map(str::to_owned).into(),
                    name: text.map(|_| "Jane".to_owned()).into(),
                },
                change: Relay::Posted,
            },
        }
    }

    fn shown(event: Event, erased: bool, sight: Sight) -> String {
        let recorded = Recorded { seq: 7, at: "2026-01-01T12:00:01Z".parse().unwrap(), erased };
        let source = Source::new("tandem", "main".into());
        serde_json::to_string_pretty(&CloudEvent::new(&source, recorded, event, sight)).unwrap()
    }

    #[test]
    fn with_the_scope_the_words_are_there() {
        insta::assert_snapshot!(shown(message(Some("I need help")), false, Sight::Text), @r#"
        {
          "specversion": "1.0",
          "id": "f35a93e6-4b61-82e0-8d3c-d0a031ec020a",
          "source": "/tandem/tandem/main",
          "type": "tandem.message.received",
          "subject": "8c787833-80d8-8e0d-adff-669117b97ac5",
          "time": "2026-01-01T12:00:00Z",
          "datacontenttype": "application/json",
          "dataschema": "urn:tandem:schema:tandem.message.received:1",
          "domain": "main",
          "sequence": "0000000003",
          "correlationid": "8c787833-80d8-8e0d-adff-669117b97ac5",
          "causationid": "6b8f8865-5d06-80b3-9bd6-167549f132f8",
          "recordedtime": "2026-01-01T12:00:01Z",
          "dataclassification": "personal",
          "data": {
            "change": "posted",
            "content": {
              "content_type": "text",
              "name": "Jane",
              "text": "I need help"
            },
            "leg": {
              "account": "contoso",
              "kind": "thread",
              "native": "19:t",
              "system": "azure-communication"
            },
            "message": "1",
            "role": "customer"
          }
        }
        "#);
    }

    #[test]
    fn without_the_scope_they_are_left_out_and_the_event_says_so() {
        let shown = shown(message(Some("I need help")), false, Sight::Redacted);
        assert!(!shown.contains("need help") && !shown.contains("Jane"), "{shown}");
        insta::assert_snapshot!(shown, @r#"
        {
          "specversion": "1.0",
          "id": "f35a93e6-4b61-82e0-8d3c-d0a031ec020a",
          "source": "/tandem/tandem/main",
          "type": "tandem.message.received",
          "subject": "8c787833-80d8-8e0d-adff-669117b97ac5",
          "time": "2026-01-01T12:00:00Z",
          "datacontenttype": "application/json",
          "dataschema": "urn:tandem:schema:tandem.message.received:1",
          "domain": "main",
          "sequence": "0000000003",
          "correlationid": "8c787833-80d8-8e0d-adff-669117b97ac5",
          "causationid": "6b8f8865-5d06-80b3-9bd6-167549f132f8",
          "recordedtime": "2026-01-01T12:00:01Z",
          "dataclassification": "internal",
          "redacted": true,
          "data": {
            "change": "posted",
            "content": {
              "content_type": "text"
            },
            "leg": {
              "account": "contoso",
              "kind": "thread",
              "native": "19:t",
              "system": "azure-communication"
            },
            "message": "1",
            "role": "customer"
          }
        }
        "#);
    }

    #[test]
    fn what_was_erased_says_so_and_what_holds_nothing_personal_says_neither() {
        let erased = shown(message(None), true, Sight::Text);
        assert!(
            erased.contains("\"erased\": true") && erased.contains("\"dataclassification\": \"internal\""),
            "{erased}"
        );

        let mut plain = message(None);
        plain.kind = EventKind::OfferIssued { queue: "q".into() };
        let plain = shown(plain, true, Sight::Redacted);
        assert!(!plain.contains("erased") && !plain.contains("redacted"), "{plain}");
    }
}
