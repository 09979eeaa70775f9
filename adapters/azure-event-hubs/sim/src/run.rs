//! Starting and stopping the simulator.

use std::net::SocketAddr;
use std::sync::Arc;

use tandem_sdk::sim::{Faults, Ledger};
use tokio::task::JoinSet;

use crate::error::Error;
use crate::namespace::Namespace;
use crate::settings::Settings;
use crate::{control, listen};

/// A simulator that is running; it stops when this is dropped.
#[derive(Debug)]
pub struct Running {
    /// Where AMQP is spoken: `amqp://127.0.0.1:PORT`.
    pub endpoint: String,
    /// Where the control routes are served: `http://127.0.0.1:PORT`.
    pub control: String,
    /// The address behind [`endpoint`](Self::endpoint).
    pub addr: SocketAddr,
    /// What it suffered.
    pub ledger: Ledger,
    /// What goes wrong in it; the sites stand at the head of this crate.
    pub faults: Faults,
    tasks: JoinSet<()>,
}

impl Running {
    /// Cuts every connection and returns when the simulator is gone.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

/// Starts the simulator; returns when it listens.
///
/// # Errors
/// [`Error`] when a setting makes no sense or an address cannot be bound.
pub async fn run(settings: Settings) -> Result<Running, Error> {
    settings.check()?;
    let ledger = Ledger::new(settings.bounds.ledger_entries);
    let faults = settings.rates.clone().map_or_else(Faults::none, |rates| Faults::from_seed(settings.seed, rates));
    let (amqp, http) = (settings.listen, settings.control);
    let namespace = Arc::new(Namespace::new(settings, ledger.clone(), faults.clone())?);

    let listener = listen::listen(listen::take(amqp)?, amqp)?;
    let addr = listener.local_addr().map_err(|source| Error::Listen { addr: amqp, source })?;
    let failed = |source| Error::Listen { addr: http, source };
    let control = tokio::net::TcpListener::bind(http).await.map_err(failed)?;
    let control_addr = control.local_addr().map_err(failed)?;

    let mut tasks = JoinSet::new();
    tasks.spawn(listen::accept(listener, addr, Arc::clone(&namespace)));
    tasks.spawn(control::serve(control, namespace));
    let (endpoint, control) = (format!("amqp://{addr}"), format!("http://{control_addr}"));
    tracing::info!(%endpoint, %control, "the simulated Event Hubs namespace listens");
    Ok(Running { endpoint, control, addr, ledger, faults, tasks })
}
