//! The composition root: config → adapters → rooms → tasks. The only file that sees every room.
//!
//! Three moments are apart: [`Config::load`](crate::config::Config::load) reads, [`build`] opens doors and rooms without
//! touching the network, [`App::run`] lets them work until the house is asked to stop.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use tandem_sdk::doors::{Context, Decode, Doors};
use tandem_sdk::model::{IdKey, InstanceName, PartyKey};
use tandem_sdk::problem::Problem;
use tandem_sdk::secret::SecretRef;
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::config::Loaded;
use crate::delivery::{Reader, Source};
use crate::desk::{self, Setup};
use crate::dispatch::Dispatcher;
use crate::http::{
    Access, Bounds, Chats, Erasures, Following, Gate, Hooks, Rooms, ServeError, Signs, routes, serve, tls,
};
use crate::intake::{Door, Intake, Keys as KeyRing};
use crate::interactions::conduct::Cloud;
use crate::profiles::Profiles;
use crate::record::RecordError;
use crate::routing::Rules;
use crate::shutdown::{Ending, Tasks};
use crate::store::{Embedded, KeyError, Keys, MasterKey, MasterKeys, OsEntropy, Store, StoreError};
use crate::telemetry::Metrics;
use crate::{registry, store};

/// Unwrapped data keys that are kept in memory.
const DATA_KEYS: usize = 50_000;

/// Everything that the config asks for, opened and idle.
pub struct App {
    loaded: Loaded,
    data: PathBuf,
    doors: BTreeMap<InstanceName, Doors>,
    kinds: BTreeMap<InstanceName, &'static str>,
    rules: Arc<Rules>,
    profiles: Profiles,
    id_key: IdKey,
    masters: MasterKeys,
    gate: Gate,
    http: reqwest::Client,
    tls: Option<Arc<rustls::ServerConfig>>,
    clock: Arc<dyn Clock>,
}

/// What a hub that does not run has kept.
pub struct AtRest {
    /// What its desk would be given.
    pub setup: Setup,
    /// The rules of today.
    pub rules: Arc<Rules>,
    /// The store, held by this process: no hub can run over it meanwhile.
    pub store: Arc<dyn Store>,
    /// The data keys.
    pub keys: Arc<Keys>,
    /// Reads the log.
    pub reader: Reader,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Who understands the envelopes of each instance, with the mappings of today.
    pub decode: BTreeMap<InstanceName, Arc<dyn Decode>>,
}

/// Why a hub that was built could not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Nothing was ever kept there.
    #[error("{} is no data directory of a hub", .0.display())]
    NoStore(PathBuf),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The keys in the store.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The log.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The address.
    #[error(transparent)]
    Serve(#[from] ServeError),
}

/// Opens what the config asks for, or says everything that is wrong with it. Reads files and secrets; spawns nothing and
/// calls nobody.
pub fn build(loaded: Loaded, data: Option<PathBuf>, clock: Arc<dyn Clock>) -> Result<App, Vec<Problem>> {
    let mut problems = loaded.check(&registry::names());
    let base = loaded.base.clone();
    let mut noted = |found: Vec<Problem>| problems.extend(found.into_iter().map(|problem| located(&loaded, problem)));

    let trust = read_trust(&loaded).map_err(&mut noted).unwrap_or_default();
    let http = client(&loaded, &trust).map_err(&mut noted).ok();
    let id_key = id_key(&loaded).map_err(&mut noted).ok();
    let masters = masters(&loaded).map_err(&mut noted).ok();
    let gate = gate(&loaded).map_err(&mut noted).ok();
    let rules = Rules::load(&base.join(&loaded.config.rules)).map_err(&mut noted).ok();
    let mut doors = BTreeMap::new();
    let mut kinds = BTreeMap::new();
    for (instance, adapter) in &loaded.config.adapters {
        let (Some(kind), Some(http)) = (registry::find(&adapter.kind), &http) else { continue };
        let mappings = base.join(&loaded.config.mappings);
        let context =
            Context { instance: instance.clone(), base: &base, mappings: &mappings, http: http.clone(), trust: &trust };
        let prefix = format!("adapters.{instance}.settings");
        let under = |found: Vec<Problem>| -> Vec<Problem> {
            // A mapping's own problem knows its file; a setting's is placed in the config.
            found.into_iter().map(|one| if one.file.is_empty() { one.under(&prefix) } else { one }).collect()
        };
        if let Ok(opened) = (kind.build)(adapter.settings.clone(), &context).map_err(|found| noted(under(found))) {
            doors.insert(instance.clone(), opened);
            kinds.insert(instance.clone(), kind.name);
        }
    }
    let lookups =
        doors.iter().filter_map(|(name, doors)| Some((name.clone(), Arc::clone(doors.lookup.as_ref()?)))).collect();
    let profiles = id_key
        .clone()
        .and_then(|key| Profiles::new(loaded.config.profiles.clone(), lookups, key).map_err(&mut noted).ok());
    if let Some(rules) = &rules {
        noted(rules.unknown_instances(&loaded.config.adapters.keys().cloned().collect()));
    }
    let tls = match &loaded.config.listen.tls {
        Some(files) => tls(&base.join(&files.certificate), &base.join(&files.key))
            .map_err(|error| {
                noted(vec![Problem::new("config.tls", "listen.tls", error.to_string(), "two readable PEM files")]);
            })
            .ok()
            .map(Some),
        None => Some(None),
    };
    match (rules, profiles, id_key, masters, gate, http, tls) {
        (Some(rules), Some(profiles), Some(id_key), Some(masters), Some(gate), Some(http), Some(tls))
            if problems.is_empty() =>
        {
            let data = data.unwrap_or_else(|| loaded.config.store.data.clone());
            let rules = Arc::new(rules);
            Ok(App { loaded, data, doors, kinds, rules, profiles, id_key, masters, gate, http, tls, clock })
        }
        _ => Err(problems),
    }
}

