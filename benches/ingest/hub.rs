//! The hub as it runs, over a folder, with a cloud behind it that does everything at once.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use tandem::clock::{Clock, SystemClock};
use tandem::config::Config;
use tandem::delivery::{Reader, Source};
use tandem::desk::{self, Claim, Desk, Priority, Setup, Work};
use tandem::http::{Chats, Erasures, Following, Gate, Hooks, Rooms, Signs, routes};
use tandem::intake::{Door, Intake, Keys as KeyRing};
use tandem::interactions::Settings as Journey;
use tandem::interactions::conduct::Cloud;
use tandem::profiles::Profiles;
use tandem::registry;
use tandem::routing::Rules;
use tandem::shutdown::Tasks;
use tandem::store::{Embedded, Keys, MasterKey, MasterKeys, OsEntropy, Settings, Store};
use tandem::telemetry::Metrics;
use tandem_sdk::doors::Context;
use tandem_sdk::model::{Action, IdKey, LegRef, Outcome, PartyKey};
use tandem_sdk::secret::{Secret, SecretRole};
use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::baseline::start;
use crate::events::number_in;

const SECRET: &str = "a-secret-of-the-bench-0123456789";
pub(crate) const HUB: &str = "8:acs:1a7de350-0000-4000-8000-0000000000ac_00000000-0000-0000-0000-00000000a0b0";
/// Workers of the cloud that does everything at once, and commands that each of them takes at once: more than a commit owes,
/// or what is owed would pile up behind them.
const WORKERS: usize = 4;
const CLAIM: usize = 512;

const RULES: &str = r#"
default = "general"
[[rules]]
name = "gold customers"
when = 'profile.tier == "gold"'
target = "priority"
[[rules]]
name = "at night"
when = 'interaction.topic == "night"'
target = "priority"
[targets.priority]
instance = "connect"
flow = "flow-1"
queue = "queue-priority"
queue_attribute = "tandem_queue"
fallback = "general"
[targets.general]
instance = "connect"
flow = "flow-1"
queue = "queue-general"
queue_attribute = "tandem_queue"
"#;

/// When which message went in, and how long its command took to come out.
pub(crate) struct Carried {
    first: u64,
    begun: Vec<AtomicU64>,
    took: Mutex<Vec<Duration>>,
    start: Instant,
}

impl Carried {
    pub(crate) fn from(first: u64, count: u64) -> Self {
        let begun = (0..count).map(|_| AtomicU64::new(0)).collect();
        Carried { first, begun, took: Mutex::default(), start: Instant::now() }
    }

    pub(crate) fn begins(&self, request: usize, at: Instant) {
        let nanos = u64::try_from((at - self.start).as_nanos()).unwrap();
        self.begun[request].store(nanos, Ordering::Relaxed);
    }

    fn claimed(&self, claim: &Claim) {
        let Action::Say { content, .. } = &claim.command.action else { return };
        let number = content.text.reveal().and_then(number_in);
        let Some(number) = number.and_then(|number| number.checked_sub(self.first)) else { return };
        let begun = self.begun.get(usize::try_from(number).unwrap()).map_or(0, |begun| begun.load(Ordering::Relaxed));
        if begun > 0 {
            self.took.lock().unwrap().push(self.start.elapsed() - Duration::from_nanos(begun));
        }
    }

    pub(crate) fn took(&self) -> Vec<Duration> {
        self.took.lock().unwrap().clone()
    }
}

/// A hub that listens.
pub(crate) struct Hub {
    desk: Desk,
    thread: JoinHandle<bool>,
    url: String,
    watched: Arc<Mutex<Option<Arc<Carried>>>>,
    takes: watch::Sender<bool>,
}

impl Hub {
    pub(crate) async fn open(folder: &Path) -> Self {
        let config = Config::default();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let mappings = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings");
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join("secret"), SECRET).unwrap();
        std::fs::write(folder.join("acs.key"), "dGhlIGFjY2VzcyBrZXkgb2YgYSBiZW5jaCwga2VwdCBub3doZXJl").unwrap();
        let settings = format!(
            "endpoint = 'https://bench.europe.communication.azure.com'\naccess_key = 'file:acs.key'\n\
             resource = 'bench'\nhub_address = '{HUB}'\n[event_grid]\nsubscriptions = ['tandem']\nquery = {{ secrets = ['file:secret'] }}"
        );
        let context =
            Context { instance: "acs".into(), base: folder, mappings: &mappings, http: http.clone(), trust: &[] };
        let kind = registry::find("azure-communication").unwrap();
        let doors = (kind.build)(settings.parse().unwrap(), &context).unwrap();

        let id_key = IdKey::new(b"an id key of the bench, 32 bytes.");
        let acs = Cloud {
            system: kind.name.to_owned(),
            account: doors.traits.account.clone(),
            hub: Some(PartyKey::of(&id_key, kind.name, HUB)),
            hub_address: Some(HUB.to_owned()),
            message_limit: doors.traits.message_limit,
        };
        let connect = Cloud {
            system: "amazon-connect".to_owned(),
            account: "bench".to_owned(),
            hub: None,
            hub_address: None,
            message_limit: 1024,
        };
        let setup = Setup {
            domain: "main".into(),
            // Nobody comes: an agent's side would be another cloud's events.
            journey: Journey {
                patience: SignedDuration::from_hours(9),
                overdue: SignedDuration::from_hours(9),
                ..Journey::default()
            },
            clouds: BTreeMap::from([("acs".into(), acs), ("connect".into(), connect)]),
            has_profiles: false,
            id_key: id_key.clone(),
            max_batch: config.desk.max_batch,
            capacities: config.desk.lanes,
            in_memory: config.desk.in_memory,
            fold_most: config.desk.snapshot,
            unfiled_days: config.desk.unfiled_days,
        };
        let store: Arc<dyn Store> = Arc::new(Embedded::open(&folder.join("data"), Settings::default()).unwrap());
        let masters = MasterKeys::new(MasterKey::new(Zeroizing::new([7; 32])), vec![]);
        let keys = Arc::new(Keys::open(Arc::clone(&store), masters, Arc::new(OsEntropy::new()), 50_000).unwrap());
        let rules = Arc::new(Rules::parse("rules.toml", RULES).unwrap());
        let (desk, thread) =
            desk::open(setup, rules, Arc::clone(&store), Arc::clone(&keys), Arc::clone(&clock)).unwrap();

