//! The simulators' ledgers, followed from outside.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Mutex;

/// Whoever looks again before this sees what the last one read.
const FRESH: Duration = Duration::from_millis(15);

/// One effect that a simulator suffered.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Entry {
    pub(super) seq: u64,
    /// When, by the clock that everybody here has.
    pub(super) at: Timestamp,
    pub(super) effect: String,
    pub(super) key: String,
    pub(super) detail: Value,
}

impl Entry {
    /// A text of the detail.
    pub(super) fn text(&self, name: &str) -> &str {
        self.detail[name].as_str().unwrap_or_default()
    }

    /// What it is about: a thread, a chat, an interaction, or what it is entered under. Deliveries are about nothing that
    /// anybody looks for.
    fn about(&self) -> Vec<&str> {
        if self.effect.starts_with("delivery.") {
            return Vec::new();
        }
        let of = self.detail["attributes"]["tandem_interaction"].as_str().unwrap_or_default();
        let entered_under = self.key.split('/').next().unwrap_or_default();
        let mut names = vec![entered_under, self.text("threadId"), self.text("initialContactId"), of];
        names.sort_unstable();
        names.dedup();
        names.retain(|name| !name.is_empty());
        names
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

/// Entries in their order, and where those about something are: there are too many to look at all of them for each journey.
#[derive(Default)]
pub(super) struct Entries {
    all: Vec<Entry>,
    about: HashMap<String, Vec<usize>>,
}

impl Entries {
    fn push(&mut self, entry: Entry) {
        for name in entry.about() {
            match self.about.get_mut(name) {
                Some(places) => places.push(self.all.len()),
                None => drop(self.about.insert(name.to_owned(), vec![self.all.len()])),
            }
        }
        self.all.push(entry);
    }

    /// All of them.
    pub(super) fn all(&self) -> &[Entry] {
        &self.all
    }

    /// Those about this, from the n-th on.
    fn about_from(&self, name: &str, n: usize) -> impl Iterator<Item = &Entry> {
        let places = self.about.get(name).map_or(&[][..], Vec::as_slice);
        places.get(n..).unwrap_or_default().iter().filter_map(|place| self.all.get(*place))
    }

    /// Those about a thread, a chat by its initial contact, or an interaction.
    pub(super) fn about(&self, name: &str) -> impl Iterator<Item = &Entry> {
        self.about_from(name, 0)
    }
}

impl FromIterator<Entry> for Entries {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        let mut gathered = Entries::default();
        entries.into_iter().for_each(|entry| gathered.push(entry));
        gathered
    }
}

/// A ledger that is read on and on.
#[derive(Clone)]
pub(super) struct Ledger {
    http: reqwest::Client,
    endpoint: String,
    entries: Arc<RwLock<Entries>>,
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
        let after = self.with(|entries| entries.all.last().map_or(0, |entry| entry.seq));
        let url = format!("{}/sim/ledger?after={after}", self.endpoint);
        let Ok(answer) = self.http.get(url).send().await else { return };
        let Ok(text) = answer.text().await else { return };
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        for entry in text.lines().filter_map(|line| serde_json::from_str::<Entry>(line).ok()) {
            if entries.all.last().is_none_or(|last| last.seq < entry.seq) {
                entries.push(entry);
            }
        }
    }

    /// Looks at what was read.
    pub(super) fn with<T>(&self, look: impl FnOnce(&Entries) -> T) -> T {
        look(&self.entries.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether an entry like this is there among those about `name`, after reading what is new. Looks at entries from `from`
    /// on and moves it.
    pub(super) async fn has(&self, name: &str, from: &AtomicUsize, like: impl Fn(&Entry) -> bool) -> bool {
        self.find(name, from, like).await.is_some()
    }

    /// The same, and when the first such entry was made.
    pub(super) async fn find(
        &self,
        name: &str,
        from: &AtomicUsize,
        like: impl Fn(&Entry) -> bool,
    ) -> Option<Timestamp> {
        self.refresh().await;
        self.with(|entries| {
            let mut looked_at = from.load(Ordering::Relaxed);
            let found = entries.about_from(name, looked_at).inspect(|_| looked_at += 1).find(|entry| like(entry));
            let at = found.map(|entry| entry.at);
            from.store(looked_at, Ordering::Relaxed);
            at
        })
    }

    /// Writes what was read, for whoever looks into what went wrong.
    pub(super) fn write(&self, file: &Path) {
        let lines = self.with(|entries| {
            entries.all.iter().filter_map(|entry| serde_json::to_string(entry).ok()).collect::<Vec<_>>().join("\n")
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_entry_is_found_by_everything_that_it_is_about() {
        let entry = |effect: &str, key: &str, detail: Value| Entry {
            seq: 1,
            at: Timestamp::UNIX_EPOCH,
            effect: effect.into(),
            key: key.into(),
            detail,
        };
        let entries: Entries = [
            entry("participant.added", "t/ada", json!({})),
            entry("message.posted", "mark", json!({ "threadId": "t" })),
            entry(
                "contact.started",
                "c",
                json!({ "initialContactId": "c", "attributes": { "tandem_interaction": "i" } }),
            ),
            entry("delivery.attempted", "t", json!({})),
        ]
        .into_iter()
        .collect();
        let effects = |name: &str| entries.about(name).map(|entry| entry.effect.as_str()).collect::<Vec<_>>();
        assert_eq!(effects("t"), ["participant.added", "message.posted"]);
        assert_eq!((effects("c"), effects("i")), (vec!["contact.started"], vec!["contact.started"]));
        assert_eq!((effects("mark"), effects("x")), (vec!["message.posted"], vec![]));
        assert_eq!(entries.about_from("t", 1).count() + entries.about_from("t", 9).count(), 1);
    }
}
