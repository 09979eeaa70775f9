//! Events: what the desk derived and numbered. Consumers see these.

use std::fmt::Display;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Channel, Content, ContentType, EventId, InteractionId, LegRef, PartyKey, Personal, Personals, Role};
use crate::error::AdapterError;

/// One canonical event of one interaction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Derived from (domain, log sequence, ordinal).
    pub id: EventId,
    /// The interaction that it is about.
    pub interaction: InteractionId,
    /// Gap-free inside the interaction, from 1.
    pub sequence: u64,
    /// When it happened, by the source's clock where there is one.
    pub time: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

impl Personals for Event {
    fn each_personal(&mut self, visit: &mut dyn FnMut(&dyn Display, &mut Personal)) {
        match &mut self.kind {
            EventKind::MessageReceived { content, .. } | EventKind::NoticePosted { content, .. } => {
                visit(&"content.text", &mut content.text);
                visit(&"content.name", &mut content.name);
            }
            EventKind::ParticipantJoined { name, .. } | EventKind::AssignmentConfirmed { name, .. } => {
                visit(&"name", name);
            }
            _ => {}
        }
    }
}

/// What happened, in the past tense. The wire name is the CloudEvents `type`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum EventKind {
    /// A customer matter began.
    #[serde(rename = "tandem.interaction.opened")]
    InteractionOpened {
        /// How they talk.
        channel: Channel,
        /// The interaction that this one continues.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        continued_from: Option<InteractionId>,
    },
    /// It is over.
    #[serde(rename = "tandem.interaction.closed")]
    InteractionClosed {
        /// Why.
        reason: ClosingReason,
    },
    /// The hub is no participant of the conversation and cannot write to it.
    #[serde(rename = "tandem.interaction.hub_absent")]
    HubAbsent {
        /// The conversation.
        leg: LegRef,
    },
    /// A leg came into being or moved on.
    #[serde(rename = "tandem.leg.changed")]
    LegChanged {
        /// The leg.
        leg: LegRef,
        /// Its new state.
        state: String,
        /// Why, in the source's words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Somebody is now in the conversation.
    #[serde(rename = "tandem.participant.joined")]
    ParticipantJoined {
        /// Who, without saying who.
        party: Option<PartyKey>,
        /// What they are.
        role: Role,
        /// Display name.
        #[serde(default, skip_serializing_if = "Personal::is_none")]
        name: Personal,
    },
    /// Somebody is no longer in the conversation.
    #[serde(rename = "tandem.participant.left")]
    ParticipantLeft {
        /// Who, without saying who.
        party: Option<PartyKey>,
        /// What they were.
        role: Role,
    },
    /// Somebody said something.
    #[serde(rename = "tandem.message.received")]
    MessageReceived {
        /// Where.
        leg: LegRef,
        /// Native id there.
        message: String,
        /// Who said it.
        role: Role,
        /// What; its text is given only under a scope.
        content: Content,
        /// Posted, edited or deleted.
        change: Relay,
    },
    /// What somebody said reached the other side.
    #[serde(rename = "tandem.message.relayed")]
    MessageRelayed {
        /// The leg that it reached.
        leg: LegRef,
        /// Its native id there.
        message: String,
        /// Whether it was older than one relayed before it.
        #[serde(default)]
        late: bool,
    },
    /// What somebody said could not be brought to the other side.
    #[serde(rename = "tandem.message.undelivered")]
    MessageUndelivered {
        /// Why.
        error: AdapterError,
    },
    /// The hub itself said something to the customer.
    #[serde(rename = "tandem.message.notice")]
    NoticePosted {
        /// Which text of the config.
        notice: String,
        /// What it says.
        content: Content,
    },
    /// The CDP told us who the customer is.
    #[serde(rename = "tandem.profile.resolved")]
    ProfileResolved {
        /// Whether the decision had already been made without it.
        late: bool,
    },
    /// Nobody could tell us who the customer is.
    #[serde(rename = "tandem.profile.missing")]
    ProfileMissing {
        /// Why: `unknown`, `deadline`, `unavailable`, `not_configured`.
        reason: String,
    },
    /// It was decided where the interaction should go. The whole decision is under `/v1/interactions/{id}/decisions`.
    #[serde(rename = "tandem.decision.made")]
    DecisionMade {
        /// The rule that won.
        rule: String,
        /// The queue.
        queue: String,
    },
    /// The cloud put it into another queue than was decided.
    #[serde(rename = "tandem.decision.diverged")]
    DecisionDiverged {
        /// The queue that was decided.
        decided: String,
        /// The queue that the cloud reports.
        actual: String,
    },
    /// Work was offered to the agents' cloud.
    #[serde(rename = "tandem.offer.issued")]
    OfferIssued {
        /// The queue.
        queue: String,
    },
    /// The cloud never confirmed the offer, or refused it.
    #[serde(rename = "tandem.offer.lost")]
    OfferLost {
        /// Why.
        reason: String,
    },
    /// The cloud confirmed that an agent has it.
    #[serde(rename = "tandem.assignment.confirmed")]
    AssignmentConfirmed {
        /// The agent's native id.
        agent: String,
        /// The agents' leg.
        leg: LegRef,
        /// The agent's display name, where it is known.
        #[serde(default, skip_serializing_if = "Personal::is_none")]
        name: Personal,
    },
    /// The agent has it no longer.
    #[serde(rename = "tandem.assignment.ended")]
    AssignmentEnded {
        /// The agent's native id.
        agent: String,
    },
    /// A command will not be tried again by itself.
    #[serde(rename = "tandem.command.dead")]
    CommandDead {
        /// Its purpose.
        purpose: String,
        /// Why.
        error: AdapterError,
    },
    /// A command without protection was sent again after an unknown outcome.
    #[serde(rename = "tandem.command.repeated")]
    CommandRepeated {
        /// Its purpose.
        purpose: String,
    },
}

/// Why an interaction is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClosingReason {
    /// An agent served it to its end.
    Completed,
    /// The customer left before an agent came.
    Abandoned,
    /// The bot was enough.
    Deflected,
    /// Somebody called it off.
    Cancelled,
    /// It could not be placed.
    Failed,
    /// Nobody came in time.
    Expired,
    /// It became part of another.
    Merged,
}

/// What was done to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relay {
    /// It was written.
    Posted,
    /// It was changed.
    Edited,
    /// It was taken back.
    Deleted,
}

impl ContentType {
    /// Whether the text can be read as it is.
    pub fn is_text(&self) -> bool {
        matches!(self, ContentType::Text | ContentType::Markdown)
    }
}
