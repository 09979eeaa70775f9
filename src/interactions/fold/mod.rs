//! Folding: a record's input, facts and steps change an interaction. The live desk and recovery call the same lines.

use std::sync::Arc;

use jiff::Timestamp;
use tandem_sdk::error::AdapterError;
use tandem_sdk::model::{
    Action, Command, CommandId, Content, ContentType, Fact, FactKind, LegRef, Outcome, PartyKey, Personal, Relay, Role,
    Speaker, Visibility,
};

use super::chain::placement_in;
use super::input::Input;
use super::interaction::{Assignment, Closed, Doubt, Held, Interaction, Placement, ProfileState, Stage};
use super::leg::{Leg, LegState, Side};
use super::step::{Note, Step};

#[cfg(test)]
mod tests;

/// What folding one fact or outcome changed, for conduct to act on.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "few at a time, looked at once")]
pub enum Change {
    /// A leg was heard of for the first time.
    Appeared {
        /// Which.
        leg: LegRef,
    },
    /// A leg came further.
    Moved {
        /// Which.
        leg: LegRef,
        /// Where it was.
        from: LegState,
        /// Where it is.
        to: LegState,
        /// When, by the source's clock.
        at: Timestamp,
    },
    /// A leg is in this queue now.
    Queued {
        /// Which leg.
        leg: LegRef,
        /// Native id of the queue.
        queue: String,
        /// When.
        at: Timestamp,
    },
    /// Somebody came.
    Joined {
        /// Where.
        leg: LegRef,
        /// Who.
        party: PartyKey,
        /// What they are.
        role: Role,
        /// Display name.
        name: Personal,
        /// When.
        at: Timestamp,
    },
    /// Somebody went.
    Left {
        /// Where.
        leg: LegRef,
        /// Who.
        party: PartyKey,
        /// What they were.
        role: Role,
        /// When.
        at: Timestamp,
    },
    /// Somebody said something that is not an echo of ours.
    Said {
        /// Where.
        leg: LegRef,
        /// Native message id.
        message: String,
        /// What they are.
        role: Role,
        /// What was said, and to whom it goes.
        held: Held,
        /// Whether it is meant for the other side too.
        crosses: bool,
    },
    /// The source told who is in the conversation, and the hub is not.
    HubAbsent {
        /// The conversation.
        leg: LegRef,
    },
}

/// Who is who: what folding a fact needs to know of the deployment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known {
    /// The hub's own identity in the customer's cloud.
    pub hub: Option<PartyKey>,
}

impl Interaction {
    /// Folds the input itself: timers that fired, outcomes that came. Gives back the command that an outcome settled.
    pub fn fold_input(&mut self, input: &Input) -> Option<Arc<Command>> {
        match input {
            Input::Timer { name, .. } => {
                self.timers.remove(name);
            }
            Input::Outcome { command, result, .. } => return self.fold_outcome(*command, result.as_ref()),
            Input::Redriven { command, expires_at, order } => self.revive(*command, *expires_at, *order),
            Input::Chat(request) => {
                self.customer.account = request.party;
                self.customer.name = request.name.clone();
                self.customer.topic = request.topic.clone();
                self.customer.identities = request.identities.clone();
                self.customer.attributes = request.attributes.clone();
                self.customer.address = request.known_address.clone();
                self.language = request.language.clone();
            }
            _ => {}
        }
        None
    }

