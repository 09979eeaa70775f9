//! The house: what belongs to no single interaction. Agents' identities in the customer's cloud, the hub's own tokens,
//! facts about contacts that nobody knows yet, subscriptions that want to be confirmed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tandem_sdk::error::ErrorKind;
use tandem_sdk::model::{
    Action, Command, CommandId, Derive, Fact, InstanceName, InteractionId, Lane, LegRef, Outcome, PartyKey, Personal,
    Personals, Purpose,
};
use tandem_sdk::secret::SecretRole;

use super::conduct::{Context, agent_secret, hub_secret, order};
use super::input::Input;
use super::step::{Note, Step};

/// A token is refreshed when this share of its life is over.
const REFRESH_AFTER: f64 = 0.8;
/// A token that works at least this long is good enough to start with.
const GOOD_FOR: SignedDuration = SignedDuration::from_mins(10);
/// Purpose of a question about a leg with parked facts, before the leg's id. A leg is asked about once or a few times in
/// its life, so nobody counts how often: such a command's id goes by the record that owes it.
const ASK: &str = "ask:";
/// Timer after which an agent's identity or token is asked for again, before the agent's key.
const RETRY: &str = "retry:agent:";
/// The purpose in logs that were written when it was counted.
const ASK_COUNTED: &str = "parked:";

/// What belongs to no single interaction.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct House {
    /// The last record that was folded in.
    pub last_seq: u64,
    /// Agents, by `instance/native id`.
    #[serde(default)]
    pub agents: BTreeMap<String, Agent>,
    /// When the hub's own tokens stop working, by instance.
    #[serde(default)]
    pub hub_tokens: BTreeMap<InstanceName, Timestamp>,
    /// What is owed and has no outcome yet.
    #[serde(default)]
    pub owed: BTreeMap<CommandId, Arc<Command>>,
    /// How often each purpose was used.
    #[serde(default)]
    pub generations: BTreeMap<String, u32>,
    /// Timers that are set.
    #[serde(default)]
    pub timers: BTreeMap<String, Timestamp>,
    /// Facts about contacts that nobody knows yet.
    #[serde(default)]
    pub parked: Vec<Parked>,
}

/// An agent, as far as the customer's cloud is concerned. One identity for life.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Agent {
    /// The agents' cloud.
    pub instance: InstanceName,
    /// Native id there.
    pub native: String,
    /// Name that the agents' cloud gave.
    #[serde(default, skip_serializing_if = "Personal::is_none")]
    pub name: Personal,
    /// Whether the agents' cloud was asked for the name and answered, or could not.
    #[serde(default)]
    pub described: bool,
    /// Identity in the customer's cloud.
    #[serde(default, skip_serializing_if = "Personal::is_none")]
    pub address: Personal,
    /// When its token stops working.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_until: Option<Timestamp>,
    /// Whether anybody needed it since its token was issued.
    #[serde(default)]
    pub needed: bool,
    /// How often the customer's cloud would not make its identity or its token, since it last had one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub refusals: u32,
    /// Interactions that wait for it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub waiting: BTreeSet<InteractionId>,
}

/// A fact that waits for its contact to become known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parked {
    /// The fact.
    pub fact: Fact,
    /// Since when.
    pub since: Timestamp,
}

impl House {
    fn agent_mut(&mut self, instance: &InstanceName, native: &str) -> &mut Agent {
        self.agents.entry(agent_key(instance, native)).or_insert_with(|| Agent {
            instance: instance.clone(),
            native: native.to_owned(),
            name: Personal::NONE,
            described: false,
            address: Personal::NONE,
            token_until: None,
            needed: false,
            refusals: 0,
            waiting: BTreeSet::new(),
        })
    }

