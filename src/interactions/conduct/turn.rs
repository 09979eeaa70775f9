//! One turn: an interaction, what it was given, and the steps that follow. Every step is folded as it is taken.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tandem_sdk::model::{
    Action, Command, DomainName, Event, EventId, EventKind, IdKey, InstanceName, Lane, PartyKey, Purpose,
};
use tandem_sdk::secret::SecretRole;

use crate::interactions::fold::Known;
use crate::interactions::{Change, Input, Interaction, Note, Settings, Side, Step};
use crate::routing::Rules;

/// What conduct knows besides the interaction. Values only: the clock is `now`.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Now: `recorded_at` of the record being written.
    pub now: Timestamp,
    /// The record being written.
    pub seq: u64,
    /// The desk's domain.
    pub domain: &'a DomainName,
    /// How journeys are led.
    pub settings: &'a Settings,
    /// Where interactions go.
    pub rules: &'a Rules,
    /// The configured adapter instances that take part.
    pub clouds: &'a BTreeMap<InstanceName, Cloud>,
    /// Whether any CDP is configured.
    pub has_profiles: bool,
    /// Key of personal identities.
    pub id_key: &'a IdKey,
}

/// What conduct knows of an adapter instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cloud {
    /// The adapter kind.
    pub system: String,
    /// Account in leg refs.
    pub account: String,
    /// The hub's own identity there.
    pub hub: Option<PartyKey>,
    /// Its native address.
    pub hub_address: Option<String>,
    /// Longest message, in bytes.
    pub message_limit: usize,
}

impl Context<'_> {
    /// Who is who.
    pub fn known(&self) -> Known {
        Known { hub: self.clouds.get(&self.settings.customer).and_then(|cloud| cloud.hub) }
    }

    /// Longest message of an instance.
    pub fn limit(&self, instance: &InstanceName) -> usize {
        self.clouds.get(instance).map_or(usize::MAX, |cloud| cloud.message_limit)
    }

    /// `after` from now.
    pub fn after(&self, after: SignedDuration) -> Timestamp {
        self.now.saturating_add(after).unwrap_or(Timestamp::MAX)
    }
}

/// A turn of one interaction.
pub struct Turn<'a> {
    /// The interaction.
    pub it: &'a mut Interaction,
    /// What else is known.
    pub context: Context<'a>,
    /// What was done so far.
    steps: Vec<Step>,
}

impl<'a> Turn<'a> {
    /// Takes a turn: what the input and the changes that it made call for. The input and the facts are
    /// folded already; `settled` is the command whose outcome the input is.
    pub fn take(
        it: &'a mut Interaction,
        context: Context<'a>,
        input: &Input,
        settled: Option<&Command>,
        changes: Vec<Change>,
    ) -> Vec<Step> {
        let mut turn = Turn { it, context, steps: Vec::new() };
        turn.open(input);
        for change in changes {
            turn.follow(change);
        }
        match input {
            Input::Timer { name, .. } => turn.time_is_up(name),
            Input::Outcome { result, repeated, .. } => {
                if let Some(command) = settled {
                    turn.settle(command, result, *repeated);
                }
            }
            Input::AgentReady { agent, address, name, party } => turn.bring_in(agent, address, name, *party),
            Input::Resumed {} => turn.doubt_everything(),
            Input::TokenStale {} => turn.renew_customer_token(),
            _ => {}
        }
        turn.finish();
        turn.steps
    }

    fn follow(&mut self, change: Change) {
        match change {
            Change::Appeared { leg } => self.leg_appeared(&leg),
            Change::Moved { leg, from, to, at } => self.leg_moved(&leg, from, to, at),
            Change::Queued { leg, queue, at } => self.leg_queued(&leg, &queue, at),
            Change::Joined { leg, party, role, name, at } => self.party_joined(&leg, party, role, name, at),
            Change::Left { leg, party, role, at } => self.party_left(&leg, party, role, at),
            Change::Said { leg, message, role, held, crosses } => self.said(leg, message, role, held, crosses),
            Change::HubAbsent { leg } => self.hub_absent(leg),
        }
    }

    /// Takes a step and folds it.
    pub fn step(&mut self, step: Step) {
        self.it.fold_step(&step, self.context.now);
        self.steps.push(step);
    }

    /// Notes a change.
    pub fn note(&mut self, note: Note) {
        self.step(Step::Note(Box::new(note)));
    }

