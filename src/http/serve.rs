//! Listening: plain HTTP on loopback or behind a proxy, or TLS by rustls.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_util::sync::CancellationToken;

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

/// Serves until `stop` is asked for, then lets requests in hand finish within `grace`.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    routes: Router,
    stop: CancellationToken,
    grace: Duration,
) -> Result<(), ServeError> {
    let handle = Handle::new();
    let stopping = handle.clone();
    let watch = async move {
        stop.cancelled().await;
        stopping.graceful_shutdown(Some(grace));
        std::future::pending::<()>().await;
    };
    let service = routes.into_make_service();
    let serving = async {
        match tls {
            Some(tls) => {
                axum_server::from_tcp_rustls(listener, RustlsConfig::from_config(tls))?
                    .handle(handle)
                    .serve(service)
                    .await
            }
            None => axum_server::from_tcp(listener)?.handle(handle).serve(service).await,
        }
    };
    tokio::select! {
        served = serving => Ok(served?),
        () = watch => Ok(()),
    }
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
