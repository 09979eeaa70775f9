//! The fields of a fact, by the names that mappings use.

use std::borrow::Cow;

use jiff::Timestamp;

use super::words::Word;
use crate::model::{Channel, ContentType, Direction, Fact, Message, Party, Personal, Role, Visibility};

/// One field of a fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    OccurredAt,
    LegRef,
    LegKind,
    LegAccount,
    MessageId,
    MessageVersion,
    MessageContentType,
    MessageText,
    MessageMarker,
    MessageVisibility,
    AuthorAddress,
    AuthorName,
    AuthorRole,
    ParticipantAddress,
    ParticipantName,
    ParticipantRole,
    LinksInitial,
    LinksPrevious,
    LinksRelated,
    Queue,
    Agent,
    Channel,
    Direction,
    Reason,
    Topic,
    Attribute(String),
}

/// What a field holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    Time,
    Text,
    /// One of these words; any other word too, as `unknown(word)`, if it is open.
    Word {
        words: Vec<&'static str>,
        open: bool,
    },
}

impl Holds {
    /// One of the words of this type.
    pub(super) fn word<W: Word>(open: bool) -> Self {
        Holds::Word { words: W::words(), open }
    }
}

/// A value that its field can take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finished<'t> {
    Time(Timestamp),
    /// Text, or a house word.
    Text(Cow<'t, str>),
    /// A word that no table knows.
    Unknown(Cow<'t, str>),
}

const NAMED: [(&str, Target); 25] = [
    ("occurred_at", Target::OccurredAt),
    ("leg.ref", Target::LegRef),
    ("leg.kind", Target::LegKind),
    ("leg.account", Target::LegAccount),
    ("message.id", Target::MessageId),
    ("message.version", Target::MessageVersion),
    ("message.content_type", Target::MessageContentType),
    ("message.text", Target::MessageText),
    ("message.marker", Target::MessageMarker),
    ("message.visibility", Target::MessageVisibility),
    ("author.address", Target::AuthorAddress),
    ("author.name", Target::AuthorName),
    ("author.role", Target::AuthorRole),
    ("participant.address", Target::ParticipantAddress),
    ("participant.name", Target::ParticipantName),
    ("participant.role", Target::ParticipantRole),
    ("links.initial", Target::LinksInitial),
    ("links.previous", Target::LinksPrevious),
    ("links.related", Target::LinksRelated),
    ("queue", Target::Queue),
    ("agent", Target::Agent),
    ("channel", Target::Channel),
    ("direction", Target::Direction),
    ("reason", Target::Reason),
    ("topic", Target::Topic),
];

impl Target {
    /// The field of this name.
    pub(super) fn named(name: &str) -> Option<Target> {
        if let Some(attribute) = name.strip_prefix("attributes.") {
            return (!attribute.is_empty()).then(|| Target::Attribute(attribute.to_owned()));
        }
        NAMED.iter().find(|(known, _)| *known == name).map(|(_, target)| target.clone())
    }

    /// Its name.
    pub(super) fn name(&self) -> String {
        match self {
            Target::Attribute(name) => format!("attributes.{name}"),
            named => NAMED.iter().find(|(_, target)| target == named).map_or("", |(name, _)| name).to_owned(),
        }
    }

    /// Every field but the attributes, with its name.
    pub(super) fn all() -> impl Iterator<Item = (&'static str, Target)> {
        NAMED.into_iter()
    }

    /// What it holds.
    pub(super) fn holds(&self) -> Holds {
        match self {
            Target::OccurredAt => Holds::Time,
            Target::MessageContentType => Holds::word::<ContentType>(true),
            Target::MessageVisibility => Holds::word::<Visibility>(false),
            Target::AuthorRole | Target::ParticipantRole => Holds::word::<Role>(false),
            Target::Channel => Holds::word::<Channel>(true),
            Target::Direction => Holds::word::<Direction>(false),
            _ => Holds::Text,
        }
    }

    /// Whether no fact, or no message, is whole without it.
    pub(super) fn is_required(&self) -> bool {
        matches!(self, Target::OccurredAt | Target::LegRef | Target::LegKind | Target::MessageId)
    }

    /// Whether it belongs to a message.
    pub(super) fn is_of_message(&self) -> bool {
        matches!(
            self,
            Target::MessageVersion
                | Target::MessageContentType
                | Target::MessageText
                | Target::MessageMarker
                | Target::MessageVisibility
        )
    }

    /// Whether it belongs to a person and must not stand in a key.
    pub(super) fn is_personal(&self) -> bool {
        matches!(
            self,
            Target::MessageText
                | Target::AuthorAddress
                | Target::AuthorName
                | Target::ParticipantAddress
                | Target::ParticipantName
                | Target::Topic
                | Target::Attribute(_)
        )
    }

    /// Writes a value into its field. A word that the field cannot hold leaves it as it is.
    pub(super) fn write(&self, value: Finished<'_>, fact: &mut Fact) {
        let (text, unknown) = match value {
            Finished::Time(time) => {
                if *self == Target::OccurredAt {
                    fact.occurred_at = time;
                }
                return;
            }
            Finished::Text(text) => (text.into_owned(), false),
            Finished::Unknown(text) => (text.into_owned(), true),
        };
        match self {
            Target::OccurredAt => {}
            Target::LegRef => fact.leg.native = text,
            Target::LegKind => fact.leg.kind = text,
            Target::LegAccount => fact.leg.account = text,
            Target::MessageId => message(fact).id = text,
            Target::MessageVersion => message(fact).version = Some(text),
            Target::MessageText => message(fact).text = Personal::new(text),
            Target::MessageMarker => message(fact).marker = Some(text),
            Target::MessageContentType if unknown => message(fact).content_type = ContentType::Unknown(text),
            Target::MessageContentType => put(&mut message(fact).content_type, &text),
            Target::MessageVisibility => put(&mut message(fact).visibility, &text),
            Target::AuthorAddress => fact.author.get_or_insert_default().address = Personal::new(text),
            Target::AuthorName => fact.author.get_or_insert_default().name = Personal::new(text),
            Target::AuthorRole => put_some(&mut fact.author.get_or_insert_default().role, &text),
            Target::ParticipantAddress => fact.participant.get_or_insert_default().address = Personal::new(text),
            Target::ParticipantName => fact.participant.get_or_insert_default().name = Personal::new(text),
            Target::ParticipantRole => put_some(&mut fact.participant.get_or_insert_default().role, &text),
            Target::LinksInitial => fact.links.initial = Some(text),
            Target::LinksPrevious => fact.links.previous = Some(text),
            Target::LinksRelated => fact.links.related = Some(text),
            Target::Queue => fact.queue = Some(text),
            Target::Agent => fact.agent = Some(text),
            Target::Channel if unknown => fact.channel = Some(Channel::Unknown(text)),
            Target::Channel => put_some(&mut fact.channel, &text),
            Target::Direction => put_some(&mut fact.direction, &text),
            Target::Reason => fact.reason = Some(text),
            Target::Topic => fact.topic = Personal::new(text),
            Target::Attribute(name) => {
                fact.attributes.insert(name.clone(), Personal::new(text));
            }
        }
    }

    /// Reads a field of a fact as text, as keys and examples show it.
    pub(super) fn read<'f>(&self, fact: &'f Fact) -> Option<Cow<'f, str>> {
        let message = fact.message.as_ref();
        let plain = match self {
            Target::OccurredAt => return Some(Cow::Owned(fact.occurred_at.to_string())),
            Target::LegRef => Some(fact.leg.native.as_str()),
            Target::LegKind => Some(fact.leg.kind.as_str()),
            Target::LegAccount => Some(fact.leg.account.as_str()),
            Target::MessageId => message.map(|message| message.id.as_str()),
            Target::MessageVersion => message.and_then(|message| message.version.as_deref()),
            Target::MessageText => message.and_then(|message| message.text.reveal()),
            Target::MessageMarker => message.and_then(|message| message.marker.as_deref()),
            Target::MessageContentType => return message.and_then(|message| content_type_word(&message.content_type)),
            Target::MessageVisibility => message.and_then(|message| message.visibility.word()),
            Target::AuthorAddress => address(fact.author.as_ref()),
            Target::AuthorName => name(fact.author.as_ref()),
            Target::AuthorRole => role(fact.author.as_ref()),
            Target::ParticipantAddress => address(fact.participant.as_ref()),
            Target::ParticipantName => name(fact.participant.as_ref()),
            Target::ParticipantRole => role(fact.participant.as_ref()),
            Target::LinksInitial => fact.links.initial.as_deref(),
            Target::LinksPrevious => fact.links.previous.as_deref(),
            Target::LinksRelated => fact.links.related.as_deref(),
            Target::Queue => fact.queue.as_deref(),
            Target::Agent => fact.agent.as_deref(),
            Target::Channel => return fact.channel.as_ref().and_then(channel_word),
            Target::Direction => fact.direction.as_ref().and_then(Word::word),
            Target::Reason => fact.reason.as_deref(),
            Target::Topic => fact.topic.reveal(),
            Target::Attribute(name) => fact.attributes.get(name).and_then(Personal::reveal),
        };
        plain.map(Cow::Borrowed)
    }
}

