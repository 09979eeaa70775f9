//! Commands: what we owe a cloud. One command is one call of one vendor operation.

use std::collections::BTreeMap;
use std::fmt::Display;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{CommandId, ContentType, Identity, InstanceName, LegRef, Personal, Personals};
use crate::secret::SecretRole;

/// One thing owed to a cloud, written in the commit that decided it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Command {
    /// Derived from (interaction, purpose, generation); idempotency token and marker at the cloud.
    pub id: CommandId,
    /// Where it waits. Of one lane only the head is in flight, so a lane keeps its order.
    pub lane: Lane,
    /// The adapter instance that carries it.
    pub instance: InstanceName,
    /// What it is for, inside its interaction.
    pub purpose: Purpose,
    /// What to do.
    pub action: Action,
    /// Secrets that the call needs: role → name in the vault.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub uses: BTreeMap<SecretRole, String>,
    /// Secrets that the call yields: role → name to keep it under.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keeps: BTreeMap<SecretRole, String>,
    /// Position in the log that owed it: orders its lane after a restart.
    pub order: u64,
    /// When it was owed: its effect cannot be older. Commands of earlier logs do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owed_at: Option<Timestamp>,
    /// After this it is no longer worth trying: the command dies and says so.
    pub expires_at: Timestamp,
}

impl Personals for Command {
    fn each_personal(&mut self, visit: &mut dyn FnMut(&dyn Display, &mut Personal)) {
        self.action.each_personal(visit);
    }
}

/// The order that a command keeps: one leg in one direction, or one agent's set-up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lane(pub String);

/// What a command is for, for instance `place` or `say/1716300000000/1`. Unique together with its generation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Purpose(pub String);

/// What to do at a cloud.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Make an identity for a person who has none in this cloud yet.
    Identify {},
    /// Get a token with which the identity at `address` can speak. Keeps [`SecretRole::UserToken`].
    IssueToken {
        /// The identity.
        address: Personal,
    },
    /// Open a conversation with these members. The speaker (its token is in `uses`) becomes a member too.
    Open {
        /// Subject line.
        topic: Personal,
        /// Who else is in it.
        members: Vec<Member>,
    },
    /// Bring a person into a conversation.
    Join {
        /// The conversation.
        leg: LegRef,
        /// The person.
        member: Member,
    },
    /// Take a person out of a conversation.
    Leave {
        /// The conversation.
        leg: LegRef,
        /// The person's native address.
        address: Personal,
    },
    /// Write a message.
    Say {
        /// The conversation.
        leg: LegRef,
        /// Whose voice it is.
        speaker: Speaker,
        /// What to say.
        content: Content,
    },
    /// Start a contact that an agent can take.
    Place {
        /// Where it should go.
        target: Target,
        /// The customer's display name. Never empty.
        name: Personal,
        /// What the flow and the agent get to know.
        attributes: Vec<Attribute>,
    },
    /// Have what happens on the leg reported to us.
    Listen {
        /// The leg.
        leg: LegRef,
    },
    /// Enter the leg as the customer. Uses [`SecretRole::ParticipantToken`], keeps [`SecretRole::ConnectionToken`].
    Enter {
        /// The leg.
        leg: LegRef,
    },
    /// Leave the leg as the customer, which ends it.
    End {
        /// The leg.
        leg: LegRef,
    },
    /// Ask what became of the leg.
    Inquire {
        /// The leg.
        leg: LegRef,
    },
    /// Ask which legs follow the leg, now that it is over.
    Trace {
        /// The leg.
        leg: LegRef,
    },
    /// Ask what was said and who came and went on the leg.
    Recall {
        /// The leg.
        leg: LegRef,
        /// Only what happened at or after this; everything when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<Timestamp>,
    },
    /// Ask who an agent is.
    Describe {
        /// The agent's native id.
        agent: String,
    },
    /// Confirm a subscription to us. Uses [`SecretRole::ConfirmUrl`].
    Confirm {
        /// Topic, for people who read the log.
        topic: String,
    },
    /// Ask the CDP who somebody is.
    Lookup {
        /// How we recognise them.
        identities: Vec<Identity>,
    },
}

