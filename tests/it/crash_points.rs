//! At every durable step of whole journeys the process stops, before the step is durable and after it, and another one
//! goes on from what is there. The clouds live on; they and the log are the judges.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use bytes::Bytes;
use jiff::SignedDuration;
use tandem::clock::{Clock, SetClock};
use tandem::desk::{self, Desk, DeskError, Incoming, Priority, Setup, Work};
use tandem::interactions::{ChatRequest, Input, Interaction, Settings, Step};
use tandem::record::Record;
use tandem::routing::Rules;
use tandem::store::{Batch, Keys, Keyspace, Log, MasterKey, MasterKeys, Memory, SeededEntropy, Store};
use tandem_sdk::doors::{Decoded, Envelope};
use tandem_sdk::model::{FactKind, Identity, IdentityKind, InteractionId, Lane, LegRef};
use tandem_sdk::secret::Secret;
use zeroize::Zeroizing;

use crate::clouds::{Clouds, Told};
use crate::desk_house::{CUSTOMER, RULES, name_of, setup, thread};
use crate::durable_steps::{STEPS, durable_step, table};
use crate::mortal::{Death, Mortal};

/// Rounds of telling and carrying after which a play that does not come to rest is stuck.
const ROUNDS: usize = 400;

/// A hub that dies and is started again, between clouds that do not.
struct Play {
    durable: Arc<Memory>,
    clock: Arc<SetClock>,
    setup: Setup,
    clouds: Clouds,
    /// How the coming lives end; the first is the next one's.
    deaths: Vec<Death>,
    life: Option<Life>,
    lives: u64,
    acknowledged: Vec<String>,
    seen: Arc<Mutex<Vec<Batch>>>,
    /// Whether a new life carries what it owes before it hears what its predecessor did not acknowledge.
    carries_first: bool,
}

struct Life {
    store: Arc<Mortal>,
    desk: Desk,
    thread: JoinHandle<bool>,
}

/// What is left when everything is over.
#[derive(Debug, PartialEq)]
struct Remains {
    events: BTreeMap<InteractionId, Vec<String>>,
    /// Who came and went, and what was delivered, is told by the clouds in their own time, so these events are counted;
    /// the ledger has their order.
    comings: BTreeMap<String, usize>,
    ledger: BTreeMap<Lane, Vec<String>>,
    secrets: usize,
    states: BTreeMap<InteractionId, String>,
}

impl Play {
    fn new(journey: Settings, has_profiles: bool, deaths: Vec<Death>) -> Self {
        Play {
            durable: Arc::new(Memory::new()),
            clock: Arc::new(SetClock::at("2026-01-01T12:00:00Z".parse().unwrap())),
            setup: setup(journey, has_profiles),
            clouds: Clouds::default(),
            deaths,
            life: None,
            lives: 0,
            acknowledged: Vec::new(),
            seen: Arc::default(),
            carries_first: false,
        }
    }

    /// The life that is lived now; a new one when the last has ended.
    fn alive(&mut self) -> &Life {
        while self.life.as_ref().is_none_or(|life| life.store.is_dead()) {
            if let Some(life) = self.life.take() {
                // The thread unwound; nothing of it was written down.
                assert!(life.thread.join().is_err());
            }
            let death = if self.deaths.is_empty() { Death::Never } else { self.deaths.remove(0) };
            self.lives += 1;
            let store = Arc::new(Mortal::new(Arc::clone(&self.durable), death, Arc::clone(&self.seen)));
            // Opening commits too, and may be where it stops.
            let opened = catch_unwind(AssertUnwindSafe(|| {
                let rules = Arc::new(Rules::parse("rules.toml", RULES).unwrap());
                let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
                let keys = keys(&store, self.lives);
                desk::open(self.setup.clone(), rules, Arc::clone(&store), keys, clock).unwrap()
            }));
            if let Ok((desk, thread)) = opened {
                self.life = Some(Life { store, desk, thread });
            }
        }
        self.life.as_ref().unwrap()
    }

    /// Gives the desk something; says whether it answered.
    async fn submit(&mut self, priority: Priority, work: Work) -> bool {
        let life = self.alive();
        let answer = tokio::select! {
            answer = life.desk.submit(priority, work) => answer,
            () = life.store.dead() => Err(DeskError::Closed),
        };
        answer.is_ok()
    }

    async fn owed(&mut self) -> Option<usize> {
        let life = self.alive();
        tokio::select! {
            status = life.desk.status() => status.ok().map(|status| status.owed),
            () = life.store.dead() => None,
        }
    }