    /// Folds the input. Gives back the command that an outcome settled.
    pub fn fold_input(&mut self, input: &Input) -> Option<Arc<Command>> {
        match input {
            Input::Timer { name, .. } => {
                self.timers.remove(name);
                if let Some(instance) = name.strip_prefix("token:hub:") {
                    self.hub_tokens.remove(&InstanceName::from(instance));
                } else if let Some(agent) = name.strip_prefix("token:agent:").and_then(|key| self.agents.get_mut(key)) {
                    // An agent whom nobody needed since lets the token lapse; the next assignment gets a new one.
                    agent.token_until = agent.token_until.filter(|_| !agent.needed);
                }
                None
            }
            Input::Outcome { command, result, .. } => {
                let command = self.owed.remove(command)?;
                self.fold_outcome(&command, result.as_ref().ok());
                Some(command)
            }
            Input::TokenRejected { secret } => {
                if let Some(instance) = secret.strip_prefix("hub/") {
                    self.hub_tokens.remove(&InstanceName::from(instance));
                }
                for agent in self.agents.values_mut().filter(|agent| secret.ends_with(&format!("/{}", agent.native))) {
                    agent.token_until = None;
                }
                None
            }
            _ => None,
        }
    }

    fn fold_outcome(&mut self, command: &Command, outcome: Option<&Outcome>) {
        let Some((what, key)) = command.purpose.0.split_once(':') else { return };
        if what == "hub_token" {
            if let Some(Outcome::Issued { expires_at }) = outcome {
                self.hub_tokens.insert(InstanceName::from(key), *expires_at);
            }
            return;
        }
        let Some(agent) = self.agents.get_mut(key) else { return };
        match (what, outcome) {
            ("describe", outcome) => {
                agent.described = true;
                if let Some(Outcome::Described { name }) = outcome {
                    agent.name = name.clone();
                }
            }
            ("identify", Some(Outcome::Identified { address })) => agent.address = address.clone(),
            ("token", Some(Outcome::Issued { expires_at })) => {
                agent.token_until = Some(*expires_at);
                agent.needed = false;
                agent.refusals = 0;
            }
            _ => {}
        }
    }

    /// Folds one step.
    pub fn fold_step(&mut self, step: &Step, now: Timestamp) {
        match step {
            Step::Command(command) => {
                if !command.purpose.0.starts_with(ASK) {
                    let generation = self.generations.entry(command.purpose.0.clone()).or_insert(0);
                    *generation = generation.saturating_add(1);
                }
                self.owed.insert(command.id, Arc::clone(command));
            }
            Step::Timer { name, due: Some(due) } => {
                self.timers.insert(name.clone(), *due);
            }
            Step::Timer { name, due: None } => {
                self.timers.remove(name);
            }
            Step::Note(note) => match &**note {
                Note::AgentWanted { instance, agent, interaction } => {
                    let agent = self.agent_mut(instance, agent);
                    agent.needed = true;
                    agent.waiting.insert(*interaction);
                }
                Note::AgentTold { agent } => {
                    if let Some(agent) = self.agents.get_mut(agent) {
                        agent.waiting.clear();
                    }
                }
                Note::AgentUnwanted { interaction } => {
                    for agent in self.agents.values_mut() {
                        agent.waiting.remove(interaction);
                    }
                }
                Note::AgentRefused { agent, is_gone } => {
                    if let Some(agent) = self.agents.get_mut(agent) {
                        agent.refusals = agent.refusals.saturating_add(1);
                        if *is_gone {
                            (agent.address, agent.token_until) = (Personal::NONE, None);
                        }
                    }
                }
                Note::Parked(fact) => self.parked.push(Parked { fact: (**fact).clone(), since: now }),
                Note::Unparked { leg } => self.parked.retain(|parked| parked.fact.leg != *leg),
                _ => {}
            },
            Step::Event(_) | Step::Decision(_) | Step::Forget { .. } => {}
        }
    }

