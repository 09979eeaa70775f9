//! What a simulator is told at its start.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use tandem_sdk::sim::{Rates, SimError, TimeScale};
use url::Url;
use uuid::Uuid;

/// What a simulator is told at its start.
#[derive(Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where to listen; loopback only, port 0 for a free one.
    pub listen: SocketAddr,
    /// The directory of the certificate authority that everybody in the play trusts.
    pub ca: PathBuf,
    /// DNS names and addresses in the server's certificate.
    pub names: Vec<String>,
    /// The resource's name, last part of the topic of its events.
    pub resource: String,
    /// The resource's immutable id, part of every identity.
    pub resource_id: Uuid,
    /// The resource's access key, base64.
    pub access_key: String,
    /// Identities that exist from the start, so that a caller may know them without having created them.
    pub identities: Vec<String>,
    /// Who is told about events.
    pub subscriptions: Vec<Subscription>,
    /// Signs deliveries with a token of this tenant, where given.
    pub entra: Option<Entra>,
    /// Compresses token lifetimes and Event Grid's durations. Rate limits keep to real time.
    pub time_scale: TimeScale,
    /// Where faults are drawn from.
    pub seed: u64,
    /// How often faults are drawn; never when left out.
    pub rates: Option<Rates>,
    /// Whether Event Grid may lose an event for good (documented: it does not).
    pub lossy: bool,
    /// Which rate limits are enforced.
    pub limits: LimitMode,
    /// The page size of lists that ask for none. The service was seen to give about six messages.
    pub page_size: usize,
    /// How far the date of a signed request may be off, in real seconds.
    pub date_tolerance_seconds: u64,
    /// How long a request swallowed by a fault is held, in real milliseconds.
    pub hold_ms: u64,
    /// Delivery attempts of Event Grid, 1 to 30.
    pub max_delivery_attempts: u32,
    /// How old an event may become before Event Grid gives up, in documented minutes, 1 to 1440.
    pub time_to_live_minutes: u64,
    /// How much is kept.
    pub bounds: Bounds,
}

/// How much a simulator keeps. What comes after is answered with 503, except in the ledger, where the oldest falls out.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bounds {
    /// Identities.
    pub identities: usize,
    /// Threads.
    pub threads: usize,
    /// Messages of one thread, system messages included.
    pub messages_per_thread: usize,
    /// Answers kept for repeated requests; the oldest is forgotten.
    pub repeatable: usize,
    /// Entries of the ledger.
    pub ledger: usize,
    /// Events of one subscription that wait for its handshake or its turn. Where half as many wait for their turn, calls
    /// are answered with 503; what comes beyond all of it is dropped and entered as such.
    pub waiting_events: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            identities: 200_000,
            threads: 100_000,
            messages_per_thread: 10_000,
            repeatable: 100_000,
            ledger: 400_000,
            waiting_events: 64_000,
        }
    }
}

/// One event subscription with a webhook as its end.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subscription {
    /// Its name; the site of its faults is `event-grid NAME`.
    pub name: String,
    /// The webhook, https, with the query secret where there is one.
    pub url: Url,
    /// The shape of what is delivered.
    #[serde(default)]
    pub schema: Schema,
    /// `maxEventsPerBatch`, 1 to 5000. More than one switches output batching on.
    #[serde(default = "one")]
    pub max_events_per_batch: usize,
    /// Which of the two families it wants.
    #[serde(default = "both_families")]
    pub families: Vec<Family>,
    /// Which event types it wants, without the prefix `Microsoft.Communication.`; all when empty.
    #[serde(default)]
    pub event_types: Vec<String>,
    /// Static delivery headers, at most ten; names must not begin with `aeg-`.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// Whether deliveries and handshakes carry a token of [`Settings::entra`].
    #[serde(default)]
    pub bearer: bool,
    /// Whether events that are given up are kept as dead letters.
    #[serde(default)]
    pub dead_letter: bool,
}

fn one() -> usize {
    1
}

fn both_families() -> Vec<Family> {
    vec![Family::Thread, Family::User]
}

/// The shape of deliveries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schema {
    /// Event Grid's own: always an array.
    #[default]
    EventGrid,
    /// CloudEvents 1.0: one object, or an array with batching.
    CloudEvents,
}

/// ACS tells every chat occurrence twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Once for the thread, the sender's own messages included.
    Thread,
    /// Once for each participant other than who did it.
    User,
}

