//! A desk on a store in memory, with nobody around it: the test speaks as the clouds and answers as the workers.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use tandem::clock::{Clock, SetClock};
use tandem::desk::{self, Capacities, Claim, Desk, Incoming, Priority, Setup, Work};
use tandem::interactions::Settings;
use tandem::interactions::conduct::Cloud;
use tandem::record::Record;
use tandem::routing::Rules;
use tandem::store::{Keys, Log, MasterKey, MasterKeys, Memory, SeededEntropy};
use tandem_sdk::doors::{Decoded, Envelope};
use tandem_sdk::error::{AdapterError, ErrorKind};
use tandem_sdk::model::{
    Action, Event, EventKind, Fact, FactKind, IdKey, LegRef, Message, Outcome, Party, PartyKey, Personal, Role,
};
use tandem_sdk::secret::{Secret, SecretRole};
use zeroize::Zeroizing;

pub(crate) const HUB: &str = "8:acs:hub";
pub(crate) const CUSTOMER: &str = "8:acs:customer";

/// Rules with a first target and a fallback.
pub(crate) const RULES: &str = r#"
default = "general"
[[rules]]
name = "gold"
when = 'profile.tier == "gold"'
target = "priority"
[targets.priority]
instance = "connect"
flow = "flow-1"
queue = "queue-gold"
queue_attribute = "tandem_queue"
fallback = "general"
[targets.general]
instance = "connect"
flow = "flow-1"
queue = "queue-general"
queue_attribute = "tandem_queue"
"#;

pub(crate) struct DeskHouse {
    pub(crate) store: Arc<Memory>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) clock: Arc<SetClock>,
    pub(crate) desk: Desk,
    pub(crate) setup: Setup,
    rules: String,
    thread: Option<JoinHandle<bool>>,
    envelopes: u32,
}

pub(crate) fn setup(journey: Settings, has_profiles: bool) -> Setup {
    let id_key = IdKey::new(b"an id key of a test house, 32 byte");
    let acs = Cloud {
        system: "azure-communication".into(),
        account: "contoso".into(),
        hub: Some(PartyKey::of(&id_key, "azure-communication", HUB)),
        hub_address: Some(HUB.into()),
        message_limit: 28 * 1024,
    };
    let connect = Cloud {
        system: "amazon-connect".into(),
        account: "instance-1".into(),
        hub: None,
        hub_address: None,
        message_limit: 16_384,
    };
    Setup {
        domain: "main".into(),
        journey,
        clouds: BTreeMap::from([("acs".into(), acs), ("connect".into(), connect)]),
        has_profiles,
        id_key,
        max_batch: 64,
        capacities: Capacities::default(),
        in_memory: 100,
        fold_most: 1000,
        unfiled_days: 30,
    }
}

impl DeskHouse {
    pub(crate) fn open(journey: Settings, has_profiles: bool) -> Self {
        Self::open_with(setup(journey, has_profiles), RULES)
    }

    pub(crate) fn open_with(setup: Setup, rules: &str) -> Self {
        let store = Arc::new(Memory::new());
        let masters = || MasterKeys::new(MasterKey::new(Zeroizing::new([7; 32])), vec![]);
        let keys = Keys::open(Arc::<Memory>::clone(&store), masters(), Arc::new(SeededEntropy::new(1)), 100).unwrap();
        let clock = Arc::new(SetClock::at("2026-01-01T12:00:00Z".parse().unwrap()));
        Self::over(store, Arc::new(keys), clock, setup, rules)
    }

    fn over(store: Arc<Memory>, keys: Arc<Keys>, clock: Arc<SetClock>, setup: Setup, rules: &str) -> Self {
        let (desk, thread) = desk::open(
            setup.clone(),
            Arc::new(Rules::parse("rules.toml", rules).unwrap()),
            Arc::<Memory>::clone(&store),
            Arc::clone(&keys),
            Arc::clone(&clock) as Arc<dyn Clock>,
        )
        .unwrap();
        DeskHouse { store, keys, clock, desk, setup, rules: rules.to_owned(), thread: Some(thread), envelopes: 0 }
    }

