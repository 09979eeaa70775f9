//! A simulator, the doors of one instance, and errands for them.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use tandem_azure_communication::{KIND, sim};
use tandem_sdk::doors::{Context, Doors, Errand, Quota};
use tandem_sdk::error::AdapterError;
use tandem_sdk::model::{
    Action, Carried, Command, CommandId, Content, ContentType, Fact, Lane, LegRef, Member, Outcome, Personal, Purpose,
    Speaker,
};
use tandem_sdk::secret::{Secret, SecretRole};
use tandem_sdk::sim::{Authority, Entry};

pub(crate) const HUB: &str = "8:acs:1a7de350-0000-4000-8000-0000000000ac_hub";
const KEY: &str = "dGhlIGFjY2VzcyBrZXkgb2YgYSB0ZXN0";

/// What the test differs in from the others.
pub(crate) struct Wishes<'a> {
    /// Changes the simulator's settings.
    pub(crate) sim: &'a dyn Fn(&mut sim::Settings),
    /// Further lines of the instance's settings, each with its line break.
    pub(crate) settings: &'a str,
}

pub(crate) struct Stage {
    pub(crate) sim: sim::Running,
    pub(crate) doors: Doors,
    pub(crate) authority: Authority,
    pub(crate) http: reqwest::Client,
    folder: tempfile::TempDir,
}

/// Somebody who can speak.
pub(crate) struct Person {
    pub(crate) address: String,
    pub(crate) token: Secret,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with(Wishes { sim: &|_| {}, settings: "" }).await
    }

    pub(crate) async fn with(wishes: Wishes<'_>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::open(folder.path()).unwrap();
        let mut settings = sim::Settings {
            ca: folder.path().to_owned(),
            access_key: KEY.to_owned(),
            identities: vec![HUB.to_owned()],
            hold_ms: 200,
            ..sim::Settings::default()
        };
        (wishes.sim)(&mut settings);
        let sim = sim::run(settings).await.unwrap();
        let http = authority.trusted_by(reqwest::Client::builder().no_proxy()).unwrap().build().unwrap();
        std::fs::write(folder.path().join("key"), KEY).unwrap();
        let doors = build(&sim.endpoint, folder.path(), &http, wishes.settings);
        Stage { sim, doors, authority, http, folder }
    }

    /// The doors of another instance for the same simulator.
    pub(crate) fn doors_with(&self, endpoint: &str, settings: &str) -> Doors {
        build(endpoint, self.folder.path(), &self.http, settings)
    }

    /// Where `file:` secrets stand.
    pub(crate) fn base(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) async fn carry(&self, n: u64, token: Option<&Secret>, action: Action) -> Result<Carried, AdapterError> {
        let (command, secrets) = errand(n, token, action);
        let errand = Errand { command: &command, secrets: &secrets, now: Timestamp::now() };
        self.doors.carry.as_ref().unwrap().carry(errand).await
    }

    pub(crate) fn quotas(&self, action: Action) -> Vec<Quota> {
        self.doors.carry.as_ref().unwrap().quotas(&errand(0, None, action).0, false)
    }

    pub(crate) async fn find(&self, n: u64, token: &Secret, action: Action) -> Result<Option<Carried>, AdapterError> {
        self.find_owed(None, n, token, action).await
    }

    pub(crate) async fn find_owed(
        &self,
        owed_at: Option<Timestamp>,
        n: u64,
        token: &Secret,
        action: Action,
    ) -> Result<Option<Carried>, AdapterError> {
        let (command, secrets) = errand(n, Some(token), action);
        let command = Command { owed_at, ..command };
        let errand = Errand { command: &command, secrets: &secrets, now: Timestamp::now() };
        self.doors.carry.as_ref().unwrap().find(errand).await
    }

    /// A new identity with a token.
    pub(crate) async fn person(&self) -> Person {
        let Outcome::Identified { address } = self.carry(0, None, Action::Identify {}).await.unwrap().outcome else {
            panic!("not identified");
        };
        self.person_at(address.reveal().unwrap()).await
    }

    pub(crate) async fn person_at(&self, address: &str) -> Person {
        let issue = Action::IssueToken { address: Personal::new(address) };
        let carried = self.carry(0, None, issue).await.unwrap();
        let Outcome::Issued { expires_at } = carried.outcome else { panic!("not issued") };
        assert!(expires_at > Timestamp::now() + Duration::from_secs(2 * 3600));
        let [(SecretRole::UserToken, token)] = &carried.secrets[..] else { panic!("no token") };
        Person { address: address.to_owned(), token: token.clone() }
    }

    /// A thread that `creator` opened with the others.
    pub(crate) async fn thread(&self, creator: &Person, others: &[&str]) -> LegRef {
        match self.carry(1000, Some(&creator.token), open(others)).await.unwrap().outcome {
            Outcome::Opened { leg, refused: 0 } => leg,
            other => panic!("not opened: {other:?}"),
        }
    }

    pub(crate) async fn recall(&self, who: &Person, leg: &LegRef, since: Option<Timestamp>) -> Vec<Fact> {
        let recall = Action::Recall { leg: leg.clone(), since };
        match self.carry(2000, Some(&who.token), recall).await.unwrap().outcome {
            Outcome::Observed { facts } => facts,
            other => panic!("not observed: {other:?}"),
        }
    }

    pub(crate) fn effects(&self, effect: &str) -> Vec<Entry> {
        self.sim.ledger.entries().into_iter().filter(|entry| entry.effect == effect).collect()
    }
}

