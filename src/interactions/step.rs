//! Steps: everything that conduct does, in order. A record holds them; recovery folds them.

use std::fmt::Display;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tandem_sdk::model::{ClosingReason, Command, Event, Fact, InstanceName, LegRef, Personal, Personals};

use super::interaction::Held;
use crate::routing::Decision;

/// One thing that conduct did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// An event was derived.
    Event(Box<Event>),
    /// It was decided where to go.
    Decision(Box<Decision>),
    /// Something is owed.
    Command(Arc<Command>),
    /// A timer is wanted, or wanted no more.
    Timer {
        /// Its name inside the aggregate.
        name: String,
        /// When it is due; `None` cancels.
        due: Option<Timestamp>,
    },
    /// A change of the aggregate that is none of these.
    Note(Box<Note>),
    /// Secrets that are no longer needed leave the vault.
    Forget {
        /// Their names.
        secrets: Vec<String>,
    },
}

/// A change of an aggregate that is no event, decision, command or timer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Note {
    /// The CDP is being asked.
    ProfileAsked {},
    /// The decision need not wait for the CDP any longer.
    ProfileMissing {},
    /// A customer's message is kept until an agent has it.
    Waiting(Held),
    /// An agent has what was waiting.
    Delivered {
        /// The keys of what the agent has; none at all stands for everything.
        #[serde(default)]
        keys: Vec<String>,
    },
    /// Too much waits: the oldest message waits no longer.
    Dropped {
        /// Its key.
        key: String,
    },
    /// A message waits for older ones (`relay.hold`), or for the agent's identity.
    Held(Held),
    /// Messages that were held have gone out.
    Released {
        /// Their keys.
        keys: Vec<String>,
    },
    /// The newest message that went out to a side.
    Relayed {
        /// To which side.
        to: super::Side,
        /// When it had been written.
        at: Timestamp,
        /// Its key.
        #[serde(default)]
        key: String,
        /// The placement that has it, counted from 1; 0 towards the customer.
        #[serde(default)]
        placement: u32,
    },
    /// An agent has it, says the cloud.
    Assigned {
        /// Native id.
        agent: String,
        /// The agents' leg.
        leg: LegRef,
    },
    /// The agent's identity is in the customer's conversation.
    AgentIn {
        /// Its address.
        address: Personal,
        /// Display name.
        name: Personal,
        /// Who, without saying who.
        party: tandem_sdk::model::PartyKey,
    },
    /// The agent has it no longer; the identity is being taken out.
    AgentOut {},
    /// A placement is over.
    PlacementOver {
        /// Which, counted from 1.
        generation: u32,
    },
    /// The hub was found to be no participant.
    HubAbsent {},
    /// The hub was away: a successor may have come unheard.
    Doubted {},
    /// The cloud has told which legs follow the one that ended.
    Traced {},
    /// It is over.
    Closed {
        /// Why.
        reason: ClosingReason,
    },
    /// To the house: somebody waits for this agent.
    AgentWanted {
        /// The agents' cloud.
        instance: InstanceName,
        /// Native id there.
        agent: String,
        /// Who waits.
        interaction: tandem_sdk::model::InteractionId,
    },
    /// To the house: those who waited for this agent have been told.
    AgentTold {
        /// Key of the agent.
        agent: String,
    },
    /// To the house: this interaction waits for no agent any more.
    AgentUnwanted {
        /// Which.
        interaction: tandem_sdk::model::InteractionId,
    },
    /// To the house: the customer's cloud would not make this agent's identity or its token.
    AgentRefused {
        /// Key of the agent.
        agent: String,
        /// Whether its cloud does not know the identity any more.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_gone: bool,
    },
    /// To the house: a fact about an unknown contact waits.
    Parked(Box<Fact>),
    /// To the house: the facts about this contact wait no longer.
    Unparked {
        /// The contact.
        leg: LegRef,
    },
}

impl Personals for Step {
    fn each_personal(&mut self, visit: &mut dyn FnMut(&dyn Display, &mut Personal)) {
        match self {
            Step::Event(event) => event.each_personal(visit),
            Step::Command(command) => Arc::make_mut(command).each_personal(visit),
            Step::Note(note) => match &mut **note {
                Note::Waiting(held) | Note::Held(held) => held.each_personal(visit),
                Note::AgentIn { address, name, .. } => {
                    visit(&"address", address);
                    visit(&"name", name);
                }
                Note::Parked(fact) => fact.each_personal(visit),
                _ => {}
            },
            Step::Decision(_) | Step::Timer { .. } | Step::Forget { .. } => {}
        }
    }
}
