//! Workers between a desk and a cloud that turns them away.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use tandem::clock::{Clock, SetClock};
use tandem::config::Dispatch;
use tandem::desk::{self, Incoming, Priority, Work};
use tandem::dispatch::Dispatcher;
use tandem::interactions::Settings;
use tandem::profiles::{self, Profiles};
use tandem::routing::Rules;
use tandem::shutdown::Tasks;
use tandem::store::Memory;
use tandem::telemetry::Metrics;
use tandem_sdk::doors::{Answer, Carry, Decoded, Envelope, Errand, Quota};
use tandem_sdk::error::{AdapterError, ErrorKind};
use tandem_sdk::model::{Action, Carried, Command, EffectClass, LegRef};
use tandem_sdk::secret::{Secret, SecretRole};

use crate::desk_house::{CUSTOMER, DeskHouse, RULES, said, setup, thread, usual_outcome};
use crate::play;

const FRESH: &str = "fresh-token";

/// A cloud that takes none but the tokens that it issues from now on.
struct Strict {
    clock: Arc<SetClock>,
    /// Whether it issues any.
    issues: AtomicBool,
    turned_away: AtomicUsize,
    said: Mutex<Vec<String>>,
}

impl Strict {
    fn answer(&self, errand: &Errand<'_>) -> Result<Carried, AdapterError> {
        let token = errand.secrets.get(&SecretRole::UserToken).map(Secret::reveal);
        let (outcome, mut secrets) = usual_outcome(self.clock.now(), &errand.command.action);
        match &errand.command.action {
            Action::IssueToken { .. } if !self.issues.load(Ordering::SeqCst) => {
                return Err(AdapterError::new(ErrorKind::Unavailable, "issue", "503"));
            }
            Action::IssueToken { .. } => secrets = vec![(SecretRole::UserToken, FRESH)],
            Action::Say { .. } if token.is_some_and(|token| token != FRESH) => {
                self.turned_away.fetch_add(1, Ordering::SeqCst);
                return Err(AdapterError::new(ErrorKind::Unverified, "say", "401"));
            }
            Action::Say { content, .. } if errand.command.instance.0 == "acs" => {
                self.said.lock().unwrap().push(content.text.reveal().unwrap().to_owned());
            }
            _ => {}
        }
        let secrets = secrets.into_iter().map(|(role, value)| (role, Secret::new(value))).collect();
        Ok(Carried { outcome, secrets })
    }
}

impl Carry for Strict {
    fn class(&self, action: &Action) -> Option<EffectClass> {
        Some(if matches!(action, Action::Say { .. }) { EffectClass::ReadBack } else { EffectClass::Natural })
    }

    fn quotas(&self, _: &Command, _: bool) -> Vec<Quota> {
        Vec::new()
    }

    fn carry<'a>(&'a self, errand: Errand<'a>) -> Answer<'a, Result<Carried, AdapterError>> {
        Box::pin(async move { self.answer(&errand) })
    }

    fn find<'a>(&'a self, _: Errand<'a>) -> Answer<'a, Result<Option<Carried>, AdapterError>> {
        Box::pin(async { Ok(None) })
    }
}

/// A second goes by, and the workers do what can be done.
async fn a_second(house: &DeskHouse) {
    house.wait(1).await;
    tokio::time::sleep(Duration::from_millis(10)).await;
}

