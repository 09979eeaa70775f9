//! The smallest hub there can be: two webhooks, a key ring, and commands carried one at a time. All over sockets.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path as UrlPath, State};
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};
use tandem_amazon_connect::{KIND, sim};
use tandem_sdk::doors::{Carry, Context, Decoded, Doors, Envelope, Errand, KeyRing, Received, Request};
use tandem_sdk::error::AdapterError;
use tandem_sdk::model::{
    Action, Carried, Command, CommandId, Fact, InstanceName, Lane, LegRef, Outcome, Purpose, Target,
};
use tandem_sdk::secret::{Secret, SecretRole};
use tandem_sdk::sim::{Authority, Entry, Served, serve};
use tempfile::TempDir;
use url::Url;
use uuid::Uuid;

pub(crate) const INSTANCE: &str = "5f1ab6ce-7a3b-4c57-9d0f-3c1f6f2a9b11";
pub(crate) const FLOW: &str = "846ec553-a005-41c0-8341-27b2a9f2a8c1";
pub(crate) const GOLD: &str = "c0ffee00-0000-4000-8000-000000000001";
pub(crate) const ADA: &str = "ada00000-0000-4000-8000-000000000001";
pub(crate) const TOPIC: &str = "arn:aws:sns:eu-central-1:111122223333:tandem-chat";

/// A simulated cloud and the hub that it talks to.
pub(crate) struct House {
    pub(crate) cloud: sim::Running,
    pub(crate) desk: Arc<Desk>,
    _served: Served,
    _dir: TempDir,
}

/// What the webhooks share.
#[derive(Default)]
pub(crate) struct Desk {
    doors: OnceLock<Doors>,
    http: OnceLock<reqwest::Client>,
    seen: Mutex<BTreeSet<String>>,
    pub(crate) kept: Mutex<Vec<Envelope>>,
    keys: Mutex<KeyRing>,
    refused: Mutex<Vec<String>>,
}

/// How a house differs from the ordinary one: settings of the cloud and of the adapter.
pub(crate) type Change = (fn(&mut Value), fn(&mut toml::Table));

/// Nothing different.
pub(crate) const ORDINARY: Change = (|_| (), |_| ());

impl House {
    pub(crate) async fn build((cloud_change, adapter_change): Change) -> House {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::open(dir.path()).unwrap();
        let desk = Arc::new(Desk::default());
        let routes = Router::new().route("/hooks/connect/{door}", post(hook)).with_state(Arc::clone(&desk));
        let tls = authority.server_config(&["localhost"]).unwrap();
        let served = serve("127.0.0.1:0".parse().unwrap(), tls, routes).await.unwrap();
        let hooks = format!("https://localhost:{}/hooks/connect", served.addr.port());
        let flow = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/aws/tandem-chat-flow.json");
        let mut settings = json!({
            "listen": "127.0.0.1:0", "ca": dir.path(), "instance_id": INSTANCE,
            "access_key_id": "AKIDTANDEM", "secret_access_key": "not-a-real-secret",
            "flows": { FLOW: flow }, "limits": "off", "time_scale": 60.0,
            "queues": [{ "id": GOLD, "name": "Gold" }],
            "agents": [{ "user_id": ADA, "username": "ada", "first_name": "Ada", "last_name": "Example",
                "queues": ["Gold"] }],
            "eventbridge": {
                "url": format!("{hooks}/contacts"),
                "authorization": { "api_key": { "header": "x-tandem-key", "value": "not-a-real-secret" } },
            },
            "sns": { "topics": [TOPIC], "endpoint": format!("{hooks}/chat"), "signature_version": 2 },
        });
        cloud_change(&mut settings);
        let cloud = sim::run(serde_json::from_value(settings).unwrap()).await.unwrap();

        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .resolve("sns.eu-central-1.amazonaws.com", cloud.addr);
        let http = authority.trusted_by(client).unwrap().build().unwrap();
        let doors = doors(dir.path(), &authority, &cloud.endpoint, http.clone(), adapter_change);
        assert!(desk.http.set(http).is_ok() && desk.doors.set(doors).is_ok());
        House { cloud, desk, _served: served, _dir: dir }
    }

    pub(crate) fn carry(&self) -> &dyn Carry {
        self.desk.doors().carry.as_deref().unwrap()
    }

