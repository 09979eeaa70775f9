//! How a simulator is set up.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tandem_sdk::sim::Rates;

use super::script::Mode;

/// Everything that a simulator is told when it starts. The secret stands here in plain: it is made up, and a simulator
/// listens on loopback only.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where to listen; port 0 picks a free one.
    pub listen: SocketAddr,
    /// The directory of the certificate authority that all simulators and the hub share.
    pub authority: PathBuf,
    /// The client that may have tokens.
    #[serde(default = "default_client_id")]
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// The scopes that the client may have. A token without any of them may not read profiles. Empty: scopes do not count.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Real seconds that a token lives.
    #[serde(default = "default_token_seconds")]
    pub token_seconds: u64,
    /// A file with scripted profiles, TOML or JSON by its name; see [`Script`](super::Script).
    #[serde(default)]
    pub profiles: Option<PathBuf>,
    /// How it behaves until it is told otherwise.
    #[serde(default)]
    pub mode: Mode,
    /// Real milliseconds that a silent request is held before its connection is closed. Longer than any deadline.
    #[serde(default = "default_hold_ms")]
    pub hold_ms: u64,
    /// The same seed gives the same faults.
    #[serde(default)]
    pub seed: u64,
    /// How often each fault happens; absent: nothing goes wrong by itself.
    #[serde(default)]
    pub rates: Option<Rates>,
}

impl Settings {
    /// A simulator on a free port that knows nobody.
    #[must_use]
    pub fn new(authority: impl Into<PathBuf>, client_secret: impl Into<String>) -> Self {
        Settings {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            authority: authority.into(),
            client_id: default_client_id(),
            client_secret: client_secret.into(),
            scopes: Vec::new(),
            token_seconds: default_token_seconds(),
            profiles: None,
            mode: Mode::default(),
            hold_ms: default_hold_ms(),
            seed: 0,
            rates: None,
        }
    }
}

fn default_client_id() -> String {
    "tandem".to_owned()
}

fn default_token_seconds() -> u64 {
    3_600
}

fn default_hold_ms() -> u64 {
    10_000
}
