//! The play: a chat in ACS reaches an agent in Amazon Connect, is handed over, and comes to its end.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tandem_sdk::sim::Authority;
use tokio::sync::Mutex;

use super::judge::{Said, judge};
use super::ledgers::{Entry, Ledger};
use super::people::{Customer, Desktop};
use super::process::{Process, until};
use super::report::Report;
use super::town::{PRIORITY, Plan, Town, TownError, agent};

/// How long anything may take before the play is given up.
const PATIENCE: Duration = Duration::from_secs(90);

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
    /// One JSON object a step.
    pub json: bool,
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

struct Stage {
    town: Town,
    http: reqwest::Client,
    acs: Ledger,
    connect: Ledger,
    report: Report,
    hub: Mutex<Process>,
    is_faulty: bool,
    _simulators: Vec<Process>,
}

/// Plays.
pub async fn play(options: Options) -> Result<Outcome, TownError> {
    let plan = Plan {
        folder: options.folder.clone(),
        mappings: &options.mappings,
        flow: &options.flow,
        listen: options.listen,
        journeys: options.journeys,
        seed: options.seed,
        rate: options.rate,
    };
    let town = Town::lay_out(&plan)?;
    let http = client(&town.authority)?;
    let stage = Arc::new(raise(town, http, &options)?);
    if let Err(complaint) = stage.opened().await {
        stage
            .report
            .outcome(&json!({ "outcome": "failed", "complaints": [&complaint] }), std::slice::from_ref(&complaint));
        return Ok(Outcome::Failed);
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
    let (ended, kills) = tokio::join!(gathering, killing);
    let outcome = stage.conclude(ended, kills, &options).await;
    if !options.once {
        stage.stay_up().await;
    }
    Ok(outcome)
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
        report: Report::new(options.json),
        hub: Mutex::new(hub),
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
        self.need("the SNS subscription is confirmed", || {
            self.connect.has(|entry| entry.effect == "subscription.confirmed")
        })
        .await?;
        self.report.step(0, "aws", "the hub confirmed the chat stream", &Value::Null);
        Ok(())
    }

    async fn need<F: Future<Output = bool>>(&self, what: &str, ask: impl FnMut() -> F) -> Result<(), String> {
        if until(PATIENCE, ask).await {
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
        if is_gold(n) && queue != "priority" && !self.is_faulty {
            return Err(format!("a gold customer waits in the queue {queue}"));
        }
        self.heard_by_agents(&first).await?;
        desktop.accept(&contact, &agent(n, false)).await?;
        step("agent", "Ada takes it", "");
        self.heard_by_customer(&customer.thread, &format!("talking to Ada Agent {n}")).await?;
        step("hub", "brings Ada into the chat", "");

        let hello = mark("Hello, I am Ada. Which one?");
        desktop.say(&contact, &hello).await?;
        said.by_agents.push(hello.clone());
        self.heard_by_customer(&customer.thread, &hello).await?;
        step("agent", "says", &hello);

        customer.say("2", &format!("<p>The <b>green</b> one.</p><p>{}</p>", mark("As HTML.")), "html").await?;
        said.by_customer.push(mark("As HTML."));
        self.heard_by_agents(&mark("As HTML.")).await?;
        step("customer", "writes HTML, the agent reads text", &mark("As HTML."));
        let long = format!("{} {} {}", mark("Long begins."), "word ".repeat(4_000), mark("Long ends."));
        customer.say("3", &long, "text").await?;
        said.by_customer.extend([mark("Long begins."), mark("Long ends.")]);
        self.heard_by_agents(&mark("Long ends.")).await?;
        step("customer", "writes 20 KB, the agent gets it in parts", "");

        let next = desktop.hand_over(&contact, &agent(n, true)).await?;
        step("agent", "hands over to Grace", &next);
        desktop.accept(&next, &agent(n, true)).await?;
        self.heard_by_customer(&customer.thread, &format!("talking to Grace Agent {n}")).await?;
        step("hub", "Ada is out, Grace is in", "");
        let fourth = mark("Are you still there?");
        customer.say("4", &fourth, "text").await?;
        said.by_customer.push(fourth.clone());
        self.heard_by_agents(&fourth).await?;
        let answer = mark("Yes. A new one is on its way.");
        desktop.say(&next, &answer).await?;
        said.by_agents.push(answer.clone());
        self.heard_by_customer(&customer.thread, &answer).await?;
        step("agent", "Grace answers", &answer);

        desktop.end(&next).await?;
        step("agent", "Grace ends the conversation", "");
        self.heard_by_customer(&customer.thread, "This conversation has ended").await?;
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
        let ask = || async { desktop.waiting(interaction).await.is_some_and(|contact| found.set(contact).is_ok()) };
        self.need("the contact waits at an agent", ask).await?;
        Ok(found.into_inner().unwrap_or_default())
    }

    async fn heard_by_agents(&self, text: &str) -> Result<(), String> {
        let like = |entry: &Entry| entry.effect == "message.sent" && entry.text("content").contains(text);
        self.need(&format!("the agents hear {text:?}"), || self.connect.has(like)).await
    }

    async fn heard_by_customer(&self, thread: &str, text: &str) -> Result<(), String> {
        let like = |entry: &Entry| {
            entry.effect == "message.posted" && entry.text("threadId") == thread && entry.text("content").contains(text)
        };
        self.need(&format!("the customer hears {text:?}"), || self.acs.has(like)).await
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

    async fn conclude(&self, ended: Vec<Result<Said, String>>, kills: usize, options: &Options) -> Outcome {
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
        let outcome = json!({
            "outcome": word,
            "seed": options.seed,
            "journeys": said.len(),
            "kills": kills,
            "late": findings.late,
            "doubled": findings.doubled,
            "faults": { "acs": self.acs.histogram().await, "connect": self.connect.histogram().await },
            "complaints": complaints,
            "summary": summary,
        });
        self.report.outcome(&outcome, &complaints);
        if complaints.is_empty() { Outcome::Completed } else { Outcome::Failed }
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