/// The Entra tenant in whose name deliveries are signed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entra {
    /// Tenant id; its keys are served under `/{tenant}/discovery/v2.0/keys`.
    pub tenant: String,
    /// `aud`: the application id or App ID URI configured on the subscription.
    pub audience: String,
    /// The role made for Event Grid; the tutorial's name when left out.
    #[serde(default = "tutorial_role")]
    pub role: String,
    /// Which version of tokens.
    #[serde(default)]
    pub issuer: Issuer,
}

fn tutorial_role() -> String {
    "AzureEventGridSecureWebhookSubscriber".to_owned()
}

/// Entra's two versions of tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Issuer {
    /// `https://sts.windows.net/{tenant}/`, caller in `appid`.
    #[default]
    V1,
    /// `https://login.microsoftonline.com/{tenant}/v2.0`, caller in `azp`.
    V2,
}

/// Which rate limits are enforced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LimitMode {
    /// The documented ones.
    #[default]
    Documented,
    /// The documented ones times this.
    Raised(f64),
    /// None.
    Off,
}

impl FromStr for LimitMode {
    type Err = SimError;

    /// `documented`, `off`, or the factor that raises them.
    fn from_str(text: &str) -> Result<Self, SimError> {
        match (text, text.parse::<f64>()) {
            ("documented", _) => Ok(Self::Documented),
            ("off", _) => Ok(Self::Off),
            (_, Ok(factor)) if factor.is_finite() && factor > 0.0 => Ok(Self::Raised(factor)),
            _ => {
                let problem = format!("{text:?} is none of `documented`, `off` and a positive factor");
                Err(SimError::Setting { key: "limits", problem })
            }
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            ca: PathBuf::from("sim-ca"),
            names: vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
            resource: "tandem-sim".to_owned(),
            resource_id: Uuid::from_u128(0x1a7d_e350_0000_4000_8000_0000_0000_00ac),
            access_key: STANDARD.encode("the access key of a simulator, kept nowhere"),
            identities: Vec::new(),
            subscriptions: Vec::new(),
            entra: None,
            time_scale: TimeScale::default(),
            seed: 0,
            rates: None,
            lossy: false,
            limits: LimitMode::Documented,
            page_size: 6,
            date_tolerance_seconds: 300,
            hold_ms: 10_000,
            max_delivery_attempts: 30,
            time_to_live_minutes: 1_440,
            bounds: Bounds::default(),
        }
    }
}

impl Settings {
    /// The access key's bytes.
    pub(super) fn key_bytes(&self) -> Result<Vec<u8>, SimError> {
        STANDARD
            .decode(&self.access_key)
            .map_err(|error| SimError::Setting { key: "access_key", problem: format!("not base64: {error}") })
    }

    /// Event Grid's time to live, documented.
    pub(super) fn time_to_live(&self) -> Duration {
        Duration::from_secs(self.time_to_live_minutes.saturating_mul(60))
    }

    /// The first setting that makes no sense.
    pub(super) fn check(&self) -> Result<(), SimError> {
        let wrong = |key, problem: String| Err(SimError::Setting { key, problem });
        self.key_bytes()?;
        if !(1..=30).contains(&self.max_delivery_attempts) {
            return wrong("max_delivery_attempts", format!("{} is not 1 to 30", self.max_delivery_attempts));
        }
        if !(1..=1_440).contains(&self.time_to_live_minutes) {
            return wrong("time_to_live_minutes", format!("{} is not 1 to 1440", self.time_to_live_minutes));
        }
        if self.page_size == 0 {
            return wrong("page_size", "0 would never end".to_owned());
        }
        for subscription in &self.subscriptions {
            let name = &subscription.name;
            if subscription.url.scheme() != "https" {
                return wrong("subscriptions.url", format!("{name}: Event Grid refuses everything but https"));
            }
            if !(1..=5_000).contains(&subscription.max_events_per_batch) {
                return wrong("subscriptions.max_events_per_batch", format!("{name}: not 1 to 5000"));
            }
            if subscription.headers.len() > 10 {
                return wrong("subscriptions.headers", format!("{name}: more than ten"));
            }
            if subscription.headers.iter().any(|(header, _)| header.to_ascii_lowercase().starts_with("aeg-")) {
                return wrong("subscriptions.headers", format!("{name}: aeg- is Event Grid's own prefix"));
            }
            if subscription.bearer && self.entra.is_none() {
                return wrong("subscriptions.bearer", format!("{name}: needs [entra]"));
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("listen", &self.listen)
            .field("resource", &self.resource)
            .finish_non_exhaustive()
    }
}
