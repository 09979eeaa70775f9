//! How a simulated runtime is set up.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tandem_sdk::sim::{Rates, SimError, TimeScale};
use url::Url;

/// Everything that a simulated runtime is told when it starts. Secrets stand here in plain: a simulator's are made up,
/// and it listens on loopback only.
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
    /// The access key id that is accepted.
    pub access_key_id: String,
    /// The secret that belongs to it.
    pub secret_access_key: String,
    /// The bots.
    pub bots: Vec<BotSettings>,
    /// How many documented seconds pass in one real second. Touches sessions' idle time and code hooks' time-out.
    #[serde(default)]
    pub time_scale: TimeScale,
    /// Which documented quotas hold.
    #[serde(default)]
    pub limits: Limits,
    /// How many calls are taken; Lex documents no rate, only how many may run at once. Absent: any number.
    #[serde(default)]
    pub rate: Option<Rate>,
    /// Most bytes of session attributes, after base64. 12 KB documented for code hooks; that it holds for calls too is
    /// inferred.
    #[serde(default = "default_attribute_bytes")]
    pub session_attribute_bytes: usize,
    /// What asking for a session that is not there is answered with: the guide and the model disagree.
    #[serde(default)]
    pub missing_session: MissingSession,
    /// Sessions that are open at once.
    #[serde(default = "default_sessions")]
    pub sessions: usize,
    /// Entries that the ledger keeps.
    #[serde(default = "default_ledger_entries")]
    pub ledger_entries: usize,
    /// What the ledger holds of what customers say.
    #[serde(default)]
    pub ledger_text: LedgerText,
    /// How often things go wrong; without it nothing does by itself.
    #[serde(default)]
    pub rates: Option<Rates>,
    /// The same seed gives the same faults.
    #[serde(default)]
    pub seed: u64,
    /// How long a request that is swallowed is held before its connection is closed, in real milliseconds.
    #[serde(default = "default_hold_ms")]
    pub hold_ms: u64,
}

/// A bot with its aliases and locales.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BotSettings {
    /// Ten letters and digits.
    pub id: String,
    /// Its name, told to code hooks.
    pub name: String,
    /// Its version, told to code hooks: `DRAFT` or a number.
    #[serde(default = "default_version")]
    pub version: String,
    /// Alias ids (ten letters and digits; `TSTALIASID` is the draft's) and their names.
    pub aliases: BTreeMap<String, String>,
    /// Locales, for example `en_US`.
    #[serde(default = "default_locales")]
    pub locales: Vec<String>,
    /// The file that says what it does.
    pub script: PathBuf,
    /// Seconds after which an unused session is over, 60 to 86 400.
    #[serde(default = "default_idle_seconds")]
    pub idle_seconds: u64,
    /// Who answers its code hooks; without it a hook fails.
    #[serde(default)]
    pub hook: Option<HookSettings>,
}

/// The function that answers code hooks.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HookSettings {
    /// Where the event is posted: https, or http on loopback.
    pub url: Url,
    /// What is sent beside it, for example a credential.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Seconds that the function may take, at most 30.
    #[serde(default = "default_hook_seconds")]
    pub timeout_seconds: u64,
    /// Whether members without a value are null in the event; else they are left out. Both have been seen.
    #[serde(default = "yes")]
    pub explicit_nulls: bool,
    /// What becomes of session attributes that an answer leaves out.
    #[serde(default)]
    pub omitted_attributes: Omitted,
}

/// What becomes of the session attributes when a code hook's answer leaves them out. The guide does not say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Omitted {
    /// They are gone: a hook has to echo what it wants to keep.
    #[default]
    Clear,
    /// They stay.
    Keep,
}

/// Which documented quotas hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limits {
    /// For each alias, 50 texts and 50 session operations at once; 2 of each for `TSTALIASID`.
    #[default]
    Documented,
    /// None.
    Off,
}

/// A token bucket for all calls together.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Calls in a second.
    pub per_second: f64,
    /// Calls at once.
    pub burst: f64,
}

/// The exception for a session that is not there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum MissingSession {
    /// 404, as the service model lists it.
    #[default]
    ResourceNotFoundException,
    /// 400, as the operation's description says.
    BadRequestException,
}

/// What the ledger holds of what customers say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LedgerText {
    /// The first sixteen hex digits of its SHA-256.
    #[default]
    Digest,
    /// The text.
    Text,
}

impl Settings {
    /// Looks for what cannot work.
    pub(super) fn check(&self) -> Result<(), SimError> {
        let ids: HashSet<&str> = self.bots.iter().map(|bot| bot.id.as_str()).collect();
        if ids.len() < self.bots.len() {
            return wrong("bots", "two have the same id");
        }
        if self.rate.is_some_and(|rate| !(rate.per_second > 0.0 && rate.burst >= 1.0)) {
            return wrong("rate", "per_second must be above 0 and burst at least 1");
        }
        self.bots.iter().try_for_each(BotSettings::check)
    }
}

impl BotSettings {
    fn check(&self) -> Result<(), SimError> {
        let ten = |id: &str| id.len() == 10 && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !ten(&self.id) || !self.aliases.keys().all(|alias| ten(alias)) {
            return wrong("bots", "ids of bots and aliases are ten letters and digits");
        }
        if self.aliases.is_empty() || self.locales.is_empty() {
            return wrong("bots", "a bot needs an alias and a locale");
        }
        if !(60..=86_400).contains(&self.idle_seconds) {
            return wrong("idle_seconds", "between 60 and 86400");
        }
        let Some(hook) = &self.hook else { return Ok(()) };
        if !(1..=30).contains(&hook.timeout_seconds) {
            return wrong("hook.timeout_seconds", "between 1 and 30");
        }
        let loopback = matches!(hook.url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        match hook.url.scheme() {
            "https" => Ok(()),
            "http" if loopback => Ok(()),
            _ => wrong("hook.url", "https, or http on loopback"),
        }
    }
}

fn wrong(key: &'static str, problem: &str) -> Result<(), SimError> {
    Err(SimError::Setting { key, problem: problem.to_owned() })
}

fn default_region() -> String {
    "eu-central-1".to_owned()
}

fn default_version() -> String {
    "DRAFT".to_owned()
}

fn default_locales() -> Vec<String> {
    vec!["en_US".to_owned()]
}

fn default_idle_seconds() -> u64 {
    300
}

fn default_hook_seconds() -> u64 {
    30
}

fn default_attribute_bytes() -> usize {
    12 * 1024
}

fn default_sessions() -> usize {
    10_000
}

fn default_ledger_entries() -> usize {
    200_000
}

fn default_hold_ms() -> u64 {
    10_000
}

fn yes() -> bool {
    true
}