    /// Lets everything come to rest: what the clouds tell is heard, what the hub owes is carried.
    async fn rest(&mut self) {
        for _ in 0..ROUNDS {
            let carries = std::mem::take(&mut self.carries_first);
            let lives = self.lives;
            if !carries && let Some(told) = self.clouds.outgoing.front().cloned() {
                if self.submit(Priority::Webhook, envelope(&told)).await {
                    self.acknowledged.push(told.key);
                    self.clouds.outgoing.pop_front();
                } else {
                    self.carries_first = true;
                }
                continue;
            }
            // A question lets the desk look at its timers; twice, so that what they owe is counted.
            let (Some(_), Some(owed)) = (self.owed().await, self.owed().await) else { continue };
            if owed == 0 && self.clouds.outgoing.is_empty() && lives == self.lives {
                return;
            }
            if owed > 0 {
                self.carry_one().await;
            }
        }
        panic!("the play does not come to rest");
    }

    async fn carry_one(&mut self) {
        let patience = std::time::Duration::from_millis(40);
        let life = self.alive();
        let claimed = tokio::select! {
            claimed = tokio::time::timeout(patience, life.desk.claim(1)) => claimed,
            () = life.store.dead() => return,
        };
        let Ok(Ok(claims)) = claimed else {
            // It waits for a secret that another command brings, or for its time.
            self.clock.advance(SignedDuration::from_millis(250));
            return;
        };
        for claim in claims {
            let (outcome, secrets) = self.clouds.carry(&claim, self.clock.now());
            while self.clouds.tells_early
                && let Some(told) = self.clouds.outgoing.front().cloned()
                && self.submit(Priority::Webhook, envelope(&told)).await
            {
                self.acknowledged.push(told.key);
                self.clouds.outgoing.pop_front();
            }
            let secrets = secrets.into_iter().map(|(role, value)| (role, Secret::new(value))).collect();
            let work = Work::Outcome { command: claim.command.id, result: Ok(outcome), secrets, repeated: false };
            self.submit(Priority::Outcome, work).await;
        }
    }

    async fn wait(&mut self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
        self.rest().await;
    }

    async fn open_chat(&mut self, key: &str) -> LegRef {
        let identity =
            Identity { kind: IdentityKind::Customer, value: "C-1".into(), source: "caller".into(), verified: true };
        let before = self.clouds.opened();
        let request = ChatRequest { key: key.into(), identities: vec![identity], ..ChatRequest::default() };
        // The site asks until it is answered.
        while !self.submit(Priority::Webhook, Work::Chat(Box::new(request.clone()))).await {}
        self.rest().await;
        let opened = self.clouds.opened();
        assert_ne!(opened, before);
        opened.unwrap()
    }

    fn records(&self) -> Vec<Record> {
        let keys = keys(&self.durable, 999);
        let log = Log::new(Arc::clone(&self.durable));
        let entries = log.read(1, 100_000, usize::MAX).unwrap();
        entries.iter().map(|(_, bytes)| Record::decode(bytes, &keys).unwrap().0).collect()
    }

    /// Judges what must hold of any run, and says what is left.
    async fn remains(mut self) -> (Remains, Vec<Batch>) {
        self.rest().await;
        assert_eq!(self.clouds.doubled, Vec::<String>::new());
        let records = self.records();
        let mut kept: BTreeMap<String, usize> = BTreeMap::new();
        let mut events: BTreeMap<InteractionId, Vec<String>> = BTreeMap::new();
        let (mut commands, mut sequences) = (BTreeMap::new(), BTreeMap::new());
        let mut comings: BTreeMap<String, usize> = BTreeMap::new();
        for record in &records {
            if let Input::Envelope { dedupe, .. } = &record.input {
                *kept.entry(dedupe[0].clone()).or_default() += 1;
            }
            for step in &record.steps {
                match step {
                    Step::Event(event) => {
                        let sequence = sequences.entry(event.interaction).or_insert(0);
                        *sequence += 1;
                        assert_eq!(event.sequence, *sequence, "events are numbered without gaps");
                        let name = name_of(&event.kind);
                        if name.starts_with("participant.") || name == "message.relayed" {
                            *comings.entry(format!("{} {name}", event.interaction)).or_default() += 1;
                        } else {
                            events.entry(event.interaction).or_default().push(name);
                        }
                    }
                    Step::Command(command) => {
                        assert!(commands.insert(command.id, command.order).is_none(), "a command is owed once");
                    }
                    _ => {}
                }
            }
        }
        for key in &self.acknowledged {
            assert_eq!(kept.get(key), Some(&1), "{key} was acknowledged");
        }
        assert_eq!(kept.len(), self.clouds.sent.len());
        assert!(records.windows(2).all(|pair| pair[0].seq + 1 == pair[1].seq));
        assert!(records.windows(2).all(|pair| pair[0].recorded_at <= pair[1].recorded_at));

        let live = self.interactions(events.keys()).await;
        // A last life folds the same states from what is durable.
        let life = self.life.take().unwrap();
        life.desk.close();
        assert!(life.thread.join().is_ok() || life.store.is_dead());
        assert!(self.interactions(events.keys()).await == live, "what a new life folds is what the old one had");
        let states =
            live.iter().map(|(id, it)| (*id, format!("{:?} {:?}", it.state(), it.closed.map(|end| end.reason))));
        let secrets = self
            .durable
            .range(Keyspace::Vault, std::ops::Bound::Unbounded, std::ops::Bound::Unbounded, 1000)
            .unwrap()
            .len();
        let seen = self.seen.lock().unwrap().clone();
        (Remains { states: states.collect(), events, comings, ledger: self.clouds.ledger.clone(), secrets }, seen)
    }