    fn fold_outcome(&mut self, id: CommandId, result: Result<&Outcome, &AdapterError>) -> Option<Arc<Command>> {
        let command = self.owed.remove(&id)?;
        let outcome = match result {
            Ok(outcome) => outcome,
            Err(error) => {
                self.bury(&command, error);
                return Some(command);
            }
        };
        self.secrets.extend(command.keeps.values().filter(|name| name.starts_with("i/")).cloned());
        self.secrets.dedup();
        let generation = match &command.action {
            Action::Place { .. } | Action::Enter { .. } => placement_in(&command.purpose),
            _ => None,
        };
        let placement = self
            .placements
            .iter_mut()
            .find(|placement| generation.is_some_and(|number| placement.generation == number));
        match (outcome, placement) {
            (Outcome::Placed { leg, participant }, Some(placement)) => {
                placement.leg = Some(leg.clone());
                placement.participant = Some(participant.clone());
                placement.stage = placement.stage.max(Stage::Placed);
                let leg = leg.clone();
                self.leg_mut(&leg, Side::Agents);
            }
            (Outcome::Issued { .. }, Some(placement)) => placement.stage = placement.stage.max(Stage::Entered),
            (Outcome::Opened { leg, .. }, _) => {
                self.leg_mut(leg, Side::Customer);
            }
            (Outcome::Identified { address }, _) => self.customer.address = address.clone(),
            (Outcome::Profile { found }, _) => match found {
                Some(profile) => {
                    self.profile = ProfileState::Known;
                    self.customer.profile = profile.document.clone();
                    if self.customer.name.is_none() {
                        self.customer.name = profile.name.clone();
                    }
                }
                None => self.profile = ProfileState::Unknown,
            },
            _ => {}
        }
        Some(command)
    }

    fn leg_mut(&mut self, leg: &LegRef, side: Side) -> (&mut Leg, bool) {
        match self.legs.iter().position(|known| known.leg == *leg) {
            Some(n) => (&mut self.legs[n], false),
            None => {
                self.legs.push(Leg::new(leg.clone(), side));
                let last = self.legs.len() - 1;
                (&mut self.legs[last], true)
            }
        }
    }

    /// Folds one fact and says what changed. `now` is when its record was written: nothing was heard or said later.
    pub fn fold_fact(&mut self, fact: &Fact, known: Known, now: Timestamp) -> Vec<Change> {
        let mut changes = Vec::new();
        let side = self.side_of(&fact.leg);
        let (leg, is_new) = self.leg_mut(&fact.leg, side);
        let side = leg.side;
        let before = leg.state();
        let queue_before = leg.queue.as_ref().map(|queue| queue.value.clone());
        let told_before = !leg.members.is_empty();
        let present: Vec<PartyKey> =
            leg.members.iter().filter(|(_, member)| member.is_present()).map(|(key, _)| *key).collect();
        leg.absorb(fact);
        let (after, at) = (leg.state(), fact.occurred_at);
        if is_new {
            changes.push(Change::Appeared { leg: fact.leg.clone() });
        }
        if before != after {
            changes.push(Change::Moved { leg: fact.leg.clone(), from: before, to: after, at });
        }
        let queue = leg.queue.as_ref().map(|queue| queue.value.clone());
        if let (Some(queue), true) = (&queue, queue != queue_before) {
            changes.push(Change::Queued { leg: fact.leg.clone(), queue: queue.clone(), at });
        }
        for (party, member) in &leg.members {
            let role = member.role.unwrap_or(Role::System);
            match (present.contains(party), member.is_present()) {
                (false, true) => changes.push(Change::Joined {
                    leg: fact.leg.clone(),
                    party: *party,
                    role,
                    name: member.name.clone(),
                    at,
                }),
                (true, false) => changes.push(Change::Left { leg: fact.leg.clone(), party: *party, role, at }),
                _ => {}
            }
        }
        let absent = side == Side::Customer
            && !told_before
            && known.hub.is_some_and(|hub| leg.has(hub) == Some(false))
            && !fact.members.is_empty();
        if absent {
            changes.push(Change::HubAbsent { leg: fact.leg.clone() });
        }
        let heard_at = at.min(now);
        let heard = self.heard.entry(side).or_insert(heard_at);
        *heard = (*heard).max(heard_at);
        self.give_roles(&mut changes, known);
        self.fold_message(fact, side, known, now, &mut changes);
        changes
    }

    /// Where a leg belongs that this interaction has not heard of: a successor of an agents' leg is on the agents' side,
    /// and so is a contact, whoever started it.
    fn side_of(&self, leg: &LegRef) -> Side {
        let same_cloud = |known: &&Leg| known.leg.system == leg.system && known.leg.account == leg.account;
        match self.legs.iter().find(same_cloud) {
            Some(known) => known.side,
            None if leg.kind == "contact" => Side::Agents,
            None => Side::Customer,
        }
    }

