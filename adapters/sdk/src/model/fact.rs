//! Facts: what an adapter observed, not yet correlated with anything.

use std::collections::BTreeMap;
use std::fmt::Display;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Derive, IdKey, LegRef, PartyKey, Personal, Personals};

/// What stands before a digest in the key of a fact that was not identified yet: 64 hexadecimal digits of SHA-256 follow.
pub(crate) const DIGEST: &str = "sha256:";
/// How many digits follow.
const DIGITS: usize = 64;

/// One thing that happened on one leg, as its cloud reported it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// What happened.
    pub kind: FactKind,
    /// Where.
    pub leg: LegRef,
    /// When, by the source's clock. Orders facts inside one leg.
    pub occurred_at: Timestamp,
    /// Tells this fact from every other fact of its leg, and is the same for its twins: for a message
    /// `message id/version`, for a contact event its type and type-specific time.
    pub key: String,
    /// The message that the fact is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Message>,
    /// Who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<Party>,
    /// Who joined or left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub participant: Option<Party>,
    /// Everybody who is on the leg, where the source says so (thread created).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<Party>,
    /// Other legs of the same cloud that the source names.
    #[serde(default, skip_serializing_if = "Links::is_empty")]
    pub links: Links,
    /// Native id of the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// Native id of the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Channel, where the source says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// Direction, where the source says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// Why it ended or failed, in the source's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Subject line or topic of the leg.
    #[serde(default, skip_serializing_if = "Personal::is_none")]
    pub topic: Personal,
    /// Attributes of the leg. Names are plain, values are personal.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Personal>,
}

impl Fact {
    /// A fact with nothing but the four things that every fact has.
    pub fn new(kind: FactKind, leg: LegRef, occurred_at: Timestamp, key: impl Into<String>) -> Self {
        Fact {
            kind,
            leg,
            occurred_at,
            key: key.into(),
            message: None,
            author: None,
            participant: None,
            members: Vec::new(),
            links: Links::default(),
            queue: None,
            agent: None,
            channel: None,
            direction: None,
            reason: None,
            topic: Personal::NONE,
            attributes: BTreeMap::new(),
        }
    }

    /// Gives every party its key, so that the fact still says *whether it is the same person* when the address is gone.
    /// Digests in the fact's own key become keyed ones for the same reason.
    pub fn identify(&mut self, key: &IdKey) {
        let system = self.leg.system.clone();
        self.author.iter_mut().chain(self.participant.iter_mut()).chain(self.members.iter_mut()).for_each(|party| {
            party.key = party.address.reveal().map(|address| PartyKey::of(key, &system, address));
        });
        if self.key.contains(DIGEST) {
            self.key = keyed(&self.key, key);
        }
    }
}

fn keyed(plain: &str, key: &IdKey) -> String {
    let mut keyed = String::with_capacity(plain.len());
    let mut rest = plain;
    while let Some((before, after)) = rest.split_once(DIGEST) {
        keyed.push_str(before);
        match after.split_at_checked(DIGITS) {
            Some((digest, after)) if digest.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                keyed.push_str(&Derive::entity("fact_key").part(digest).keyed(key).simple().to_string());
                rest = after;
            }
            _ => {
                keyed.push_str(DIGEST);
                rest = after;
            }
        }
    }
    keyed.push_str(rest);
    keyed
}

impl Personals for Fact {
    fn each_personal(&mut self, visit: &mut dyn FnMut(&dyn Display, &mut Personal)) {
        if let Some(message) = &mut self.message {
            message.each_personal(visit);
        }
        if let Some(author) = &mut self.author {
            visit(&"author.address", &mut author.address);
            visit(&"author.name", &mut author.name);
        }
        if let Some(participant) = &mut self.participant {
            visit(&"participant.address", &mut participant.address);
            visit(&"participant.name", &mut participant.name);
        }
        for (n, member) in self.members.iter_mut().enumerate() {
            visit(&format_args!("members.{n}.address"), &mut member.address);
            visit(&format_args!("members.{n}.name"), &mut member.name);
        }
        visit(&"topic", &mut self.topic);
        for (name, value) in &mut self.attributes {
            visit(&format_args!("attributes.{name}"), value);
        }
    }
}

