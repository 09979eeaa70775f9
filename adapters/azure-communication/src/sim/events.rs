//! What Event Grid reports about a chat occurrence, in the shapes that Microsoft publishes.
//!
//! Peculiarities kept on purpose: `version` is a string in thread-level message events and a number everywhere else; the
//! subject says `participantadded` for a thread and `participantAdded` for a user; thread-level moments carry an
//! offset (`+00:00`, and `-08:00` in CloudEvents samples), user-level ones a `Z`; message `type` is `Text` where REST
//! says `text`; user-level message events have the flat `senderId` and `recipientId` that no schema mentions any more.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::settings::{Family, Schema};
use super::stamps::{with_offset, zulu};

/// Something that happened in a thread.
#[derive(Debug, Clone)]
pub(super) struct Occurrence {
    /// Unique in this run; event ids follow from it.
    pub(super) serial: Uuid,
    pub(super) thread: String,
    pub(super) topic: String,
    pub(super) created_on: Timestamp,
    pub(super) version: i64,
    /// Who hears of it besides `actor`, with their display names; `actor` is among them where it is a participant.
    pub(super) members: Vec<Who>,
    pub(super) actor: String,
    pub(super) at: Timestamp,
    pub(super) what: What,
}

/// A participant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Who {
    pub(super) id: String,
    pub(super) display_name: Option<String>,
}

/// What happened.
#[derive(Debug, Clone)]
pub(super) enum What {
    ThreadCreated,
    ThreadDeleted,
    PropertiesUpdated,
    ParticipantAdded(Who),
    ParticipantRemoved(Who),
    MessageReceived(Said),
    MessageEdited(Said),
    MessageDeleted(Said),
    Typing { display_name: String },
}

/// A message.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) id: String,
    pub(super) body: String,
    pub(super) html: bool,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) display_name: String,
    pub(super) composed: Timestamp,
    pub(super) version: i64,
}

/// One event, not yet in an envelope.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Event {
    pub(super) id: Uuid,
    pub(super) family: Family,
    /// Without the prefix `Microsoft.Communication.`.
    pub(super) kind: &'static str,
    pub(super) subject: String,
    pub(super) thread: String,
    pub(super) at: Timestamp,
    pub(super) data: Value,
}

/// The events about an occurrence: one for the thread, one for each member other than who did it.
pub(super) fn events(occurrence: &Occurrence, schema: Schema) -> Vec<Event> {
    let recipients = occurrence.members.iter().filter(|member| member.id != occurrence.actor);
    let for_thread = Event::new(occurrence, schema, None);
    let for_users = recipients.filter_map(|recipient| Event::new(occurrence, schema, Some(&recipient.id)));
    for_thread.into_iter().chain(for_users).collect()
}

/// An identity as events write it: without `kind`.
fn identifier(id: &str) -> Value {
    json!({"rawId": id, "communicationUser": {"id": id}})
}

fn participant(who: &Who) -> Value {
    json!({
        "displayName": who.display_name.as_deref().unwrap_or_default(),
        "participantCommunicationIdentifier": identifier(&who.id),
    })
}

/// Type for a thread, type for a user, role of the actor in the subject.
fn names(what: &What) -> (&'static str, Option<&'static str>) {
    match what {
        What::ThreadCreated => ("ChatThreadCreated", Some("ChatThreadCreatedWithUser")),
        What::ThreadDeleted => ("ChatThreadDeleted", Some("ChatThreadWithUserDeleted")),
        What::PropertiesUpdated => ("ChatThreadPropertiesUpdated", Some("ChatThreadPropertiesUpdatedPerUser")),
        What::ParticipantAdded(_) => ("ChatThreadParticipantAdded", Some("ChatParticipantAddedToThreadWithUser")),
        What::ParticipantRemoved(_) => {
            ("ChatThreadParticipantRemoved", Some("ChatParticipantRemovedFromThreadWithUser"))
        }
        What::MessageReceived(_) => ("ChatMessageReceivedInThread", Some("ChatMessageReceived")),
        What::MessageEdited(_) => ("ChatMessageEditedInThread", Some("ChatMessageEdited")),
        What::MessageDeleted(_) => ("ChatMessageDeletedInThread", Some("ChatMessageDeleted")),
        What::Typing { .. } => ("ChatTypingIndicatorReceivedInThread", None),
    }
}

