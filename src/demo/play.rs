//! The play: a chat in ACS reaches an agent in Amazon Connect, is handed over, and comes to its end.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tandem_sdk::sim::Authority;
use tokio::sync::Mutex;

use super::judge::{Said, judge};
use super::ledgers::{Entry, Ledger};
use super::people::{Customer, Desktop};
use super::process::{Process, until};
use super::report::{Report, Shown};
use super::town::{Limits, PRIORITY, Plan, Town, TownError, agent};
use super::waits::{Towards, Waits};

/// With more journeys at once than this the CDP may take longer than a decision waits for it; deciding without it is right
/// then, and is counted.
const CROWD: usize = 100;

/// Every other customer is one of whom the CDP says gold.
fn is_gold(journey: usize) -> bool {
    journey.is_multiple_of(2)
}

/// What is to be played.
#[derive(Clone, Debug)]
pub struct Options {
    /// Everything is written here.
    pub folder: PathBuf,
    /// Folder of the mappings.
    pub mappings: PathBuf,
    /// The Connect flow.
    pub flow: PathBuf,
    /// How much is shown.
    pub shown: Shown,
    /// Which limits hold at the clouds.
    pub limits: Limits,
    /// How long anything may take before the play is given up.
    pub patience: Duration,
    /// Stop after the play.
    pub once: bool,
    /// Draw faults from this.
    pub seed: Option<u64>,
    /// Probability of each fault, where there is a seed.
    pub rate: f64,
    /// Where the hub listens.
    pub listen: Option<SocketAddr>,
    /// Journeys at once.
    pub journeys: usize,
    /// How often the hub is killed with SIGKILL during the play.
    pub kills: usize,
}

/// How a play ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every journey is complete and the judge has no complaint.
    Completed,
    /// Something was not as it must be.
    Failed,
}

/// What came of a play.
#[derive(Clone, Debug, PartialEq)]
pub struct Played {
    /// How it ended.
    pub outcome: Outcome,
    /// The last object that `--json` shows: outcome, complaints, how long each lane let somebody wait (milliseconds), and
    /// how often a cloud said that it was asked too often, before and after every chat was open.
    pub told: Value,
}

struct Stage {
    town: Town,
    patience: Duration,
    waits: Waits,
    http: reqwest::Client,
    acs: Ledger,
    connect: Ledger,
    report: Report,
    hub: Mutex<Process>,
    is_faulty: bool,
    is_crowded: bool,
    /// Gold customers whose profile did not come in time.
    without_profile: AtomicUsize,
    _simulators: Vec<Process>,
}

/// Plays.
pub async fn play(options: Options) -> Result<Played, TownError> {
    let plan = Plan {
        folder: options.folder.clone(),
        mappings: &options.mappings,
        flow: &options.flow,
        listen: options.listen,
        journeys: options.journeys,
        seed: options.seed,
        rate: options.rate,
        is_killed: options.kills > 0,
        limits: options.limits,
    };
    let town = Town::lay_out(&plan)?;
    let http = client(&town.authority)?;
    let stage = Arc::new(raise(town, http, &options)?);
    if let Err(complaint) = stage.opened().await {
        let told = json!({ "outcome": "failed", "complaints": [&complaint] });
        stage.report.outcome(&told, std::slice::from_ref(&complaint));
        return Ok(Played { outcome: Outcome::Failed, told });
    }
    let mut journeys = tokio::task::JoinSet::new();
    for journey in 0..options.journeys {
        let stage = Arc::clone(&stage);
        journeys.spawn(async move { stage.journey(journey).await });
    }
    let killing = stage.kill_now_and_then(options.kills, options.seed.unwrap_or(0));
    let gathering = async {
        let mut ended = Vec::new();
        while let Some(journey) = journeys.join_next().await {
            ended.push(journey.unwrap_or_else(|panicked| Err(format!("a journey panicked: {panicked}"))));
        }
        ended
    };
    let (ended, kills, warm) = tokio::join!(gathering, killing, stage.throttled_while_warming_up(options.journeys));
    let played = stage.conclude(ended, kills, warm, &options).await;
    if !options.once {
        stage.stay_up().await;
    }
    Ok(played)
}