/// What can happen on a leg. The wire names (`message.posted`) are also the names that mappings use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FactKind {
    /// The leg exists.
    #[serde(rename = "leg.initiated")]
    LegInitiated,
    /// Media or system connection stands; nobody serves the customer yet.
    #[serde(rename = "leg.established")]
    LegEstablished,
    /// It rings at an agent.
    #[serde(rename = "leg.alerting")]
    LegAlerting,
    /// It waits in a queue.
    #[serde(rename = "leg.queued")]
    LegQueued,
    /// An agent is joined: the cloud's confirmation of an assignment.
    #[serde(rename = "leg.connected")]
    LegConnected,
    /// The customer waits on hold.
    #[serde(rename = "leg.held")]
    LegHeld,
    /// The hold is over.
    #[serde(rename = "leg.resumed")]
    LegResumed,
    /// The conversation on this leg is over; the agent may still have work.
    #[serde(rename = "leg.ended")]
    LegEnded,
    /// After-work is over too: the leg is final.
    #[serde(rename = "leg.completed")]
    LegCompleted,
    /// The leg could not be made or broke.
    #[serde(rename = "leg.failed")]
    LegFailed,
    /// It was handed over: another leg follows it.
    #[serde(rename = "leg.transferred")]
    LegTransferred,
    /// Something about the leg changed that has no kind of its own.
    #[serde(rename = "leg.updated")]
    LegUpdated,
    /// Somebody is now on the leg.
    #[serde(rename = "participant.joined")]
    ParticipantJoined,
    /// Somebody is no longer on the leg.
    #[serde(rename = "participant.left")]
    ParticipantLeft,
    /// A message was written.
    #[serde(rename = "message.posted")]
    MessagePosted,
    /// A message was changed.
    #[serde(rename = "message.edited")]
    MessageEdited,
    /// A message was taken back.
    #[serde(rename = "message.deleted")]
    MessageDeleted,
}

impl FactKind {
    /// Every kind, for tables and for messages that list what exists.
    pub const ALL: [FactKind; 17] = [
        FactKind::LegInitiated,
        FactKind::LegEstablished,
        FactKind::LegAlerting,
        FactKind::LegQueued,
        FactKind::LegConnected,
        FactKind::LegHeld,
        FactKind::LegResumed,
        FactKind::LegEnded,
        FactKind::LegCompleted,
        FactKind::LegFailed,
        FactKind::LegTransferred,
        FactKind::LegUpdated,
        FactKind::ParticipantJoined,
        FactKind::ParticipantLeft,
        FactKind::MessagePosted,
        FactKind::MessageEdited,
        FactKind::MessageDeleted,
    ];

    /// The wire name, for instance `message.posted`.
    pub fn name(self) -> &'static str {
        match self {
            FactKind::LegInitiated => "leg.initiated",
            FactKind::LegEstablished => "leg.established",
            FactKind::LegAlerting => "leg.alerting",
            FactKind::LegQueued => "leg.queued",
            FactKind::LegConnected => "leg.connected",
            FactKind::LegHeld => "leg.held",
            FactKind::LegResumed => "leg.resumed",
            FactKind::LegEnded => "leg.ended",
            FactKind::LegCompleted => "leg.completed",
            FactKind::LegFailed => "leg.failed",
            FactKind::LegTransferred => "leg.transferred",
            FactKind::LegUpdated => "leg.updated",
            FactKind::ParticipantJoined => "participant.joined",
            FactKind::ParticipantLeft => "participant.left",
            FactKind::MessagePosted => "message.posted",
            FactKind::MessageEdited => "message.edited",
            FactKind::MessageDeleted => "message.deleted",
        }
    }
}

/// A message on a leg.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Native id, unique inside its leg.
    pub id: String,
    /// Native version, where the source counts edits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What the text is.
    #[serde(default)]
    pub content_type: ContentType,
    /// The text, in the form that `content_type` says.
    #[serde(default, skip_serializing_if = "Personal::is_none")]
    pub text: Personal,
    /// Our own mark on a message that we wrote: the id of the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
    /// Who may see it.
    #[serde(default)]
    pub visibility: Visibility,
    /// Files that came with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
}

