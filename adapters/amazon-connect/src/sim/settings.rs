//! How a simulated instance is set up.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tandem_sdk::sim::{Rates, SimError, TimeScale};
use url::Url;
use uuid::Uuid;

/// Everything that a simulated instance is told when it starts. Secrets stand here in plain: a simulator's are made
/// up, and it listens on loopback only.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where to listen; port 0 picks a free one.
    pub listen: SocketAddr,
    /// The directory of the certificate authority that all simulators and the hub share.
    pub ca: PathBuf,
    /// The AWS region, for example `eu-central-1`.
    #[serde(default = "default_region")]
    pub region: String,
    /// The AWS account, twelve digits.
    #[serde(default = "default_account")]
    pub account: String,
    /// The id of the Connect instance, a UUID.
    pub instance_id: Uuid,
    /// The access key id that the Connect API accepts.
    pub access_key_id: String,
    /// The secret that belongs to it.
    pub secret_access_key: String,
    /// Flow id (a UUID, as in `ContactFlowId`) to the file with the flow. A queue that such a file names by an ARN of
    /// another instance is looked up by its display name, as the flow designer does at import.
    pub flows: BTreeMap<Uuid, PathBuf>,
    /// The instance's queues. Every instance is born with one named `BasicQueue`; it is added when none has that name.
    #[serde(default)]
    pub queues: Vec<QueueSettings>,
    /// The instance's agents.
    #[serde(default)]
    pub agents: Vec<AgentSettings>,
    /// Where contact events go; without it they go nowhere.
    #[serde(default)]
    pub eventbridge: Option<EventBridgeSettings>,
    /// Chat streaming; without it there is no topic, and starting to stream is refused.
    #[serde(default)]
    pub sns: Option<SnsSettings>,
    /// How many documented seconds pass in one real second. Touches the connect deadline, the chat duration and the
    /// retry schedules; not the token lifetime, since its end is told in the answer.
    #[serde(default)]
    pub time_scale: TimeScale,
    /// Which rates and quotas hold.
    #[serde(default)]
    pub limits: Limits,
    /// Real seconds that a connection token lives. One day at AWS.
    #[serde(default = "default_token_seconds")]
    pub connection_token_seconds: u32,
    /// Whether COMPLETED is said when after-contact work is over. AWS sometimes never does for chats.
    #[serde(default = "yes")]
    pub completed_events: bool,
    /// Contacts that are remembered; the oldest ended ones are forgotten beyond it.
    #[serde(default = "default_retained")]
    pub retained_contacts: usize,
    /// Entries that the ledger keeps.
    #[serde(default = "default_ledger_entries")]
    pub ledger_entries: usize,
    /// How often things go wrong; without it nothing does by itself.
    #[serde(default)]
    pub rates: Option<Rates>,
    /// The same seed gives the same faults.
    #[serde(default)]
    pub seed: u64,
    /// How long a request that is swallowed is held before its connection is closed, in real milliseconds. Longer
    /// than the caller's deadline.
    #[serde(default = "default_hold_ms")]
    pub hold_ms: u64,
}

/// A queue.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueSettings {
    /// Its id, a UUID as all queue ids are.
    pub id: Uuid,
    /// Its name, unique in the instance.
    pub name: String,
    /// How many contacts may wait in it; more go down the flow's `QueueAtCapacity` branch.
    #[serde(default)]
    pub max_contacts: Option<u32>,
}

/// An agent, logged in and available from the start.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentSettings {
    /// The user's id, a UUID.
    pub user_id: Uuid,
    /// The login name.
    pub username: String,
    /// What `DescribeUser` says; the first name is also the agent's display name in chats.
    pub first_name: String,
    /// What `DescribeUser` says.
    pub last_name: String,
    /// Names or ids of the queues in the agent's routing profile.
    pub queues: Vec<String>,
    /// Takes an offered contact after so many real milliseconds; `None` waits for `POST /sim/contacts/{id}/accept`.
    #[serde(default)]
    pub auto_accept_ms: Option<u64>,
    /// Ends after-contact work after so many real milliseconds; `None` waits for `POST /sim/contacts/{id}/complete`.
    #[serde(default = "default_after_contact_ms")]
    pub after_contact_ms: Option<u64>,
    /// Chats at a time, 1 to 10; after-contact work counts.
    #[serde(default = "default_max_chats")]
    pub max_chats: u32,
}

/// An EventBridge rule with an API destination as its target.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventBridgeSettings {
    /// The destination's endpoint, https.
    pub url: Url,
    /// What the connection adds.
    pub authorization: Authorization,
    /// How often a failed delivery is tried again, 0 to 185.
    #[serde(default = "default_retries")]
    pub retries: usize,
}

/// The credentials of an EventBridge connection.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Authorization {
    /// One header.
    ApiKey {
        /// The header's name.
        header: String,
        /// Its value.
        value: String,
    },
    /// `Authorization: Basic ...`
    Basic {
        /// The user.
        username: String,
        /// The password.
        password: String,
    },
    /// A bearer token, fetched with client credentials and fetched again after 401 and 407.
    Oauth {
        /// Where tokens are issued.
        token_endpoint: Url,
        /// The client.
        client_id: String,
        /// Its secret.
        client_secret: String,
        /// The scope asked for, when one is.
        #[serde(default)]
        scope: Option<String>,
    },
}