#[tokio::test]
async fn a_message_whose_token_was_rejected_waits_for_another_one_however_long_that_takes() {
    let mut house = DeskHouse::open(Settings::default(), false);
    house.carry_all().await;
    let (turned_away, said_so_far) = (AtomicUsize::new(0), Mutex::default());
    let clock = Arc::clone(&house.clock);
    let cloud = Arc::new(Strict { clock, issues: AtomicBool::new(false), turned_away, said: said_so_far });
    let doors: BTreeMap<_, _> =
        ["acs", "connect"].map(|name| (name.into(), Arc::clone(&cloud) as Arc<dyn Carry>)).into();
    let profiles = Profiles::new(profiles::Settings::default(), BTreeMap::new(), house.setup.id_key.clone()).unwrap();
    let clock = Arc::clone(&house.clock) as Arc<dyn Clock>;
    let (desk, metrics, tasks) = (house.desk.clone(), Arc::new(Metrics::new()), Tasks::new());
    let dispatcher = Dispatcher::new(desk, doors, profiles, Dispatch::default(), clock, metrics);
    tasks.lasting("dispatch", dispatcher.run(tasks.clone(), tasks.soft().clone()));

    house.tell("acs", vec![said(thread(), house.now(), "1", CUSTOMER, None, "I need help")]).await;
    let waiting = Settings::default().texts.waiting;
    for _ in 0..60 {
        a_second(&house).await;
    }
    assert_eq!(cloud.turned_away.load(Ordering::SeqCst), 1, "it is not tried again with the same token");
    cloud.issues.store(true, Ordering::SeqCst);
    for _ in 0..120 {
        if cloud.said.lock().unwrap().contains(&waiting) {
            break;
        }
        a_second(&house).await;
    }
    assert!(cloud.said.lock().unwrap().contains(&waiting), "{:?}", cloud.said.lock().unwrap());
    tasks.stop();
}

/// A clock that counts how often the desk looks at it: once a commit at least.
struct Counted(SetClock, AtomicUsize);

impl Clock for Counted {
    fn now(&self) -> Timestamp {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.now()
    }
}

/// A cloud that takes calls and answers none.
#[derive(Default)]
struct Silent(AtomicUsize);

impl Carry for Silent {
    fn class(&self, _: &Action) -> Option<EffectClass> {
        Some(EffectClass::Natural)
    }

    fn quotas(&self, _: &Command, _: bool) -> Vec<Quota> {
        Vec::new()
    }

    fn carry<'a>(&'a self, _: Errand<'a>) -> Answer<'a, Result<Carried, AdapterError>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(std::future::pending())
    }

    fn find<'a>(&'a self, _: Errand<'a>) -> Answer<'a, Result<Option<Carried>, AdapterError>> {
        Box::pin(async { Ok(None) })
    }
}

#[tokio::test]
async fn commands_that_may_go_together_do_not_wait_for_a_commit_each() {
    const CHATS: usize = 40;
    let start: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
    let clock = Arc::new(Counted(SetClock::at(start), AtomicUsize::new(0)));
    let (setup, store) = (setup(Settings::default(), false), Arc::new(Memory::new()));
    let (keys, rules) = (play::keys(&store, 1), Arc::new(Rules::parse("rules.toml", RULES).unwrap()));
    let id_key = setup.id_key.clone();
    let (desk, _) = desk::open(setup, rules, store, keys, Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
    for n in 0..CHATS {
        let leg = LegRef { native: format!("19:t{n}"), ..thread() };
        let envelope = Envelope {
            door: "test".into(),
            kind: None,
            dedupe: vec![format!("envelope-{n}")],
            origin: vec![],
            body: Bytes::from_static(b"{}"),
        };
        let decoded = Decoded::Facts(vec![said(leg, start, &n.to_string(), CUSTOMER, None, "I need help")]);
        let incoming = Incoming { instance: "acs".into(), envelope, decoded, mapping: "m".into() };
        desk.submit(Priority::Webhook, Work::Envelope(Box::new(incoming))).await.unwrap();
    }
    let cloud = Arc::new(Silent::default());
    let doors = BTreeMap::from([("connect".into(), Arc::clone(&cloud) as Arc<dyn Carry>)]);
    let profiles = Profiles::new(profiles::Settings::default(), BTreeMap::new(), id_key).unwrap();
    let (metrics, tasks) = (Arc::new(Metrics::new()), Tasks::new());
    let of_workers = Arc::new(SetClock::at(start)) as Arc<dyn Clock>;
    let dispatcher = Dispatcher::new(desk, doors, profiles, Dispatch::default(), of_workers, metrics);
    let before = clock.1.load(Ordering::SeqCst);
    tasks.lasting("dispatch", dispatcher.run(tasks.clone(), tasks.soft().clone()));
    for _ in 0..500 {
        if cloud.0.load(Ordering::SeqCst) == CHATS {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let looks = clock.1.load(Ordering::SeqCst) - before;
    assert_eq!(cloud.0.load(Ordering::SeqCst), CHATS, "every contact is placed");
    assert!(looks < CHATS, "the desk went round {looks} times to give out {CHATS} commands");
    tasks.stop();
}
