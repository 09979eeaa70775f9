//! Documents that verify senders, fetched once and kept for a while.
//!
//! Anybody can send a message that names a document, so what it costs is bounded: one fetch for all who ask for the same
//! document, few at once, and none for a while after one that failed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use tandem_sdk::doors::KeyRing;
use tokio::sync::Semaphore;
use url::Url;

use crate::config::{Period, Size};

/// `[network.keys]`: documents that verify senders of webhooks.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeySettings {
    /// Documents kept at once, and as many addresses that failed.
    pub kept: usize,
    /// Largest document.
    pub size: Size,
    /// Fetches on their way at once; who wants one more is told to come again.
    pub at_once: usize,
    /// How long a fetch may take.
    pub timeout: Period,
    /// A document that could not be had is not fetched again before this.
    pub failed: Period,
    /// A document that did not help is not fetched again before this.
    pub again: Period,
    /// A document is fetched again after this, so that a withdrawn key does not stand for ever.
    pub life: Period,
}

impl Default for KeySettings {
    fn default() -> Self {
        KeySettings {
            kept: 256,
            size: Size::mib(1),
            at_once: 8,
            timeout: Period::secs(5),
            failed: Period::secs(5),
            again: Period::secs(30),
            life: Period::secs(24 * 3600),
        }
    }
}

/// The ring that all doors share.
#[derive(Debug)]
pub struct Keys {
    http: reqwest::Client,
    settings: KeySettings,
    places: Semaphore,
    held: Mutex<Held>,
}

/// Whoever fetches a document holds its lock; whoever wants the same one waits for it.
type Flight = Arc<tokio::sync::Mutex<()>>;

/// The ring as it was made last, since when each of its documents is on it, and what else is known of addresses.
#[derive(Debug, Default)]
struct Held {
    ring: Arc<KeyRing>,
    since: BTreeMap<Url, Instant>,
    failed: BTreeMap<Url, Instant>,
    flights: BTreeMap<Url, Flight>,
}

impl Held {
    /// Takes off what has been on the ring for too long.
    fn let_go(&mut self, life: Duration) {
        let old = |since: &Instant| since.elapsed() >= life;
        if self.since.values().any(old) {
            let ring = Arc::make_mut(&mut self.ring);
            for (url, _) in self.since.iter().filter(|(_, since)| old(since)) {
                ring.remove(url);
            }
            self.since.retain(|_, since| !old(since));
        }
    }

    fn put(&mut self, url: &Url, document: Bytes, most: usize) {
        let ring = Arc::make_mut(&mut self.ring);
        if let Some(url) = make_room(&mut self.since, url, most) {
            ring.remove(&url);
        }
        ring.insert(url.clone(), document);
        self.since.insert(url.clone(), Instant::now());
        self.failed.remove(url);
    }

    fn put_failed(&mut self, url: &Url, most: usize) {
        make_room(&mut self.failed, url, most);
        self.failed.insert(url.clone(), Instant::now());
    }

    /// What is known without fetching, for somebody who looked at the ring `seen`.
    fn known(&self, url: &Url, seen: &KeyRing, settings: &KeySettings) -> Option<Fetch> {
        let is_young = |since: Option<&Instant>, life: Period| since.is_some_and(|since| since.elapsed() < life.get());
        if self.ring.get(url).is_some() && self.ring.get(url) != seen.get(url) {
            return Some(Fetch::Fetched);
        }
        if is_young(self.since.get(url), settings.again) {
            return Some(Fetch::NoHelp);
        }
        is_young(self.failed.get(url), settings.failed).then_some(Fetch::Failed)
    }

    /// The lock of a document's fetch. Locks that nobody holds or waits for go.
    fn flight(&mut self, url: &Url) -> Flight {
        self.flights.retain(|_, flight| Arc::strong_count(flight) > 1);
        Arc::clone(self.flights.entry(url.clone()).or_default())
    }
}

/// Makes room for one more entry: the oldest goes.
fn make_room(entries: &mut BTreeMap<Url, Instant>, url: &Url, most: usize) -> Option<Url> {
    if entries.len() < most || entries.contains_key(url) {
        return None;
    }
    let oldest = entries.iter().min_by_key(|(_, since)| **since).map(|(url, _)| url.clone())?;
    entries.remove(&oldest);
    Some(oldest)
}

/// What came of wanting a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetch {
    /// It is on the ring now.
    Fetched,
    /// It was on the ring and did not help; it is too early to fetch it again.
    NoHelp,
    /// It cannot be had.
    Failed,
}

impl Keys {
    /// An empty ring. The client must follow no redirects.
    pub fn new(http: reqwest::Client, settings: KeySettings) -> Self {
        let places = Semaphore::new(settings.at_once.min(Semaphore::MAX_PERMITS));
        Keys { http, settings, places, held: Mutex::default() }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The ring as it is now. Shared until a document comes or goes.
    pub fn ring(&self) -> Arc<KeyRing> {
        let mut held = self.held();
        held.let_go(self.settings.life.get());
        Arc::clone(&held.ring)
    }

    /// Fetches a document that a door asked for after it had looked at the ring `seen`.
    pub async fn fetch(&self, url: &Url, seen: &KeyRing) -> Fetch {
        let flight = {
            let mut held = self.held();
            if let Some(known) = held.known(url, seen, &self.settings) {
                return known;
            }
            held.flight(url)
        };
        let _alone = flight.lock().await;
        // Somebody else may have fetched it meanwhile.
        if let Some(known) = self.held().known(url, seen, &self.settings) {
            return known;
        }
        let Ok(_place) = self.places.try_acquire() else {
            tracing::warn!("too many key documents are being fetched");
            return Fetch::Failed;
        };
        let most = self.settings.kept;
        match tokio::time::timeout(self.settings.timeout.get(), self.get(url)).await {
            Ok(Some(document)) => {
                self.held().put(url, document, most);
                Fetch::Fetched
            }
            _ => {
                tracing::warn!(%url, "a key document could not be fetched");
                self.held().put_failed(url, most);
                Fetch::Failed
            }
        }
    }

    async fn get(&self, url: &Url) -> Option<Bytes> {
        let mut response = self.http.get(url.clone()).send().await.ok()?.error_for_status().ok()?;
        if !response.status().is_success() {
            return None;
        }
        let mut document = BytesMut::new();
        while let Some(chunk) = response.chunk().await.ok()? {
            if document.len().saturating_add(chunk.len()) > self.settings.size.in_memory() {
                return None;
            }
            document.extend_from_slice(&chunk);
        }
        Some(document.freeze())
    }
}