/// An SNS topic for chat streaming and its one HTTPS subscriber.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnsSettings {
    /// The topics, `arn:aws:sns:<region>:<account>:<name>`; standard ones in the instance's region.
    pub topics: Vec<String>,
    /// The subscriber's endpoint, https.
    pub endpoint: Url,
    /// `1` (SHA-1, the default at AWS) or `2` (SHA-256).
    #[serde(default = "default_signature_version")]
    pub signature_version: u8,
    /// Subscribes the endpoint to every topic when the simulator starts; otherwise `POST /sim/subscribe` does.
    #[serde(default = "yes")]
    pub subscribe: bool,
    /// How often an unconfirmed subscription is asked for again, each time with a new token, documented 20 s apart.
    #[serde(default = "default_subscribe_attempts")]
    pub subscribe_attempts: u32,
}

/// Which rates and quotas hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limits {
    /// The documented defaults: 5/s and a burst of 8 for starting chats, 500 active chats, and so on.
    #[default]
    Documented,
    /// A thousand times the documented ones, as an account with raised quotas.
    Raised,
    /// None at all.
    Off,
}

impl Settings {
    /// An instance in the default region and account, with `BasicQueue` and nothing else: no flow, no agent, nobody to
    /// push to, documented limits, real time, no faults.
    #[must_use]
    pub fn new(listen: SocketAddr, ca: PathBuf, instance_id: Uuid, access_key: (String, String)) -> Self {
        let (access_key_id, secret_access_key) = access_key;
        Self {
            listen,
            ca,
            region: default_region(),
            account: default_account(),
            instance_id,
            access_key_id,
            secret_access_key,
            flows: BTreeMap::new(),
            queues: Vec::new(),
            agents: Vec::new(),
            eventbridge: None,
            sns: None,
            time_scale: TimeScale::default(),
            limits: Limits::default(),
            connection_token_seconds: default_token_seconds(),
            completed_events: true,
            retained_contacts: default_retained(),
            ledger_entries: default_ledger_entries(),
            rates: None,
            seed: 0,
            hold_ms: default_hold_ms(),
        }
    }

    /// The instance's ARN.
    #[must_use]
    pub fn instance_arn(&self) -> String {
        format!("arn:aws:connect:{}:{}:instance/{}", self.region, self.account, self.instance_id)
    }

    /// Looks for what cannot work.
    pub(super) fn check(&self) -> Result<(), SimError> {
        let wrong = |key, problem: String| Err(SimError::Setting { key, problem });
        let names: HashSet<&str> = self.queues.iter().map(|queue| queue.name.as_str()).collect();
        let ids: HashSet<Uuid> = self.queues.iter().map(|queue| queue.id).collect();
        if names.len() < self.queues.len() || ids.len() < self.queues.len() {
            return wrong("queues", "two have the same id or name".to_owned());
        }
        let users: HashSet<Uuid> = self.agents.iter().map(|agent| agent.user_id).collect();
        if users.len() < self.agents.len() {
            return wrong("agents", "two have the same user_id".to_owned());
        }
        if self.account.len() != 12 || !self.account.bytes().all(|byte| byte.is_ascii_digit()) {
            return wrong("account", format!("{:?} is not twelve digits", self.account));
        }
        for agent in &self.agents {
            if !(1..=10).contains(&agent.max_chats) {
                return wrong("agents.max_chats", format!("{} is not between 1 and 10", agent.max_chats));
            }
            for queue in &agent.queues {
                if !self.queues.iter().any(|known| known.name == *queue || known.id.to_string() == *queue) {
                    return wrong("agents.queues", format!("{} names {queue:?}, which is no queue", agent.username));
                }
            }
        }
        if let Some(sns) = &self.sns {
            if !(1..=2).contains(&sns.signature_version) {
                return wrong("sns.signature_version", format!("{} is neither 1 nor 2", sns.signature_version));
            }
            let prefix = format!("arn:aws:sns:{}:{}:", self.region, self.account);
            if let Some(topic) = sns.topics.iter().find(|topic| !topic.starts_with(&prefix) || topic.ends_with(".fifo"))
            {
                return wrong("sns.topics", format!("{topic:?} is no standard topic {prefix}<name>"));
            }
        }
        if self.eventbridge.as_ref().is_some_and(|target| target.retries > 185) {
            return wrong("eventbridge.retries", "more than 185".to_owned());
        }
        Ok(())
    }
}

fn default_region() -> String {
    "eu-central-1".to_owned()
}

fn default_account() -> String {
    "111122223333".to_owned()
}

fn default_token_seconds() -> u32 {
    86_400
}

fn default_retained() -> usize {
    50_000
}

#[expect(clippy::unnecessary_wraps, reason = "serde wants the field's type")]
fn default_after_contact_ms() -> Option<u64> {
    Some(200)
}

fn default_max_chats() -> u32 {
    3
}

fn default_retries() -> usize {
    185
}

fn default_ledger_entries() -> usize {
    200_000
}

fn default_hold_ms() -> u64 {
    10_000
}

fn default_signature_version() -> u8 {
    1
}

fn default_subscribe_attempts() -> u32 {
    60
}

fn yes() -> bool {
    true
}