impl Event {
    fn new(occurrence: &Occurrence, schema: Schema, recipient: Option<&str>) -> Option<Self> {
        let (for_thread, for_user) = names(&occurrence.what);
        let (family, kind) = match recipient {
            None => (Family::Thread, for_thread),
            Some(_) => (Family::User, for_user?),
        };
        let mut data = Data { fields: Map::new(), family, schema };
        data.fill(occurrence);
        if let Some(recipient) = recipient {
            if !matches!(occurrence.what, What::ParticipantAdded(_) | What::ParticipantRemoved(_)) {
                data.put("recipientId", json!(recipient));
            }
            data.put("recipientCommunicationIdentifier", identifier(recipient));
        }
        let digest = digest(&SHA256, format!("{}/{kind}/{}", occurrence.serial, recipient.unwrap_or("")).as_bytes());
        let (mut id, mut transaction) = ([0; 16], [0; 16]);
        id.copy_from_slice(&digest.as_ref()[..16]);
        transaction.copy_from_slice(&digest.as_ref()[16..]);
        data.put("transactionId", json!(format!("{}.1.1.1.1.{}.1", STANDARD_NO_PAD.encode(transaction), id[0])));
        data.put("threadId", json!(occurrence.thread));
        Some(Self {
            id: uuid::Builder::from_random_bytes(id).into_uuid(),
            family,
            kind,
            subject: subject(occurrence, recipient),
            thread: occurrence.thread.clone(),
            at: occurrence.at,
            data: Value::Object(data.fields),
        })
    }
}

fn subject(occurrence: &Occurrence, recipient: Option<&str>) -> String {
    let Occurrence { thread, actor, .. } = occurrence;
    let (role, who) = match &occurrence.what {
        What::ThreadCreated => ("createdBy", actor),
        What::ThreadDeleted => ("deletedBy", actor),
        What::PropertiesUpdated => ("editedBy", actor),
        What::ParticipantAdded(who) if recipient.is_none() => ("participantadded", &who.id),
        What::ParticipantRemoved(who) if recipient.is_none() => ("participantremoved", &who.id),
        What::ParticipantAdded(who) => ("participantAdded", &who.id),
        What::ParticipantRemoved(who) => ("participantRemoved", &who.id),
        What::MessageReceived(_) | What::MessageEdited(_) | What::MessageDeleted(_) | What::Typing { .. } => {
            ("sender", actor)
        }
    };
    // The published example of a typing event names a recipient although it is thread-level.
    let typing = matches!(occurrence.what, What::Typing { .. });
    let first_other = || occurrence.members.iter().map(|who| who.id.as_str()).find(|id| id != actor);
    match recipient.or_else(|| if typing { first_other() } else { None }) {
        Some(recipient) => format!("thread/{thread}/{role}/{who}/recipient/{recipient}"),
        None => format!("thread/{thread}/{role}/{who}"),
    }
}

struct Data {
    fields: Map<String, Value>,
    family: Family,
    schema: Schema,
}

impl Data {
    fn put(&mut self, name: &str, value: Value) {
        self.fields.insert(name.to_owned(), value);
    }

    fn put_time(&mut self, name: &str, at: Timestamp) {
        let text = match (self.family, self.schema) {
            (Family::User, _) => zulu(at),
            (Family::Thread, Schema::EventGrid) => with_offset(at, 0),
            (Family::Thread, Schema::CloudEvents) => with_offset(at, -8),
        };
        self.put(name, json!(text));
    }

    /// Who did it: flat as well in user-level events.
    fn put_actor(&mut self, flat: &str, id: &str) {
        if self.family == Family::User {
            self.put(flat, json!(id));
        }
        self.put(&format!("{flat}CommunicationIdentifier"), identifier(id));
    }