    /// The desk dies and another one opens over what is durable.
    pub(crate) fn restart(mut self) -> Self {
        self.desk.close();
        self.thread.take().unwrap().join().unwrap();
        let envelopes = self.envelopes;
        let (store, keys, clock) = (Arc::clone(&self.store), Arc::clone(&self.keys), Arc::clone(&self.clock));
        let mut next = Self::over(store, keys, clock, self.setup.clone(), &self.rules);
        next.envelopes = envelopes;
        next
    }

    /// A restart that finds no key in memory.
    pub(crate) fn restart_cold(mut self) -> Self {
        self.keys = crate::play::keys(&self.store, 2);
        self.restart()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) async fn wait(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
        // Any question makes the desk look at its clock and its timers; one about the state is answered when what these did
        // is durable.
        self.desk.status().await.unwrap();
        self.desk.interactions(1).await.unwrap();
    }

    pub(crate) async fn tell(&mut self, instance: &str, facts: Vec<Fact>) {
        self.envelopes += 1;
        let envelope = Envelope {
            door: "test".into(),
            kind: None,
            dedupe: vec![format!("envelope-{}", self.envelopes)],
            origin: vec![],
            body: Bytes::from_static(b"{}"),
        };
        let incoming =
            Incoming { instance: instance.into(), envelope, decoded: Decoded::Facts(facts), mapping: "m".into() };
        self.desk.submit(Priority::Webhook, Work::Envelope(Box::new(incoming))).await.unwrap();
    }

    /// The commands that may go now, as `instance action purpose`.
    pub(crate) async fn claim(&self) -> Option<Claim> {
        claim_one(&self.desk).await
    }

    pub(crate) async fn settle(&self, claim: &Claim, outcome: Outcome, secrets: Vec<(SecretRole, &str)>) {
        let secrets = secrets.into_iter().map(|(role, value)| (role, Secret::new(value))).collect();
        let work = Work::Outcome { command: claim.command.id, result: Ok(outcome), secrets, repeated: false };
        self.desk.submit(Priority::Outcome, work).await.unwrap();
    }

    pub(crate) async fn refuse(&self, claim: &Claim, kind: ErrorKind) {
        let result = Err(AdapterError::new(kind, claim.command.action.name(), "no"));
        let work = Work::Outcome { command: claim.command.id, result, secrets: vec![], repeated: false };
        self.desk.submit(Priority::Outcome, work).await.unwrap();
    }

    /// Carries everything that may go, as clouds in order would; says what was carried.
    pub(crate) async fn carry_all(&self) -> Vec<String> {
        let mut carried = Vec::new();
        while let Some(claim) = self.claim().await {
            let (outcome, secrets) = self.usual_outcome(&claim.command.action);
            carried.push(line(&claim));
            self.settle(&claim, outcome, secrets).await;
        }
        carried
    }

