//! Listening: plain HTTP on loopback or behind a proxy, or TLS by rustls.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum_server::tls_rustls::RustlsConfig;
use axum_server::{Handle, Server};
use hyper_util::rt::TokioTimer;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_util::sync::CancellationToken;

use super::connections::Counted;

/// Why the hub cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address.
    #[error("cannot listen on {0}: {1}")]
    Bind(SocketAddr, std::io::Error),
    /// The certificate or its key.
    #[error("{0} is no certificate or key in PEM: {1}")]
    Pem(String, String),
    /// rustls refused them.
    #[error("certificate and key do not make a server: {0}")]
    Tls(#[from] rustls::Error),
    /// The server ended.
    #[error("the server ended: {0}")]
    Ended(#[from] std::io::Error),
}

/// What bounds the server.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections at once.
    pub connections: usize,
    /// How long the headers of a request may take, from the moment it is waited for.
    pub headers: Duration,
    /// How long requests in hand may take once the server is asked to stop.
    pub grace: Duration,
}

/// Serves until `stop` is asked for, then lets requests in hand finish within the grace.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    routes: Router,
    stop: CancellationToken,
    bounds: Bounds,
) -> Result<(), ServeError> {
    let handle = Handle::new();
    let stopping = handle.clone();
    let watch = async move {
        stop.cancelled().await;
        stopping.graceful_shutdown(Some(bounds.grace));
        std::future::pending::<()>().await;
    };
    let service = routes.into_make_service();
    let serving = async {
        match tls {
            Some(tls) => {
                let server = axum_server::from_tcp_rustls(listener, RustlsConfig::from_config(tls))?;
                bounded(server, bounds).handle(handle).serve(service).await
            }
            None => bounded(axum_server::from_tcp(listener)?, bounds).handle(handle).serve(service).await,
        }
    };
    tokio::select! {
        served = serving => Ok(served?),
        () = watch => Ok(()),
    }
}

/// The server within its bounds.
fn bounded<A>(server: Server<SocketAddr, A>, bounds: Bounds) -> Server<SocketAddr, Counted<A>> {
    let mut server = server.map(|inner| Counted::new(inner, bounds.connections, bounds.headers));
    let http = server.http_builder();
    http.http1().timer(TokioTimer::new()).header_read_timeout(bounds.headers);
    http.http2().timer(TokioTimer::new()).keep_alive_interval(bounds.headers);
    server
}

/// Reads certificate and key. ring is the provider; HTTP/2 and 1.1 are offered.
pub fn tls(certificate: &Path, key: &Path) -> Result<Arc<rustls::ServerConfig>, ServeError> {
    let bad = |path: &Path, error: rustls::pki_types::pem::Error| {
        ServeError::Pem(path.display().to_string(), error.to_string())
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| bad(certificate, error))?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| bad(key, error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, secret)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