impl App {
    /// The doors, for `tandem check --probe` and `tandem normalize`.
    pub fn doors(&self) -> &BTreeMap<InstanceName, Doors> {
        &self.doors
    }

    /// The folder in which everything is kept.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// What the desk is given.
    pub fn setup(&self) -> Setup {
        let config = &self.loaded.config;
        let clouds = self
            .doors
            .iter()
            .filter(|(_, doors)| doors.carry.is_some())
            .map(|(name, doors)| {
                let system = self.kinds.get(name).copied().unwrap_or_default();
                let hub_address = doors.traits.hub_address.clone();
                let hub = hub_address.as_deref().map(|address| PartyKey::of(&self.id_key, system, address));
                let cloud = Cloud {
                    system: system.to_owned(),
                    account: doors.traits.account.clone(),
                    hub,
                    hub_address,
                    message_limit: doors.traits.message_limit,
                };
                (name.clone(), cloud)
            })
            .collect();
        Setup {
            domain: config.deployment.domain.clone(),
            journey: config.journey.clone(),
            clouds,
            has_profiles: self.doors.values().any(|doors| doors.lookup.is_some()),
            id_key: self.id_key.clone(),
            max_batch: config.desk.max_batch,
            capacities: config.desk.lanes,
            in_memory: config.desk.in_memory,
            fold_most: config.desk.snapshot,
            unfiled_days: config.desk.unfiled_days,
        }
    }

    /// Opens store and keys of a hub that does not run, for the verbs that look at what it kept. Makes nothing: a folder
    /// in which no hub ever kept anything is refused.
    pub fn at_rest(self) -> Result<AtRest, RunError> {
        if !self.data.join("FORMAT").exists() {
            return Err(RunError::NoStore(self.data));
        }
        let (setup, config) = (self.setup(), &self.loaded.config);
        let source = Source::new(&*config.deployment.name, config.deployment.domain.clone());
        let settings = store::Settings { cache_bytes: config.store.cache.get(), ..store::Settings::default() };
        let store: Arc<dyn Store> = Arc::new(Embedded::open(&self.data, settings)?);
        let keys = Arc::new(Keys::open(Arc::clone(&store), self.masters, Arc::new(OsEntropy::new()), DATA_KEYS)?);
        let reader = Reader::new(Arc::clone(&store), Arc::clone(&keys), source);
        let decode = self.doors.into_iter().filter_map(|(name, doors)| Some((name, doors.decode?))).collect();
        Ok(AtRest { setup, rules: self.rules, store, keys, reader, clock: self.clock, decode })
    }