    /// Takes a turn: what the input calls for. Gives the steps and what interactions must be told.
    pub fn take_turn(
        &mut self,
        context: &Context<'_>,
        input: &Input,
        settled: Option<&Command>,
    ) -> (Vec<Step>, Vec<(InteractionId, Input)>) {
        let mut turn = HouseTurn { house: self, context, steps: Vec::new(), tell: Vec::new() };
        match input {
            Input::Resumed {} => turn.keep_hub_tokens(),
            Input::Timer { name, .. } => turn.time_is_up(name),
            Input::AgentNeeded { instance, agent, interaction } => turn.agent_needed(instance, agent, *interaction),
            Input::AgentUnneeded { interaction } => turn.note(Note::AgentUnwanted { interaction: *interaction }),
            Input::Outcome { result, .. } => turn.settled(settled, result.as_ref().err().map(|error| error.kind)),
            Input::TokenRejected { .. } => {
                turn.keep_hub_tokens();
                turn.refresh_agents();
            }
            Input::ConfirmationAsked { instance, topic, secret } => turn.confirm(instance, topic, secret),
            _ => {}
        }
        (turn.steps, turn.tell)
    }

    /// Whether an interaction waits for any agent.
    pub fn is_waited_on_by(&self, interaction: InteractionId) -> bool {
        self.agents.values().any(|agent| agent.waiting.contains(&interaction))
    }

    /// Parks a fact; its timer asks the cloud when nobody came for it.
    pub fn park(&mut self, context: &Context<'_>, fact: Fact) -> Vec<Step> {
        let mut turn = HouseTurn { house: self, context, steps: Vec::new(), tell: Vec::new() };
        let timer = format!("park:{}", fact.leg.id());
        turn.note(Note::Parked(Box::new(fact)));
        if !turn.house.timers.contains_key(&timer) {
            turn.set_timer(&timer, context.after(context.settings.park));
        }
        turn.steps
    }

    /// Has the facts about a leg wait once more.
    pub fn wait_on(&mut self, context: &Context<'_>, leg: &LegRef) -> Vec<Step> {
        let mut turn = HouseTurn { house: self, context, steps: Vec::new(), tell: Vec::new() };
        turn.set_timer(&format!("park:{}", leg.id()), context.after(context.settings.park));
        turn.steps
    }

    /// Takes the facts about a leg out, oldest first.
    pub fn unpark(&mut self, context: &Context<'_>, leg: &LegRef) -> (Vec<Step>, Vec<Fact>) {
        let mut facts: Vec<Fact> =
            self.parked.iter().filter(|parked| parked.fact.leg == *leg).map(|parked| parked.fact.clone()).collect();
        facts.sort_by(|a, b| (a.occurred_at, &a.key).cmp(&(b.occurred_at, &b.key)));
        let mut turn = HouseTurn { house: self, context, steps: Vec::new(), tell: Vec::new() };
        if !facts.is_empty() {
            turn.note(Note::Unparked { leg: leg.clone() });
            turn.step(Step::Timer { name: format!("park:{}", leg.id()), due: None });
        }
        (turn.steps, facts)
    }
}

struct HouseTurn<'a, 'c> {
    house: &'a mut House,
    context: &'a Context<'c>,
    steps: Vec<Step>,
    tell: Vec<(InteractionId, Input)>,
}

impl HouseTurn<'_, '_> {
    fn step(&mut self, step: Step) {
        self.house.fold_step(&step, self.context.now);
        self.steps.push(step);
    }

    fn note(&mut self, note: Note) {
        self.step(Step::Note(Box::new(note)));
    }

    fn set_timer(&mut self, name: &str, due: Timestamp) {
        self.step(Step::Timer { name: name.to_owned(), due: Some(due) });
    }

    fn owe(
        &mut self,
        lane: String,
        instance: &InstanceName,
        purpose: String,
        action: Action,
        secret: Option<(SecretRole, String, bool)>,
    ) {
        if self.house.owed.values().any(|command| command.purpose.0 == purpose) {
            return;
        }
        let number = if purpose.starts_with(ASK) {
            self.context.seq
        } else {
            u64::from(self.house.generations.get(&purpose).copied().unwrap_or(0).saturating_add(1))
        };
        let derive = Derive::entity("house command").part(&self.context.domain.0).part(&purpose);
        let id = CommandId(derive.number(number).uuid());
        let (mut uses, mut keeps) = (BTreeMap::new(), BTreeMap::new());
        if let Some((role, name, keep)) = secret {
            if keep { &mut keeps } else { &mut uses }.insert(role, name);
        }
        let command = Command {
            id,
            lane: Lane(lane),
            instance: instance.clone(),
            purpose: Purpose(purpose),
            action,
            uses,
            keeps,
            order: order(self.context.seq, self.steps.len()),
            owed_at: Some(self.context.now),
            expires_at: self.context.after(self.context.settings.command_life),
        };
        self.step(Step::Command(Arc::new(command)));
    }