impl Action {
    /// The name of the action, for instance `place`.
    pub fn name(&self) -> &'static str {
        match self {
            Action::Identify {} => "identify",
            Action::IssueToken { .. } => "issue_token",
            Action::Open { .. } => "open",
            Action::Join { .. } => "join",
            Action::Leave { .. } => "leave",
            Action::Say { .. } => "say",
            Action::Place { .. } => "place",
            Action::Listen { .. } => "listen",
            Action::Enter { .. } => "enter",
            Action::End { .. } => "end",
            Action::Inquire { .. } => "inquire",
            Action::Trace { .. } => "trace",
            Action::Recall { .. } => "recall",
            Action::Describe { .. } => "describe",
            Action::Confirm { .. } => "confirm",
            Action::Lookup { .. } => "lookup",
        }
    }

    /// The leg that the action is about, where it is about one.
    pub fn leg(&self) -> Option<&LegRef> {
        match self {
            Action::Join { leg, .. }
            | Action::Leave { leg, .. }
            | Action::Say { leg, .. }
            | Action::Listen { leg }
            | Action::Enter { leg }
            | Action::End { leg }
            | Action::Inquire { leg }
            | Action::Trace { leg }
            | Action::Recall { leg, .. } => Some(leg),
            Action::Identify {}
            | Action::IssueToken { .. }
            | Action::Open { .. }
            | Action::Place { .. }
            | Action::Describe { .. }
            | Action::Confirm { .. }
            | Action::Lookup { .. } => None,
        }
    }
}

impl Personals for Action {
    fn each_personal(&mut self, visit: &mut dyn FnMut(&dyn Display, &mut Personal)) {
        match self {
            Action::IssueToken { address } | Action::Leave { address, .. } => visit(&"address", address),
            Action::Open { topic, members } => {
                visit(&"topic", topic);
                for (n, member) in members.iter_mut().enumerate() {
                    visit(&format_args!("members.{n}.address"), &mut member.address);
                    visit(&format_args!("members.{n}.name"), &mut member.name);
                }
            }
            Action::Join { member, .. } => {
                visit(&"member.address", &mut member.address);
                visit(&"member.name", &mut member.name);
            }
            Action::Say { content, .. } => {
                visit(&"content.text", &mut content.text);
                visit(&"content.name", &mut content.name);
            }
            Action::Place { name, attributes, .. } => {
                visit(&"name", name);
                for attribute in attributes {
                    visit(&format_args!("attributes.{}", attribute.name), &mut attribute.value);
                }
            }
            Action::Lookup { identities } => {
                for (n, identity) in identities.iter_mut().enumerate() {
                    visit(&format_args!("identities.{n}"), &mut identity.value);
                }
            }
            Action::Identify {}
            | Action::Listen { .. }
            | Action::Enter { .. }
            | Action::End { .. }
            | Action::Inquire { .. }
            | Action::Trace { .. }
            | Action::Recall { .. }
            | Action::Describe { .. }
            | Action::Confirm { .. } => {}
        }
    }
}

/// A person in a conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// Native address.
    pub address: Personal,
    /// Display name. Never empty.
    pub name: Personal,
}

/// Whose voice a message has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    /// The customer's, towards the agents' cloud.
    Customer,
    /// The agent's, towards the customer.
    Agent,
    /// This hub's.
    Hub,
}

/// What to say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Content {
    /// Only forms that the receiving side can carry.
    pub content_type: ContentType,
    /// The text, within the receiving side's limit.
    pub text: Personal,
    /// Name to show beside it, where that cloud takes one.
    #[serde(default, skip_serializing_if = "Personal::is_none")]
    pub name: Personal,
}

/// Where an interaction should go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The adapter instance that can place there.
    pub instance: InstanceName,
    /// The flow that takes it (Connect contact flow id).
    pub flow: String,
    /// The queue that it should wait in (native id).
    pub queue: String,
    /// The attribute that the flow reads the queue from.
    pub queue_attribute: String,
    /// Smaller is served first; absent leaves it to the cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u32>,
}

/// A name and a value that the flow and the agent get to know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attribute {
    /// Letters, digits, `-` and `_`.
    pub name: String,
    /// The value.
    pub value: Personal,
}

/// What repeating a command does at its cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectClass {
    /// The cloud takes an idempotency token: repeating returns the first result.
    Token,
    /// Repeating is harmless.
    Natural,
    /// Nothing protects it: after an unknown outcome it is looked for before it is sent again.
    ReadBack,
}
