//! A hub with its front desk open, on a store in a folder: the test speaks as the clouds, answers as the workers, and
//! asks over HTTP as whoever follows.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tandem::clock::{Clock, SetClock};
use tandem::config::{Delivery, Period, Scope};
use tandem::delivery::{Reader, Sight, Source};
use tandem::desk::{self, Claim, Desk, Incoming, Priority, Setup, Work};
use tandem::http::{Access, Bounds, Chats, Erasures, Following, Gate, Hooks, Rooms, Signs, routes, serve};
use tandem::intake::{Intake, KeySettings, Keys as KeyRing};
use tandem::interactions::Settings;
use tandem::profiles::Profiles;
use tandem::routing::Rules;
use tandem::shutdown::Tasks;
use tandem::store::{Embedded, Keys, MasterKey, MasterKeys, SeededEntropy, Store};
use tandem::telemetry::Metrics;
use tandem_sdk::doors::{Answer, Decode, Decoded, Envelope, Lookup};
use tandem_sdk::error::AdapterError;
use tandem_sdk::model::{Action, Fact, Identity, Outcome, Profile};
use tandem_sdk::secret::{Secret, SecretRole};
use tempfile::TempDir;
use zeroize::Zeroizing;

use crate::desk_house::{CUSTOMER, contact, said, setup, thread};

const RULES: &str = r#"
default = "general"
[targets.general]
instance = "connect"
flow = "flow-1"
queue = "queue-general"
queue_attribute = "tandem_queue"
"#;

/// A token that may read, without what was said.
pub(crate) const READ: &str = "a token that may read";
/// A token that may read what was said too.
pub(crate) const TEXT: &str = "a token that may read text";
/// A token that may operate, and see nothing of what was said.
pub(crate) const OPERATE: &str = "a token that may operate";
/// A token that may operate and see what was said.
pub(crate) const OPERATE_TEXT: &str = "a token that may operate and read text";
/// A token for chats only.
pub(crate) const CHATS: &str = "a token that may open chats";

pub(crate) struct FollowHouse {
    dir: Arc<TempDir>,
    clock: Arc<SetClock>,
    setup: Setup,
    delivery: Delivery,
    door: Arc<Door>,
    tasks: Tasks,
    thread: Option<JoinHandle<bool>>,
    envelopes: u32,
    client: reqwest::Client,
    reader: Reader,
    cdp: Arc<Cdp>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) profiles: Profiles,
    pub(crate) desk: Desk,
    pub(crate) base: String,
}

/// A CDP that knows everybody, and counts how often it was asked.
#[derive(Default)]
struct Cdp(AtomicUsize);

impl Lookup for Cdp {
    fn lookup<'a>(&'a self, _: &'a [Identity]) -> Answer<'a, Result<Option<Profile>, AdapterError>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(async { Ok(Some(Profile { id: "C-1".into(), ..Profile::default() })) })
    }
}

/// An answer, read to its end.
pub(crate) struct Got {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Got {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(crate) fn lines(&self) -> Vec<Value> {
        self.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name}: {}", self.text)).to_str().unwrap()
    }
}

/// A cloud whose messages are `{"id", "text"}`; until somebody mends its mapping it understands none of them.
#[derive(Default)]
pub(crate) struct Door {
    pub(crate) is_mended: AtomicBool,
}

impl Decode for Door {
    fn decode(&self, envelope: &Envelope) -> Decoded {
        let body: Value = serde_json::from_slice(&envelope.body).unwrap_or_default();
        match (self.is_mended.load(Ordering::Relaxed), body["id"].as_str(), body["text"].as_str()) {
            (true, Some(id), Some(text)) => {
                let at = "2026-01-01T12:00:00Z".parse().unwrap();
                Decoded::Facts(vec![said(thread(), at, id, CUSTOMER, None, text)])
            }
            _ => Decoded::Malformed { problem: "there is no row for words".to_owned() },
        }
    }

    fn version(&self) -> &'static str {
        if self.is_mended.load(Ordering::Relaxed) { "mapping-2" } else { "mapping-1" }
    }
}

impl FollowHouse {
    pub(crate) fn open() -> Self {
        Self::open_with(Delivery { page: 500, streams: 2, heartbeat: Period::secs(1) })
    }

    pub(crate) fn open_with(delivery: Delivery) -> Self {
        let clock = Arc::new(SetClock::at("2026-01-01T12:00:00Z".parse().unwrap()));
        let dir = Arc::new(tempfile::tempdir().unwrap());
        // Days pass here in which nobody writes.
        let journey = Settings { idle: SignedDuration::from_hours(24 * 30), ..Settings::default() };
        Self::over(dir, clock, setup(journey, false), delivery, Arc::default())
    }

