//! Starting a simulated instance.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tandem_sdk::sim::{Authority, Deliverer, DeliveryBounds, Faults, Ledger, Served, SimError, control_routes, serve};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::cloud::{Cloud, MAX_WAITING, Parts};
use super::eventbridge::Destination;
use super::flow::Flow;
use super::ids::{Ids, fresh_seed};
use super::instance::{Instance, Roster};
use super::settings::Settings;
use super::sns::Publisher;
use super::{api, control, participant, sns};

/// A simulated instance that is running. It stops when this is dropped.
pub struct Running {
    /// Where it listens.
    pub addr: SocketAddr,
    /// The endpoint of both APIs, for example `https://127.0.0.1:4567`.
    pub endpoint: String,
    /// The effects that it suffered.
    pub ledger: Ledger,
    /// What goes wrong; sites are `METHOD path` for calls, `eventbridge` and `sns` for deliveries.
    pub faults: Faults,
    served: Served,
    deliverer: Deliverer,
    _tasks: JoinSet<()>,
}

impl Running {
    /// Deliveries neither acknowledged nor given up yet.
    #[must_use]
    pub fn open_deliveries(&self) -> usize {
        self.deliverer.open()
    }

    /// Stops, giving requests in flight two seconds.
    pub async fn stop(self) {
        self.served.stop().await;
    }
}

/// Starts a simulated instance; returns when it listens.
///
/// # Errors
/// [`SimError::Setting`] for settings that cannot work, a flow file that cannot be read or imported included;
/// otherwise what the authority, the server or the client say.
pub async fn run(settings: Settings) -> Result<Running, SimError> {
    settings.check()?;
    let roster = Roster::new(&settings);
    let flows = read_flows(&settings, &roster)?;
    let authority = Arc::new(Authority::open(&settings.ca)?);
    let faults = settings.rates.clone().map_or_else(Faults::none, |rates| Faults::from_seed(settings.seed, rates));
    let hold = Duration::from_millis(settings.hold_ms);
    let ledger = Ledger::new(settings.ledger_entries);
    let scale = settings.time_scale;
    let deliverer = Deliverer::new(&authority, ledger.clone(), faults.clone(), scale, DeliveryBounds::default())?;
    let instance = Instance::new(&settings, flows, roster, Ids::from_seed(fresh_seed()));
    let destination = settings.eventbridge.as_ref().map(|to| Destination::new(to, deliverer.clone())).transpose()?;
    let publisher = match &settings.sns {
        Some(to) => {
            let signing = Arc::clone(&authority);
            // Making an RSA key takes about a second.
            let issued = tokio::task::spawn_blocking(move || signing.issue_rsa("sns.amazonaws.com")).await;
            let identity = issued.map_err(|error| SimError::RsaKey(error.to_string()))??;
            let (facts, ids) = (instance.facts.clone(), Ids::from_seed(fresh_seed()));
            Some(Publisher::new(to.clone(), facts, identity, deliverer.clone(), ledger.clone(), scale, ids))
        }
        None => None,
    };
    let (outbox, inbox) = mpsc::channel(MAX_WAITING);
    let parts = Parts {
        access_key_id: settings.access_key_id.clone(),
        secret_access_key: settings.secret_access_key.clone(),
        ledger: ledger.clone(),
        destination,
        publisher,
        outbox,
        ids: Ids::from_seed(fresh_seed()),
    };
    let cloud = Arc::new(Cloud::new(instance, parts));
    let routes = Router::new()
        .merge(api::routes(&cloud, faults.clone(), hold))
        .merge(participant::routes(&cloud, faults.clone(), hold))
        .merge(sns::routes())
        .merge(control::routes())
        .with_state(Arc::clone(&cloud))
        .merge(control_routes(ledger.clone(), faults.clone()))
        .fallback(api::unknown_operation);
    let tls = authority.server_config(&names(&settings.region).each_ref().map(String::as_str))?;
    let served = serve(settings.listen, tls, routes).await?;
    let mut tasks = JoinSet::new();
    tasks.spawn(Arc::clone(&cloud).push(inbox));
    tasks.spawn(Arc::clone(&cloud).keep_time());
    if settings.sns.as_ref().is_some_and(|to| to.subscribe) {
        tasks.spawn(async move { cloud.subscribe().await });
    }
    let endpoint = format!("https://{}", served.addr);
    Ok(Running { addr: served.addr, endpoint, ledger, faults, served, deliverer, _tasks: tasks })
}

/// Every name under which the cloud can be reached: directly, or by a client that resolves AWS's names to here.
fn names(region: &str) -> [String; 6] {
    [
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        "::1".to_owned(),
        format!("connect.{region}.amazonaws.com"),
        format!("participant.connect.{region}.amazonaws.com"),
        format!("sns.{region}.amazonaws.com"),
    ]
}

fn read_flows(settings: &Settings, roster: &Roster) -> Result<HashMap<String, Flow>, SimError> {
    let wrong = |problem: String| SimError::Setting { key: "flows", problem };
    let mut flows = HashMap::new();
    for (id, path) in &settings.flows {
        let text = std::fs::read_to_string(path).map_err(|error| wrong(format!("{}: {error}", path.display())))?;
        let mut flow = Flow::parse(&text).map_err(|problem| wrong(format!("{}: {problem}", path.display())))?;
        let prefix = format!("{}/queue/", settings.instance_arn());
        let known = |queue: &str| roster.queue(queue.strip_prefix(&prefix).unwrap_or(queue)).is_some();
        let named = |name: &str| roster.queue_named(name).map(|queue| queue.id.clone());
        for action in flow.resolve_queues(known, named) {
            tracing::warn!(flow = %path.display(), action, "names a queue that this instance does not have");
        }
        flows.insert(id.to_string(), flow);
    }
    Ok(flows)
}
