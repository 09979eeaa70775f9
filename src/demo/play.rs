//! The play: a chat in ACS reaches an agent in Amazon Connect, is handed over, and comes to its end.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::judge::{Findings, Said, Terms, judge};
use super::kept;
use super::report::Shown;
use super::stage::Stage;
use super::town::{Limits, Plan, Town, TownError};

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
    /// How long somebody takes between two messages when they do not wait for an answer.
    pub breath: Duration,
    /// Stop after the play.
    pub once: bool,
    /// Draw faults from this. With an even one messages wait for stragglers longer than any of them is late, and every
    /// message has to arrive in order.
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

impl Options {
    /// Whether messages wait for stragglers.
    fn holds(&self) -> bool {
        self.seed.is_some_and(|seed| seed.is_multiple_of(2))
    }
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
    /// The last object that `--json` shows: outcome, complaints, how long each journey took and each lane let somebody wait
    /// (milliseconds), and how often a cloud said that it was asked too often, before and after every chat was open.
    pub told: Value,
}

/// What came of a journey, and how long it took.
type Ended = (Result<Said, String>, Duration);

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
        holds: options.holds(),
        is_killed: options.kills > 0,
        limits: options.limits,
    };
    let stage = Arc::new(Stage::raise(Town::lay_out(&plan)?, &options)?);
    if let Err(complaint) = stage.opened().await {
        let told = json!({ "outcome": "failed", "complaints": [&complaint] });
        stage.report.outcome(&told, std::slice::from_ref(&complaint));
        return Ok(Played { outcome: Outcome::Failed, told });
    }
    let mut journeys = tokio::task::JoinSet::new();
    for journey in 0..options.journeys {
        let stage = Arc::clone(&stage);
        journeys.spawn(async move {
            let started = Instant::now();
            let said = stage.journey(journey).await;
            (said, started.elapsed())
        });
    }
    let gathering = async {
        let mut ended: Vec<Ended> = Vec::new();
        while let Some(journey) = journeys.join_next().await {
            stage.killing.journey_ended();
            let panicked = |error| (Err(format!("a journey panicked: {error}")), Duration::ZERO);
            ended.push(journey.unwrap_or_else(panicked));
        }
        ended
    };
    let killing = stage.kill_now_and_then(options.seed.unwrap_or(0));
    let (ended, (), warm) = tokio::join!(gathering, killing, stage.throttled_while_warming_up(options.journeys));
    let played = stage.conclude(ended, warm, &options).await;
    if !options.once {
        stage.stay_up().await;
    }
    Ok(played)
}

impl Stage {
    async fn conclude(&self, ended: Vec<Ended>, warm: BTreeMap<String, u64>, options: &Options) -> Played {
        // What is still on its way comes to rest before the judge looks.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let took: Vec<Duration> = ended.iter().map(|(_, took)| *took).collect();
        let (mut said, mut complaints) = (Vec::new(), Vec::new());
        for (journey, _) in ended {
            match journey {
                Ok(journey) => said.push(journey),
                Err(complaint) => complaints.push(complaint),
            }
        }
        let kills = self.killing.done();
        if kills < options.kills {
            complaints.push(format!("the hub was killed {kills} times while journeys were under way"));
        }
        if let Some(status) = self.hub.lock().await.has_ended() {
            complaints.push(format!("the hub ended by itself: {status}"));
        }
        let throttled = self.throttled().await;
        let (kept, acknowledged) = if options.once { self.is_it_kept().await } else { (Vec::new(), 0) };
        self.acs.refresh().await;
        self.connect.refresh().await;
        let terms = Terms { in_order: options.holds(), killed: kills };
        let findings = self.acs.with(|acs| self.connect.with(|connect| judge(&said, acs, connect, terms)));
        complaints.extend(findings.complaints.iter().cloned());
        complaints.extend(kept);
        if !complaints.is_empty() {
            self.acs.write(&self.town.folder.join("acs.ledger"));
            self.connect.write(&self.town.folder.join("connect.ledger"));
        }
        let mut told = tell(options, &said, kills, &findings, &took);
        told["outcome"] = json!(if complaints.is_empty() { "completed" } else { "failed" });
        told["faults"] = json!({
            "acs": self.acs.histogram().await,
            "connect": self.connect.histogram().await,
            "cdp": self.cdp.histogram().await,
        });
        told["waits"] = self.waits.told();
        told["acknowledged_and_kept"] = json!(acknowledged);
        told["decided_without_profile"] = json!(self.without_profile.load(Ordering::Relaxed));
        told["throttled"] = json!({ "until_every_chat_was_open": warm, "in_all": throttled });
        told["complaints"] = json!(complaints);
        self.report.outcome(&told, &complaints);
        let outcome = if complaints.is_empty() { Outcome::Completed } else { Outcome::Failed };
        Played { outcome, told }
    }

    /// Ends the hub and reads its log: complaints, and how many acknowledged events were looked for.
    async fn is_it_kept(&self) -> (Vec<String>, usize) {
        if !self.hub.lock().await.stop().await {
            return (vec!["the hub does not end when it is asked to".to_owned()], 0);
        }
        self.acs.refresh().await;
        self.connect.refresh().await;
        let envelopes = match kept::envelopes(&self.town.folder.join("data")) {
            Ok(envelopes) => envelopes,
            Err(complaint) => return (vec![complaint], 0),
        };
        let of_acs = self.acs.with(|entries| kept::not_kept_once(entries.all(), &envelopes));
        let of_connect = self.connect.with(|entries| kept::not_kept_once(entries.all(), &envelopes));
        ([of_acs.0, of_connect.0].concat(), of_acs.1 + of_connect.1)
    }
}

fn tell(options: &Options, said: &[Said], kills: usize, findings: &Findings, took: &[Duration]) -> Value {
    let mut took: Vec<u64> = took.iter().map(|took| took.as_millis() as u64).collect();
    took.sort_unstable();
    let at = |n: usize| took.get(n).copied().unwrap_or(0);
    let summary = format!(
        "{} of {} journeys, {} late, {} doubled, hub killed {kills} times",
        said.len(),
        options.journeys,
        findings.late,
        findings.doubled
    );
    json!({
        "seed": options.seed,
        "journeys": said.len(),
        "kills": kills,
        "late": findings.late,
        "doubled": findings.doubled,
        "took": { "shortest": at(0), "middle": at(took.len() / 2), "longest": at(took.len().saturating_sub(1)) },
        "summary": summary,
    })
}