    fn over(dir: Arc<TempDir>, clock: Arc<SetClock>, setup: Setup, delivery: Delivery, door: Arc<Door>) -> Self {
        let store: Arc<dyn Store> = Arc::new(Embedded::open(dir.path(), tandem::store::Settings::default()).unwrap());
        let masters = MasterKeys::new(MasterKey::new(Zeroizing::new([7; 32])), vec![]);
        let entropy = Arc::new(SeededEntropy::new(store.last(tandem::store::Keyspace::Log).unwrap().map_or(1, |_| 2)));
        let keys = Arc::new(Keys::open(Arc::clone(&store), masters, entropy, 100).unwrap());
        let rules = Arc::new(Rules::parse("rules.toml", RULES).unwrap());
        let shared = Arc::clone(&clock) as Arc<dyn Clock>;
        let (desk, thread) =
            desk::open(setup.clone(), rules, Arc::clone(&store), Arc::clone(&keys), Arc::clone(&shared)).unwrap();

        let tasks = Tasks::new();
        let client = client();
        let intake =
            Intake::new(desk.clone(), BTreeMap::new(), KeyRing::new(client.clone(), KeySettings::default()), shared);
        let metrics = Arc::new(Metrics::new());
        let doors: BTreeMap<_, Arc<dyn Decode>> =
            BTreeMap::from([("acs".into(), Arc::clone(&door) as Arc<dyn Decode>)]);
        let reader = Reader::new(Arc::clone(&store), keys, Source::new("test", setup.domain.clone()));
        let following =
            Following::new(desk.clone(), reader.clone(), doors, gate(), tasks.clone(), delivery.clone(), 64 * 1024);
        let cdp = Arc::new(Cdp::default());
        let lookups = BTreeMap::from([("cdp".into(), Arc::clone(&cdp) as Arc<dyn Lookup>)]);
        let profiles = Profiles::new(tandem::profiles::Settings::default(), lookups, setup.id_key.clone()).unwrap();
        let rooms = Rooms {
            hooks: Hooks::new(intake.clone(), 4, Duration::from_secs(5), Arc::clone(&metrics)),
            chats: Chats::new(desk.clone(), gate(), 64 * 1024, "https://chat.example".to_owned()),
            erasures: Erasures::new(following.clone(), Arc::clone(&store), profiles.clone()),
            following,
            signs: Signs::new(desk.clone(), intake, metrics, Arc::default()),
            timeout: Duration::from_secs(10),
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let bounds = Bounds { connections: 100, headers: Duration::from_secs(30), grace: Duration::from_secs(5) };
        let server = serve(listener, None, routes(rooms), tasks.soft().clone(), bounds);
        tasks.lasting("http", async move { server.await.unwrap() });
        FollowHouse {
            dir,
            clock,
            setup,
            delivery,
            door,
            tasks,
            thread: Some(thread),
            envelopes: 0,
            client,
            reader,
            cdp,
            store,
            profiles,
            desk,
            base,
        }
    }

    /// Stops everything, the store included.
    pub(crate) async fn stop(&mut self) {
        self.tasks.stop();
        let (_signals, none) = tokio::sync::mpsc::channel(1);
        self.tasks.ended(Duration::from_secs(10), none).await;
        self.desk.close();
        if let Some(thread) = self.thread.take() {
            assert!(!thread.join().unwrap());
        }
    }

    /// The hub stops and another one opens over the same folder.
    pub(crate) async fn restart(mut self) -> Self {
        self.stop().await;
        let (dir, clock, setup) = (Arc::clone(&self.dir), Arc::clone(&self.clock), self.setup.clone());
        let (delivery, door, envelopes) = (self.delivery.clone(), Arc::clone(&self.door), self.envelopes);
        drop(self);
        let mut next = Self::over(dir, clock, setup, delivery, door);
        next.envelopes = envelopes;
        next
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) async fn wait(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
        self.desk.status().await.unwrap();
        self.desk.interactions(1).await.unwrap();
    }

    pub(crate) fn mend_the_mapping(&self) {
        self.door.is_mended.store(true, Ordering::Relaxed);
    }

    pub(crate) async fn tell(&mut self, instance: &str, facts: Vec<Fact>) {
        self.deliver(instance, b"{}", Decoded::Facts(facts)).await;
    }

    /// A message from the first cloud, as its door decodes it.
    pub(crate) async fn post(&mut self, body: &[u8]) {
        let envelope = Envelope {
            door: "events".into(),
            kind: None,
            dedupe: vec![],
            origin: vec![],
            body: Bytes::copy_from_slice(body),
        };
        let decoded = self.door.decode(&envelope);
        self.deliver("acs", body, decoded).await;
    }

    async fn deliver(&mut self, instance: &str, body: &[u8], decoded: Decoded) {
        self.envelopes += 1;
        let envelope = Envelope {
            door: "events".into(),
            kind: Some("test.message".into()),
            dedupe: vec![format!("envelope-{}", self.envelopes)],
            origin: vec!["test".into()],
            body: Bytes::copy_from_slice(body),
        };
        let mapping = self.door.version().to_owned();
        let incoming = Incoming { instance: instance.into(), envelope, decoded, mapping };
        self.desk.submit(Priority::Webhook, Work::Envelope(Box::new(incoming))).await.unwrap();
    }

    /// The customer says something in their thread.
    pub(crate) async fn say(&mut self, id: &str, text: &str) {
        self.tell("acs", vec![said(thread(), self.now(), id, CUSTOMER, None, text)]).await;
    }

    pub(crate) async fn claim(&self) -> Option<Claim> {
        crate::desk_house::claim_one(&self.desk).await
    }

    pub(crate) async fn settle(&self, claim: &Claim, result: Result<Outcome, AdapterError>) {
        let hour = self.now().saturating_add(SignedDuration::from_hours(24)).unwrap();
        let secrets = match (&claim.command.action, &result) {
            (Action::IssueToken { .. }, Ok(_)) => vec![(SecretRole::UserToken, Secret::new("user-token"))],
            (Action::Place { .. }, Ok(_)) => vec![(SecretRole::ParticipantToken, Secret::new("participant-token"))],
            (Action::Enter { .. }, Ok(_)) => vec![(SecretRole::ConnectionToken, Secret::new("connection-token"))],
            _ => vec![],
        };
        let result = match (&claim.command.action, result) {
            (Action::IssueToken { .. } | Action::Enter { .. }, Ok(_)) => Ok(Outcome::Issued { expires_at: hour }),
            (_, result) => result,
        };
        let work = Work::Outcome { command: claim.command.id, result, secrets, repeated: false };
        self.desk.submit(Priority::Outcome, work).await.unwrap();
    }

    /// Carries everything that may go, as clouds in order would.
    pub(crate) async fn carry_all(&self) {
        while let Some(claim) = self.claim().await {
            let outcome = usual_outcome(&claim.command.action);
            self.settle(&claim, Ok(outcome)).await;
        }
    }

    /// How often the CDP was asked.
    pub(crate) fn cdp_asked(&self) -> usize {
        self.cdp.0.load(Ordering::Relaxed)
    }

    /// Asks the front desk.
    pub(crate) async fn ask(&self, method: Method, path: &str, token: &str, body: Option<Value>) -> Got {
        let mut request = self.client.request(method, format!("{}{path}", self.base)).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        read(request.send().await.unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Got {
        self.ask(Method::GET, path, token, None).await
    }

    pub(crate) async fn post_to(&self, path: &str, token: &str) -> Got {
        self.ask(Method::POST, path, token, None).await
    }

    /// Opens a stream of events.
    pub(crate) async fn stream(&self, path: &str, token: &str, last: Option<&str>) -> reqwest::Response {
        let mut request = self.client.get(format!("{}{path}", self.base)).bearer_auth(token);
        request = request.header("accept", "text/event-stream");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        request.send().await.unwrap()
    }

    /// Every record of the log with everything that can still be read of it, as people with the keys could.
    pub(crate) async fn whole_log(&self) -> String {
        let next = self.desk.status().await.unwrap().next_seq;
        let seqs: Vec<u64> = (1..next).collect();
        let opened = self.reader.records(&seqs, Sight::Text).unwrap();
        assert_eq!(opened.len(), seqs.len());
        opened
            .iter()
            .map(|one| serde_json::to_string(&one.record).unwrap() + &String::from_utf8_lossy(&one.body))
            .collect()
    }

    /// Every file in the folder, in one.
    pub(crate) fn bytes_on_disk(&self) -> Vec<u8> {
        let mut all = Vec::new();
        let mut folders = vec![self.dir.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                } else {
                    all.extend(std::fs::read(entry.path()).unwrap());
                }
            }
        }
        all
    }
}

async fn read(response: reqwest::Response) -> Got {
    let (status, headers) = (response.status(), response.headers().clone());
    Got { status, headers, text: response.text().await.unwrap() }
}

fn usual_outcome(action: &Action) -> Outcome {
    match action {
        Action::Identify {} => Outcome::Identified { address: "8:acs:agent".into() },
        Action::Open { .. } => Outcome::Opened { leg: thread(), refused: 0 },
        Action::Place { .. } => Outcome::Placed { leg: contact("c1"), participant: "p-1".into() },
        Action::Say { .. } => Outcome::Said { message: "native-1".into(), at: None },
        Action::Describe { .. } => Outcome::Described { name: "Ada Agent".into() },
        Action::Inquire { .. } | Action::Trace { .. } | Action::Recall { .. } => Outcome::Observed { facts: vec![] },
        Action::Lookup { .. } => Outcome::Profile { found: None },
        _ => Outcome::Done {},
    }
}

fn gate() -> Gate {
    let access = |token: &str, scopes: &[Scope]| Access {
        token: Secret::new(token),
        scopes: scopes.iter().copied().collect::<BTreeSet<_>>(),
    };
    Gate::new(vec![
        access(READ, &[Scope::Read]),
        access(TEXT, &[Scope::Read, Scope::Text]),
        access(OPERATE, &[Scope::Operate]),
        access(OPERATE_TEXT, &[Scope::Operate, Scope::Text]),
        access(CHATS, &[Scope::Chats]),
    ])
}

#[expect(clippy::disallowed_methods, reason = "the test's own client, not the hub's")]
fn client() -> reqwest::Client {
    // The first test of the process installs it, the others find it.
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap()
}
