//! Doors: what an adapter kind offers. A capability is a door that is there; nothing can disagree with the code.
//!
//! Three moments are apart: *check* (settings are read and every problem is named), *build* (files may be read, keys
//! parsed; nothing is spawned, no network is touched), *run* (the hub calls the doors).

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use jiff::Timestamp;
use url::Url;

use crate::error::AdapterError;
use crate::model::{Action, Carried, Command, EffectClass, Fact, Identity, InstanceName, Profile};
use crate::problem::Problem;
use crate::secret::{Secret, SecretRole};

/// An adapter kind: one line of the hub's registry.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// The vendor's product, hyphenated; the value of `kind` in the config.
    pub name: &'static str,
    /// Reads the settings and makes the doors, or names every problem.
    pub build: fn(settings: toml::Table, context: &Context<'_>) -> Result<Doors, Vec<Problem>>,
    /// Opens a reading of payloads without any instance; `None` where nothing is ever received.
    pub read: Option<OpenReading>,
}

/// Opens a [`Reading`]: `mappings` is the folder of all mappings, `account` what leg refs say where the payload does not.
pub type OpenReading = fn(mappings: &Path, account: &str) -> Result<Reading, Vec<Problem>>;

/// What reads payloads that somebody has in a file: split and decoded as if they had come in, but verified by nobody.
#[derive(Clone)]
pub struct Reading {
    /// Body → envelopes, in order. What cannot be split is one envelope.
    pub split: fn(body: &Bytes) -> Vec<Envelope>,
    /// Envelope → facts.
    pub decode: Arc<dyn Decode>,
}

/// What a build gets besides its own settings.
#[derive(Debug)]
pub struct Context<'a> {
    /// The instance's name.
    pub instance: InstanceName,
    /// Folder of the config file: relative paths and `file:` secrets start here.
    pub base: &'a Path,
    /// Folder of the mappings; an adapter reads `<mappings>/<kind>/`.
    pub mappings: &'a Path,
    /// HTTP client with the deployment's trust and name overrides. Follows no redirects.
    pub http: reqwest::Client,
    /// Extra certificate authorities to trust, as PEM, for clients that are not [`Context::http`].
    pub trust: &'a [Bytes],
}

/// The doors of one adapter instance. Each is there or not.
#[derive(Clone, Default)]
pub struct Doors {
    /// Takes webhooks.
    pub receive: Option<Arc<dyn Receive>>,
    /// Understands envelopes. Present wherever `receive` is.
    pub decode: Option<Arc<dyn Decode>>,
    /// Carries commands to the cloud.
    pub carry: Option<Arc<dyn Carry>>,
    /// Knows who a customer is.
    pub lookup: Option<Arc<dyn Lookup>>,
    /// Says whether the cloud can be reached and what is missing.
    pub probe: Option<Arc<dyn Probe>>,
    /// How this instance takes part in a journey: what the hub must know to hold a conversation through it.
    pub traits: Traits,
}

/// What the hub must know of an instance to hold a conversation through it.
#[derive(Clone, Debug, Default)]
pub struct Traits {
    /// The hub's own native address in this cloud (ACS: the hub identity's raw id).
    pub hub_address: Option<String>,
    /// Where a customer's own client finds this cloud, where customers have one.
    pub endpoint: Option<String>,
    /// The account in leg refs: resource or instance id, lower case.
    pub account: String,
    /// Longest message text, in bytes of UTF-8.
    pub message_limit: usize,
    /// What configured agents are called at this cloud, where the config says so: native id → address.
    pub agents: BTreeMap<String, String>,
}

/// A future that a door returns.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A webhook request as it came in.
#[derive(Debug)]
pub struct Request<'a> {
    /// Last path segment of `/hooks/{instance}/{door}`.
    pub door: &'a str,
    /// POST or OPTIONS.
    pub method: &'a Method,
    /// Query string without `?`, still encoded.
    pub query: &'a str,
    /// Headers.
    pub headers: &'a HeaderMap,
    /// Body, within the cap of the door.
    pub body: &'a Bytes,
    /// Now.
    pub now: Timestamp,
    /// Documents that were fetched because a door asked for them.
    pub keys: &'a KeyRing,
}

/// Documents that verify senders: JWKS, certificates; by the URL that a door asked for.
#[derive(Clone, Debug, Default)]
pub struct KeyRing(BTreeMap<Url, Bytes>);

impl KeyRing {
    /// The document behind `url`, if it was fetched.
    pub fn get(&self, url: &Url) -> Option<&Bytes> {
        self.0.get(url)
    }

    /// Puts a document on the ring.
    pub fn insert(&mut self, url: Url, document: Bytes) {
        self.0.insert(url, document);
    }

    /// Takes a document off the ring, so that it is fetched again.
    pub fn remove(&mut self, url: &Url) {
        self.0.remove(url);
    }
}

/// One vendor message as received, with its verified origin.
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope {
    /// The door that it came through.
    pub door: String,
    /// The vendor's kind of event, where the door saw it. Unknown kinds are kept all the same.
    pub kind: Option<String>,
    /// Keys that make two deliveries of one thing equal, whatever the envelope schema. Never empty. Scoped to the
    /// instance by the hub.
    pub dedupe: Vec<String>,
    /// How the sender was verified, for people who read the log: `query_secret`, `entra`, `sns_signature_v2` …
    pub origin: Vec<String>,
    /// The vendor's bytes, without any credential.
    pub body: Bytes,
}

