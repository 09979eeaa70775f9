//! Why the simulator could not start.

use std::io;
use std::net::SocketAddr;

/// Why the simulator could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting makes no sense.
    #[error("setting {key}: {problem}")]
    Setting {
        /// Which setting.
        key: &'static str,
        /// What is wrong with it and what would be right.
        problem: String,
    },
    /// It was asked to listen where others could reach it.
    #[error("{0} is not a loopback address; simulators listen on loopback only")]
    NotLoopback(SocketAddr),
    /// An address could not be bound.
    #[error("listen on {addr}: {source}")]
    Listen {
        /// The address asked for.
        addr: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
}