    fn fill(&mut self, occurrence: &Occurrence) {
        let actor = &occurrence.actor;
        match &occurrence.what {
            What::ThreadCreated => {
                self.put_actor("createdBy", actor);
                self.put("properties", json!({"topic": occurrence.topic}));
                if self.family == Family::User {
                    let member = |who: &Who| json!({"displayName": who.display_name.as_deref().unwrap_or_default(), "memberId": who.id});
                    self.put("members", occurrence.members.iter().map(member).collect());
                }
                self.put("participants", occurrence.members.iter().map(participant).collect());
                self.put_thread(occurrence);
            }
            What::ThreadDeleted => {
                self.put_actor("deletedBy", actor);
                self.put_time("deleteTime", occurrence.at);
                self.put_thread(occurrence);
            }
            What::PropertiesUpdated => {
                self.put_actor("editedBy", actor);
                self.put_time("editTime", occurrence.at);
                self.put("properties", json!({"topic": occurrence.topic}));
                self.put_thread(occurrence);
            }
            What::ParticipantAdded(who) => {
                self.put_time("time", occurrence.at);
                self.put("addedByCommunicationIdentifier", identifier(actor));
                self.put("participantAdded", participant(who));
                self.put_thread(occurrence);
            }
            What::ParticipantRemoved(who) => {
                self.put_time("time", occurrence.at);
                self.put("removedByCommunicationIdentifier", identifier(actor));
                self.put("participantRemoved", participant(who));
                self.put_thread(occurrence);
            }
            What::MessageReceived(said) => {
                self.put_body(said);
                self.put_message(actor, said);
            }
            What::MessageEdited(said) => {
                self.put_time("editTime", occurrence.at);
                self.put_body(said);
                self.put_message(actor, said);
            }
            What::MessageDeleted(said) => {
                self.put_time("deleteTime", occurrence.at);
                self.put_message(actor, said);
            }
            What::Typing { display_name } => {
                self.put("senderCommunicationIdentifier", identifier(actor));
                self.put("senderDisplayName", json!(display_name));
            }
        }
    }

    fn put_thread(&mut self, occurrence: &Occurrence) {
        self.put_time("createTime", occurrence.created_on);
        self.put("version", json!(occurrence.version));
    }

    fn put_body(&mut self, said: &Said) {
        self.put("messageBody", json!(said.body));
        if !said.metadata.is_empty() {
            self.put("metadata", json!(said.metadata));
        }
    }

