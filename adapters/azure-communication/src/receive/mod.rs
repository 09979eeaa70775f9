//! The door `events`: Event Grid deliveries in both schemas, batched or not, and both handshakes.
//!
//! **Invariant:** only a request that is positively wrong is refused, because Event Grid never retries a 401. What is
//! authentic and cannot be understood is kept.

mod door;
mod entra;
mod handshake;
mod senders;
mod split;

pub(crate) use door::{DOOR, EventsDoor};
pub(crate) use split::unverified;

/// Folds names that Azure spells in any case, with or without a slash at the end: topics, subscription names, origins.
pub(crate) fn fold(name: &str) -> String {
    name.trim().trim_end_matches('/').to_lowercase()
}