#[expect(clippy::disallowed_methods, reason = "the people of the demo are no part of the hub")]
fn client(authority: &Authority) -> Result<reqwest::Client, TownError> {
    let builder = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(12));
    let client = authority.trusted_by(builder)?.build();
    client.map_err(|error| TownError::Io(std::io::Error::other(error)))
}

fn raise(town: Town, http: reqwest::Client, options: &Options) -> Result<Stage, TownError> {
    let start = |name: &str, arguments: &[&str]| Process::start(arguments, &town.folder.join(format!("{name}.log")));
    let settings = |name: &str| town.folder.join(name).display().to_string();
    let simulators = vec![
        start("acs", &["sim", "acs", "--settings", &settings("acs.toml"), "--while-stdin"])?,
        start("connect", &["sim", "connect", "--settings", &settings("connect.toml"), "--while-stdin"])?,
        start("cdp", &["sim", "cdp", "--settings", &settings("cdp.toml"), "--while-stdin"])?,
    ];
    let hub =
        start("hub", &["serve", "--config", &settings("tandem.toml"), "--data", &settings("data"), "--while-stdin"])?;
    let (acs, connect) = (format!("https://{}", town.acs), format!("https://{}", town.connect));
    Ok(Stage {
        acs: Ledger::new(http.clone(), acs),
        connect: Ledger::new(http.clone(), connect),
        report: Report::new(options.shown),
        patience: options.patience,
        waits: Waits::default(),
        hub: Mutex::new(hub),
        is_crowded: options.journeys > CROWD,
        without_profile: AtomicUsize::new(0),
        is_faulty: options.seed.is_some() || options.kills > 0,
        _simulators: simulators,
        http,
        town,
    })
}

impl Stage {
    /// Waits until everybody is there: the hub is ready, the handshakes are done, the subscription is confirmed.
    async fn opened(&self) -> Result<(), String> {
        let hub = format!("https://{}/readyz", self.town.hub);
        self.need("the hub is ready", || async {
            self.http.get(&hub).send().await.is_ok_and(|answer| answer.status().is_success())
        })
        .await?;
        self.report.step(0, "hub", "listens", &json!(format!("https://{}", self.town.hub)));
        self.need("Event Grid's handshake is granted", || async {
            self.acs.refresh().await;
            self.acs.with(|entries| entries.iter().filter(|entry| entry.effect == "handshake.granted").count()) >= 2
        })
        .await?;
        self.report.step(0, "azure", "Event Grid shook hands with the hub", &Value::Null);
        let subscribed = AtomicUsize::new(0);
        self.need("the SNS subscription is confirmed", || {
            self.connect.has(&subscribed, |entry| entry.effect == "subscription.confirmed")
        })
        .await?;
        self.report.step(0, "aws", "the hub confirmed the chat stream", &Value::Null);
        Ok(())
    }

    async fn need<F: Future<Output = bool>>(&self, what: &str, ask: impl FnMut() -> F) -> Result<(), String> {
        if until(self.patience, ask).await {
            return Ok(());
        }
        Err(format!("it never came about that {what}"))
    }

