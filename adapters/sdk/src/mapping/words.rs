//! The house words of the fields that hold one of a few.

use crate::model::{Channel, ContentType, Direction, Role, Visibility};

/// A field that holds one of a few words.
pub(super) trait Word: Sized + PartialEq + 'static {
    /// The words, each with what it means.
    const WORDS: &'static [(&'static str, Self)];

    /// What a word means.
    fn of(word: &str) -> Option<&'static Self> {
        Self::WORDS.iter().find(|(known, _)| *known == word).map(|(_, meaning)| meaning)
    }

    /// The word for it; nothing for `Unknown`.
    fn word(&self) -> Option<&'static str> {
        Self::WORDS.iter().find(|(_, meaning)| meaning == self).map(|(word, _)| *word)
    }

    /// All words.
    fn words() -> Vec<&'static str> {
        Self::WORDS.iter().map(|(word, _)| *word).collect()
    }
}

impl Word for Role {
    const WORDS: &'static [(&'static str, Self)] =
        &[("customer", Role::Customer), ("agent", Role::Agent), ("bot", Role::Bot), ("system", Role::System)];
}

impl Word for Visibility {
    const WORDS: &'static [(&'static str, Self)] =
        &[("all", Visibility::All), ("customer", Visibility::Customer), ("agent", Visibility::Agent)];
}

impl Word for Direction {
    const WORDS: &'static [(&'static str, Self)] =
        &[("inbound", Direction::Inbound), ("outbound", Direction::Outbound)];
}

impl Word for Channel {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("chat", Channel::Chat),
        ("voice", Channel::Voice),
        ("task", Channel::Task),
        ("email", Channel::Email),
        ("sms", Channel::Sms),
    ];
}

impl Word for ContentType {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("text", ContentType::Text),
        ("html", ContentType::Html),
        ("markdown", ContentType::Markdown),
        ("interactive", ContentType::Interactive),
        ("interactive_response", ContentType::InteractiveResponse),
        ("attachment", ContentType::Attachment),
    ];
}
