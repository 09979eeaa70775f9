//! The stage: the processes that are up, and what can be seen of them from outside.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tandem_sdk::sim::Authority;
use tokio::sync::{Mutex, OnceCell};

use super::killing::Killing;
use super::ledgers::{Entry, Ledger};
use super::play::Options;
use super::process::{Process, until};
use super::report::Report;
use super::town::{TOPIC, Town, TownError};
use super::waits::{Towards, Waits};

/// With more journeys at once than this the CDP may take longer than a decision waits for it; deciding without it is right
/// then, and is counted.
const CROWD: usize = 100;

pub(super) struct Stage {
    pub(super) town: Town,
    pub(super) patience: Duration,
    pub(super) breath: Duration,
    pub(super) waits: Waits,
    pub(super) http: reqwest::Client,
    pub(super) acs: Ledger,
    pub(super) connect: Ledger,
    pub(super) cdp: Ledger,
    pub(super) report: Report,
    pub(super) hub: Mutex<Process>,
    pub(super) killing: Killing,
    pub(super) seed: Option<u64>,
    /// Whether a profile may come too late without anybody's fault.
    pub(super) may_lack_profiles: bool,
    /// Gold customers whose profile did not come in time.
    pub(super) without_profile: AtomicUsize,
    _simulators: Vec<Process>,
}

#[expect(clippy::disallowed_methods, reason = "the people of the demo are no part of the hub")]
fn client(authority: &Authority) -> Result<reqwest::Client, TownError> {
    let builder = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(12));
    let client = authority.trusted_by(builder)?.build();
    client.map_err(|error| TownError::Io(std::io::Error::other(error)))
}

/// How long it was from one to the other. What arrives before its sender has an answer took no time.
fn between(said: Timestamp, heard: Option<&Timestamp>) -> Duration {
    heard.and_then(|heard| Duration::try_from(heard.duration_since(said)).ok()).unwrap_or_default()
}

impl Stage {
    /// Starts every process.
    pub(super) fn raise(town: Town, options: &Options) -> Result<Stage, TownError> {
        let http = client(&town.authority)?;
        let start =
            |name: &str, arguments: &[&str]| Process::start(arguments, &town.folder.join(format!("{name}.log")));
        let settings = |name: &str| town.folder.join(name).display().to_string();
        let simulators = vec![
            start("acs", &["sim", "acs", "--settings", &settings("acs.toml"), "--while-stdin"])?,
            start("connect", &["sim", "connect", "--settings", &settings("connect.toml"), "--while-stdin"])?,
            start("cdp", &["sim", "cdp", "--settings", &settings("cdp.toml"), "--while-stdin"])?,
        ];
        let hub = start(
            "hub",
            &["serve", "--config", &settings("tandem.toml"), "--data", &settings("data"), "--while-stdin"],
        )?;
        let ledger = |address| Ledger::new(http.clone(), format!("https://{address}"));
        Ok(Stage {
            acs: ledger(town.acs),
            connect: ledger(town.connect),
            cdp: ledger(town.cdp),
            report: Report::new(options.shown),
            patience: options.patience,
            breath: options.breath,
            waits: Waits::default(),
            hub: Mutex::new(hub),
            killing: Killing::new(options.kills, options.journeys),
            seed: options.seed,
            may_lack_profiles: options.journeys > CROWD || options.seed.is_some() || options.kills > 0,
            without_profile: AtomicUsize::new(0),
            _simulators: simulators,
            http,
            town,
        })
    }

    pub(super) async fn is_ready(&self) -> bool {
        let ready = format!("https://{}/readyz", self.town.hub);
        self.http.get(&ready).send().await.is_ok_and(|answer| answer.status().is_success())
    }

