//! A hub with its real front desk and its real adapters, from a config as a site writes it: vendors knock on a loopback
//! port, nobody carries commands out, and the store can be made to refuse writes.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use serde_json::{Map, Value, json};
use tandem::clock::{Clock, SystemClock};
use tandem::config::Config;
use tandem::delivery::{Reader, Sight, Source};
use tandem::desk::{self, Desk};
use tandem::http::{Bounds, Chats, Erasures, Following, Gate, Hooks, Rooms, Signs, routes, serve};
use tandem::intake::{Door, Intake, Keys as KeyRing};
use tandem::interactions::{Input, Owner, Understood};
use tandem::profiles::Profiles;
use tandem::routing::Rules;
use tandem::shutdown::Tasks;
use tandem::store::{Embedded, Keys, MasterKey, MasterKeys, OsEntropy, Settings, Store};
use tandem::telemetry::Metrics;
use tandem_sdk::model::IdKey;
use tandem_sdk::sim::{Authority, RsaIdentity, Served};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use zeroize::Zeroizing;

use crate::disk::Disk;

pub(crate) const TOPIC: &str = "arn:aws:sns:eu-central-1:111122223333:tandem-chat";
pub(crate) const INSTANCE: &str = "0a1b2c3d-0000-4000-8000-000000000001";
pub(crate) const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
/// Where the SNS messages of this house say that their certificate is.
pub(crate) const CERTIFICATE: &str = "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0a.pem";
const SNS: &str = "sns.eu-central-1.amazonaws.com";

const CONFIG: &str = r#"
rules = "rules.toml"
mappings = "MAPPINGS"

[secrets]
id_key = "file:id.key"
master_keys = ["file:master.key"]

[network]
trust = ["ca/ca.pem"]
keys = { failed = "2s", at_once = 2 }

[journey]
customer = "acs"
grace = "50ms"

[listen]
hooks = 8
body = "16KiB"

[desk.lanes]
webhooks = 64

[adapters.acs]
kind = "azure-communication"
[adapters.acs.settings]
endpoint = "https://127.0.0.1:9"
access_key = "file:acs.key"
resource = "example"
hub_address = "8:acs:resource_hub"
[adapters.acs.settings.event_grid]
query = { name = "code", secrets = ["file:hook.key"] }
body_cap = "1MiB"
subscriptions = ["tandem"]

[adapters.entra]
kind = "azure-communication"
[adapters.entra.settings]
endpoint = "https://127.0.0.1:9"
access_key = "file:acs.key"
resource = "other"
hub_address = "8:acs:resource_hub"
[adapters.entra.settings.event_grid]
subscriptions = ["tandem"]
[adapters.entra.settings.event_grid.entra]
tenant = "TENANT"
audiences = ["api://hub"]
jwks_url = "https://sns.eu-central-1.amazonaws.com/keys"

[adapters.connect]
kind = "amazon-connect"
[adapters.connect.settings]
region = "eu-central-1"
instance_id = "INSTANCE"
credentials = { access_key_id = "file:hook.key", secret_access_key = "file:hook.key" }
[adapters.connect.settings.eventbridge.api_key]
header = "x-api-key"
secrets = ["file:hook.key"]
[adapters.connect.settings.sns]
topics = ["TOPIC"]
"#;

const RULES: &str = r#"
default = "general"
[targets.general]
instance = "connect"
flow = "00000000-0000-4000-8000-00000000f10f"
queue = "arn:aws:connect:eu-central-1:111122223333:instance/0a1b2c3d-0000-4000-8000-000000000001/queue/q"
queue_attribute = "tandem_queue"
"#;