    async fn interactions(
        &mut self,
        ids: impl Iterator<Item = &InteractionId>,
    ) -> BTreeMap<InteractionId, Interaction> {
        let mut found = BTreeMap::new();
        for id in ids {
            let mut it = loop {
                let life = self.alive();
                tokio::select! {
                    it = life.desk.interaction(*id) => if let Ok(it) = it { break it.unwrap() },
                    () = life.store.dead() => {}
                }
            };
            // A new life asks after what is open, which leaves traces of its own.
            if it.closed.is_none() {
                it.records.clear();
                it.owed.clear();
                it.generations.clear();
                it.placements.iter_mut().for_each(|placement| placement.asked = 0);
                (it.last_seq, it.changed_at) = (0, self.clock.now());
            }
            found.insert(*id, it);
        }
        found
    }
}

fn keys<S: Store>(store: &Arc<S>, life: u64) -> Arc<Keys<S>> {
    let masters = MasterKeys::new(MasterKey::new(Zeroizing::new([7; 32])), vec![]);
    // Every life draws other nonces.
    Arc::new(Keys::open(Arc::clone(store), masters, Arc::new(SeededEntropy::new(life)), 100).unwrap())
}

fn envelope(told: &Told) -> Work {
    let envelope = Envelope {
        door: "test".into(),
        kind: None,
        dedupe: vec![told.key.clone()],
        origin: vec![],
        body: Bytes::from_static(b"{}"),
    };
    Work::Envelope(Box::new(Incoming {
        instance: told.instance.into(),
        envelope,
        decoded: Decoded::Facts(told.facts.clone()),
        mapping: "m".into(),
    }))
}

/// A chat in the site's own thread: profile, placement, relay both ways, transfer, the end by grace, tokens renewed.
async fn a_thread_of_the_site(mut play: Play) -> Play {
    play.rest().await;
    play.clouds.customer_writes(thread(), play.clock.now(), CUSTOMER, "I need help");
    play.rest().await;
    play.wait(1).await;
    play.clouds.contact_moves(FactKind::LegConnected, "c1", play.clock.now(), Some("agent-1"));
    play.rest().await;
    play.wait(1).await;
    play.clouds.agent_writes("c1", play.clock.now(), "Hello Jane");
    play.clouds.agent_writes("c1", play.clock.now(), "How can I help?");
    play.rest().await;
    play.wait(1).await;
    play.clouds.customer_writes(thread(), play.clock.now(), CUSTOMER, "It is broken");
    play.clouds.customer_writes(thread(), play.clock.now(), CUSTOMER, "Quite");
    play.rest().await;
    play.wait(1).await;
    play.clouds.hand_over("c1", "c2", play.clock.now(), "agent-2");
    play.rest().await;
    play.wait(1).await;
    play.clouds.customer_writes(thread(), play.clock.now(), CUSTOMER, "Still there?");
    play.rest().await;
    play.wait(1).await;
    play.clouds.contact_moves(FactKind::LegEnded, "c2", play.clock.now(), None);
    play.rest().await;
    play.wait(21).await;
    play.wait(20 * 3600).await;
    let rejected = || Work::TokenRejected { secret: "hub/acs".into() };
    while !play.submit(Priority::Outcome, rejected()).await {}
    play.rest().await;
    play
}

/// A chat that `POST /v1/chats` begins; Connect is quicker with its events than with its answer; the customer leaves.
async fn a_chat_that_a_caller_begins(mut play: Play) -> Play {
    play.clouds.tells_early = true;
    play.rest().await;
    let opened = play.open_chat("order-1").await;
    play.clouds.customer_writes(opened.clone(), play.clock.now(), "8:acs:1", "Hello?");
    play.rest().await;
    play.wait(2).await;
    play.clouds.contact_moves(FactKind::LegConnected, "c1", play.clock.now(), Some("agent-1"));
    play.rest().await;
    play.wait(2).await;
    play.clouds.leaves(opened, play.clock.now(), "8:acs:1");
    play.rest().await;
    play.open_chat("order-2").await;
    play
}