        let metrics = Arc::new(Metrics::new());
        let (receive, decode) = (doors.receive.unwrap(), doors.decode.unwrap());
        let decoders = BTreeMap::from([("acs".into(), Arc::clone(&decode))]);
        let receivers = BTreeMap::from([("acs".into(), Door { receive, decode })]);
        let intake = Intake::new(desk.clone(), receivers, KeyRing::new(http, config.network.keys.clone()), clock);
        let gate = Gate::new(Vec::new());
        let profiles = Profiles::new(config.profiles.clone(), BTreeMap::new(), id_key).unwrap();
        let following = Following::new(
            desk.clone(),
            Reader::new(Arc::clone(&store), keys, Source::new("bench", "main".into())),
            decoders,
            gate.clone(),
            Tasks::new(),
            config.delivery.clone(),
            config.listen.body.in_memory(),
        );
        let rooms = Rooms {
            hooks: Hooks::new(
                intake.clone(),
                config.listen.hooks,
                config.listen.body_timeout.get(),
                Arc::clone(&metrics),
            ),
            chats: Chats::new(desk.clone(), gate, config.listen.body.in_memory(), String::new()),
            erasures: Erasures::new(following.clone(), store, profiles),
            following,
            signs: Signs::new(desk.clone(), intake, metrics, Arc::new(AtomicBool::new(false))),
            timeout: config.listen.timeout.get(),
        };
        let url = format!("{}hooks/acs/events?code={SECRET}", start(routes(rooms)).await);
        let watched = Arc::new(Mutex::new(None));
        let takes = watch::Sender::new(true);
        for _ in 0..WORKERS {
            tokio::spawn(carry(desk.clone(), Arc::clone(&watched), takes.subscribe()));
        }
        Hub { desk, thread, url, watched, takes }
    }

    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    pub(crate) fn desk(&self) -> &Desk {
        &self.desk
    }

    /// Whose commands are timed.
    pub(crate) fn watch(&self, carried: Option<Arc<Carried>>) {
        *self.watched.lock().unwrap() = carried;
    }

    /// Whether the cloud takes what it is owed.
    pub(crate) fn cloud_takes(&self, takes: bool) {
        self.takes.send_replace(takes);
    }

    /// Waits until nothing is owed.
    pub(crate) async fn settled(&self) {
        while self.desk.status().await.unwrap().owed > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Writes everything down and ends.
    pub(crate) fn close(self) {
        self.desk.close();
        assert!(!self.thread.join().unwrap(), "nobody else opened the folder");
    }

    /// Ends the process as a crash would.
    pub(crate) fn stop_without_farewell(self) {
        std::process::exit(0);
    }
}

/// A worker of a cloud that does everything at once.
async fn carry(desk: Desk, watched: Arc<Mutex<Option<Arc<Carried>>>>, mut takes: watch::Receiver<bool>) {
    while let Ok(claims) = desk.claim(CLAIM).await {
        if let Some(carried) = &*watched.lock().unwrap() {
            claims.iter().for_each(|claim| carried.claimed(claim));
        }
        if takes.wait_for(|takes| *takes).await.is_err() {
            return;
        }
        let works = claims.iter().map(settle).collect();
        if desk.submit_all(Priority::Outcome, works).await.is_err() {
            return;
        }
    }
}

fn settle(claim: &Claim) -> Work {
    let id = claim.command.id;
    let tomorrow = claim.now + SignedDuration::from_hours(24);
    let (outcome, secret) = match &claim.command.action {
        Action::Place { .. } => {
            let leg = LegRef {
                system: "amazon-connect".to_owned(),
                account: "bench".to_owned(),
                kind: "contact".to_owned(),
                native: id.0.to_string(),
            };
            (Outcome::Placed { leg, participant: id.0.to_string() }, Some(SecretRole::ParticipantToken))
        }
        Action::IssueToken { .. } => (Outcome::Issued { expires_at: tomorrow }, Some(SecretRole::UserToken)),
        Action::Enter { .. } => (Outcome::Issued { expires_at: tomorrow }, Some(SecretRole::ConnectionToken)),
        Action::Say { .. } => (Outcome::Said { message: id.0.to_string(), at: None }, None),
        Action::Inquire { .. } | Action::Trace { .. } | Action::Recall { .. } => {
            (Outcome::Observed { facts: Vec::new() }, None)
        }
        _ => (Outcome::Done {}, None),
    };
    let secrets = secret.map(|role| (role, Secret::new("a token of about the length that tokens have ".repeat(8))));
    Work::Outcome { command: id, result: Ok(outcome), secrets: secrets.into_iter().collect(), repeated: false }
}