    async fn journey(&self, n: usize) -> Result<Said, String> {
        let mark = |text: &str| format!("{text} [{n}]");
        let step = |who: &str, what: &str, detail: &str| self.report.step(n, who, what, &json!(detail));
        let (interaction, customer) = self.open_chat(n).await?;
        step("site", "opens a chat for a customer", &customer.thread);

        let mut said = Said { journey: n, thread: customer.thread.clone(), by_customer: vec![], by_agents: vec![] };
        let first = mark("My parcel arrived broken.");
        customer.say("1", &first, "text").await?;
        step("customer", "writes", &first);
        said.by_customer.push(first.clone());

        let desktop = Desktop { http: self.http.clone(), endpoint: format!("https://{}", self.town.connect) };
        let (contact, queue) = self.waiting(&desktop, &interaction).await?;
        let queue = if queue == PRIORITY { "priority" } else { "general" };
        step("connect", "the contact waits in its queue", queue);
        let decided_without = is_gold(n) && queue != "priority";
        self.without_profile.fetch_add(usize::from(decided_without), Ordering::Relaxed);
        if decided_without && !self.is_faulty && !self.is_crowded {
            return Err(format!("a gold customer waits in the queue {queue}"));
        }
        self.heard_by_agents(n, &first).await?;
        desktop.accept(&contact, &agent(n, false)).await?;
        step("agent", "Ada takes it", "");
        self.heard_by_customer(n, &customer.thread, &format!("talking to Ada Agent {n}")).await?;
        step("hub", "brings Ada into the chat", "");

        let hello = mark("Hello, I am Ada. Which one?");
        desktop.say(&contact, &hello).await?;
        said.by_agents.push(hello.clone());
        self.heard_by_customer(n, &customer.thread, &hello).await?;
        step("agent", "says", &hello);

        customer.say("2", &format!("<p>The <b>green</b> one.</p><p>{}</p>", mark("As HTML.")), "html").await?;
        said.by_customer.push(mark("As HTML."));
        self.heard_by_agents(n, &mark("As HTML.")).await?;
        step("customer", "writes HTML, the agent reads text", &mark("As HTML."));
        let long = format!("{} {} {}", mark("Long begins."), "word ".repeat(4_000), mark("Long ends."));
        customer.say("3", &long, "text").await?;
        said.by_customer.extend([mark("Long begins."), mark("Long ends.")]);
        self.heard_by_agents(n, &mark("Long ends.")).await?;
        step("customer", "writes 20 KB, the agent gets it in parts", "");

        let next = desktop.hand_over(&contact, &agent(n, true)).await?;
        step("agent", "hands over to Grace", &next);
        desktop.accept(&next, &agent(n, true)).await?;
        self.heard_by_customer(n, &customer.thread, &format!("talking to Grace Agent {n}")).await?;
        step("hub", "Ada is out, Grace is in", "");
        let fourth = mark("Are you still there?");
        customer.say("4", &fourth, "text").await?;
        said.by_customer.push(fourth.clone());
        self.heard_by_agents(n, &fourth).await?;
        let answer = mark("Yes. A new one is on its way.");
        desktop.say(&next, &answer).await?;
        said.by_agents.push(answer.clone());
        self.heard_by_customer(n, &customer.thread, &answer).await?;
        step("agent", "Grace answers", &answer);

        desktop.end(&next).await?;
        step("agent", "Grace ends the conversation", "");
        self.heard_by_customer(n, &customer.thread, "This conversation has ended").await?;
        step("hub", "tells the customer and closes", "");
        Ok(said)
    }

    async fn open_chat(&self, n: usize) -> Result<(String, Customer), String> {
        let url = format!("https://{}/v1/chats", self.town.hub);
        let wish = json!({
            "idempotency_key": format!("demo-{n}"),
            "customer": { "name": "Jane Doe", "customer": if is_gold(n) { "C-1001" } else { "C-2002" } },
            "topic": "A parcel",
            "attributes": { "order": format!("4711-{n}") },
        });
        let opened = tokio::sync::OnceCell::new();
        let ask = || async {
            let Ok(answer) = self.http.post(&url).json(&wish).send().await else { return false };
            if answer.status() != 201 {
                return false;
            }
            answer.json::<Value>().await.is_ok_and(|body| opened.set(body).is_ok())
        };
        self.need("the hub opens a chat", ask).await?;
        let body = opened.into_inner().unwrap_or(Value::Null);
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let customer = Customer {
            http: self.http.clone(),
            endpoint: text("endpoint"),
            thread: text("thread"),
            token: text("token"),
            name: "Jane Doe".to_owned(),
        };
        Ok((text("interaction"), customer))
    }

    async fn waiting(&self, desktop: &Desktop, interaction: &str) -> Result<(String, String), String> {
        let found = tokio::sync::OnceCell::new();
        let (from, contact) = (AtomicUsize::new(0), tokio::sync::OnceCell::new());
        let is_ours = |entry: &Entry| {
            let ours = entry.effect == "contact.started"
                && entry.detail["attributes"]["tandem_interaction"].as_str() == Some(interaction);
            // A contact that is started twice under one token is one contact.
            ours && contact.set(entry.text("contactId").to_owned()).is_ok()
        };
        self.need("a contact is started", || self.connect.has(&from, is_ours)).await?;
        let contact = contact.into_inner().unwrap_or_default();
        let ask = || async {
            desktop.queue_of(&contact).await.is_some_and(|queue| found.set((contact.clone(), queue)).is_ok())
        };
        self.need("the contact waits at an agent", ask).await?;
        Ok(found.into_inner().unwrap_or_default())
    }

