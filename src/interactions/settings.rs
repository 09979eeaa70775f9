//! How journeys are led: `[journey]` in the config.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use tandem_sdk::model::InstanceName;

/// How journeys are led.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The adapter instance through which customers chat.
    pub customer: InstanceName,
    /// How long a decision waits for the profile.
    pub profile_deadline: SignedDuration,
    /// When a placement without an agent is asked about for the first time; every further question waits twice as long.
    pub overdue: SignedDuration,
    /// Longest time between two such questions.
    pub overdue_most: SignedDuration,
    /// How long a customer waits in one queue before the fallback, or the end.
    pub patience: SignedDuration,
    /// How long after the last agents' leg ended an interaction waits for a successor.
    pub grace: SignedDuration,
    /// How long a conversation with an agent may be silent before the cloud is asked whether it still stands.
    pub silence: SignedDuration,
    /// How long a chat in which the customer wrote nothing yet stays open.
    pub idle: SignedDuration,
    /// How long a message waits for older ones that may still come. Zero relays at once.
    pub hold: SignedDuration,
    /// How long a fact about an unknown contact waits while a placement is on its way.
    pub park: SignedDuration,
    /// Facts that may wait so at once; more are adopted without waiting.
    pub parked_most: usize,
    /// How long a command is worth trying.
    pub command_life: SignedDuration,
    /// Messages kept for an agent who has not come yet; older ones fall out, visibly.
    pub waiting_most: usize,
    /// Name of a customer whose name nobody knows.
    pub customer_name: String,
    /// Name of an agent whose name nobody knows.
    pub agent_name: String,
    /// Name under which the hub speaks.
    pub hub_name: String,
    /// Attributes that the flow and the agent get from a verified chat request, by name. Others stay here.
    pub attributes: Vec<String>,
    /// What the hub says.
    pub texts: Texts,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            customer: InstanceName::from("acs"),
            profile_deadline: SignedDuration::from_millis(300),
            overdue: SignedDuration::from_secs(30),
            overdue_most: SignedDuration::from_mins(5),
            patience: SignedDuration::from_mins(15),
            grace: SignedDuration::from_secs(20),
            silence: SignedDuration::from_mins(10),
            idle: SignedDuration::from_hours(24),
            hold: SignedDuration::ZERO,
            park: SignedDuration::from_secs(10),
            parked_most: 10_000,
            command_life: SignedDuration::from_mins(10),
            waiting_most: 200,
            customer_name: "Customer".into(),
            agent_name: "Agent".into(),
            hub_name: "Assistant".into(),
            attributes: Vec::new(),
            texts: Texts::default(),
        }
    }
}

/// What the hub says. An empty text is not said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Texts {
    /// When waiting starts.
    pub waiting: String,
    /// When an agent joins; `{agent}` is the agent's name.
    pub greeting: String,
    /// When nobody came in time.
    pub nobody: String,
    /// When the agents' cloud refused.
    pub refused: String,
    /// When the conversation is over.
    pub closing: String,
    /// Put before a message that is older than one relayed before it.
    pub late: String,
    /// Put before the new text of an edited message.
    pub edited: String,
    /// Said in place of a message that was taken back.
    pub deleted: String,
}

impl Default for Texts {
    fn default() -> Self {
        Texts {
            waiting: "Thank you. We are looking for somebody who can help you.".into(),
            greeting: "You are now talking to {agent}.".into(),
            nobody: "I am sorry, nobody is free right now. Please write again later.".into(),
            refused: "I am sorry, we cannot connect you at the moment. Please write again later.".into(),
            closing: "This conversation has ended. Write again at any time to start a new one.".into(),
            late: "(sent earlier) ".into(),
            edited: "(corrected) ".into(),
            deleted: "(a message was taken back)".into(),
        }
    }
}