impl Personals for Message {
    fn each_personal(&mut self, visit: &mut dyn FnMut(&dyn Display, &mut Personal)) {
        visit(&"message.text", &mut self.text);
        for (n, attachment) in self.attachments.iter_mut().enumerate() {
            visit(&format_args!("message.attachments.{n}.name"), &mut attachment.name);
            visit(&format_args!("message.attachments.{n}.url"), &mut attachment.url);
        }
    }
}

/// A file on a message.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Attachment {
    /// Native id.
    pub id: String,
    /// Media type, for instance `image/png`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// File name.
    #[serde(default, skip_serializing_if = "Personal::is_none")]
    pub name: Personal,
    /// Where to fetch it, where the source says so at once.
    #[serde(default, skip_serializing_if = "Personal::is_none")]
    pub url: Personal,
}

/// A person or program on a leg.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Party {
    /// Who, without saying who. Set by [`Fact::identify`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<PartyKey>,
    /// Native address: an ACS raw id, a Connect participant id.
    #[serde(default, skip_serializing_if = "Personal::is_none")]
    pub address: Personal,
    /// Display name as the source or the client claims it.
    #[serde(default, skip_serializing_if = "Personal::is_none")]
    pub name: Personal,
    /// Role, only where the source itself says it; never guessed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
}

/// What somebody is in an interaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The one whose matter it is.
    Customer,
    /// A person who serves.
    Agent,
    /// A program that converses.
    Bot,
    /// Anything else that speaks or acts: a flow, a supervisor's tool, this hub.
    System,
}

/// Other legs of the same cloud, by native id.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Links {
    /// The first leg of the chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial: Option<String>,
    /// The leg before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// A leg that has to do with it in some other way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub related: Option<String>,
}

impl Links {
    /// Whether no other leg is named.
    pub fn is_empty(&self) -> bool {
        self.initial.is_none() && self.previous.is_none() && self.related.is_none()
    }
}

/// What a message's text is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContentType {
    /// Plain text.
    #[default]
    Text,
    /// HTML fragment.
    Html,
    /// Markdown.
    Markdown,
    /// JSON of a Connect interactive message (list picker, time picker, panel, carousel …).
    Interactive,
    /// JSON that a customer's client answers an interactive message with.
    InteractiveResponse,
    /// No text, only files.
    Attachment,
    /// Something else, in the vendor's word.
    Unknown(String),
}

/// Who may see a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// Everybody on the leg.
    #[default]
    All,
    /// Only the customer.
    Customer,
    /// Only agents.
    Agent,
}

/// How the customer and the company talk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// Text, both at once.
    Chat,
    /// Speech.
    Voice,
    /// A work item without a conversation.
    Task,
    /// E-mail.
    Email,
    /// Short message.
    Sms,
    /// Something else, in the vendor's word.
    Unknown(String),
}

/// Who began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The customer.
    Inbound,
    /// The company.
    Outbound,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_in_the_key_cannot_be_confirmed_without_the_id_key() {
        let leg = LegRef { system: "s".into(), account: "a".into(), kind: "thread".into(), native: "n".into() };
        let digest = "8f".repeat(32);
        let identified = |key: &str, secret: &[u8]| {
            let mut fact = Fact::new(FactKind::ParticipantJoined, leg.clone(), Timestamp::UNIX_EPOCH, key);
            fact.identify(&IdKey::new(secret));
            let once = fact.key.clone();
            fact.identify(&IdKey::new(secret));
            assert_eq!(once, fact.key, "identifying again changes nothing");
            once
        };
        let written = format!("participant.joined/sha256:{digest}/7");
        let key = identified(&written, b"one");
        assert!(key.starts_with("participant.joined/") && key.ends_with("/7") && !key.contains("8f8f"), "{key}");
        assert_eq!(key, identified(&written, b"one"));
        assert_ne!(key, identified(&written, b"another"));
        for untouched in ["message.posted/1/2", "x/sha256:", "x/sha256:8f", "x/sha256:\u{1f426}\u{1f426}"] {
            assert_eq!(identified(untouched, b"one"), untouched);
        }
    }
}
