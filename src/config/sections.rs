//! The sections of the config. A room that has settings of its own defines them itself; here is the rest.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::Deserialize;
use tandem_sdk::model::{DomainName, InstanceName};
use tandem_sdk::secret::SecretRef;

use super::{Period, Size};
use crate::{desk, dispatch, intake, interactions, profiles, shutdown, telemetry};

/// The whole config. Every key may be left out.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Who we are.
    pub deployment: Deployment,
    /// Where requests come in.
    pub listen: Listen,
    /// Where everything is kept.
    pub store: Store,
    /// Keys of the deployment.
    pub secrets: Secrets,
    /// How the hub calls out.
    pub network: Network,
    /// Who may use `/v1`.
    pub api: Api,
    /// Log lines.
    pub telemetry: telemetry::Settings,
    /// The rules file, relative to this file. Default `rules.toml`.
    pub rules: PathBuf,
    /// Folder of the mappings, relative to this file. Default `../mappings`.
    pub mappings: PathBuf,
    /// Clouds and CDPs, by instance name.
    pub adapters: BTreeMap<InstanceName, Adapter>,
    /// The only writer.
    pub desk: Desk,
    /// How commands are carried.
    pub dispatch: Dispatch,
    /// How customers are looked up.
    pub profiles: profiles::Settings,
    /// How journeys are led.
    pub journey: interactions::Settings,
    /// How consumers read events.
    pub delivery: Delivery,
    /// How the hub stops.
    pub shutdown: shutdown::Settings,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            deployment: Deployment::default(),
            listen: Listen::default(),
            store: Store::default(),
            secrets: Secrets::default(),
            network: Network::default(),
            api: Api::default(),
            telemetry: telemetry::Settings::default(),
            rules: PathBuf::from("rules.toml"),
            mappings: PathBuf::from("../mappings"),
            adapters: BTreeMap::new(),
            desk: Desk::default(),
            dispatch: Dispatch::default(),
            profiles: profiles::Settings::default(),
            journey: interactions::Settings::default(),
            delivery: Delivery::default(),
            shutdown: shutdown::Settings::default(),
        }
    }
}

/// `[deployment]`: names that stand in every event. Changing one makes other event ids.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Deployment {
    /// Name of this deployment. Lower-case letters, digits and `-`.
    pub name: String,
    /// Name of its domain: the site, tenant or line of business. Lower-case letters, digits and `-`.
    pub domain: DomainName,
}

impl Default for Deployment {
    fn default() -> Self {
        Deployment { name: "tandem".to_owned(), domain: DomainName::from("main") }
    }
}

/// `[listen]`: where requests come in.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Listen {
    /// Address and port.
    pub address: SocketAddr,
    /// Certificate of the hub. Absent: plain HTTP, for loopback or behind a proxy that ends TLS.
    pub tls: Option<Tls>,
    /// Largest body of a request to `/v1`. Webhooks have the caps of their doors.
    pub body: Size,
    /// How long a request may take, body included. Streams of events are not requests in this sense.
    pub timeout: Period,
    /// How long the headers of a request may take, from the moment it is waited for. A connection that is idle for as
    /// long is closed.
    pub headers: Period,
    /// How long the body of a webhook may take: until it is there nobody knows who sends it.
    pub body_timeout: Period,
    /// Webhook requests that are worked on at once; more are answered 503 with Retry-After.
    pub hooks: usize,
    /// Connections at once; one too many is closed.
    pub connections: usize,
}

impl Default for Listen {
    fn default() -> Self {
        Listen {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 8787)),
            tls: None,
            body: Size::mib(1),
            timeout: Period::secs(15),
            headers: Period::secs(30),
            body_timeout: Period::secs(5),
            hooks: 512,
            connections: 4096,
        }
    }
}

/// `[listen.tls]`. Both files are PEM, relative to the config file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// Certificate, with the chain after it.
    pub certificate: PathBuf,
    /// Private key.
    pub key: PathBuf,
}

/// `[store]`: where everything is kept.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    /// Folder, made on the first start. Relative to the working directory, as `--data` is.
    pub data: PathBuf,
    /// Memory for what was read from disk.
    pub cache: Size,
}