    /// Says who is who, as far as this interaction knows: the source often does not.
    fn give_roles(&self, changes: &mut [Change], known: Known) {
        for change in changes {
            if let Change::Joined { leg, party, role, .. } | Change::Left { leg, party, role, .. } = change
                && self.leg(leg).is_some_and(|leg| leg.side == Side::Customer)
            {
                *role = self.role_of(*party, known);
            }
        }
    }

    /// Who speaks in the customer's conversation: the hub, an agent whose identity we brought in, or the customer.
    pub fn role_of(&self, party: PartyKey, known: Known) -> Role {
        if known.hub == Some(party) {
            Role::System
        } else if self.agent_parties.contains(&party) {
            Role::Agent
        } else {
            Role::Customer
        }
    }

    fn fold_message(&mut self, fact: &Fact, side: Side, known: Known, now: Timestamp, changes: &mut Vec<Change>) {
        let (Some(message), Some(change)) = (&fact.message, relay_of(fact.kind)) else { return };
        let author = fact.author.clone().unwrap_or_default();
        // An echo is ours when sender *and* mark are ours. In the agents' cloud nobody but us speaks as the customer.
        let sender_is_ours =
            author.key.is_some_and(|party| known.hub == Some(party) || self.agent_parties.contains(&party));
        if side == Side::Customer && sender_is_ours && message.marker.is_some()
            || side == Side::Agents && author.role == Some(Role::Customer)
        {
            return;
        }
        let role = match (side, author.key) {
            (Side::Customer, Some(party)) => self.role_of(party, known),
            (Side::Customer, None) => Role::Customer,
            (Side::Agents, _) => author.role.unwrap_or(Role::System),
        };
        if role == Role::Customer && side == Side::Customer {
            self.meet_customer(author.key, &author.address, &author.name);
        }
        let speaker = match role {
            Role::Customer => Speaker::Customer,
            Role::Agent => Speaker::Agent,
            Role::Bot | Role::System => Speaker::Hub,
        };
        let crosses = message.visibility
            != match side {
                Side::Customer => Visibility::Customer,
                Side::Agents => Visibility::Agent,
            };
        changes.push(Change::Said {
            crosses,
            leg: fact.leg.clone(),
            message: message.id.clone(),
            role,
            held: Held {
                key: fact.key.clone(),
                to: if side == Side::Customer { Side::Agents } else { Side::Customer },
                at: fact.occurred_at.min(now),
                speaker,
                change,
                content: Content {
                    content_type: message.content_type.clone(),
                    text: spoken(message),
                    name: author.name,
                },
                release: None,
                from: Some(fact.leg.clone()),
                told: 0,
            },
        });
    }

    fn meet_customer(&mut self, key: Option<PartyKey>, address: &Personal, name: &Personal) {
        if self.customer.key.is_none() {
            self.customer.key = key;
        }
        if self.customer.address.is_none() {
            self.customer.address = address.clone();
        }
        if self.customer.name.is_none() {
            self.customer.name = name.clone();
        }
    }

    /// Folds one step.
    pub fn fold_step(&mut self, step: &Step, now: Timestamp) {
        match step {
            Step::Event(event) => self.events = self.events.max(event.sequence),
            Step::Decision(decision) => {
                let generation = u32::try_from(self.placements.len()).unwrap_or(u32::MAX).saturating_add(1);
                self.placements.push(Placement {
                    generation,
                    name: decision.target_name.clone(),
                    target: decision.target.clone(),
                    since: now,
                    leg: None,
                    participant: None,
                    stage: Stage::Dispatching,
                    asked: 0,
                    relayed: None,
                });
            }
            Step::Command(command) => {
                let generation = self.generations.entry(command.purpose.0.clone()).or_insert(0);
                *generation = generation.saturating_add(1);
                if let (Action::Inquire { .. }, Some(placement)) = (&command.action, self.placements.last_mut()) {
                    placement.asked = placement.asked.saturating_add(1);
                }
                self.owed.insert(command.id, Arc::clone(command));
            }
            Step::Timer { name, due: Some(due) } => {
                self.timers.insert(name.clone(), *due);
            }
            Step::Timer { name, due: None } => {
                self.timers.remove(name);
            }
            Step::Note(note) => self.fold_note(note, now),
            Step::Forget { secrets } => self.secrets.retain(|name| !secrets.contains(name)),
        }
    }

