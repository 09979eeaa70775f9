//! Why a simulator could not start or could not do what it was told.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a simulator could not start or could not do what it was told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimError {
    /// A file of the certificate authority could not be read or written.
    #[error("certificate authority file {path}: {source}")]
    AuthorityFile {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A key or certificate could not be made or parsed.
    #[error("certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// An RSA key could not be made or encoded.
    #[error("rsa key: {0}")]
    RsaKey(String),
    /// TLS could not be set up with what was given.
    #[error("tls: {0}")]
    Tls(#[from] rustls::Error),
    /// A simulator was asked to listen where others could reach it.
    #[error("{0} is not a loopback address; simulators listen on loopback only")]
    NotLoopback(SocketAddr),
    /// The address could not be bound.
    #[error("listen on {addr}: {source}")]
    Listen {
        /// The address asked for.
        addr: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The client for deliveries could not be built, or a request could not be carried out.
    #[error("http client: {0}")]
    Http(#[from] reqwest::Error),
    /// A setting makes no sense.
    #[error("setting {key}: {problem}")]
    Setting {
        /// Which setting.
        key: &'static str,
        /// What is wrong with it and what would be right.
        problem: String,
    },
}
