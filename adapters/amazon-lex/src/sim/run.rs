//! Starting a simulated runtime.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn;
use tandem_sdk::sim::{Authority, Faults, Ledger, Served, SimError, control_routes, serve};

use super::bot::Script;
use super::hook::Function;
use super::quotas::Quotas;
use super::runtime::{Bot, Runtime};
use super::sessions::Sessions;
use super::settings::Settings;
use super::{api, control};

/// A simulated runtime that is running. It stops when this is dropped.
pub struct Running {
    /// Where it listens.
    pub addr: SocketAddr,
    /// The endpoint of the API, for example `https://127.0.0.1:4567`.
    pub endpoint: String,
    /// The effects that it suffered.
    pub ledger: Ledger,
    /// What goes wrong; sites are `METHOD path`, the path with `{bot}`, `{alias}`, `{locale}`, `{session}`.
    pub faults: Faults,
    served: Served,
}

impl Running {
    /// Stops, giving requests in flight two seconds.
    pub async fn stop(self) {
        self.served.stop().await;
    }
}

/// Starts a simulated runtime; returns when it listens.
///
/// # Errors
/// [`SimError::Setting`] for settings that cannot work, a script that cannot be read included; otherwise what the
/// authority, the server or the client say.
pub async fn run(settings: Settings) -> Result<Running, SimError> {
    settings.check()?;
    let authority = Authority::open(&settings.ca)?;
    let bots = build_bots(&settings, &authority)?;
    let faults = settings.rates.clone().map_or_else(Faults::none, |rates| Faults::from_seed(settings.seed, rates));
    let ledger = Ledger::new(settings.ledger_entries);
    let named = format!("runtime-v2-lex.{}.amazonaws.com", settings.region);
    let tls = authority.server_config(&["localhost", "127.0.0.1", "::1", &named])?;
    let (listen, hold) = (settings.listen, Duration::from_millis(settings.hold_ms));
    let runtime = Runtime {
        bots,
        sessions: Sessions::new(settings.sessions),
        quotas: Quotas::new(settings.limits, settings.rate),
        ledger: ledger.clone(),
        settings,
    };
    let routes = Router::new()
        .merge(api::routes(&faults, &ledger, hold))
        .merge(control::routes())
        .with_state(Arc::new(runtime))
        .merge(control_routes(ledger.clone(), faults.clone()))
        .fallback(api::unknown_operation)
        .layer(from_fn(api::number));
    let served = serve(listen, tls, routes).await?;
    tracing::info!(addr = %served.addr, "the simulated Lex runtime listens");
    Ok(Running { addr: served.addr, endpoint: format!("https://{}", served.addr), ledger, faults, served })
}

fn build_bots(settings: &Settings, authority: &Authority) -> Result<BTreeMap<String, Bot>, SimError> {
    let build = |bot: &super::BotSettings| {
        let script = Script::load(&bot.script)?;
        let function = bot.hook.as_ref().map(|hook| Function::new(hook, authority, settings.time_scale)).transpose()?;
        Ok((bot.id.clone(), Bot { settings: bot.clone(), script, function }))
    };
    settings.bots.iter().map(build).collect()
}