    /// Runs until the house is asked to stop. `listening` is told the address once requests are taken.
    pub async fn run(
        self,
        tasks: Tasks,
        signals: tokio::sync::mpsc::Receiver<&'static str>,
        listening: impl FnOnce(std::net::SocketAddr) + Send,
    ) -> Result<Ending, RunError> {
        let config = &self.loaded.config;
        let settings = store::Settings { cache_bytes: config.store.cache.get(), ..store::Settings::default() };
        let store: Arc<dyn Store> = Arc::new(Embedded::open(&self.data, settings)?);
        let (setup, endpoint) = (self.setup(), self.chat_endpoint());
        let entropy = Arc::new(OsEntropy::new());
        let keys = Arc::new(Keys::open(Arc::clone(&store), self.masters, entropy, DATA_KEYS)?);
        let (desk, thread) =
            desk::open(setup, Arc::clone(&self.rules), Arc::clone(&store), Arc::clone(&keys), Arc::clone(&self.clock))?;

        let metrics = Arc::new(Metrics::new());
        let carriers = self
            .doors
            .iter()
            .filter_map(|(name, doors)| Some((name.clone(), Arc::clone(doors.carry.as_ref()?))))
            .collect();
        let dispatcher = Dispatcher::new(
            desk.clone(),
            carriers,
            self.profiles.clone(),
            config.dispatch.clone(),
            Arc::clone(&self.clock),
            Arc::clone(&metrics),
        );
        let receivers = self
            .doors
            .iter()
            .filter_map(|(name, doors)| {
                let (receive, decode) = (doors.receive.clone()?, doors.decode.clone()?);
                Some((name.clone(), Door { receive, decode }))
            })
            .collect();
        let keys_of_senders = KeyRing::new(self.http.clone(), config.network.keys.clone());
        let intake = Intake::new(desk.clone(), receivers, keys_of_senders, Arc::clone(&self.clock));

        let stopping = Arc::new(AtomicBool::new(false));
        let source = Source::new(&*config.deployment.name, config.deployment.domain.clone());
        let following = Following::new(
            desk.clone(),
            Reader::new(Arc::clone(&store), keys, source),
            self.doors.iter().filter_map(|(name, doors)| Some((name.clone(), doors.decode.clone()?))).collect(),
            self.gate.clone(),
            tasks.clone(),
            config.delivery.clone(),
            config.listen.body.in_memory(),
        );
        let rooms = Rooms {
            hooks: Hooks::new(
                intake.clone(),
                config.listen.hooks,
                config.listen.body_timeout.get(),
                Arc::clone(&metrics),
            ),
            chats: Chats::new(desk.clone(), self.gate.clone(), config.listen.body.in_memory(), endpoint),
            erasures: Erasures::new(following.clone(), store, self.profiles.clone()),
            following,
            signs: Signs::new(desk.clone(), intake, Arc::clone(&metrics), Arc::clone(&stopping)),
            timeout: config.listen.timeout.get(),
        };
        let address = config.listen.address;
        let listener = TcpListener::bind(address).map_err(|error| ServeError::Bind(address, error))?;
        listener.set_nonblocking(true).map_err(|error| ServeError::Bind(address, error))?;
        let bound = listener.local_addr().map_err(|error| ServeError::Bind(address, error))?;

        let grace = config.shutdown.grace.get();
        let bounds = Bounds { connections: config.listen.connections, headers: config.listen.headers.get(), grace };
        let (soft, stop) = (tasks.soft().clone(), tasks.soft().clone());
        let server = serve(listener, self.tls.clone(), routes(rooms), stop, bounds);
        tasks.lasting("http", async move {
            if let Err(error) = server.await {
                tracing::error!(%error, "the front desk closed");
            }
        });
        tasks.lasting("dispatch", dispatcher.run(tasks.clone(), soft.clone()));
        tasks.passing("readiness", async move {
            soft.cancelled().await;
            stopping.store(true, Ordering::Relaxed);
        });
        listening(bound);

        let watcher = tasks.clone();
        let desk_thread = tasks.blocking(move || {
            let fenced = thread.join().unwrap_or(true);
            watcher.stop();
            fenced
        });
        let ending = async {
            let ending = tasks.ended(grace, signals).await;
            desk.close();
            ending
        };
        let (mut ending, fenced) = tokio::join!(ending, desk_thread);
        if fenced {
            ending.failure.get_or_insert_with(|| "the desk ended by itself".to_owned());
        }
        Ok(ending)
    }

