//! A TLS server on loopback.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use tokio::task::JoinSet;
use tower::util::MapResult;

use super::SimError;
use super::fault_layer::Severed;

/// How long requests in flight may take after [`Served::stop`].
const GRACE: Duration = Duration::from_secs(2);

/// A server that is running. It stops when this is dropped.
#[derive(Debug)]
pub struct Served {
    /// Where it listens; the port is the real one when 0 was asked for.
    pub addr: SocketAddr,
    handle: Handle<SocketAddr>,
    task: JoinSet<()>,
}

impl Served {
    /// Takes no more connections, gives requests in flight two seconds, and returns when the server is gone.
    pub async fn stop(mut self) {
        self.handle.graceful_shutdown(Some(GRACE));
        drop(tokio::time::timeout(GRACE * 2, self.task.join_next()).await);
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.handle.shutdown();
    }
}

/// An address that is taken but not served yet: for simulators whose routes must know their own port.
#[derive(Debug)]
pub struct Bound {
    /// Where it will listen; the port is the real one when 0 was asked for.
    pub addr: SocketAddr,
    listener: TcpListener,
}

impl Bound {
    /// Takes an address.
    ///
    /// # Errors
    /// [`SimError::NotLoopback`] for an address that others could reach, [`SimError::Listen`] when it cannot be bound.
    pub fn take(listen: SocketAddr) -> Result<Self, SimError> {
        if !listen.ip().is_loopback() {
            return Err(SimError::NotLoopback(listen));
        }
        let failed = |source| SimError::Listen { addr: listen, source };
        let listener = TcpListener::bind(listen).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let addr = listener.local_addr().map_err(failed)?;
        Ok(Self { addr, listener })
    }

    /// Serves a router over TLS. A response made by [`sever`](super::sever) closes the connection instead of being
    /// sent. Must be called in a tokio runtime.
    ///
    /// # Errors
    /// [`SimError::Listen`] when the runtime does not take the listener.
    pub fn serve(self, tls: Arc<rustls::ServerConfig>, router: Router) -> Result<Served, SimError> {
        let Self { addr, listener } = self;
        let handle = Handle::new();
        let server = axum_server::from_tcp_rustls(listener, RustlsConfig::from_config(tls))
            .map_err(|source| SimError::Listen { addr, source })?
            .handle(handle.clone());
        let service = MapResult::new(router, unless_severed as fn(Result<Response, Infallible>) -> _);
        let make = tower::service_fn(move |_peer: SocketAddr| std::future::ready(Ok::<_, Infallible>(service.clone())));
        let mut task = JoinSet::new();
        task.spawn(async move {
            if let Err(error) = server.serve(make).await {
                tracing::error!(%addr, %error, "simulator stopped serving");
            }
        });
        Ok(Served { addr, handle, task })
    }
}

/// [`Bound::take`] and [`Bound::serve`] in one.
///
/// # Errors
/// As these two.
pub async fn serve(listen: SocketAddr, tls: Arc<rustls::ServerConfig>, router: Router) -> Result<Served, SimError> {
    Bound::take(listen)?.serve(tls, router)
}

/// hyper closes the connection (HTTP/1.1) or resets the stream (HTTP/2) when a service gives an error.
fn unless_severed(answer: Result<Response, Infallible>) -> Result<Response, Severed> {
    match answer {
        Ok(response) => match response.extensions().get::<Severed>() {
            Some(severed) => Err(*severed),
            None => Ok(response),
        },
        Err(never) => match never {},
    }
}
