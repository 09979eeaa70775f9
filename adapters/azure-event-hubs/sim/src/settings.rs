//! How the simulator is set up.

use std::collections::HashSet;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use tandem_sdk::sim::Rates;

use crate::error::Error;

/// The consumer group that every hub has.
pub const DEFAULT_GROUP: &str = "$Default";
/// Partitions that a hub of a dedicated cluster may have at most (Event Hubs quotas).
const MAX_PARTITIONS: u32 = 1_024;
/// A transfer that nobody needs to be longer, in bytes.
const LONGEST_MESSAGE: u64 = 64 << 20;

/// Everything that the simulator is told when it starts. Keys stand here in plain: they are made up, and a simulator
/// listens on loopback only.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where AMQP is spoken; port 0 picks a free one. Loopback only.
    #[serde(default = "free_port")]
    pub listen: SocketAddr,
    /// Where the control routes are served, plain HTTP; port 0 picks a free one. Loopback only.
    #[serde(default = "free_port")]
    pub control: SocketAddr,
    /// The namespace, bare (`tandem`) or as a whole host name (`tandem.servicebus.windows.net`). Tokens are good for
    /// this name and for the names of the loopback.
    pub namespace: String,
    /// Shared access policies.
    #[serde(default)]
    pub rules: Vec<SasRule>,
    /// Tokens of an identity provider; absent: none is good.
    #[serde(default)]
    pub jwt: Option<JwtIssuer>,
    /// The hubs, at least one.
    pub hubs: Vec<HubSettings>,
    /// How much it takes and keeps.
    #[serde(default)]
    pub bounds: Bounds,
    /// Real milliseconds before anything is settled. Without them a client that notes a delivery only after it has
    /// sent it misses the answer: over loopback it comes too soon.
    #[serde(default = "default_settle_delay_ms")]
    pub settle_delay_ms: u64,
    /// The same seed gives the same faults.
    #[serde(default)]
    pub seed: u64,
    /// How often each fault happens; absent: nothing goes wrong by itself.
    #[serde(default)]
    pub rates: Option<Rates>,
}

/// A shared access policy.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SasRule {
    /// Its name: `skn` of a token.
    pub name: String,
    /// Its key, used as the bytes of this text.
    pub key: String,
    /// What it allows.
    pub rights: Vec<Right>,
}

/// What a token may allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    /// Attaching a sender.
    Send,
    /// Attaching a receiver.
    Listen,
    /// Both, and whatever a namespace's owner may do.
    Manage,
}

/// Whose tokens are good.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JwtIssuer {
    /// What `iss` must be.
    pub issuer: String,
    /// What `aud` must be; `https://eventhubs.azure.net` in the service. A slash at the end does not count.
    pub audience: String,
    /// The public keys.
    pub keys: Vec<JwtKey>,
    /// What such a token allows, for lack of role assignments.
    #[serde(default = "both_rights")]
    pub rights: Vec<Right>,
}

/// An RSA key as it stands in a JWKS document (RFC 7517).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JwtKey {
    /// Its name, which a token's header gives.
    pub kid: String,
    /// The modulus, base64url.
    pub n: String,
    /// The exponent, base64url.
    pub e: String,
    /// `RSA`, where it is given.
    #[serde(default)]
    pub kty: Option<String>,
    /// `RS256`, where it is given.
    #[serde(default)]
    pub alg: Option<String>,
    /// `sig`, where it is given.
    #[serde(default, rename = "use")]
    pub purpose: Option<String>,
}

/// One hub.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HubSettings {
    /// Its name.
    pub name: String,
    /// How many partitions it has; their ids are 0, 1 and so on.
    #[serde(default = "default_partitions")]
    pub partitions: u32,
    /// Its consumer groups beside `$Default`.
    #[serde(default)]
    pub consumer_groups: Vec<String>,
    /// Events that a partition keeps. The oldest go, and the beginning moves with them.
    #[serde(default = "default_retention")]
    pub retention: usize,
}