    pub(crate) fn usual_outcome(&self, action: &Action) -> (Outcome, Vec<(SecretRole, &'static str)>) {
        usual_outcome(self.now(), action)
    }

    /// Every record of the log.
    pub(crate) fn records(&self) -> Vec<Record> {
        let log = Log::new(Arc::clone(&self.store));
        let entries = log.read(1, 100_000, usize::MAX).unwrap();
        entries.iter().map(|(_, bytes)| Record::decode(bytes, &self.keys).unwrap().0).collect()
    }

    /// Every event of the log.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.records()
            .into_iter()
            .flat_map(|record| record.steps)
            .filter_map(|step| match step {
                tandem::interactions::Step::Event(event) => Some(*event),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn event_names(&self) -> Vec<String> {
        self.events().iter().map(|event| name_of(&event.kind)).collect()
    }
}

pub(crate) fn name_of(kind: &EventKind) -> String {
    serde_json::to_value(kind).unwrap()["type"].as_str().unwrap().trim_start_matches("tandem.").to_owned()
}

/// What a cloud in order answers.
pub(crate) fn usual_outcome(now: Timestamp, action: &Action) -> (Outcome, Vec<(SecretRole, &'static str)>) {
    let day = now.saturating_add(SignedDuration::from_hours(24)).unwrap();
    match action {
        Action::Identify {} => (Outcome::Identified { address: "8:acs:agent".into() }, vec![]),
        Action::IssueToken { .. } => (Outcome::Issued { expires_at: day }, vec![(SecretRole::UserToken, "user-token")]),
        Action::Open { .. } => (Outcome::Opened { leg: thread(), refused: 0 }, vec![]),
        Action::Place { .. } => (
            Outcome::Placed { leg: contact("c1"), participant: "p-1".into() },
            vec![(SecretRole::ParticipantToken, "participant-token")],
        ),
        Action::Enter { .. } => {
            (Outcome::Issued { expires_at: day }, vec![(SecretRole::ConnectionToken, "connection-token")])
        }
        Action::Say { .. } => (Outcome::Said { message: "native-1".into(), at: None }, vec![]),
        Action::Describe { .. } => (Outcome::Described { name: "Ada Agent".into() }, vec![]),
        Action::Inquire { .. } | Action::Trace { .. } | Action::Recall { .. } => {
            (Outcome::Observed { facts: vec![] }, vec![])
        }
        Action::Lookup { .. } => (Outcome::Profile { found: None }, vec![]),
        _ => (Outcome::Done {}, vec![]),
    }
}

pub(crate) fn line(claim: &Claim) -> String {
    let what = match &claim.command.action {
        Action::Say { content, .. } => format!("say {:?}", content.text.reveal().unwrap()),
        Action::Place { target, .. } => format!("place {}", target.queue),
        action => action.name().to_owned(),
    };
    format!("{} {what}", claim.command.instance)
}

pub(crate) fn thread() -> LegRef {
    LegRef {
        system: "azure-communication".into(),
        account: "contoso".into(),
        kind: "thread".into(),
        native: "19:t1".into(),
    }
}

pub(crate) fn contact(native: &str) -> LegRef {
    LegRef {
        system: "amazon-connect".into(),
        account: "instance-1".into(),
        kind: "contact".into(),
        native: native.into(),
    }
}

pub(crate) fn said(leg: LegRef, at: Timestamp, id: &str, author: &str, role: Option<Role>, text: &str) -> Fact {
    let mut fact = Fact::new(FactKind::MessagePosted, leg, at, format!("message.posted/{id}/1"));
    fact.message = Some(Message { id: id.into(), text: text.into(), ..Message::default() });
    fact.author = Some(Party { address: author.into(), name: Personal::from("Jane"), role, ..Party::default() });
    fact
}

pub(crate) fn contact_fact(kind: FactKind, native: &str, at: Timestamp, agent: Option<&str>) -> Fact {
    let mut fact = Fact::new(kind, contact(native), at, format!("{kind:?}/{at}"));
    fact.agent = agent.map(str::to_owned);
    fact
}

/// A command that may go; nothing when there is none. A desk that writes records meanwhile, say of commands that die, is
/// waited for, however slow the machine is.
pub(crate) async fn claim_one(desk: &Desk) -> Option<Claim> {
    // A question makes the desk look at its timers; what they owe is counted by the next one.
    desk.status().await.unwrap();
    loop {
        let before = desk.status().await.unwrap();
        if before.owed == 0 {
            return None;
        }
        let claimed = tokio::time::timeout(std::time::Duration::from_millis(300), desk.claim(1)).await;
        if let Ok(claims) = claimed {
            return claims.ok()?.into_iter().next();
        }
        if desk.status().await.unwrap().next_seq == before.next_seq {
            return None;
        }
    }
}