impl Default for Store {
    fn default() -> Self {
        Store { data: PathBuf::from("data"), cache: Size::mib(32) }
    }
}

/// `[secrets]`: keys of the deployment. What they name is at least 32 bytes, for instance from `openssl rand -hex 32`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Secrets {
    /// Key that identities are hashed under. Never change it: every known customer would become a stranger.
    pub id_key: SecretRef,
    /// Keys that the data keys of customers are sealed under: the first seals, all of them open. To rotate, put a new one
    /// before the others.
    pub master_keys: Vec<SecretRef>,
}

impl Default for Secrets {
    fn default() -> Self {
        Secrets {
            id_key: SecretRef("env:TANDEM_ID_KEY".to_owned()),
            master_keys: vec![SecretRef("env:TANDEM_MASTER_KEY".to_owned())],
        }
    }
}

/// `[network]`: how the hub calls out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// Certificate authorities to trust besides those of the system: PEM files, relative to the config file.
    pub trust: Vec<PathBuf>,
    /// Names that have no DNS entry here: host → address and port. For private endpoints; the simulators use it too.
    pub resolve: BTreeMap<String, SocketAddr>,
    /// Documents that verify senders of webhooks.
    pub keys: intake::KeySettings,
}

/// `[api]`: who may use `/v1`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Api {
    /// Bearer tokens. Without any, the hub listens on loopback only and `/v1` answers to its own machine only.
    pub tokens: Vec<Access>,
}

/// `[[api.tokens]]`: one bearer token and what it is good for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Access {
    /// The token.
    pub token: SecretRef,
    /// What it is good for.
    pub scopes: Vec<Scope>,
}

/// What a caller of `/v1` may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Read events, interactions, decisions; without what was said.
    Read,
    /// Read what was said.
    Text,
    /// Create chats for customers.
    Chats,
    /// Look into quarantine and dead letters and send them back.
    Operate,
}

/// `[adapters.<instance>]`: a cloud or a CDP.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adapter {
    /// Kind of adapter, for instance `amazon-connect`.
    pub kind: String,
    /// What that kind wants to know; the adapter reads it.
    #[serde(default)]
    pub settings: toml::Table,
}

/// `[desk]`: the only writer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Desk {
    /// Inputs that one commit takes at most.
    pub max_batch: usize,
    /// Inputs that may wait, by lane; more are refused for now.
    pub lanes: desk::Capacities,
    /// Interactions kept in memory although they are written down.
    pub in_memory: usize,
    /// Records that a restart may have to fold: the distance of snapshots.
    pub snapshot: u64,
    /// Whole days for which inputs that belong to nobody can be read: those that were ignored or not understood.
    pub unfiled_days: u32,
}

impl Default for Desk {
    fn default() -> Self {
        Desk {
            max_batch: 512,
            lanes: desk::Capacities::default(),
            in_memory: 20_000,
            snapshot: 50_000,
            unfiled_days: 30,
        }
    }
}

/// `[dispatch]`: how commands are carried.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dispatch {
    /// Commands on their way at once.
    pub workers: usize,
    /// Attempts before a command becomes a dead letter.
    pub attempts: u32,
    /// How long one attempt may take.
    pub timeout: Period,
    /// How long a failed one waits.
    pub backoff: dispatch::Backoff,
    /// Documented limits that are kept count of at once, for instance one for each open chat.
    pub buckets: usize,
    /// How many times the documented limits an instance has, where its vendor raised them for this account.
    pub raised: BTreeMap<InstanceName, f64>,
}

impl Default for Dispatch {
    fn default() -> Self {
        Dispatch {
            workers: 64,
            attempts: 12,
            timeout: Period::secs(10),
            backoff: dispatch::Backoff::default(),
            buckets: 100_000,
            raised: BTreeMap::new(),
        }
    }
}

/// `[delivery]`: how consumers read events.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Delivery {
    /// Events of one page at most.
    pub page: usize,
    /// Streams of Server-Sent Events at once.
    pub streams: usize,
    /// How often a silent stream shows that it is alive.
    pub heartbeat: Period,
}

impl Default for Delivery {
    fn default() -> Self {
        Delivery { page: 500, streams: 64, heartbeat: Period::secs(15) }
    }
}