    /// Derives an event that happened at `time`; a time in the future is clamped to now.
    pub fn event(&mut self, kind: EventKind, time: Timestamp) {
        let ordinal = self.steps.iter().filter(|step| matches!(step, Step::Event(_))).count();
        let event = Event {
            id: EventId::of(self.context.domain, self.context.seq, u32::try_from(ordinal).unwrap_or(u32::MAX)),
            interaction: self.it.id,
            sequence: self.it.events.saturating_add(1),
            time: time.min(self.context.now),
            kind,
        };
        self.step(Step::Event(Box::new(event)));
    }

    /// Sets a timer, or moves it.
    pub fn set_timer(&mut self, name: &str, after: SignedDuration) {
        let due = Some(self.context.after(after));
        self.step(Step::Timer { name: name.to_owned(), due });
    }

    /// Cancels a timer, if it is set.
    pub fn cancel_timer(&mut self, name: &str) {
        if self.it.timers.contains_key(name) {
            self.step(Step::Timer { name: name.to_owned(), due: None });
        }
    }

    /// Owes a command. The lane is this interaction's own.
    pub fn owe(&mut self, owed: Owed) {
        let generation = self.it.generations.get(&owed.purpose).copied().unwrap_or(0).saturating_add(1);
        let command = Command {
            id: self.it.id.command(&owed.purpose, generation),
            lane: Lane(format!("{}/{}", self.it.id, owed.lane)),
            instance: owed.instance,
            purpose: Purpose(owed.purpose),
            action: owed.action,
            uses: owed.uses.into_iter().collect(),
            keeps: owed.keeps.into_iter().collect(),
            order: self.order(),
            owed_at: Some(self.context.now),
            expires_at: self.context.after(self.context.settings.command_life),
        };
        self.step(Step::Command(Arc::new(command)));
    }

    /// Orders commands: by record, and inside it by step.
    fn order(&self) -> u64 {
        order(self.context.seq, self.steps.len())
    }

    /// The name of a secret of this interaction.
    pub fn secret(&self, name: &str) -> String {
        format!("i/{}/{name}", self.it.id)
    }

    /// The instance through which the customer chats.
    pub fn customer_instance(&self) -> InstanceName {
        self.context.settings.customer.clone()
    }

    /// The name of the hub's own token in the customer's cloud.
    pub fn hub_token(&self) -> String {
        hub_secret(&self.context.settings.customer)
    }
}

/// The position of a step in the log as one number: a record has far fewer than 65 536 steps.
pub fn order(seq: u64, step: usize) -> u64 {
    seq.wrapping_shl(16) | (step as u64 & 0xffff)
}

/// A command that is about to be owed.
pub struct Owed {
    /// Lane inside the interaction: `customer`, `agents/1`, `profile`, `ask`.
    pub lane: String,
    /// Who carries it.
    pub instance: InstanceName,
    /// What for.
    pub purpose: String,
    /// What.
    pub action: Action,
    /// Secrets needed.
    pub uses: Vec<(SecretRole, String)>,
    /// Secrets to keep.
    pub keeps: Vec<(SecretRole, String)>,
}

impl Owed {
    /// A command without secrets.
    pub fn new(lane: impl Into<String>, instance: InstanceName, purpose: impl Into<String>, action: Action) -> Self {
        Owed { lane: lane.into(), instance, purpose: purpose.into(), action, uses: Vec::new(), keeps: Vec::new() }
    }

    /// Needs this secret.
    pub fn uses(mut self, role: SecretRole, name: String) -> Self {
        self.uses.push((role, name));
        self
    }

    /// Yields this secret.
    pub fn keeps(mut self, role: SecretRole, name: String) -> Self {
        self.keeps.push((role, name));
        self
    }
}

/// The lane towards a side: one for the customer, one for each placement.
pub(super) fn lane_to(side: Side, placement: u32) -> String {
    match side {
        Side::Customer => "customer".to_owned(),
        Side::Agents => format!("agents/{placement}"),
    }
}

/// The name of the hub's own token in an instance's cloud.
pub fn hub_secret(instance: &InstanceName) -> String {
    format!("hub/{instance}")
}

/// The name of an agent's token in the customer's cloud.
pub fn agent_secret(customer: &InstanceName, agent: &str) -> String {
    format!("agent/{customer}/{agent}")
}
