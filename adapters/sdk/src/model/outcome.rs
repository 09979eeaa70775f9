//! Outcomes: what came of a command. An outcome is an input to the desk like any other.

use std::fmt::Display;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Fact, LegRef, Personal, Personals, Profile};
use crate::secret::{Secret, SecretRole};

/// What a cloud answered to a command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Nothing more to say than that it is done.
    Done {},
    /// An identity was made.
    Identified {
        /// Its native address.
        address: Personal,
    },
    /// A token was issued; its value is in [`Carried::secrets`].
    Issued {
        /// When it stops working.
        expires_at: Timestamp,
    },
    /// A conversation was opened.
    Opened {
        /// The new leg.
        leg: LegRef,
        /// How many of the members the cloud did not accept.
        refused: u32,
    },
    /// A contact was started.
    Placed {
        /// The new leg.
        leg: LegRef,
        /// Our own participant id on it, as the customer.
        participant: String,
    },
    /// A message was written, or found by read-back.
    Said {
        /// Its native id.
        message: String,
        /// When, by the cloud's clock, if it says so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<Timestamp>,
    },
    /// What the cloud says is the case. The facts are applied like those of an envelope.
    Observed {
        /// The facts, oldest first.
        facts: Vec<Fact>,
    },
    /// Who an agent is.
    Described {
        /// The agent's display name.
        name: Personal,
    },
    /// What the CDP knows; nothing when it does not know them.
    Profile {
        /// The profile.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        found: Option<Profile>,
    },
}

impl Personals for Outcome {
    fn each_personal(&mut self, visit: &mut dyn FnMut(&dyn Display, &mut Personal)) {
        match self {
            Outcome::Identified { address } => visit(&"address", address),
            Outcome::Described { name } => visit(&"name", name),
            Outcome::Profile { found: Some(profile) } => profile.each_personal(visit),
            Outcome::Observed { facts } => {
                for (n, fact) in facts.iter_mut().enumerate() {
                    fact.each_personal(&mut |name, value| visit(&format_args!("facts.{n}.{name}"), value));
                }
            }
            Outcome::Done {}
            | Outcome::Issued { .. }
            | Outcome::Opened { .. }
            | Outcome::Placed { .. }
            | Outcome::Said { .. }
            | Outcome::Profile { found: None } => {}
        }
    }
}

/// An outcome together with the secrets that came with it. The secrets go to the vault, never into the log.
#[derive(Clone, Debug)]
pub struct Carried {
    /// What came of it.
    pub outcome: Outcome,
    /// Secrets by role; the command says under which name each is kept.
    pub secrets: Vec<(SecretRole, Secret)>,
}

impl From<Outcome> for Carried {
    fn from(outcome: Outcome) -> Self {
        Carried { outcome, secrets: Vec::new() }
    }
}
