//! A hub that dies and is started again, between clouds that do not; and the judge of what is left.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use jiff::SignedDuration;
use tandem::clock::{Clock, SetClock};
use tandem::desk::{self, Desk, DeskError, Incoming, Priority, Setup, Work};
use tandem::interactions::{ChatRequest, Doubt, Input, Interaction, Owner, Settings, Step};
use tandem::record::Record;
use tandem::replay::{Replayed, Today, replay};
use tandem::routing::Rules;
use tandem::store::{Batch, Keys, Keyspace, Log, MasterKey, MasterKeys, Memory, SeededEntropy, Store};
use tandem_sdk::doors::{Decode, Decoded, Envelope};
use tandem_sdk::model::{Identity, IdentityKind, InteractionId, Lane, LegRef};
use tandem_sdk::secret::Secret;
use zeroize::Zeroizing;

use crate::clouds::{Clouds, Spelled, Told};
use crate::desk_house::{RULES, name_of, setup};
use crate::mortal::{Death, Mortal};

/// Rounds of telling and carrying after which a play that does not come to rest is stuck.
const ROUNDS: usize = 400;

/// A hub between clouds.
pub(crate) struct Play {
    pub(crate) durable: Arc<Memory>,
    pub(crate) clock: Arc<SetClock>,
    pub(crate) setup: Setup,
    pub(crate) clouds: Clouds,
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
pub(crate) struct Remains {
    pub(crate) events: BTreeMap<InteractionId, Vec<String>>,
    /// Who came and went, and what was delivered, is told by the clouds in their own time, so these events are counted;
    /// the ledger has their order.
    pub(crate) comings: BTreeMap<String, usize>,
    pub(crate) ledger: BTreeMap<Lane, Vec<String>>,
    pub(crate) secrets: usize,
    pub(crate) states: BTreeMap<InteractionId, String>,
}

impl Play {
    pub(crate) fn new(journey: Settings, has_profiles: bool, deaths: Vec<Death>) -> Self {
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
                desk::open(self.setup.clone(), rules, Arc::<Mortal>::clone(&store), keys, clock).unwrap()
            }));
            if let Ok((desk, thread)) = opened {
                self.life = Some(Life { store, desk, thread });
            }
        }
        self.life.as_ref().unwrap()
    }

    /// Gives the desk something; says whether it answered.
    pub(crate) async fn submit(&mut self, priority: Priority, work: Work) -> bool {
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
    pub(crate) async fn rest(&mut self) {
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
            while !self.submit(Priority::Outcome, work.clone()).await && self.lives_on() {
                // Another worker asks for work before this one offers its outcome again.
                Box::pin(self.carry_one()).await;
            }
        }
    }

    /// Whether the process that was spoken to last has not stopped.
    fn lives_on(&self) -> bool {
        self.life.as_ref().is_some_and(|life| !life.store.is_dead())
    }

    pub(crate) async fn wait(&mut self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
        self.rest().await;
    }

    pub(crate) async fn open_chat(&mut self, key: &str) -> LegRef {
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

    /// The site asks for a token that works longer, for the chat that it asked for last.
    pub(crate) async fn renew_token(&mut self) {
        let chat = |record: &Record| match (&record.input, record.owner) {
            (Input::Chat(_), Owner::Interaction(id)) => Some(id),
            _ => None,
        };
        let interaction = self.records().iter().rev().find_map(chat).unwrap();
        while !self.submit(Priority::Webhook, Work::TokenStale { interaction }).await {}
        self.rest().await;
    }

    fn records(&self) -> Vec<Record> {
        let keys = keys(&self.durable, 999);
        let log = Log::new(Arc::clone(&self.durable));
        let entries = log.read(1, 100_000, usize::MAX).unwrap();
        entries.iter().map(|(_, bytes)| Record::decode(bytes, &keys).unwrap().0).collect()
    }

    pub(crate) fn replayed(&self, rules: &str, decode: &'static dyn Decode) -> Replayed {
        let rules = Rules::parse("rules.toml", rules).unwrap();
        let decode = ["acs", "connect"].map(|name| (name.into(), Arc::new(Door(decode)) as Arc<dyn Decode>)).into();
        let today = Today { setup: &self.setup, rules: &rules, decode: &decode };
        replay(&self.durable, &keys(&self.durable, 998), &today).unwrap()
    }

    /// Judges what must hold of any run, and says what is left.
    pub(crate) async fn remains(mut self) -> (Remains, Vec<Batch>) {
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

        let replayed = self.replayed(RULES, &Spelled);
        assert_eq!((replayed.different, &replayed.differences[..]), (0, &[][..]));

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
                it.doubt = Doubt::None;
                it.placements.iter_mut().for_each(|placement| placement.asked = 0);
                (it.last_seq, it.changed_at) = (0, self.clock.now());
            }
            found.insert(*id, it);
        }
        found
    }
}

/// A door that is only lent.
struct Door(&'static dyn Decode);

impl Decode for Door {
    fn decode(&self, envelope: &Envelope) -> Decoded {
        self.0.decode(envelope)
    }

    fn version(&self) -> &str {
        self.0.version()
    }
}

pub(crate) fn keys<S: Store + 'static>(store: &Arc<S>, life: u64) -> Arc<Keys> {
    let masters = MasterKeys::new(MasterKey::new(Zeroizing::new([7; 32])), vec![]);
    // Every life draws other nonces.
    Arc::new(Keys::open(Arc::<S>::clone(store), masters, Arc::new(SeededEntropy::new(life)), 100).unwrap())
}

fn envelope(told: &Told) -> Work {
    let envelope = Envelope {
        door: "test".into(),
        kind: None,
        dedupe: vec![told.key.clone()],
        origin: vec![],
        body: serde_json::to_vec(&told.facts).unwrap().into(),
    };
    Work::Envelope(Box::new(Incoming {
        instance: told.instance.into(),
        envelope,
        decoded: Decoded::Facts(told.facts.clone()),
        mapping: "m".into(),
    }))
}