fn build(endpoint: &str, base: &Path, http: &reqwest::Client, settings: &str) -> Doors {
    let mappings = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../mappings");
    let context = Context { instance: "chat".into(), base, mappings: &mappings, http: http.clone(), trust: &[] };
    let key = if settings.contains("access_key") { "" } else { "access_key = 'file:key'\n" };
    let hub = if settings.contains("hub_address") { "" } else { &format!("hub_address = '{HUB}'\n") };
    let text = format!("endpoint = '{endpoint}'\nresource = 'Tandem-Sim'\n{key}{hub}{settings}");
    match (KIND.build)(text.parse().unwrap(), &context) {
        Ok(doors) => doors,
        Err(problems) => panic!("{problems:#?}"),
    }
}

/// The id of the n-th command.
pub(crate) fn id(n: u64) -> CommandId {
    let leg = LegRef {
        system: "test".to_owned(),
        account: "test".to_owned(),
        kind: "thread".to_owned(),
        native: n.to_string(),
    };
    leg.id().opens(1).command("test", 1)
}

fn errand(n: u64, token: Option<&Secret>, action: Action) -> (Command, BTreeMap<SecretRole, Secret>) {
    let command = Command {
        id: id(n),
        lane: Lane("test".to_owned()),
        instance: "chat".into(),
        purpose: Purpose("test".to_owned()),
        action,
        uses: BTreeMap::new(),
        keeps: BTreeMap::new(),
        order: n,
        owed_at: None,
        expires_at: Timestamp::MAX,
    };
    (command, token.map(|token| (SecretRole::UserToken, token.clone())).into_iter().collect())
}

pub(crate) fn open(members: &[&str]) -> Action {
    let members = members.iter().map(|address| member(address)).collect();
    Action::Open { topic: Personal::new("A question"), members }
}

pub(crate) fn member(address: &str) -> Member {
    Member { address: Personal::new(address), name: Personal::new("Somebody") }
}

pub(crate) fn join(leg: &LegRef, address: &str) -> Action {
    Action::Join { leg: leg.clone(), member: member(address) }
}

pub(crate) fn leave(leg: &LegRef, address: &str) -> Action {
    Action::Leave { leg: leg.clone(), address: Personal::new(address) }
}

pub(crate) fn say(leg: &LegRef, text: &str, content_type: ContentType) -> Action {
    let content = Content { content_type, text: Personal::new(text), name: Personal::new("Ann") };
    Action::Say { leg: leg.clone(), speaker: Speaker::Agent, content }
}

pub(crate) fn said(carried: Carried) -> String {
    match carried.outcome {
        Outcome::Said { message, .. } => message,
        other => panic!("not said: {other:?}"),
    }
}
