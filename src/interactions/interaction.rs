//! One customer matter, first sign to closing, over any number of clouds.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tandem_sdk::model::{
    Channel, ClosingReason, Command, CommandId, Content, Identity, InteractionId, LegRef, PartyKey, Personal,
    Personals, Relay, Speaker, SubjectId, Target,
};

use super::dead::Dead;
use super::leg::{Leg, LegState, Side};

/// Everything that is known of one interaction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interaction {
    /// Derived from (first leg, generation).
    pub id: InteractionId,
    /// Whose personal data its records hold.
    pub subject: SubjectId,
    /// Which time the first leg opened an interaction.
    pub generation: u32,
    /// The interaction before this one on the same leg.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continued_from: Option<InteractionId>,
    /// When the hub opened it.
    pub opened_at: Timestamp,
    /// The last record that was folded in.
    pub last_seq: u64,
    /// When that record was written.
    pub changed_at: Timestamp,
    /// Sequence number of the last event.
    pub events: u64,
    /// How they talk.
    pub channel: Channel,
    /// Language, BCP 47, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Whose matter it is.
    pub customer: Customer,
    /// Its legs, in the order in which they were heard of.
    pub legs: Vec<Leg>,
    /// Attempts to place it with agents, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub placements: Vec<Placement>,
    /// Whether the CDP was asked.
    pub profile: ProfileState,
    /// Who has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignment: Option<Assignment>,
    /// The agents' identities that were ever brought into the customer's conversation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agent_parties: Vec<PartyKey>,
    /// Whether any agent ever had it.
    #[serde(default)]
    pub served: bool,
    /// What is owed and has no outcome yet.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub owed: BTreeMap<CommandId, Arc<Command>>,
    /// Commands that died, as far as they are kept for somebody to send them back.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dead: BTreeMap<CommandId, Dead>,
    /// How often each purpose was used; the generation of the next command with it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub generations: BTreeMap<String, u32>,
    /// Timers that are set.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub timers: BTreeMap<String, Timestamp>,
    /// What the customer said while no agent was there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<Held>,
    /// Messages that wait for older ones, or for the agent's identity.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<Held>,
    /// The newest message that went to each side.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub relayed: BTreeMap<Side, Timestamp>,
    /// The last thing heard from each side.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub heard: BTreeMap<Side, Timestamp>,
    /// Whether the hub was found to be no participant.
    #[serde(default)]
    pub hub_absent: bool,
    /// Whether the hub may have missed that an agents' leg has a successor.
    #[serde(default, skip_serializing_if = "Doubt::is_none")]
    pub doubt: Doubt,
    /// Its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Closed>,
    /// The records that changed it, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<u64>,
    /// Names of the secrets that are kept for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
}

/// Whose matter it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Customer {
    /// Who, without saying who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<PartyKey>,
    /// Who they are by a verified caller's word, without saying who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<PartyKey>,
    /// Address in the customer's cloud.
    #[serde(default, skip_serializing_if = "Personal::is_none")]
    pub address: Personal,
    /// Display name.
    #[serde(default, skip_serializing_if = "Personal::is_none")]
    pub name: Personal,
    /// Subject line that the caller gave.
    #[serde(default, skip_serializing_if = "Personal::is_none")]
    pub topic: Personal,
    /// How they are recognised.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identities: Vec<Identity>,
    /// What a verified caller said besides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<tandem_sdk::model::Attribute>,
    /// The profile, once the CDP told: the text of one JSON object.
    #[serde(default, skip_serializing_if = "Personal::is_none")]
    pub profile: Personal,
}

/// Whether the CDP was asked who the customer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProfileState {
    /// Not yet.
    #[default]
    NotAsked,
    /// Asked; the decision waits.
    Asked,
    /// The decision was made without it; it may still come.
    Missing,
    /// The CDP knows them.
    Known,
    /// The CDP does not know them.
    Unknown,
}

/// One attempt to place an interaction with agents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Placement {
    /// 1, 2, …
    pub generation: u32,
    /// Name of the target in the rules.
    pub name: String,
    /// The target.
    pub target: Target,
    /// When it was decided.
    pub since: Timestamp,
    /// The leg, once the cloud made one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leg: Option<LegRef>,
    /// Our participant id on it, as the customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub participant: Option<String>,
    /// How far it has come.
    pub stage: Stage,
    /// How often the cloud was asked what became of it.
    #[serde(default)]
    pub asked: u32,
    /// The newest message that went to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relayed: Option<Timestamp>,
}

/// How far a placement has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Decided; the cloud has not answered.
    Dispatching,
    /// The cloud made a leg.
    Placed,
    /// We are on the leg as the customer.
    Entered,
    /// It is over.
    Over,
}

/// Who has an interaction, as the cloud confirmed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// Native id in the agents' cloud.
    pub agent: String,
    /// The agents' leg.
    pub leg: LegRef,
    /// Address of the agent's identity in the customer's cloud, once it is in the conversation.
    #[serde(default, skip_serializing_if = "Personal::is_none")]
    pub address: Personal,
    /// Display name.
    #[serde(default, skip_serializing_if = "Personal::is_none")]
    pub name: Personal,
    /// Whether the identity has been brought in.
    #[serde(default)]
    pub joined: bool,
}

