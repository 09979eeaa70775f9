//! Inputs: everything that can make the desk write a record.

use std::fmt::Display;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tandem_sdk::error::AdapterError;
use tandem_sdk::model::{CommandId, Fact, Identity, InstanceName, InteractionId, Outcome, Personal, Personals};

/// What the desk was given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// A vendor message. Its body is sealed beside the record; its facts are the record's.
    Envelope {
        /// Through which adapter instance.
        instance: InstanceName,
        /// Through which door.
        door: String,
        /// The vendor's kind, where it was seen.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kind: Option<String>,
        /// Dedupe keys, scoped to the instance.
        dedupe: Vec<String>,
        /// How the sender was verified.
        origin: Vec<String>,
        /// Content hash of the mappings that decoded it.
        mapping: String,
        /// What came of decoding.
        understood: Understood,
    },
    /// What came of a command.
    Outcome {
        /// The command.
        command: CommandId,
        /// What the cloud answered, or why it will not be tried again.
        result: Result<Outcome, AdapterError>,
        /// Whether a read-back could not rule out that it was sent before, and it was sent again.
        #[serde(default)]
        repeated: bool,
    },
    /// A timer that fired.
    Timer {
        /// Its name.
        name: String,
        /// When it was due.
        due: Timestamp,
    },
    /// A verified caller asks for a chat.
    Chat(Box<ChatRequest>),
    /// The hub started: whatever is open is doubted and caught up with.
    Resumed {},
    /// To the house: an interaction needs this agent's identity.
    AgentNeeded {
        /// The agents' cloud.
        instance: InstanceName,
        /// Native id there.
        agent: String,
        /// Who needs it.
        interaction: InteractionId,
    },
    /// To the house: an interaction that waited for agents is closed.
    AgentUnneeded {
        /// Which.
        interaction: InteractionId,
    },
    /// To an interaction: the agent can join.
    AgentReady {
        /// Native id.
        agent: String,
        /// Identity in the customer's cloud.
        address: Personal,
        /// Display name.
        name: Personal,
        /// Who, without saying who.
        party: tandem_sdk::model::PartyKey,
    },
    /// To the house: a token was not accepted.
    TokenRejected {
        /// Its name in the vault.
        secret: String,
    },
    /// To an interaction: the customer's token has little life left, and somebody asks for it.
    TokenStale {},
    /// Facts that came another way than by an envelope of their own: asked for, or parked until now.
    Learned {},
    /// To the house: a subscription wants to be confirmed; the address is in the vault.
    ConfirmationAsked {
        /// Through which adapter instance.
        instance: InstanceName,
        /// Topic.
        topic: String,
        /// Name of the address in the vault.
        secret: String,
    },
    /// Somebody sends a dead command back.
    Redriven {
        /// The command.
        command: CommandId,
        /// After this it is no longer worth trying.
        expires_at: Timestamp,
        /// Its new place in its lane.
        order: u64,
    },
    /// Somebody had the personal data of these subjects erased.
    Erased {
        /// Whose.
        subjects: Vec<tandem_sdk::model::SubjectId>,
    },
    /// Rules are in force from here on.
    Activated {
        /// Content hash of the rules.
        rules: String,
    },
}

/// What came of decoding an envelope.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Understood {
    /// Facts; they stand in the record.
    Facts,
    /// Nothing that we use.
    Ignored {
        /// Why.
        reason: String,
        /// Whether nobody ever described this kind.
        unknown: bool,
    },
    /// Not what it says it is; it is in quarantine.
    Malformed {
        /// Where and what.
        problem: String,
    },
}

/// A verified caller's wish for a chat.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ChatRequest {
    /// The caller's idempotency key: the same key gets the same chat. The desk replaces it by its keyed digest.
    pub key: String,
    /// Who the customer is by the caller's word, without saying who. Filled in by the desk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub party: Option<tandem_sdk::model::PartyKey>,
    /// Display name.
    #[serde(default, skip_serializing_if = "Personal::is_none")]
    pub name: Personal,
    /// Subject line.
    #[serde(default, skip_serializing_if = "Personal::is_none")]
    pub topic: Personal,
    /// Language, BCP 47.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// How the customer is recognised, verified by the caller.
    pub identities: Vec<Identity>,
    /// What the caller knows besides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<tandem_sdk::model::Attribute>,
    /// The customer's identity in the chat cloud, if they have one from an earlier chat.
    #[serde(default, skip_serializing_if = "Personal::is_none")]
    pub known_address: Personal,
}

/// Which aggregate a record belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// One interaction.
    Interaction(InteractionId),
    /// The house.
    House,
    /// Nobody: kept, counted, visible.
    Nobody,
}

impl Personals for Input {
    fn each_personal(&mut self, visit: &mut dyn FnMut(&dyn Display, &mut Personal)) {
        match self {
            Input::Outcome { result: Ok(outcome), .. } => outcome.each_personal(visit),
            Input::Chat(request) => {
                visit(&"name", &mut request.name);
                visit(&"topic", &mut request.topic);
                visit(&"known_address", &mut request.known_address);
                for (n, identity) in request.identities.iter_mut().enumerate() {
                    visit(&format_args!("identities.{n}"), &mut identity.value);
                }
                for attribute in &mut request.attributes {
                    visit(&format_args!("attributes.{}", attribute.name), &mut attribute.value);
                }
            }
            Input::AgentReady { address, name, .. } => {
                visit(&"address", address);
                visit(&"name", name);
            }
            _ => {}
        }
    }
}

/// The facts of an outcome are applied like those of an envelope.
impl Input {
    /// Takes the facts out of an observing outcome.
    pub fn take_facts(&mut self) -> Vec<Fact> {
        match self {
            Input::Outcome { result: Ok(Outcome::Observed { facts }), .. } => std::mem::take(facts),
            _ => Vec::new(),
        }
    }
}