/// The hub.
pub(crate) struct House {
    _dir: TempDir,
    _keys: Served,
    tasks: Tasks,
    thread: Option<JoinHandle<bool>>,
    http: reqwest::Client,
    reader: Reader,
    signer: RsaIdentity,
    good: AtomicUsize,
    contacts: AtomicUsize,
    seen: AtomicUsize,
    /// How many documents with keys were asked for.
    pub(crate) keys_asked: Arc<AtomicUsize>,
    /// How many of them were on their way at once at most.
    pub(crate) keys_at_once: Arc<AtomicUsize>,
    /// Whether documents with keys can be had.
    pub(crate) keys_are_served: Arc<AtomicBool>,
    /// What the store is on.
    pub(crate) disk: Arc<Disk>,
    pub(crate) desk: Desk,
    pub(crate) address: SocketAddr,
    pub(crate) key: String,
}

/// Answers under their names, as one text to look at.
#[derive(Default)]
pub(crate) struct Book(pub(crate) String);

impl Book {
    pub(crate) fn write(&mut self, name: &str, answer: &str) {
        self.0.push_str(&format!("# {name}\n{answer}\n\n"));
    }
}

impl House {
    pub(crate) async fn open() -> House {
        House::open_with(|config| config).await
    }

    /// Opens a hub with this config, changed.
    pub(crate) async fn open_with(change: impl FnOnce(String) -> String) -> House {
        // Another test may have been first.
        drop(rustls::crypto::ring::default_provider().install_default());
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::open(&dir.path().join("ca")).unwrap();
        let signer = authority.issue_rsa(SNS).unwrap();
        let keys_are_served = Arc::new(AtomicBool::new(true));
        let (keys_asked, keys_at_once) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let keys = serve_keys(&authority, &signer, &keys_are_served, [&keys_asked, &keys_at_once]).await;
        let key = "0123456789abcdef0123456789abcdef".to_owned();
        let mappings = concat!(env!("CARGO_MANIFEST_DIR"), "/mappings");
        let config = CONFIG
            .replace("MAPPINGS", mappings)
            .replace("TENANT", TENANT)
            .replace("INSTANCE", INSTANCE)
            .replace("TOPIC", TOPIC);
        for (file, text) in [
            ("id.key", key.as_str()),
            ("master.key", "of a test, kept nowhere, 32 bytes."),
            ("hook.key", &key),
            ("acs.key", "dGhlIGFjY2VzcyBrZXkgb2YgYSB0ZXN0LCBrZXB0IG5vd2hlcmU="),
            ("rules.toml", RULES),
            ("tandem.toml", &change(config)),
        ] {
            std::fs::write(dir.path().join(file), text).unwrap();
        }
        let loaded = Config::load(&dir.path().join("tandem.toml")).unwrap();
        let config = loaded.config.clone();
        let app = tandem::app::build(loaded, Some(dir.path().join("data")), Arc::new(SystemClock)).unwrap();

        let disk = Disk::over(Embedded::open(app.data(), Settings::default()).unwrap());
        let store: Arc<dyn Store> = Arc::<Disk>::clone(&disk);
        let masters = MasterKeys::new(MasterKey::new(Zeroizing::new([7; 32])), vec![]);
        let data_keys = Arc::new(Keys::open(Arc::clone(&store), masters, Arc::new(OsEntropy::new()), 100).unwrap());
        let rules = Arc::new(Rules::load(&dir.path().join("rules.toml")).unwrap());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let (desk, thread) =
            desk::open(app.setup(), rules, Arc::clone(&store), Arc::clone(&data_keys), Arc::clone(&clock)).unwrap();

        let http = client(&authority, keys.addr);
        let receivers = app.doors().iter().filter_map(|(name, doors)| {
            Some((name.clone(), Door { receive: doors.receive.clone()?, decode: doors.decode.clone()? }))
        });
        let intake = Intake::new(
            desk.clone(),
            receivers.collect(),
            KeyRing::new(http.clone(), config.network.keys.clone()),
            clock,
        );
        let decoders = app.doors().iter().filter_map(|(name, doors)| Some((name.clone(), doors.decode.clone()?)));
        let (metrics, tasks, gate) = (Arc::new(Metrics::new()), Tasks::new(), Gate::new(Vec::new()));
        let reader = Reader::new(Arc::clone(&store), data_keys, Source::new("test", config.deployment.domain.clone()));
        let body = config.listen.body.in_memory();
        let following = Following::new(
            desk.clone(),
            reader.clone(),
            decoders.collect(),
            gate.clone(),
            tasks.clone(),
            config.delivery.clone(),
            body,
        );
        let profiles = Profiles::new(config.profiles.clone(), BTreeMap::new(), IdKey::new(key.as_bytes())).unwrap();
        let rooms = Rooms {
            hooks: Hooks::new(
                intake.clone(),
                config.listen.hooks,
                config.listen.body_timeout.get(),
                Arc::clone(&metrics),
            ),
            chats: Chats::new(desk.clone(), gate, body, app.chat_endpoint()),
            erasures: Erasures::new(following.clone(), store, profiles),
            following,
            signs: Signs::new(desk.clone(), intake, metrics, Arc::default()),
            timeout: config.listen.timeout.get(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let bounds = Bounds {
            connections: config.listen.connections,
            headers: config.listen.headers.get(),
            grace: Duration::from_secs(5),
        };
        let server = serve(listener, None, routes(rooms), tasks.soft().clone(), bounds);
        tasks.lasting("http", async move { server.await.unwrap() });
        let house = House {
            _dir: dir,
            _keys: keys,
            tasks,
            thread: Some(thread),
            http,
            reader,
            signer,
            good: AtomicUsize::new(0),
            contacts: AtomicUsize::new(0),
            seen: AtomicUsize::new(0),
            keys_asked,
            keys_at_once,
            keys_are_served,
            disk,
            desk,
            address,
            key,
        };
        house.look().await;
        house
    }

    /// The address of Event Grid's door, with its secret.
    pub(crate) fn events(&self) -> String {
        format!("/hooks/acs/events?code={}", self.key)
    }

    /// Sends a request and writes down what came of it: the answer, and what was kept.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> String {
        let answer = self.answer(method, path, headers, body.into()).await;
        // A timer may write too; what is told here is what came by the request.
        format!("{answer}\n{}", self.look().await)
    }

    /// Sends a request and writes down the answer.
    pub(crate) async fn answer(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> String {
        let url = format!("http://{}{path}", self.address);
        let mut request = self.http.request(method.parse().unwrap(), url).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut text = status.as_u16().to_string();
        for name in ["content-type", "retry-after", "www-authenticate", "allow"] {
            if let Some(value) = headers.get(name) {
                text.push_str(&format!("\n{name}: {}", value.to_str().unwrap()));
            }
        }
        let body = answer.text().await.unwrap();
        if body.is_empty() { text } else { format!("{text}\n{body}") }
    }

    /// What was kept since somebody looked last.
    pub(crate) async fn look(&self) -> String {
        let mut kept = Vec::new();
        let end = usize::try_from(self.desk.status().await.unwrap().next_seq).unwrap();
        let begin = self.seen.swap(end, Ordering::Relaxed);
        let quarantine = self.reader.quarantine(None, 1_000).unwrap();
        for seq in begin.max(1)..end {
            let Some(opened) = self.reader.record(seq as u64, Sight::Text).unwrap() else { continue };
            let Input::Envelope { instance, door, kind, understood, .. } = &opened.record.input else { continue };
            let came = match understood {
                Understood::Facts if opened.record.owner == Owner::House => {
                    "parked until its contact is known".to_owned()
                }
                Understood::Facts => {
                    let facts: Vec<&str> = opened.record.facts.iter().map(|fact| fact.kind.name()).collect();
                    format!("facts {facts:?}")
                }
                Understood::Ignored { reason, .. } => format!("ignored: {reason}"),
                Understood::Malformed { problem } => format!("malformed: {problem}"),
            };
            let kind = kind.as_deref().unwrap_or("(no kind)");
            let in_quarantine =
                if quarantine.iter().any(|one| one.id.0.seq == seq as u64) { ", in quarantine" } else { "" };
            let opens = opened.record.opens.as_ref().map(|opening| opening.generation);
            let opens = opens.map(|n| format!(", opens an interaction, time number {n}")).unwrap_or_default();
            let bytes = opened.body.len();
            kept.push(format!("kept: {instance}/{door} {kind} with {bytes} bytes, {came}{opens}{in_quarantine}"));
        }
        if kept.is_empty() { "kept: nothing".to_owned() } else { kept.join("\n") }
    }

    /// The next good event of each cloud is taken, whatever came before.
    pub(crate) async fn goes_on(&self) {
        let n = self.good.fetch_add(1, Ordering::Relaxed);
        let events = json!([self.message(&format!("good-{n}"), "19:good@thread.v2", &json!({}))]).to_string();
        let told = self.send("POST", &self.events(), &[], events).await;
        assert!(told.starts_with("200\n") && told.contains("message.posted"), "{told}");
        let notice = self.notice(&format!("good-{n}"), |_| ());
        let told = self.send("POST", "/hooks/connect/chat", &[], notice).await;
        // The customer's message is on its way to Connect, so what Connect says waits for that.
        assert!(told.starts_with("200\n") && (told.contains("parked") || told.contains("message.posted")), "{told}");
        let event = self.contact("INITIATED", &format!("good-{n}"), &json!({})).to_string();
        let headers = [("x-api-key", self.key.as_str())];
        let told = self.send("POST", "/hooks/connect/contacts", &headers, event).await;
        assert!(told.starts_with("200\n") && (told.contains("parked") || told.contains("leg.initiated")), "{told}");
    }

    /// A contact event as EventBridge posts it, with fields of `detail` changed or, by null, taken out.
    pub(crate) fn contact(&self, kind: &str, contact: &str, change: &Value) -> Value {
        let mut detail = json!({
            "eventType": kind,
            "contactId": contact,
            "channel": "CHAT",
            "instanceArn": format!("arn:aws:connect:eu-central-1:111122223333:instance/{INSTANCE}"),
            "initiationMethod": "API",
            "initiationTimestamp": now(),
            "queueInfo": { "enqueueTimestamp": now(), "queueArn": "arn:aws:connect:eu-central-1:111122223333:queue/q" },
        });
        let fields = detail.as_object_mut().unwrap();
        for (name, value) in change.as_object().unwrap() {
            if value.is_null() {
                fields.remove(name);
            } else {
                fields.insert(name.clone(), value.clone());
            }
        }
        json!({
            "version": "0",
            "id": format!("00000000-0000-4000-8000-{:012x}", self.contacts.fetch_add(1, Ordering::Relaxed)),
            "detail-type": "Amazon Connect Contact Event",
            "source": "aws.connect",
            "account": "111122223333",
            "time": now(),
            "region": "eu-central-1",
            "resources": [],
            "detail": detail,
        })
    }

    /// A customer's message as Event Grid tells it, with fields of `data` changed or, by null, taken out.
    pub(crate) fn message(&self, id: &str, thread: &str, change: &Value) -> Value {
        let now = now();
        let mut data = json!({
            "messageBody": "Where is my parcel?",
            "messageId": id,
            "senderCommunicationIdentifier": { "rawId": "8:acs:resource_customer", "kind": "communicationUser" },
            "senderDisplayName": "Jo",
            "composeTime": now,
            "type": "Text",
            "version": "1",
            "threadId": thread,
        });
        let fields = data.as_object_mut().unwrap();
        for (name, value) in change.as_object().unwrap() {
            if value.is_null() {
                fields.remove(name);
            } else {
                fields.insert(name.clone(), value.clone());
            }
        }
        json!({
            "id": id,
            "topic": "/subscriptions/s/resourceGroups/r/providers/Microsoft.Communication/communicationServices/example",
            "subject": "thread/t/sender/s",
            "data": data,
            "eventType": "Microsoft.Communication.ChatMessageReceivedInThread",
            "dataVersion": "1.0",
            "metadataVersion": "1",
            "eventTime": now,
        })
    }

    /// A message in a Connect chat as SNS tells it, changed before it is signed.
    pub(crate) fn notice(&self, id: &str, change: impl FnOnce(&mut Map<String, Value>)) -> Vec<u8> {
        let item = json!({
            "AbsoluteTime": now(), "ContentType": "text/plain", "Id": id, "Type": "MESSAGE",
            "ParticipantId": "p", "DisplayName": "Sam", "ParticipantRole": "AGENT",
            "InitialContactId": "c-1", "ContactId": "c-1", "Content": "Hello",
        });
        let mut notice = json!({
            "Type": "Notification",
            "MessageId": format!("sns-{id}"),
            "TopicArn": TOPIC,
            "Message": item.to_string(),
            "Timestamp": now(),
            "SignatureVersion": "2",
            "SigningCertURL": CERTIFICATE,
            "MessageAttributes": { "MessageVisibility": { "Type": "String", "Value": "ALL" } },
        });
        let fields = notice.as_object_mut().unwrap();
        change(fields);
        let text: String = ["Message", "MessageId", "Timestamp", "TopicArn", "Type"]
            .iter()
            .map(|name| format!("{name}\n{}\n", fields[*name].as_str().unwrap()))
            .collect();
        let signature = STANDARD.encode(self.signer.sign_sha256(text.as_bytes()));
        fields.entry("Signature").or_insert(signature.into());
        serde_json::to_vec(&notice).unwrap()
    }

    /// A token as Entra issues it to Event Grid, ending so many seconds from now.
    pub(crate) fn token(&self, ends_in: i64) -> String {
        let at =
            |seconds: i64| SystemClock.now().saturating_add(SignedDuration::from_secs(seconds)).unwrap().as_second();
        self.signer.jwt(&json!({
            "aud": "api://hub", "iss": format!("https://sts.windows.net/{TENANT}/"), "exp": at(ends_in),
            "nbf": at(-7200), "roles": ["AzureEventGridSecureWebhookSubscriber"], "appid": "4962773b-9cdb-44cf-a8bf-237846a00ab7",
        }))
    }

    /// Speaks bytes that no client sends, then reads until the hub has nothing more to say.
    pub(crate) async fn speak(&self, bytes: &[u8]) -> String {
        let mut stream = tokio::net::TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
        read.unwrap().unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap_or("no answer").to_owned();
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
        format!("{status}\n{body}\n{}", self.look().await)
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.tasks.stop();
        self.desk.close();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// Now, always as many bytes long, so that bodies are too.
pub(crate) fn now() -> String {
    SystemClock.now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// The certificate that SNS signs with, and the keys of Entra, where everybody believes that they are.
async fn serve_keys(
    authority: &Authority,
    signer: &RsaIdentity,
    are_served: &Arc<AtomicBool>,
    [asked, at_once]: [&Arc<AtomicUsize>; 2],
) -> Served {
    let (pem, jwks, are_served) = (signer.certificate_pem.clone(), signer.jwks().to_string(), Arc::clone(are_served));
    let (asked, at_once, now) = (Arc::clone(asked), Arc::clone(at_once), Arc::new(AtomicUsize::new(0)));
    let router = axum::Router::new().fallback(move |uri: http::Uri| {
        let document = if uri.path() == "/keys" { jwks.clone() } else { pem.clone() };
        asked.fetch_add(1, Ordering::Relaxed);
        at_once.fetch_max(now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        let now = Arc::clone(&now);
        let is_served = are_served.load(Ordering::Relaxed);
        // As long as it takes for others to want the same one.
        async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            now.fetch_sub(1, Ordering::Relaxed);
            if is_served { Ok(document) } else { Err(http::StatusCode::BAD_GATEWAY) }
        }
    });
    let tls = authority.server_config(&[SNS]).unwrap();
    tandem_sdk::sim::serve("127.0.0.1:0".parse().unwrap(), tls, router).await.unwrap()
}

#[expect(clippy::disallowed_methods, reason = "the app that builds the hub's client is not asked to run")]
fn client(authority: &Authority, keys: SocketAddr) -> reqwest::Client {
    let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().resolve(SNS, keys);
    authority.trusted_by(builder).unwrap().build().unwrap()
}