    /// Waits until everybody is there: the hub is ready, the handshakes are done, the subscription is confirmed.
    pub(super) async fn opened(&self) -> Result<(), String> {
        self.need("the hub is ready", || self.is_ready()).await?;
        self.report.step(0, "hub", "listens", &json!(format!("https://{}", self.town.hub)));
        self.need("Event Grid's handshake is granted", || async {
            self.acs.refresh().await;
            self.acs.with(|entries| entries.all().iter().filter(|entry| entry.effect == "handshake.granted").count())
                >= 2
        })
        .await?;
        self.report.step(0, "azure", "Event Grid shook hands with the hub", &Value::Null);
        let subscribed = AtomicUsize::new(0);
        self.need("the SNS subscription is confirmed", || {
            self.connect.has(TOPIC, &subscribed, |entry| entry.effect == "subscription.confirmed")
        })
        .await?;
        self.report.step(0, "aws", "the hub confirmed the chat stream", &Value::Null);
        Ok(())
    }

    pub(super) async fn need<F: Future<Output = bool>>(
        &self,
        what: &str,
        ask: impl FnMut() -> F,
    ) -> Result<(), String> {
        if until(self.patience, ask).await {
            return Ok(());
        }
        Err(format!("it never came about that {what}"))
    }

    /// Waits until the agents of a chat have heard this of their customer. `since` it was said.
    pub(super) async fn agents_hear(
        &self,
        journey: usize,
        contact: &str,
        text: &str,
        since: Timestamp,
    ) -> Result<(), String> {
        let (from, heard) = (AtomicUsize::new(0), OnceCell::new());
        let like = |entry: &Entry| entry.is_said_by_customer_in(contact) && entry.text("content").contains(text);
        let ask = || async { self.connect.find(contact, &from, like).await.is_some_and(|at| heard.set(at).is_ok()) };
        self.need(&format!("the agents hear {text:?}"), ask).await?;
        self.waits.note(journey, Towards::Agents, between(since, heard.get()));
        Ok(())
    }

    /// Waits until the customer in a thread has heard this.
    pub(super) async fn customer_hears(
        &self,
        journey: usize,
        thread: &str,
        text: &str,
        since: Timestamp,
    ) -> Result<(), String> {
        let (from, heard) = (AtomicUsize::new(0), OnceCell::new());
        let like = |entry: &Entry| entry.is_posted_by_hub_in(thread) && entry.text("content").contains(text);
        let ask = || async { self.acs.find(thread, &from, like).await.is_some_and(|at| heard.set(at).is_ok()) };
        self.need(&format!("the customer hears {text:?}"), ask).await?;
        self.waits.note(journey, Towards::Customer, between(since, heard.get()));
        Ok(())
    }

    /// How often a cloud has told the hub that it was asked too often, by instance and action.
    pub(super) async fn throttled(&self) -> BTreeMap<String, u64> {
        let url = format!("https://{}/metrics", self.town.hub);
        let Ok(answer) = self.http.get(url).send().await else { return BTreeMap::new() };
        let text = answer.text().await.unwrap_or_default();
        let lines = text.lines().filter_map(|line| line.strip_prefix("tandem_commands_total"));
        lines
            .filter(|line| line.contains("outcome=\"throttled\""))
            .filter_map(|line| {
                let (labels, count) = line.rsplit_once(' ')?;
                Some((labels.to_owned(), count.parse().ok()?))
            })
            .collect()
    }

    /// The same, when every chat has been opened.
    pub(super) async fn throttled_while_warming_up(&self, journeys: usize) -> BTreeMap<String, u64> {
        let (seen, opened) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let are_open = || async {
            self.acs.refresh().await;
            self.acs.with(|entries| {
                let new = entries.all().get(seen.load(Ordering::Relaxed)..).unwrap_or_default();
                seen.fetch_add(new.len(), Ordering::Relaxed);
                let created = new.iter().filter(|entry| entry.effect == "thread.created").count();
                opened.fetch_add(created, Ordering::Relaxed) + created >= journeys
            })
        };
        if until(self.patience, are_open).await { self.throttled().await } else { BTreeMap::new() }
    }

    /// Stays until somebody has seen enough.
    pub(super) async fn stay_up(&self) {
        let folder = &self.town.folder;
        let place = json!({
            "hub": format!("https://{}", self.town.hub),
            "trust": folder.join("ca/ca.pem"),
            "config": folder.join("tandem.toml"),
        });
        self.report.step(0, "demo", "stays up; Ctrl-C ends it", &place);
        if let Err(error) = tokio::signal::ctrl_c().await {
            tracing::debug!(%error, "no signals here");
        }
    }
}