fn message(fact: &mut Fact) -> &mut Message {
    fact.message.get_or_insert_default()
}

fn put<W: Word + Clone>(place: &mut W, word: &str) {
    if let Some(meaning) = W::of(word) {
        place.clone_from(meaning);
    }
}

fn put_some<W: Word + Clone>(place: &mut Option<W>, word: &str) {
    if let Some(meaning) = W::of(word) {
        *place = Some(meaning.clone());
    }
}

fn address(party: Option<&Party>) -> Option<&str> {
    party.and_then(|party| party.address.reveal())
}

fn name(party: Option<&Party>) -> Option<&str> {
    party.and_then(|party| party.name.reveal())
}

fn role(party: Option<&Party>) -> Option<&'static str> {
    party.and_then(|party| party.role.as_ref()).and_then(Word::word)
}

fn content_type_word(content_type: &ContentType) -> Option<Cow<'_, str>> {
    match content_type {
        ContentType::Unknown(raw) => Some(Cow::Owned(format!("unknown({raw})"))),
        known => known.word().map(Cow::Borrowed),
    }
}

fn channel_word(channel: &Channel) -> Option<Cow<'_, str>> {
    match channel {
        Channel::Unknown(raw) => Some(Cow::Owned(format!("unknown({raw})"))),
        known => known.word().map(Cow::Borrowed),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use super::*;
    use crate::model::{FactKind, LegRef};

    #[test]
    fn what_is_written_into_a_field_is_read_from_it() {
        for (name, target) in Target::all().chain([("attributes.x", Target::named("attributes.x").unwrap())]) {
            let leg = LegRef { system: "s".into(), account: String::new(), kind: String::new(), native: String::new() };
            let mut fact = Fact::new(FactKind::LegUpdated, leg, Timestamp::UNIX_EPOCH, "");
            let words = match target.holds() {
                Holds::Time => {
                    target.write(Finished::Time(Timestamp::constant(7, 0)), &mut fact);
                    assert_eq!(target.read(&fact).as_deref(), Some("1970-01-01T00:00:07Z"));
                    continue;
                }
                Holds::Text => vec!["some text"],
                Holds::Word { words, open } => {
                    if open {
                        target.write(Finished::Unknown("odd".into()), &mut fact);
                        assert_eq!(target.read(&fact).as_deref(), Some("unknown(odd)"), "{name}");
                    }
                    words
                }
            };
            for word in words {
                target.write(Finished::Text(word.into()), &mut fact);
                assert_eq!(target.read(&fact).as_deref(), Some(word), "{name}");
            }
        }
    }
}