    fn put_message(&mut self, sender: &str, said: &Said) {
        self.put("messageId", json!(said.id));
        if self.family == Family::User {
            self.put("senderId", json!(sender));
        }
        self.put("senderCommunicationIdentifier", identifier(sender));
        self.put("senderDisplayName", json!(said.display_name));
        self.put_time("composeTime", said.composed);
        self.put("type", json!(if said.html { "RichText/Html" } else { "Text" }));
        let version = match self.family {
            Family::Thread => json!(said.version.to_string()),
            Family::User => json!(said.version),
        };
        self.put("version", version);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn occurrence(what: What) -> Occurrence {
        let who = |id: &str, name: &str| Who { id: id.to_owned(), display_name: Some(name.to_owned()) };
        let at = |millis| Timestamp::from_millisecond(millis).unwrap_or_default();
        Occurrence {
            serial: Uuid::nil(),
            thread: "19:t@thread.v2".to_owned(),
            topic: "Lunch".to_owned(),
            created_on: at(1_613_783_000_000),
            version: 1_613_783_230_070,
            members: vec![who("8:acs:r_ann", "Ann"), who("8:acs:r_hub", "Hub"), who("8:acs:r_bob", "Bob")],
            actor: "8:acs:r_ann".to_owned(),
            at: at(1_613_783_230_070),
            what,
        }
    }

    fn said() -> Said {
        Said {
            id: "1613783230064".to_owned(),
            body: "hello".to_owned(),
            html: false,
            metadata: BTreeMap::from([("tandem".to_owned(), "c1".to_owned())]),
            display_name: "Ann".to_owned(),
            composed: Timestamp::from_millisecond(1_613_783_230_064).unwrap_or_default(),
            version: 1_613_783_230_064,
        }
    }

    fn keys(value: &Value) -> Vec<String> {
        value.as_object().map(|fields| fields.keys().cloned().collect()).unwrap_or_default()
    }

    #[test]
    fn a_message_is_one_event_for_the_thread_and_one_for_each_other_member() {
        let all = events(&occurrence(What::MessageReceived(said())), Schema::EventGrid);
        let subjects: Vec<_> = all.iter().map(|event| (event.kind, event.subject.as_str())).collect();
        assert_eq!(
            subjects,
            [
                ("ChatMessageReceivedInThread", "thread/19:t@thread.v2/sender/8:acs:r_ann"),
                ("ChatMessageReceived", "thread/19:t@thread.v2/sender/8:acs:r_ann/recipient/8:acs:r_hub"),
                ("ChatMessageReceived", "thread/19:t@thread.v2/sender/8:acs:r_ann/recipient/8:acs:r_bob"),
            ]
        );
        assert!(all[0].id != all[1].id && all[1].id != all[2].id);
    }

    #[test]
    fn message_events_have_the_published_fields_and_their_traps() {
        let all = events(&occurrence(What::MessageReceived(said())), Schema::EventGrid);
        let (thread, user) = (&all[0].data, &all[1].data);
        assert_eq!(thread["version"], json!("1613783230064"));
        assert_eq!(user["version"], json!(1_613_783_230_064_i64));
        assert_eq!(thread["composeTime"], json!("2021-02-20T01:07:10.064+00:00"));
        assert_eq!(user["composeTime"], json!("2021-02-20T01:07:10.064Z"));
        assert_eq!(thread["type"], json!("Text"));
        let common = ["composeTime", "messageBody", "messageId", "metadata"];
        let mut expected: Vec<&str> = common.to_vec();
        expected.extend(["senderCommunicationIdentifier", "senderDisplayName", "threadId", "transactionId", "type"]);
        expected.push("version");
        assert_eq!(keys(thread), expected);
        let user_keys = keys(user);
        for flat in ["senderId", "recipientId", "recipientCommunicationIdentifier"] {
            assert!(user_keys.iter().any(|key| key == flat), "{flat}");
        }
        let cloud = events(&occurrence(What::MessageReceived(said())), Schema::CloudEvents);
        assert_eq!(cloud[0].data["composeTime"], json!("2021-02-19T17:07:10.064-08:00"));
        assert_eq!(cloud[0].id, all[0].id);
    }

    #[test]
    fn a_deleted_message_tells_no_text() {
        let all = events(&occurrence(What::MessageDeleted(said())), Schema::EventGrid);
        assert_eq!(all[0].kind, "ChatMessageDeletedInThread");
        assert!(all[0].data.get("messageBody").is_none() && all[0].data.get("metadata").is_none());
        assert!(all[0].data.get("deleteTime").is_some());
    }

    #[test]
    fn subjects_spell_participant_events_in_two_ways() {
        let who = Who { id: "8:acs:r_bob".to_owned(), display_name: None };
        let all = events(&occurrence(What::ParticipantAdded(who)), Schema::EventGrid);
        assert_eq!(all[0].subject, "thread/19:t@thread.v2/participantadded/8:acs:r_bob");
        assert_eq!(all[1].subject, "thread/19:t@thread.v2/participantAdded/8:acs:r_bob/recipient/8:acs:r_hub");
        assert!(all[1].data.get("recipientId").is_none());
    }

    #[test]
    fn typing_is_told_to_the_thread_alone() {
        let all = events(&occurrence(What::Typing { display_name: "Ann".to_owned() }), Schema::EventGrid);
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].subject, "thread/19:t@thread.v2/sender/8:acs:r_ann/recipient/8:acs:r_hub");
        assert_eq!(
            keys(&all[0].data),
            ["senderCommunicationIdentifier", "senderDisplayName", "threadId", "transactionId"]
        );
    }
}