    async fn heard_by_agents(&self, journey: usize, text: &str) -> Result<(), String> {
        let (since, from) = (Instant::now(), AtomicUsize::new(0));
        let like = |entry: &Entry| entry.effect == "message.sent" && entry.text("content").contains(text);
        self.need(&format!("the agents hear {text:?}"), || self.connect.has(&from, like)).await?;
        self.waits.note(journey, Towards::Agents, since.elapsed());
        Ok(())
    }

    async fn heard_by_customer(&self, journey: usize, thread: &str, text: &str) -> Result<(), String> {
        let (since, from) = (Instant::now(), AtomicUsize::new(0));
        let like = |entry: &Entry| {
            entry.effect == "message.posted" && entry.text("threadId") == thread && entry.text("content").contains(text)
        };
        self.need(&format!("the customer hears {text:?}"), || self.acs.has(&from, like)).await?;
        self.waits.note(journey, Towards::Customer, since.elapsed());
        Ok(())
    }

    /// How often a cloud has told the hub that it was asked too often, by instance and action.
    async fn throttled(&self) -> BTreeMap<String, u64> {
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
    async fn throttled_while_warming_up(&self, journeys: usize) -> BTreeMap<String, u64> {
        let opened = || async {
            self.acs.refresh().await;
            self.acs.with(|entries| entries.iter().filter(|entry| entry.effect == "thread.created").count()) >= journeys
        };
        if until(self.patience, opened).await { self.throttled().await } else { BTreeMap::new() }
    }

    /// Kills the hub at moments drawn from the seed, while the simulators live on.
    async fn kill_now_and_then(&self, kills: usize, seed: u64) -> usize {
        for kill in 0..kills {
            let drawn = tandem_sdk::model::Derive::entity("kill").number(seed).number(kill as u64).uuid();
            let pause = 200 + drawn.as_u64_pair().1 % 900;
            tokio::time::sleep(Duration::from_millis(pause)).await;
            if self.hub.lock().await.kill_and_start_again().await.is_err() {
                return kill;
            }
            self.report.step(0, "demo", "killed the hub and started it again", &json!(kill + 1));
        }
        kills
    }

    async fn conclude(
        &self,
        ended: Vec<Result<Said, String>>,
        kills: usize,
        warm: BTreeMap<String, u64>,
        options: &Options,
    ) -> Played {
        // What is still on its way comes to rest before the judge looks.
        tokio::time::sleep(Duration::from_secs(2)).await;
        self.acs.refresh().await;
        self.connect.refresh().await;
        let mut complaints: Vec<String> = ended.iter().filter_map(|journey| journey.as_ref().err().cloned()).collect();
        let said: Vec<Said> = ended.into_iter().flatten().collect();
        let findings = self.acs.with(|acs| self.connect.with(|connect| judge(&said, acs, connect, self.is_faulty)));
        complaints.extend(findings.complaints);
        if let Some(status) = self.hub.lock().await.has_ended() {
            complaints.push(format!("the hub ended by itself: {status}"));
        }
        let word = if complaints.is_empty() { "completed" } else { "failed" };
        let summary = format!(
            "{} of {} journeys, {} late, {} doubled, hub killed {kills} times",
            said.len(),
            options.journeys,
            findings.late,
            findings.doubled
        );
        let told = json!({
            "outcome": word,
            "seed": options.seed,
            "journeys": said.len(),
            "kills": kills,
            "late": findings.late,
            "doubled": findings.doubled,
            "faults": { "acs": self.acs.histogram().await, "connect": self.connect.histogram().await },
            "waits": self.waits.told(),
            "decided_without_profile": self.without_profile.load(Ordering::Relaxed),
            "throttled": { "until_every_chat_was_open": warm, "in_all": self.throttled().await },
            "complaints": complaints,
            "summary": summary,
        });
        self.report.outcome(&told, &complaints);
        let outcome = if complaints.is_empty() { Outcome::Completed } else { Outcome::Failed };
        Played { outcome, told }
    }

    /// Stays until somebody has seen enough.
    async fn stay_up(&self) {
        let folder: &Path = &self.town.folder;
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