    fn fold_note(&mut self, note: &Note, now: Timestamp) {
        match note {
            Note::ProfileAsked {} => self.profile = ProfileState::Asked,
            Note::ProfileMissing {} => self.profile = ProfileState::Missing,
            Note::Waiting(held) => self.waiting.push(held.clone()),
            Note::Delivered { keys } => self.waiting.retain(|held| !keys.is_empty() && !keys.contains(&held.key)),
            Note::Dropped { key } => self.waiting.retain(|held| held.key != *key),
            Note::Held(held) => self.held.push(held.clone()),
            Note::Released { keys } => self.held.retain(|held| !keys.contains(&held.key)),
            Note::Relayed { to, at, key, placement } => {
                let at = (*at).min(now);
                let newest = self.relayed.entry(*to).or_insert(at);
                *newest = (*newest).max(at);
                if *to == Side::Agents {
                    self.fold_told(key, *placement, at);
                }
            }
            Note::Doubted {} => self.doubt = Doubt::Away,
            // An agent whose assignment came while the cloud was asked is no doubt that it was asked about.
            Note::Traced {} => self.doubt = if self.assignment.is_some() { Doubt::None } else { Doubt::Asked },
            Note::Assigned { agent, leg } => {
                self.served = true;
                if self.doubt == Doubt::Asked {
                    self.doubt = Doubt::None;
                }
                self.assignment = Some(Assignment {
                    agent: agent.clone(),
                    leg: leg.clone(),
                    address: Personal::NONE,
                    name: Personal::NONE,
                    joined: false,
                });
            }
            Note::AgentIn { address, name, party } => {
                if !self.agent_parties.contains(party) {
                    self.agent_parties.push(*party);
                }
                if let Some(assignment) = &mut self.assignment {
                    assignment.address = address.clone();
                    assignment.name = name.clone();
                    assignment.joined = true;
                }
            }
            Note::AgentOut {} => self.assignment = None,
            Note::PlacementOver { generation } => {
                for placement in self.placements.iter_mut().filter(|placement| placement.generation == *generation) {
                    placement.stage = Stage::Over;
                }
            }
            Note::HubAbsent {} => self.hub_absent = true,
            Note::Closed { reason } => self.closed = Some(Closed { at: now, reason: *reason }),
            Note::AgentWanted { .. }
            | Note::AgentUnwanted { .. }
            | Note::AgentTold { .. }
            | Note::AgentRefused { .. }
            | Note::Parked(_)
            | Note::Unparked { .. } => {}
        }
    }
}

impl Interaction {
    /// A placement has a message of the customer's; once an agent is there it waits no longer.
    fn fold_told(&mut self, key: &str, generation: u32, at: Timestamp) {
        for placement in self.placements.iter_mut().filter(|placement| placement.generation == generation) {
            placement.relayed = placement.relayed.max(Some(at));
        }
        if self.assignment.is_some() {
            self.waiting.retain(|held| held.key != key);
        }
        for held in self.waiting.iter_mut().filter(|held| held.key == key) {
            held.told = generation;
        }
    }
}

fn relay_of(kind: FactKind) -> Option<Relay> {
    match kind {
        FactKind::MessagePosted => Some(Relay::Posted),
        FactKind::MessageEdited => Some(Relay::Edited),
        FactKind::MessageDeleted => Some(Relay::Deleted),
        _ => None,
    }
}

/// What was said, with the names of files that cannot be carried over.
fn spoken(message: &tandem_sdk::model::Message) -> Personal {
    let mut text = match message.content_type {
        ContentType::Attachment => String::new(),
        _ => message.text.reveal().unwrap_or_default().to_owned(),
    };
    for attachment in &message.attachments {
        let line = crate::content::not_carried(attachment);
        text = if text.is_empty() { line } else { format!("{text}\n{line}") };
    }
    Personal::new(text)
}