    pub(crate) async fn probe(&self) -> Vec<(bool, String)> {
        let findings = self.desk.doors().probe.as_ref().unwrap().probe().await;
        findings.into_iter().map(|finding| (finding.ok, finding.line)).collect()
    }

    /// Carries an action as the command of this number.
    pub(crate) async fn carry_as(
        &self,
        number: u128,
        action: Action,
        secrets: &BTreeMap<SecretRole, Secret>,
    ) -> Result<Carried, AdapterError> {
        let command = command(number, action, secrets);
        self.carry().carry(Errand { command: &command, secrets, now: Timestamp::now() }).await
    }

    /// Places a chat for the queue Gold.
    pub(crate) async fn place(&self, number: u128) -> Result<(LegRef, BTreeMap<SecretRole, Secret>), AdapterError> {
        let carried = self.carry_as(number, place(), &BTreeMap::new()).await?;
        let Outcome::Placed { leg, .. } = carried.outcome else { panic!("not placed: {:?}", carried.outcome) };
        Ok((leg, carried.secrets.into_iter().collect()))
    }

    /// Places, listens and enters.
    pub(crate) async fn chat(&self, number: u128) -> (LegRef, BTreeMap<SecretRole, Secret>) {
        let (leg, mut secrets) = self.place(number).await.unwrap();
        self.carry_as(number + 1, Action::Listen { leg: leg.clone() }, &secrets).await.unwrap();
        let entered = self.carry_as(number + 2, Action::Enter { leg: leg.clone() }, &secrets).await.unwrap();
        assert!(matches!(entered.outcome, Outcome::Issued { expires_at } if expires_at > Timestamp::now()));
        secrets.extend(entered.secrets);
        (leg, secrets)
    }

    /// Asks what became of a contact.
    pub(crate) async fn inquire(&self, leg: &LegRef) -> Vec<Fact> {
        let asked = self.carry_as(1_000, Action::Inquire { leg: leg.clone() }, &BTreeMap::new()).await.unwrap();
        let Outcome::Observed { facts } = asked.outcome else { panic!("not observed: {:?}", asked.outcome) };
        facts
    }

    /// Plays an agent.
    pub(crate) async fn play(&self, path: &str, body: Value) {
        let url = format!("{}/sim/{path}", self.cloud.endpoint);
        let answer = self.desk.http.get().unwrap().post(url).json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
    }

    pub(crate) fn effects(&self, effect: &str) -> Vec<Entry> {
        self.cloud.ledger.entries().into_iter().filter(|entry| entry.effect == effect).collect()
    }

    pub(crate) async fn effect(&self, effect: &str) -> Entry {
        until(|| self.effects(effect).into_iter().next()).await
    }

    /// Everything that the webhooks told, decoded.
    pub(crate) fn facts(&self) -> Vec<Fact> {
        let decode = self.desk.doors().decode.as_ref().unwrap();
        let kept = self.desk.kept.lock().unwrap().clone();
        kept.iter()
            .flat_map(|envelope| match decode.decode(envelope) {
                Decoded::Facts(facts) => facts,
                Decoded::Ignored { .. } => Vec::new(),
                Decoded::Malformed { problem } => panic!("{problem}"),
            })
            .collect()
    }

    /// The first fact that the webhooks told and that is wanted.
    pub(crate) async fn fact(&self, wanted: impl Fn(&Fact) -> bool) -> Fact {
        until(|| self.facts().into_iter().find(&wanted)).await
    }

    pub(crate) fn refusals(&self) -> Vec<String> {
        self.desk.refused.lock().unwrap().clone()
    }
}

/// The doors of an instance that talks to this endpoint.
pub(crate) fn doors(
    dir: &Path,
    authority: &Authority,
    endpoint: &str,
    http: reqwest::Client,
    change: fn(&mut toml::Table),
) -> Doors {
    std::fs::write(dir.join("id"), "AKIDTANDEM").unwrap();
    std::fs::write(dir.join("key"), "not-a-real-secret").unwrap();
    let settings = format!(
        r#"
        region = "eu-central-1"
        instance_id = "{INSTANCE}"
        credentials = {{ access_key_id = "file:id", secret_access_key = "file:key" }}
        endpoints = {{ connect = "{endpoint}", participant = "{endpoint}" }}
        eventbridge.api_key = {{ header = "x-tandem-key", secrets = ["file:key"] }}
        sns = {{ topics = ["{TOPIC}"] }}
        timeouts = {{ call = "2s" }}
        "#
    );
    let mut settings: toml::Table = settings.parse().unwrap();
    change(&mut settings);
    let trust = [Bytes::from(authority.certificate_pem().to_owned())];
    let mappings = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../mappings");
    let context =
        Context { instance: InstanceName::from("connect"), base: dir, mappings: &mappings, http, trust: &trust };
    (KIND.build)(settings, &context).unwrap_or_else(|problems| panic!("{problems:?}"))
}