/// How much the simulator takes and keeps.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bounds {
    /// Connections at once; more are closed at once.
    pub connections: usize,
    /// Links of one connection; more are refused with `amqp:resource-limit-exceeded`.
    pub links: usize,
    /// Paths of one connection for which it may hold tokens.
    pub grants: usize,
    /// Bytes of one transfer, which may be a batch: 1 MiB in the standard tier.
    pub message_bytes: u64,
    /// Deliveries of one reader that are followed until it settles them; older ones are not waited for. The AMQP library
    /// itself keeps what a reader never settles until the link ends.
    pub unsettled: usize,
    /// Entries of the ledger; the oldest fall out.
    pub ledger_entries: usize,
    /// Bytes of a body that the ledger tells.
    pub ledger_body_bytes: usize,
    /// Milliseconds that a connection may take until it is open.
    pub open_within_ms: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds {
            connections: 1_000,
            links: 1_000,
            grants: 1_000,
            message_bytes: 1 << 20,
            unsettled: 2_000,
            ledger_entries: 200_000,
            ledger_body_bytes: 4_096,
            open_within_ms: 60_000,
        }
    }
}

impl Settings {
    /// A simulator on free ports with one policy that may do everything and one hub of two partitions.
    #[must_use]
    pub fn new(namespace: impl Into<String>, key: impl Into<String>, hub: impl Into<String>) -> Self {
        let all = vec![Right::Send, Right::Listen, Right::Manage];
        Settings {
            listen: free_port(),
            control: free_port(),
            namespace: namespace.into(),
            rules: vec![SasRule { name: "RootManageSharedAccessKey".to_owned(), key: key.into(), rights: all }],
            jwt: None,
            hubs: vec![HubSettings::new(hub)],
            bounds: Bounds::default(),
            settle_delay_ms: default_settle_delay_ms(),
            seed: 0,
            rates: None,
        }
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let wrong = |key, problem: &str| Err(Error::Setting { key, problem: problem.to_owned() });
        for addr in [self.listen, self.control] {
            if !addr.ip().is_loopback() {
                return Err(Error::NotLoopback(addr));
            }
        }
        if self.namespace.is_empty() || self.namespace.contains(['/', ':']) {
            return wrong("namespace", "wanted a name without scheme and port");
        }
        if self.hubs.is_empty() {
            return wrong("hubs", "there is none, wanted at least one");
        }
        let mut names = HashSet::new();
        for hub in &self.hubs {
            if hub.name.is_empty() || hub.name.starts_with('$') || hub.name.contains(['/', '?', '#']) {
                return wrong("hubs.name", "wanted a name without slashes that does not begin with $");
            }
            if !names.insert(hub.name.to_ascii_lowercase()) {
                return wrong("hubs.name", "two hubs have one name; case does not count");
            }
            if hub.partitions == 0 || hub.partitions > MAX_PARTITIONS {
                return wrong("hubs.partitions", "wanted 1 to 1024");
            }
            if hub.retention == 0 {
                return wrong("hubs.retention", "wanted at least one event");
            }
        }
        if self.rules.iter().any(|rule| rule.name.is_empty() || rule.key.is_empty()) {
            return wrong("rules", "a policy has a name and a key");
        }
        if self.bounds.message_bytes > LONGEST_MESSAGE {
            return wrong("bounds.message_bytes", "wanted at most 64 MiB");
        }
        if self.bounds.message_bytes == 0 || self.bounds.connections == 0 || self.bounds.unsettled == 0 {
            return wrong("bounds", "wanted at least one of each");
        }
        Ok(())
    }
}

impl HubSettings {
    /// A hub of two partitions and the default consumer group.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        HubSettings {
            name: name.into(),
            partitions: default_partitions(),
            consumer_groups: Vec::new(),
            retention: default_retention(),
        }
    }
}

fn free_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn default_settle_delay_ms() -> u64 {
    3
}

fn default_partitions() -> u32 {
    2
}

fn default_retention() -> usize {
    10_000
}

fn both_rights() -> Vec<Right> {
    vec![Right::Send, Right::Listen]
}
