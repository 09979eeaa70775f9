//! One client's connection, as far as others have to do with it.

use std::sync::atomic::AtomicUsize;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use crate::grants::Grants;

/// What a connection holds, and what can be done to it.
pub(crate) struct OpenConnection {
    pub(crate) id: u64,
    pub(crate) grants: Grants,
    /// How many links it has.
    pub(crate) links: AtomicUsize,
    /// Resets its socket.
    pub(crate) cut: Notify,
    /// Closes it with `amqp:connection:forced`.
    pub(crate) force: Notify,
    frozen_until: Mutex<Option<Instant>>,
}

impl OpenConnection {
    pub(crate) fn new(id: u64, most_grants: usize) -> Self {
        OpenConnection {
            id,
            grants: Grants::new(most_grants),
            links: AtomicUsize::new(0),
            cut: Notify::new(),
            force: Notify::new(),
            frozen_until: Mutex::new(None),
        }
    }

    /// Nothing comes or goes until then, while the socket stays open.
    pub(crate) fn freeze(&self, until: Instant) {
        *self.frozen_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }

    pub(crate) fn frozen_until(&self) -> Option<Instant> {
        *self.frozen_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