/// Nobody says anything and nobody comes: the placement is overdue, asked about, and given up; a contact that nobody
/// knows is parked, asked about and adopted.
async fn a_customer_whom_nobody_serves(mut play: Play) -> Play {
    play.clouds.is_silent = true;
    let confirm =
        || Work::Confirm { instance: "connect".into(), topic: "chat".into(), address: Secret::new("https://confirm") };
    while !play.submit(Priority::Webhook, confirm()).await {}
    play.rest().await;
    play.clouds.customer_writes(thread(), play.clock.now(), CUSTOMER, "Anybody?");
    play.clouds.contact_moves(FactKind::LegQueued, "c77", play.clock.now(), None);
    play.rest().await;
    play.wait(11).await;
    for _ in 0..12 {
        play.wait(90).await;
    }
    play
}

type Journey = fn(Play) -> std::pin::Pin<Box<dyn Future<Output = Play>>>;

const JOURNEYS: [(&str, bool, Journey); 3] = [
    ("a thread of the site", true, |play| Box::pin(a_thread_of_the_site(play))),
    ("a chat that a caller begins", false, |play| Box::pin(a_chat_that_a_caller_begins(play))),
    ("a customer whom nobody serves", false, |play| Box::pin(a_customer_whom_nobody_serves(play))),
];

fn played(journey: Journey, has_profiles: bool, deaths: Vec<Death>) -> (Remains, Vec<Batch>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { journey(Play::new(Settings::default(), has_profiles, deaths)).await.remains().await })
}

#[test]
fn no_stop_at_any_durable_step_loses_or_doubles_anything() {
    let mut counts = BTreeMap::new();
    for (name, has_profiles, journey) in JOURNEYS {
        let (undisturbed, commits) = played(journey, has_profiles, vec![]);
        for commit in &commits {
            if let Some(step) = durable_step(commit) {
                *counts.entry(step).or_insert(0) += 1;
            }
        }
        let mut stops = Vec::new();
        for n in 1..=commits.len() {
            stops.push((n, vec![Death::Before(n)]));
            stops.push((n, vec![Death::After(n)]));
            // Whoever takes over dies too, early in its life.
            stops.push((n, vec![Death::After(n), Death::Before(1 + n % 4), Death::After(1 + n % 3)]));
        }
        let stops = Mutex::new(stops);
        let failures = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    loop {
                        let Some((n, deaths)) = stops.lock().unwrap().pop() else { return };
                        let ran = catch_unwind(|| played(journey, has_profiles, deaths.clone()).0);
                        let step = durable_step(&commits[n - 1]);
                        let place = format!("{name}, commit {n} ({step:?}), {deaths:?}");
                        match ran {
                            Ok(remains) if remains == undisturbed => {}
                            Ok(remains) => failures
                                .lock()
                                .unwrap()
                                .push(format!("{place}\n{}", differences(&remains, &undisturbed))),
                            Err(_) => failures.lock().unwrap().push(format!("{place}: see above")),
                        }
                    }
                });
            }
        });
        let failures = failures.into_inner().unwrap();
        assert!(
            failures.is_empty(),
            "{} of {} stops: {}",
            failures.len(),
            commits.len() * 3,
            failures[..failures.len().min(6)].join("\n")
        );
    }
    show(&table(&counts));
    let missing: Vec<_> = (1..=STEPS.len()).filter(|n| !counts.contains_key(n)).collect();
    assert!(missing.is_empty(), "no journey comes by the steps {missing:?}");
}

#[expect(clippy::print_stdout, reason = "the table is for people")]
fn show(table: &str) {
    println!("{table}");
}

fn differences(found: &Remains, expected: &Remains) -> String {
    let mut lines = Vec::new();
    if found.ledger != expected.ledger {
        lines.push(format!("  ledger   {:?}\n  expected {:?}", found.ledger, expected.ledger));
    }
    for (id, names) in &expected.events {
        let there = found.events.get(id).cloned().unwrap_or_default();
        if there != *names {
            lines.push(format!("  events of {id} {there:?}\n  expected {names:?}"));
        }
    }
    if found.comings != expected.comings {
        lines.push(format!("  {:?}\n  expected {:?}", found.comings, expected.comings));
    }
    if found.states != expected.states || found.secrets != expected.secrets {
        lines.push(format!(
            "  states {:?} {}\n  expected {:?} {}",
            found.states, found.secrets, expected.states, expected.secrets
        ));
    }
    lines.join("\n")
}

#[test]
fn a_journey_that_nothing_disturbs_plays_to_its_end() {
    let (remains, _) = played(JOURNEYS[0].2, true, vec![]);
    insta::assert_debug_snapshot!((
        remains.events.values().collect::<Vec<_>>(),
        remains.ledger,
        remains.states.values().collect::<Vec<_>>(),
        remains.secrets
    ));
}
