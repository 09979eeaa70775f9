//! What a simulated resource knows.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tandem_sdk::sim::{Faults, Ledger};
use uuid::Uuid;

use super::chat::Thread;
use super::deliveries::Grid;
use super::entra::Tenant;
use super::limits::Limits;
use super::settings::Settings;
use super::tokens::{Claims, Mint};

/// A simulated resource; every route works on one.
pub(super) struct Sim {
    pub(super) settings: Settings,
    pub(super) key: Vec<u8>,
    pub(super) mint: Mint,
    pub(super) limits: Limits,
    pub(super) ledger: Ledger,
    pub(super) faults: Faults,
    pub(super) grid: Grid,
    pub(super) tenant: Option<Arc<Tenant>>,
    world: Mutex<World>,
}

/// Identities and threads. One lock: an effect, its ledger entry and its events happen at once and in one order.
#[derive(Default)]
pub(super) struct World {
    pub(super) identities: HashMap<String, Identity>,
    pub(super) threads: HashMap<String, Thread>,
    pub(super) repeated: Repeated,
    /// Identities whose next additions fail, and how many.
    pub(super) refused: HashMap<String, usize>,
    tokens_issued: u64,
}

/// A communication user.
#[derive(Debug, Default)]
pub(super) struct Identity {
    pub(super) deleted: bool,
    /// Tokens up to this one are revoked.
    revoked_through: u64,
}

/// Answers to requests that carried a repeatability id, by caller and id.
#[derive(Default)]
pub(super) struct Repeated {
    answers: HashMap<(String, Uuid), Value>,
    order: VecDeque<(String, Uuid)>,
}

impl Sim {
    pub(super) fn new(
        settings: Settings,
        key: Vec<u8>,
        (ledger, faults): (Ledger, Faults),
        grid: Grid,
        tenant: Option<Arc<Tenant>>,
    ) -> Self {
        let identities = settings.identities.iter().map(|id| (id.clone(), Identity::default())).collect();
        Self {
            mint: Mint::new(&key),
            limits: Limits::new(settings.limits),
            world: Mutex::new(World { identities, ..World::default() }),
            settings,
            key,
            ledger,
            faults,
            grid,
            tenant,
        }
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World {
    /// The number of the next token.
    pub(super) fn next_token(&mut self) -> u64 {
        self.tokens_issued += 1;
        self.tokens_issued
    }

    /// An identity that exists and was not deleted.
    pub(super) fn living(&mut self, id: &str) -> Option<&mut Identity> {
        self.identities.get_mut(id).filter(|identity| !identity.deleted)
    }

    /// Revokes every token issued to an identity so far. False when there is no such identity.
    pub(super) fn revoke(&mut self, id: &str) -> bool {
        let issued = self.tokens_issued;
        self.living(id).is_some_and(|identity| {
            identity.revoked_through = issued;
            true
        })
    }

    /// Whether the identity of a token still exists and the token was not revoked.
    pub(super) fn honours(&mut self, claims: &Claims) -> bool {
        self.living(&claims.identity()).is_some_and(|identity| claims.serial() > identity.revoked_through)
    }

    /// Whether putting this identity into a thread must fail because a test said so; uses up one time.
    pub(super) fn refuses(&mut self, id: &str) -> bool {
        match self.refused.get_mut(id) {
            Some(times) if *times > 1 => {
                *times -= 1;
                true
            }
            Some(_) => self.refused.remove(id).is_some(),
            None => false,
        }
    }
}

impl Repeated {
    pub(super) fn answer(&self, caller: &str, id: Uuid) -> Option<&Value> {
        self.answers.get(&(caller.to_owned(), id))
    }

    /// Keeps an answer; forgets the oldest when there are more than `bound`.
    pub(super) fn keep(&mut self, caller: &str, id: Uuid, answer: Value, bound: usize) {
        let key = (caller.to_owned(), id);
        if self.answers.insert(key.clone(), answer).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > bound.max(1) {
            if let Some(oldest) = self.order.pop_front() {
                self.answers.remove(&oldest);
            }
        }
    }
}