    /// Every cloud in which the hub has an identity of its own gets a token in time.
    fn keep_hub_tokens(&mut self) {
        let customer = &self.context.settings.customer;
        let Some(cloud) = self.context.clouds.get(customer).filter(|cloud| cloud.hub.is_some()) else { return };
        let good = self.house.hub_tokens.get(customer).is_some_and(|until| *until > self.context.after(GOOD_FOR));
        if !good {
            let address = Personal::from(cloud.hub_address.clone());
            self.owe(
                format!("hub/{customer}"),
                customer,
                format!("hub_token:{customer}"),
                Action::IssueToken { address },
                Some((SecretRole::UserToken, hub_secret(customer), true)),
            );
        }
    }

    fn agent_needed(&mut self, instance: &InstanceName, native: &str, interaction: InteractionId) {
        self.note(Note::AgentWanted { instance: instance.clone(), agent: native.to_owned(), interaction });
        self.advance(&agent_key(instance, native));
    }

    /// Does the next thing that an agent's identity lacks; tells those who wait when nothing lacks.
    fn advance(&mut self, key: &str) {
        let Some(agent) = self.house.agents.get(key).cloned() else { return };
        let customer = self.context.settings.customer.clone();
        let lane = format!("agent/{key}");
        if !agent.described {
            let action = Action::Describe { agent: agent.native.clone() };
            self.owe(lane, &agent.instance, format!("describe:{key}"), action, None);
        } else if agent.address.is_none() {
            self.owe(lane, &customer, format!("identify:{key}"), Action::Identify {}, None);
        } else if agent.token_until.is_none_or(|until| until <= self.context.after(GOOD_FOR)) {
            let secret = agent_secret(&customer, &agent.native);
            self.owe(
                lane,
                &customer,
                format!("token:{key}"),
                Action::IssueToken { address: agent.address },
                Some((SecretRole::UserToken, secret, true)),
            );
        } else if !agent.waiting.is_empty() {
            let Some(address) = agent.address.reveal() else { return };
            let system = self.context.clouds.get(&customer).map_or("", |cloud| cloud.system.as_str());
            let party = PartyKey::of(self.context.id_key, system, address);
            for interaction in &agent.waiting {
                self.tell.push((
                    *interaction,
                    Input::AgentReady {
                        agent: agent.native.clone(),
                        address: agent.address.clone(),
                        name: agent.name.clone(),
                        party,
                    },
                ));
            }
            self.note(Note::AgentTold { agent: key.to_owned() });
        }
    }

    fn settled(&mut self, command: Option<&Command>, refused: Option<ErrorKind>) {
        let Some((what, key)) = command.and_then(|command| command.purpose.0.split_once(':')) else { return };
        match what {
            "hub_token" => {
                let instance = InstanceName::from(key);
                if let Some(until) = self.house.hub_tokens.get(&instance).copied() {
                    self.refresh_before(&format!("token:hub:{key}"), until);
                } else {
                    self.set_timer(&format!("token:hub:{key}"), self.context.after(self.context.settings.overdue));
                }
            }
            "token" | "identify" if refused.is_some() => {
                self.refused(key, what == "token" && refused == Some(ErrorKind::NotFound));
            }
            "token" => {
                if let Some(until) = self.house.agents.get(key).and_then(|agent| agent.token_until) {
                    self.refresh_before(&format!("token:agent:{key}"), until);
                }
                self.advance(key);
            }
            "describe" | "identify" => self.advance(key),
            _ => {}
        }
    }

