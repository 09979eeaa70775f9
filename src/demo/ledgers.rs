//! The simulators' ledgers, followed from outside.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Mutex;

/// Whoever looks again before this sees what the last one read.
const FRESH: Duration = Duration::from_millis(15);

/// One effect that a simulator suffered.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Entry {
    pub(super) seq: u64,
    pub(super) effect: String,
    pub(super) key: String,
    pub(super) detail: Value,
}

impl Entry {
    /// A text of the detail.
    pub(super) fn text(&self, name: &str) -> &str {
        self.detail[name].as_str().unwrap_or_default()
    }

    /// Whether it was said as the customer in the chat with this initial contact id: in Connect only the hub does.
    pub(super) fn is_said_by_customer_in(&self, contact: &str) -> bool {
        self.effect == "message.sent"
            && self.text("participantRole") == "CUSTOMER"
            && self.text("initialContactId") == contact
    }

    /// Whether the hub posted it in a thread, in whomsoever's voice: it marks what it says.
    pub(super) fn is_posted_by_hub_in(&self, thread: &str) -> bool {
        self.effect == "message.posted"
            && self.detail["metadata"]["tandem"].is_string()
            && self.text("threadId") == thread
    }
}

/// A ledger that is read on and on.
#[derive(Clone)]
pub(super) struct Ledger {
    http: reqwest::Client,
    endpoint: String,
    entries: Arc<RwLock<Vec<Entry>>>,
    /// When it was read last. Held while it is read: one reads, the others see what came.
    read: Arc<Mutex<Option<Instant>>>,
}

impl Ledger {
    pub(super) fn new(http: reqwest::Client, endpoint: String) -> Self {
        Ledger { http, endpoint, entries: Arc::default(), read: Arc::default() }
    }

    /// Reads what is new.
    pub(super) async fn refresh(&self) {
        let mut read = self.read.lock().await;
        if read.is_some_and(|read| read.elapsed() < FRESH) {
            return;
        }
        self.read_on().await;
        *read = Some(Instant::now());
    }

    async fn read_on(&self) {
        let after = self.with(|entries| entries.last().map_or(0, |entry| entry.seq));
        let url = format!("{}/sim/ledger?after={after}", self.endpoint);
        let Ok(answer) = self.http.get(url).send().await else { return };
        let Ok(text) = answer.text().await else { return };
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        for entry in text.lines().filter_map(|line| serde_json::from_str::<Entry>(line).ok()) {
            if entries.last().is_none_or(|last| last.seq < entry.seq) {
                entries.push(entry);
            }
        }
    }

    /// Looks at what was read.
    pub(super) fn with<T>(&self, look: impl FnOnce(&[Entry]) -> T) -> T {
        look(&self.entries.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether an entry like this is there, after reading what is new. Looks at entries from `from` on and moves it.
    pub(super) async fn has(&self, from: &std::sync::atomic::AtomicUsize, like: impl Fn(&Entry) -> bool) -> bool {
        use std::sync::atomic::Ordering::Relaxed;
        self.refresh().await;
        self.with(|entries| {
            let new = entries.get(from.load(Relaxed)..).unwrap_or_default();
            let found = new.iter().any(like);
            from.store(entries.len(), Relaxed);
            found
        })
    }

    /// Writes what was read, for whoever looks into what went wrong.
    pub(super) fn write(&self, file: &Path) {
        let lines = self.with(|entries| {
            entries.iter().filter_map(|entry| serde_json::to_string(entry).ok()).collect::<Vec<_>>().join("\n")
        });
        if let Err(error) = std::fs::write(file, lines) {
            tracing::warn!(%error, "a ledger cannot be written down");
        }
    }

    /// How often each fault was drawn, and of how many calls.
    pub(super) async fn histogram(&self) -> Value {
        match self.http.get(format!("{}/sim/faults", self.endpoint)).send().await {
            Ok(answer) => answer.json().await.unwrap_or(Value::Null),
            Err(_) => Value::Null,
        }
    }
}
