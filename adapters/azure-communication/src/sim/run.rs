//! Starting and stopping a simulator.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use tandem_sdk::sim::{
    Authority, Bound, Deliverer, DeliveryBounds, FaultLayer, Faults, Ledger, Served, SimError, control_routes,
    fault_layer,
};

use super::answer::for_fault;
use super::calls::{MAX_BODY, need_api_version, need_signature};
use super::deliveries::Grid;
use super::entra::Tenant;
use super::settings::Settings;
use super::state::Sim;
use super::{chat, identity};

/// Identities whose additions fail because a test said so.
const MAX_REFUSED: usize = 10_000;

/// A simulator that is running; it stops when this is dropped.
pub struct Running {
    /// Where it listens.
    pub addr: SocketAddr,
    /// `https://{addr}/`: the endpoint of a connection string.
    pub endpoint: String,
    /// What it suffered.
    pub ledger: Ledger,
    /// What goes wrong in it; faults can be forced at the sites `METHOD path` and `event-grid SUBSCRIPTION`.
    pub faults: Faults,
    served: Served,
    deliverer: Deliverer,
}

impl Running {
    /// Deliveries neither acknowledged nor given up yet.
    #[must_use]
    pub fn open_deliveries(&self) -> usize {
        self.deliverer.open()
    }

    /// Stops listening and delivering.
    pub async fn stop(self) {
        self.served.stop().await;
    }
}

/// Starts a simulator. Subscriptions shake hands as soon as their webhooks are up; events wait for that.
///
/// # Errors
/// [`SimError`] when a setting makes no sense, the authority cannot be used, or the address cannot be bound.
pub async fn run(settings: Settings) -> Result<Running, SimError> {
    settings.check()?;
    let authority = Authority::open(&settings.ca)?;
    let ledger = Ledger::new(settings.bounds.ledger);
    let faults = settings.rates.clone().map_or_else(Faults::none, |rates| Faults::from_seed(settings.seed, rates));
    let tenant = match settings.entra.clone() {
        Some(entra) => Some(Arc::new(Tenant::new(entra, &authority)?)),
        None => None,
    };
    let bounds = DeliveryBounds::default();
    let deliverer = Deliverer::new(&authority, ledger.clone(), faults.clone(), settings.time_scale, bounds)?;
    let names: Vec<&str> = settings.names.iter().map(String::as_str).collect();
    let tls = authority.server_config(&names)?;

    let bound = Bound::take(settings.listen)?;
    let endpoint = format!("https://{}/", bound.addr);
    let grid = Grid::start(&settings, &endpoint, tenant.as_ref(), &ledger, &deliverer)?;
    let key = settings.key_bytes()?;
    let sim = Arc::new(Sim::new(settings, key, (ledger.clone(), faults.clone()), grid, tenant));
    let served = bound.serve(tls, router(&sim))?;
    Ok(Running { addr: served.addr, endpoint, ledger, faults, served, deliverer })
}

/// Fault sites are those of the vendor's routes alone; a judge is never faulted.
fn router(sim: &Arc<Sim>) -> Router {
    let hold = Duration::from_millis(sim.settings.hold_ms);
    let full = Arc::clone(sim);
    let faults = FaultLayer::new(sim.faults.clone(), for_fault)
        .holding(hold)
        .entering(sim.ledger.clone(), what_was_called)
        .refusing_while(move || full.grid.is_full());
    let identity = identity::routes().layer(from_fn_with_state(Arc::clone(sim), need_signature));
    let own = Router::new()
        .route("/sim/acs/refuse-participant", post(refuse_participant))
        .route("/sim/acs/attach", post(chat::attach))
        .route("/sim/acs/subscriptions", get(subscriptions))
        .route("/eventsubscriptions/{name}/validate", get(validate))
        .route("/{tenant}/discovery/v2.0/keys", get(keys));
    identity
        .merge(chat::routes())
        .layer(from_fn(need_api_version))
        .layer(from_fn_with_state(faults, fault_layer))
        .merge(own)
        .with_state(Arc::clone(sim))
        .merge(control_routes(sim.ledger.clone(), sim.faults.clone()))
        .layer(DefaultBodyLimit::max(MAX_BODY))
}

/// A message by the mark that its sender gave it, as where it is entered; anything else by its path.
fn what_was_called(path: &str, body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    body["metadata"]["tandem"].as_str().unwrap_or(path).to_owned()
}

#[derive(Deserialize)]
struct Refused {
    id: String,
    times: Option<usize>,
}

async fn refuse_participant(State(sim): State<Arc<Sim>>, Json(wish): Json<Refused>) -> StatusCode {
    let mut world = sim.world();
    if world.refused.len() >= MAX_REFUSED {
        return StatusCode::CONFLICT;
    }
    world.refused.insert(wish.id, wish.times.unwrap_or(1));
    StatusCode::NO_CONTENT
}

async fn subscriptions(State(sim): State<Arc<Sim>>) -> Json<Value> {
    Json(sim.grid.states())
}

#[derive(Deserialize)]
struct Validate {
    token: String,
}

async fn validate(State(sim): State<Arc<Sim>>, Path(name): Path<String>, Query(wish): Query<Validate>) -> StatusCode {
    if sim.grid.validate(&name, &wish.token) { StatusCode::OK } else { StatusCode::NOT_FOUND }
}

async fn keys(State(sim): State<Arc<Sim>>, Path(name): Path<String>) -> Response {
    match sim.tenant.as_ref().filter(|tenant| tenant.is(&name)) {
        Some(tenant) => Json(tenant.keys()).into_response(),
        None => (StatusCode::NOT_FOUND, Json(json!({"error": "tenant not found"}))).into_response(),
    }
}