    /// Where a customer's client finds the chat: the endpoint of the instance through which customers chat.
    pub fn chat_endpoint(&self) -> String {
        let doors = self.doors.get(&self.loaded.config.journey.customer);
        doors.and_then(|doors| doors.traits.endpoint.clone()).unwrap_or_default()
    }
}

/// A problem that knows its file stays; one of the config is placed there.
fn located(loaded: &Loaded, problem: Problem) -> Problem {
    if problem.file.is_empty() { loaded.place(problem) } else { problem }
}

fn read_trust(loaded: &Loaded) -> Result<Vec<Bytes>, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut trust = Vec::new();
    for (n, path) in loaded.config.network.trust.iter().enumerate() {
        match std::fs::read(loaded.base.join(path)) {
            Ok(pem) => trust.push(Bytes::from(pem)),
            Err(error) => problems.push(Problem::new(
                "config.unreadable",
                format!("network.trust.{n}"),
                format!("{}: {error}", path.display()),
                "a readable PEM file",
            )),
        }
    }
    if problems.is_empty() { Ok(trust) } else { Err(problems) }
}

/// The client for everything but the clouds' own SDKs: ring, the system's roots and the configured ones, no redirects.
#[expect(clippy::disallowed_methods, reason = "the one client that everybody else is given")]
fn client(loaded: &Loaded, trust: &[Bytes]) -> Result<reqwest::Client, Vec<Problem>> {
    let wrong =
        |found: String| vec![Problem::new("config.network", "network", found, "PEM certificates that rustls takes")];
    let mut builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
    let mut roots = Vec::new();
    for pem in trust {
        roots.extend(reqwest::Certificate::from_pem_bundle(pem).map_err(|error| wrong(error.to_string()))?);
    }
    if !roots.is_empty() {
        builder = builder.tls_certs_merge(roots);
    }
    for (host, address) in &loaded.config.network.resolve {
        builder = builder.resolve(host, *address);
    }
    builder.build().map_err(|error| wrong(error.to_string()))
}

fn secret(loaded: &Loaded, key: &str, reference: &SecretRef) -> Result<tandem_sdk::secret::Secret, Vec<Problem>> {
    let wrong = |error: tandem_sdk::secret::SecretError| {
        vec![Problem::new("config.secret", key, error.to_string(), "env:NAME or file:PATH of something that is there")]
    };
    let found = reference.resolve(&loaded.base).map_err(wrong)?;
    if found.reveal().len() < 32 {
        let text = format!("{} bytes", found.reveal().len());
        return Err(vec![Problem::new("config.secret", key, text, "at least 32 bytes")]);
    }
    Ok(found)
}

fn id_key(loaded: &Loaded) -> Result<IdKey, Vec<Problem>> {
    let found = secret(loaded, "secrets.id_key", &loaded.config.secrets.id_key)?;
    Ok(IdKey::new(found.reveal().as_bytes()))
}

/// Master keys are 32 bytes: written as 64 hexadecimal digits, or any longer text, of which SHA-256 is taken.
fn masters(loaded: &Loaded) -> Result<MasterKeys, Vec<Problem>> {
    let mut keys = Vec::new();
    for (n, reference) in loaded.config.secrets.master_keys.iter().enumerate() {
        let found = secret(loaded, &format!("secrets.master_keys.{n}"), reference)?;
        let mut bytes = Zeroizing::new([0; 32]);
        if hex::decode_to_slice(found.reveal(), bytes.as_mut_slice()).is_err() {
            let digest = ring::digest::digest(&ring::digest::SHA256, found.reveal().as_bytes());
            bytes.copy_from_slice(digest.as_ref());
        }
        keys.push(MasterKey::new(bytes));
    }
    let mut keys = keys.into_iter();
    let none = || vec![Problem::new("config.secret", "secrets.master_keys", "none", "at least one")];
    let current = keys.next().ok_or_else(none)?;
    Ok(MasterKeys::new(current, keys.collect()))
}

fn gate(loaded: &Loaded) -> Result<Gate, Vec<Problem>> {
    let mut accesses = Vec::new();
    for (n, access) in loaded.config.api.tokens.iter().enumerate() {
        let token = secret(loaded, &format!("api.tokens.{n}.token"), &access.token)?;
        accesses.push(Access { token, scopes: access.scopes.iter().copied().collect() });
    }
    Ok(Gate::new(accesses))
}
