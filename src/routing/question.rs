//! What a decision is asked about.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use tandem_sdk::model::{Channel, Direction, InteractionId, Personal};

/// The interaction as rules see it, under the name `interaction`.
///
/// What is `None` here is a field that is not there for a rule: `has(interaction.language)` is false, and reading it
/// makes the rule not apply.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// `interaction.id`: the id as text.
    pub id: InteractionId,
    /// `interaction.channel`: `chat`, `voice`, `task`, `email`, `sms`, or the vendor's word.
    pub channel: Channel,
    /// `interaction.language`: language tag as the source gives it, for instance `de` or `de-AT`.
    pub language: Option<String>,
    /// `interaction.topic`: subject line or intent.
    pub topic: Personal,
    /// `interaction.direction`: `inbound` or `outbound`.
    pub direction: Option<Direction>,
    /// `interaction.opened_at`: a timestamp.
    pub opened_at: Timestamp,
    /// `interaction.attributes`: what the source says beside it, name → text.
    pub attributes: BTreeMap<String, Personal>,
    /// `interaction.message_count`: messages of the customer so far.
    pub message_count: u32,
    /// `interaction.verified`: whether somebody vouches for who the customer is.
    pub verified: bool,
    /// `interaction.continued`: whether it continues an earlier one of the same customer.
    pub continued: bool,
}

impl Question {
    /// A question about an inbound interaction of which nothing more is known.
    pub fn new(id: InteractionId, channel: Channel, opened_at: Timestamp) -> Self {
        Question {
            id,
            channel,
            language: None,
            topic: Personal::NONE,
            direction: Some(Direction::Inbound),
            opened_at,
            attributes: BTreeMap::new(),
            message_count: 0,
            verified: false,
            continued: false,
        }
    }
}

/// The profile as a decision gets it. Rules see it under the name `profile`; a missing one is an empty object, so that
/// `has(profile.tier)` is false.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ProfileView<'a> {
    /// The text of one JSON object. It is parsed only when a rule reads it.
    Known(&'a str),
    /// Why there is none, in a plain word: `unknown`, `deadline`, `unavailable`, `breaker_open`, `not_configured` …
    Missing(&'a str),
}

impl fmt::Debug for ProfileView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProfileView::Known(document) => write!(f, "Known({} bytes)", document.len()),
            ProfileView::Missing(reason) => write!(f, "Missing({reason})"),
        }
    }
}