/// What a door made of a request.
#[derive(Debug)]
pub enum Received {
    /// Authentic. The reply goes out only when every envelope is durable.
    Kept(Kept),
    /// Not authentic, or not for this door. Nothing is kept.
    Refused(Refusal),
    /// The door cannot tell without this document. The hub fetches it (if the host is allowed) and asks again.
    NeedKey(Url),
}

/// What an authentic request brought.
#[derive(Debug, Default)]
pub struct Kept {
    /// What to keep; may be empty (a handshake).
    pub envelopes: Vec<Envelope>,
    /// Subscriptions that want to be confirmed: the topic and the secret address.
    pub confirm: Vec<(String, Secret)>,
    /// What the sender gets.
    pub reply: Reply,
}

/// An HTTP answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: Vec<(&'static str, String)>,
    /// Body.
    pub body: Bytes,
}

impl Default for Reply {
    fn default() -> Self {
        Reply { status: StatusCode::OK, headers: Vec::new(), body: Bytes::new() }
    }
}

/// Why a request was refused. Only what is positively wrong is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The credential is missing or wrong: 401.
    #[error("not authentic: {0}")]
    NotAuthentic(String),
    /// This instance has no such door: 404.
    #[error("no door named {0}")]
    NoSuchDoor(String),
}

/// A door for webhooks. Pure: the same request, clock and keys give the same answer.
pub trait Receive: Send + Sync {
    /// The names of the doors, each with the largest body that its vendor may send, in bytes.
    fn doors(&self) -> Vec<(&'static str, usize)>;

    /// Verifies and splits a request. Never fails for what it cannot understand: that is kept as it is.
    fn receive(&self, request: &Request<'_>) -> Received;

    /// Whether a document may be fetched from this URL. The hub asks before it fetches.
    fn may_fetch(&self, url: &Url) -> bool;
}

/// Understands envelopes. Pure.
pub trait Decode: Send + Sync {
    /// Envelope → facts.
    fn decode(&self, envelope: &Envelope) -> Decoded;

    /// Content hash of the mappings in force, so that a record says with what it was decoded.
    fn version(&self) -> &str;
}

/// What was understood.
#[derive(Clone, Debug, PartialEq)]
pub enum Decoded {
    /// These facts.
    Facts(Vec<Fact>),
    /// Nothing that we use.
    Ignored {
        /// Why, for instance `typing indicators are not used`.
        reason: String,
        /// Whether the kind is one that nobody described; such kinds are counted and shown.
        unknown: bool,
    },
    /// It cannot be what it says it is.
    Malformed {
        /// Where and what, without personal data.
        problem: String,
    },
}

/// A command with the secrets that it needs, on its way to a cloud.
#[derive(Debug)]
pub struct Errand<'a> {
    /// The command.
    pub command: &'a Command,
    /// The secrets that `command.uses` names.
    pub secrets: &'a BTreeMap<SecretRole, Secret>,
    /// Now; an adapter signs with it.
    pub now: Timestamp,
}

/// Carries commands to a cloud. One command is one call; SDK retries are off, the outbox is the only one that retries.
pub trait Carry: Send + Sync {
    /// What repeating this action does; `None` when this adapter cannot do it.
    fn class(&self, action: &Action) -> Option<EffectClass>;

    /// The documented limits that the call counts against, all of which must have room. One that is `uncertain` is looked
    /// for first where it is [`EffectClass::ReadBack`]; that counts too.
    fn quotas(&self, command: &Command, uncertain: bool) -> Vec<Quota>;

    /// Does it.
    fn carry<'a>(&'a self, errand: Errand<'a>) -> Answer<'a, Result<Carried, AdapterError>>;

    /// Looks for the effect of a [`EffectClass::ReadBack`] command whose outcome is unknown.
    fn find<'a>(&'a self, errand: Errand<'a>) -> Answer<'a, Result<Option<Carried>, AdapterError>>;
}

/// A documented limit.
#[derive(Clone, Debug, PartialEq)]
pub struct Quota {
    /// What shares the limit, for instance `StartChatContact` or `messages/19:…@thread.v2`.
    pub bucket: String,
    /// How it is counted.
    pub limit: Limit,
}

impl Limit {
    /// The limit of an account for which the vendor raised it to `factor` times the documented one.
    pub fn times(self, factor: f64) -> Limit {
        // From a float, integers saturate.
        let raised = |calls: u32| (f64::from(calls) * factor) as u32;
        match self {
            Limit::Bucket { rate, burst } => Limit::Bucket { rate: rate * factor, burst: raised(burst) },
            Limit::Window { calls, per } => Limit::Window { calls: raised(calls), per },
        }
    }
}

/// How a limit is counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// A token bucket.
    Bucket {
        /// Tokens a second.
        rate: f64,
        /// Tokens at most.
        burst: u32,
    },
    /// So many in any window of this length.
    Window {
        /// Calls.
        calls: u32,
        /// Length.
        per: Duration,
    },
}

/// Knows who a customer is.
pub trait Lookup: Send + Sync {
    /// Identities → profile, or nothing. The caller sets the deadline.
    fn lookup<'a>(&'a self, identities: &'a [Identity]) -> Answer<'a, Result<Option<Profile>, AdapterError>>;
}

/// Says whether a cloud can be reached and what is missing there. Used by `tandem check --probe` only.
pub trait Probe: Send + Sync {
    /// One finding a line.
    fn probe(&self) -> Answer<'_, Vec<Finding>>;
}

/// What a probe found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether this works.
    pub ok: bool,
    /// What was looked at and what was found, in one line; what would be right, when it does not work.
    pub line: String,
}