/// A message that is kept for later.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Held {
    /// The fact's key.
    pub key: String,
    /// Towards which side it goes.
    pub to: Side,
    /// When it was written.
    pub at: Timestamp,
    /// Whose voice it is.
    pub speaker: Speaker,
    /// Posted, edited or deleted.
    pub change: Relay,
    /// What was said, as it was said; attachments are named in it.
    pub content: Content,
    /// When it may go at the latest; `None` waits for the agent's identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Timestamp>,
    /// The leg on which it was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<LegRef>,
    /// The placement that it was relayed to, counted from 1; 0 while no placement has it.
    #[serde(default)]
    pub told: u32,
}

/// Whether the hub may have missed a successor of the leg that ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Doubt {
    /// No reason to think so.
    #[default]
    None,
    /// The hub was away.
    Away,
    /// The cloud was asked and has told what it knows.
    Asked,
}

impl Doubt {
    fn is_none(&self) -> bool {
        *self == Doubt::None
    }
}

/// The end of an interaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: ClosingReason,
}

/// Where an interaction stands. Derived, never stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nothing to do yet.
    Open,
    /// It is on its way to the agents' cloud.
    Dispatching,
    /// It waits there.
    Queued,
    /// It rings there.
    Offering,
    /// An agent has it.
    Active,
    /// The conversation is over; a successor may come.
    Wrapping,
    /// It is over.
    Closed,
}

impl Interaction {
    /// A new interaction.
    pub fn open(id: InteractionId, subject: SubjectId, generation: u32, channel: Channel, now: Timestamp) -> Self {
        Interaction {
            id,
            subject,
            generation,
            continued_from: None,
            opened_at: now,
            last_seq: 0,
            changed_at: now,
            events: 0,
            channel,
            language: None,
            customer: Customer::default(),
            legs: Vec::new(),
            placements: Vec::new(),
            profile: ProfileState::NotAsked,
            assignment: None,
            agent_parties: Vec::new(),
            served: false,
            owed: BTreeMap::new(),
            dead: BTreeMap::new(),
            generations: BTreeMap::new(),
            timers: BTreeMap::new(),
            waiting: Vec::new(),
            held: Vec::new(),
            relayed: BTreeMap::new(),
            heard: BTreeMap::new(),
            hub_absent: false,
            doubt: Doubt::None,
            closed: None,
            records: Vec::new(),
            secrets: Vec::new(),
        }
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        if self.closed.is_some() {
            return State::Closed;
        }
        if self.assignment.is_some() {
            return State::Active;
        }
        match self.open_legs().map(Leg::state).max() {
            Some(LegState::Connected | LegState::Held) => State::Active,
            Some(LegState::Alerting) => State::Offering,
            Some(LegState::Queued | LegState::Initiated) => State::Queued,
            _ if self.placements.iter().any(|placement| placement.stage == Stage::Dispatching) => State::Dispatching,
            _ if self.served => State::Wrapping,
            _ => State::Open,
        }
    }

    /// The agents' legs.
    pub fn agents_legs(&self) -> impl Iterator<Item = &Leg> {
        self.legs.iter().filter(|leg| leg.side == Side::Agents)
    }

    /// The conversation with the customer: the last that was opened and is not over.
    pub fn conversation(&self) -> Option<&Leg> {
        self.legs.iter().rev().find(|leg| leg.side == Side::Customer && !leg.state().is_over())
    }

    /// The placement that is not over.
    pub fn placement(&self) -> Option<&Placement> {
        self.placements.last().filter(|placement| placement.stage != Stage::Over)
    }

    /// The leg with this reference.
    pub fn leg(&self, leg: &LegRef) -> Option<&Leg> {
        self.legs.iter().find(|known| known.leg == *leg)
    }

    /// Whether anything is still to come: a command, or its end.
    pub fn is_settled(&self) -> bool {
        self.closed.is_some() && self.owed.is_empty()
    }
}

impl Personals for Held {
    fn each_personal(&mut self, visit: &mut dyn FnMut(&dyn Display, &mut Personal)) {
        visit(&"held.text", &mut self.content.text);
        visit(&"held.name", &mut self.content.name);
    }
}

impl Personals for Interaction {
    fn each_personal(&mut self, visit: &mut dyn FnMut(&dyn Display, &mut Personal)) {
        visit(&"customer.address", &mut self.customer.address);
        visit(&"customer.name", &mut self.customer.name);
        visit(&"customer.topic", &mut self.customer.topic);
        visit(&"customer.profile", &mut self.customer.profile);
        for (n, identity) in self.customer.identities.iter_mut().enumerate() {
            visit(&format_args!("customer.identities.{n}"), &mut identity.value);
        }
        for attribute in &mut self.customer.attributes {
            visit(&format_args!("customer.attributes.{}", attribute.name), &mut attribute.value);
        }
        for (n, leg) in self.legs.iter_mut().enumerate() {
            leg.each_personal(&mut |name, value| visit(&format_args!("legs.{n}.{name}"), value));
        }
        if let Some(assignment) = &mut self.assignment {
            visit(&"assignment.address", &mut assignment.address);
            visit(&"assignment.name", &mut assignment.name);
        }
        for (n, held) in self.waiting.iter_mut().enumerate() {
            held.each_personal(&mut |name, value| visit(&format_args!("waiting.{n}.{name}"), value));
        }
        for (n, held) in self.held.iter_mut().enumerate() {
            held.each_personal(&mut |name, value| visit(&format_args!("held.{n}.{name}"), value));
        }
        for (id, command) in &mut self.owed {
            Arc::make_mut(command).each_personal(&mut |name, value| visit(&format_args!("owed.{id}.{name}"), value));
        }
        for (id, dead) in &mut self.dead {
            dead.each_personal(&mut |name, value| visit(&format_args!("dead.{id}.{name}"), value));
        }
    }
}