pub(crate) fn place() -> Action {
    Action::Place {
        target: Target {
            instance: "connect".into(),
            flow: FLOW.to_owned(),
            queue: GOLD.to_owned(),
            queue_attribute: "tandem_queue".to_owned(),
            priority: None,
        },
        name: "Grace".into(),
        attributes: vec![tandem_sdk::model::Attribute { name: "tandem_interaction".to_owned(), value: "i-1".into() }],
    }
}

pub(crate) fn command(number: u128, action: Action, secrets: &BTreeMap<SecretRole, Secret>) -> Command {
    Command {
        id: CommandId(Uuid::from_u128(number)),
        lane: Lane("lane".to_owned()),
        instance: "connect".into(),
        purpose: Purpose(action.name().to_owned()),
        uses: secrets.keys().map(|role| (*role, "name".to_owned())).collect(),
        action,
        keeps: BTreeMap::new(),
        order: 0,
        owed_at: None,
        expires_at: Timestamp::MAX,
    }
}

/// Looks every few milliseconds, for ten seconds.
pub(crate) async fn until<T>(look: impl Fn() -> Option<T>) -> T {
    for _ in 0..2_000 {
        if let Some(found) = look() {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it did not happen within ten seconds");
}

/// An address where nobody listens.
pub(crate) fn nobody() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

impl Desk {
    fn doors(&self) -> &Doors {
        self.doors.get().unwrap()
    }

    /// Keeps what is new; by any of its keys, a delivery may be one that we had.
    fn keep(&self, envelopes: Vec<Envelope>) {
        let mut seen = self.seen.lock().unwrap();
        for envelope in envelopes {
            if !envelope.dedupe.iter().any(|key| seen.contains(key)) {
                seen.extend(envelope.dedupe.iter().cloned());
                self.kept.lock().unwrap().push(envelope);
            }
        }
    }

    async fn confirm(&self, topic: String, url: Secret) {
        let secrets = BTreeMap::from([(SecretRole::ConfirmUrl, url)]);
        let command = command(2_000, Action::Confirm { topic }, &secrets);
        let carry = self.doors().carry.as_ref().unwrap();
        carry.carry(Errand { command: &command, secrets: &secrets, now: Timestamp::now() }).await.unwrap();
    }

    async fn fetch(&self, url: Url) -> Option<()> {
        let document =
            self.http.get()?.get(url.clone()).send().await.ok()?.error_for_status().ok()?.bytes().await.ok()?;
        self.keys.lock().unwrap().insert(url, document);
        Some(())
    }
}

async fn hook(
    State(desk): State<Arc<Desk>>,
    UrlPath(door): UrlPath<String>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    // The cloud starts before the doors stand.
    let Some(receive) = desk.doors.get().and_then(|doors| doors.receive.clone()) else {
        return StatusCode::SERVICE_UNAVAILABLE;
    };
    for _ in 0..4 {
        let keys = desk.keys.lock().unwrap().clone();
        let (method, now) = (&Method::POST, Timestamp::now());
        let request = Request { door: &door, method, query: "", headers: &headers, body: &body, now, keys: &keys };
        match receive.receive(&request) {
            Received::Kept(kept) => {
                desk.keep(kept.envelopes);
                for (topic, url) in kept.confirm {
                    desk.confirm(topic, url).await;
                }
                return kept.reply.status;
            }
            Received::Refused(refusal) => {
                desk.refused.lock().unwrap().push(refusal.to_string());
                return StatusCode::UNAUTHORIZED;
            }
            Received::NeedKey(url) => {
                assert!(receive.may_fetch(&url), "{url}");
                if desk.fetch(url).await.is_none() {
                    return StatusCode::SERVICE_UNAVAILABLE;
                }
            }
        }
    }
    StatusCode::SERVICE_UNAVAILABLE
}
