//! Starting and stopping a simulator.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use serde_json::json;
use tandem_sdk::sim::{
    Authority, FaultKind, FaultLayer, Faults, Ledger, Served, SimError, control_routes, fault_layer, serve,
};

use super::script::Script;
use super::settings::Settings;
use super::state::Sim;
use super::{control, oauth, profiles};

/// Largest request that it reads, in bytes.
const MAX_BODY: usize = 1 << 20;

/// A simulator that is running; it stops when this is dropped.
pub struct Running {
    /// Where it listens.
    pub addr: SocketAddr,
    /// What it suffered.
    pub ledger: Ledger,
    /// What goes wrong in it; faults can be forced at the sites `METHOD path`, for instance `POST /oauth2/token`.
    pub faults: Faults,
    served: Served,
}

impl Running {
    /// The token endpoint.
    #[must_use]
    pub fn token_url(&self) -> String {
        format!("https://localhost:{}/oauth2/token", self.addr.port())
    }

    /// The profile endpoint.
    #[must_use]
    pub fn profile_url(&self) -> String {
        format!("https://localhost:{}/v1/profiles", self.addr.port())
    }

    /// Stops, giving requests in flight two seconds.
    pub async fn stop(self) {
        self.served.stop().await;
    }
}

/// Starts a simulator; returns when it listens.
///
/// # Errors
/// [`SimError`] when the profiles cannot be read, the authority cannot be used, or the address cannot be bound.
pub async fn run(settings: Settings) -> Result<Running, SimError> {
    let script = settings.profiles.as_deref().map(Script::load).transpose()?.unwrap_or_default();
    let authority = Authority::open(&settings.authority)?;
    let ledger = Ledger::default();
    let faults = settings.rates.clone().map_or_else(Faults::none, |rates| Faults::from_seed(settings.seed, rates));
    let tls = authority.server_config(&["localhost", "127.0.0.1"])?;
    let (listen, hold) = (settings.listen, Duration::from_millis(settings.hold_ms));
    let sim = Arc::new(Sim::new(settings, script, ledger.clone()));
    // Fault sites are those of the vendor's routes alone; a judge is never faulted.
    let layer = FaultLayer::new(faults.clone(), fault_body).holding(hold);
    let routes = Router::new()
        .route("/oauth2/token", post(oauth::grant))
        .route("/v1/profiles", get(profiles::by_query).post(profiles::by_body))
        .route("/v1/profiles/{value}", get(profiles::by_path))
        .layer(from_fn_with_state(layer, fault_layer))
        .merge(control::routes())
        .with_state(sim)
        .merge(control_routes(ledger.clone(), faults.clone()))
        .layer(DefaultBodyLimit::max(MAX_BODY));
    let served = serve(listen, tls, routes).await?;
    tracing::info!(addr = %served.addr, "the simulated CDP listens");
    Ok(Running { addr: served.addr, ledger, faults, served })
}

fn fault_body(fault: FaultKind) -> Response {
    let status =
        if fault == FaultKind::Throttle { StatusCode::TOO_MANY_REQUESTS } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "error": "temporarily_unavailable" }))).into_response()
}