    /// Has an agent's identity or token asked for again, later each time.
    fn refused(&mut self, key: &str, is_gone: bool) {
        self.note(Note::AgentRefused { agent: key.to_owned(), is_gone });
        let Some(refusals) = self.house.agents.get(key).map(|agent| agent.refusals) else { return };
        let settings = self.context.settings;
        let doubled = 1_i32.checked_shl(refusals.saturating_sub(1).min(16)).unwrap_or(i32::MAX);
        let wait = settings.overdue.saturating_mul(doubled).min(settings.overdue_most);
        self.set_timer(&format!("{RETRY}{key}"), self.context.after(wait));
    }

    fn refresh_before(&mut self, timer: &str, until: Timestamp) {
        let life = until.duration_since(self.context.now);
        let due = self.context.after(life.max(SignedDuration::ZERO).mul_f64(REFRESH_AFTER));
        self.set_timer(timer, due);
    }

    fn time_is_up(&mut self, name: &str) {
        if name.starts_with("token:hub:") {
            self.keep_hub_tokens();
        } else if let Some(key) = name.strip_prefix("token:agent:") {
            if self.house.agents.get(key).is_some_and(|agent| agent.needed) {
                self.advance(key);
            }
        } else if let Some(key) = name.strip_prefix(RETRY) {
            // Who has no identity and for whom nobody waits is asked for when somebody does.
            if self.house.agents.get(key).is_some_and(|agent| !agent.waiting.is_empty() || !agent.address.is_none()) {
                self.advance(key);
            }
        } else if let Some(leg) = name.strip_prefix("park:") {
            let parked = self.house.parked.iter().find(|parked| parked.fact.leg.id().to_string() == leg);
            if let Some(fact) = parked.map(|parked| parked.fact.clone())
                && let Some((instance, _)) = self
                    .context
                    .clouds
                    .iter()
                    .find(|(_, cloud)| cloud.system == fact.leg.system && cloud.account == fact.leg.account)
            {
                let instance = instance.clone();
                self.owe(
                    format!("ask/{leg}"),
                    &instance,
                    format!("{ASK}{leg}"),
                    Action::Inquire { leg: fact.leg },
                    None,
                );
            }
        }
    }

    fn refresh_agents(&mut self) {
        let wanting: Vec<String> = self
            .house
            .agents
            .iter()
            .filter(|(_, agent)| agent.token_until.is_none() && !agent.address.is_none())
            .filter(|(key, _)| !self.house.timers.contains_key(&format!("{RETRY}{key}")))
            .map(|(key, _)| key.clone())
            .collect();
        for key in wanting {
            self.advance(&key);
        }
    }

    fn confirm(&mut self, instance: &InstanceName, topic: &str, secret: &str) {
        self.owe(
            format!("confirm/{topic}"),
            instance,
            format!("confirm:{topic}"),
            Action::Confirm { topic: topic.to_owned() },
            Some((SecretRole::ConfirmUrl, secret.to_owned(), false)),
        );
    }
}

/// Whether a command asks about a leg with parked facts.
pub(crate) fn asks_about_parked(command: &Command) -> bool {
    [ASK, ASK_COUNTED].iter().any(|purpose| command.purpose.0.starts_with(purpose))
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

fn agent_key(instance: &InstanceName, native: &str) -> String {
    format!("{instance}/{native}")
}

impl Personals for House {
    fn each_personal(&mut self, visit: &mut dyn FnMut(&dyn Display, &mut Personal)) {
        for (key, agent) in &mut self.agents {
            visit(&format_args!("agents.{key}.name"), &mut agent.name);
            visit(&format_args!("agents.{key}.address"), &mut agent.address);
        }
        for (id, command) in &mut self.owed {
            Arc::make_mut(command).each_personal(&mut |name, value| visit(&format_args!("owed.{id}.{name}"), value));
        }
        for (n, parked) in self.parked.iter_mut().enumerate() {
            parked.fact.each_personal(&mut |name, value| visit(&format_args!("parked.{n}.{name}"), value));
        }
    }
}
