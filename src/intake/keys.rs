//! Documents that verify senders, fetched once and kept for a while.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tandem_sdk::doors::KeyRing;
use url::Url;

/// Largest document.
const MOST_BYTES: usize = 1024 * 1024;
/// Documents kept at once.
const MOST_DOCUMENTS: usize = 256;
/// A document that did not help is not fetched again before this.
const FETCH_AGAIN: Duration = Duration::from_secs(30);
/// A document is fetched again after this, so that a withdrawn key does not stand for ever.
const LIFE: Duration = Duration::from_secs(24 * 3600);
/// How long a fetch may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The ring that all doors share.
#[derive(Debug)]
pub struct Keys {
    http: reqwest::Client,
    held: Mutex<Held>,
}

/// The ring as it was made last, and since when each of its documents is on it.
#[derive(Debug, Default)]
struct Held {
    ring: Arc<KeyRing>,
    since: BTreeMap<Url, Instant>,
}

impl Held {
    /// Takes off what has been on the ring for too long.
    fn let_go(&mut self) {
        let old = |since: &Instant| since.elapsed() >= LIFE;
        if self.since.values().any(old) {
            let ring = Arc::make_mut(&mut self.ring);
            for (url, _) in self.since.iter().filter(|(_, since)| old(since)) {
                ring.remove(url);
            }
            self.since.retain(|_, since| !old(since));
        }
    }

    fn put(&mut self, url: &Url, document: Bytes) {
        let ring = Arc::make_mut(&mut self.ring);
        if self.since.len() >= MOST_DOCUMENTS
            && let Some((url, _)) = self.since.pop_first()
        {
            ring.remove(&url);
        }
        ring.insert(url.clone(), document);
        self.since.insert(url.clone(), Instant::now());
    }
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
    pub fn new(http: reqwest::Client) -> Self {
        Keys { http, held: Mutex::default() }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The ring as it is now. Shared until a document comes or goes.
    pub fn ring(&self) -> Arc<KeyRing> {
        let mut held = self.held();
        held.let_go();
        Arc::clone(&held.ring)
    }

    /// Fetches a document that a door asked for.
    pub async fn fetch(&self, url: &Url) -> Fetch {
        let age = self.held().since.get(url).map(Instant::elapsed);
        if age.is_some_and(|age| age < FETCH_AGAIN) {
            return Fetch::NoHelp;
        }
        match tokio::time::timeout(PATIENCE, self.get(url)).await {
            Ok(Some(document)) => {
                self.held().put(url, document);
                Fetch::Fetched
            }
            _ => {
                tracing::warn!(%url, "a key document could not be fetched");
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
            if document.len().saturating_add(chunk.len()) > MOST_BYTES {
                return None;
            }
            document.extend_from_slice(&chunk);
        }
        Some(document.freeze())
    }
}
