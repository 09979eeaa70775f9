//! A journey with canaries: nothing personal and no secret is found in plain in anything that the hub writes, and after
//! an erasure it is found nowhere at all.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tandem::record::Record;
use tandem::store::rows::secret::SecretKey;
use tandem::store::{
    Embedded, FIRST_SEQ, Keys, Keyspace, Log, MasterKey, MasterKeys, OsEntropy, SecretName, Settings, Store,
    StoreError, Vault,
};
use tempfile::TempDir;
use zeroize::Zeroizing;

const TANDEM: &str = env!("CARGO_BIN_EXE_tandem");
const PATIENCE: Duration = Duration::from_secs(60);

/// What the customer says: with everything in it that an encoding writes in another way.
const SAID: &str = "canary-said-7f3e \"in quotes\" <b>&amp;</b> back\\slash größer 🐤";
/// What the agent says.
const ANSWERED: &str = "canary-answered-51ab \"so\" größer 🐤";
const PHONE: &str = "+4930555047110815";
const EMAIL: &str = "canary.mail@example.test";
const NAME: &str = "Kanarienvogel Grünschnabel";
const TOPIC: &str = "canary-topic-90c1";
const ORDER: &str = "canary-order-33d2";
/// What nobody understands: it belongs to nobody, so no erasure finds it, but it is not in plain either.
const GARBLED: &str = "canary-garbled-aa17";

/// The canaries that belong to the customer.
const THEIRS: [&str; 7] = [SAID, ANSWERED, PHONE, EMAIL, NAME, TOPIC, ORDER];

#[tokio::test(flavor = "multi_thread")]
async fn nothing_personal_is_in_plain_anywhere_and_after_an_erasure_it_is_nowhere() {
    let mut town = Town::raise().await;
    let (interaction, token) = town.journey("closed").await;
    let (open, other_token) = town.journey("open").await;
    town.garble().await;
    town.stop().await;

    let mut needles: Vec<String> = THEIRS.iter().map(|&canary| canary.to_owned()).collect();
    needles.extend([GARBLED, "canary-said-7f3e", "canary-answered-51ab", "Jane Doe", "C-1001"].map(str::to_owned));
    needles.extend([token, other_token]);
    let secrets = town.secrets().await;
    for whose in ["hub/", "agent/", &format!("i/{open}/1/participant"), &format!("i/{open}/1/connection")] {
        assert!(secrets.iter().any(|(name, _)| name.starts_with(whose)), "no {whose} among {:?}", secrets.keys());
    }
    needles.extend(secrets.into_values());
    for file in ["hook", "eventbridge", "connect", "cdp", "master", "id", "acs"] {
        needles.push(std::fs::read_to_string(town.path(&format!("{file}.key"))).unwrap());
    }
    let export = town.tandem(&["store", "export"], &[]);
    assert!(export.status.success() && export.stdout.len() > 10_000, "{}", String::from_utf8_lossy(&export.stderr));
    let explained = town.tandem(&["explain"], &[&interaction]);
    assert!(explained.status.success(), "{}", String::from_utf8_lossy(&explained.stderr));
    let mut places = vec![
        ("hub.log".to_owned(), std::fs::read(town.path("hub.log")).unwrap()),
        ("tandem store export".to_owned(), export.stdout),
        ("tandem explain".to_owned(), explained.stdout),
    ];
    for keyspace in Keyspace::ALL {
        let scanned = town.tandem(&["store", "scan", "--limit", "100000"], &[keyspace.name()]);
        assert!(scanned.status.success());
        places.push((format!("tandem store scan {keyspace}"), scanned.stdout));
    }
    files(&town.path("data"), &mut places);
    town.rows(&mut places).await;
    assert!(holds(&places[0].1, "listening"), "the hub logs to this file");
    let hits = found_in(&needles, &places);
    assert!(hits.is_empty(), "in plain: {hits:#?}");

    // It was there, for whoever may see it.
    let told = town.tandem(&["explain", "--text"], &[&interaction]);
    assert!(holds(&told.stdout, "canary-said-7f3e") && holds(&told.stdout, "canary-answered-51ab"));

    let erased = town.tandem(&["erase", "--identity", &format!("phone={PHONE}")], &[]);
    assert!(erased.status.success(), "{}", String::from_utf8_lossy(&erased.stderr));
    let again = town.tandem(&["erase", "--identity", &format!("phone={PHONE}")], &[]);
    assert_eq!(erased.stdout, again.stdout, "erasing again finds the same subjects");
    let by_interaction = town.tandem(&["erase", "--interaction", &interaction], &[]);
    assert!(by_interaction.status.success());

    // The log still folds, and what is said of it holds no canary.
    let mut places = Vec::new();
    let told = town.tandem(&["explain", "--text"], &[&interaction]);
    assert!(told.status.success() && holds(&told.stdout, "tandem.interaction.closed"));
    places.push(("tandem explain --text".to_owned(), told.stdout));
    places.push(("tandem store export".to_owned(), town.tandem(&["store", "export"], &[]).stdout));
    town.opened(&mut places).await;
    town.asked(&interaction, &mut places).await;
    files(&town.path("data"), &mut places);
    let theirs: Vec<String> = THEIRS.iter().map(|&canary| canary.to_owned()).collect();
    let hits = found_in(&theirs, &places);
    assert!(hits.is_empty(), "after the erasure: {hits:#?}");
}

/// A demo that stays up, in which the test plays a journey of its own.
struct Town {
    folder: TempDir,
    demo: Option<Child>,
    http: reqwest::Client,
    hub: String,
    acs: String,
    connect: String,
}

impl Town {
    async fn raise() -> Town {
        // Another test may have been first.
        drop(rustls::crypto::ring::default_provider().install_default());
        let folder = tempfile::tempdir().unwrap();
        let shown = std::fs::File::create(folder.path().join("shown.json")).unwrap();
        let demo = Command::new(TANDEM)
            .args(["demo", "--json", "--folder"])
            .arg(folder.path())
            .env("TANDEM_LOG", "trace")
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdin(Stdio::null())
            .stdout(shown)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut town = Town {
            folder,
            demo: Some(demo),
            http: trusting(&[]),
            hub: String::new(),
            acs: String::new(),
            connect: String::new(),
        };
        let shown = town.path("shown.json");
        until("the demo stays up", || {
            let text = std::fs::read_to_string(&shown).unwrap();
            assert!(!text.contains("\"outcome\":\"failed\""), "{text}");
            let stays = text.contains("\"step\":\"stays up");
            async move { stays }
        })
        .await;
        let config: toml::Table = toml::from_str(&std::fs::read_to_string(town.path("tandem.toml")).unwrap()).unwrap();
        let text = |value: &toml::Value| value.as_str().unwrap().to_owned();
        town.hub = format!("https://{}", text(&config["listen"]["address"]));
        town.acs = text(&config["adapters"]["acs"]["settings"]["endpoint"]);
        town.connect = text(&config["adapters"]["connect"]["settings"]["endpoints"]["connect"]);
        let pem = std::fs::read(town.path("ca/ca.pem")).unwrap();
        town.http = trusting(&pem);
        town
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn post(&self, url: &str, token: Option<&str>, body: &Value) -> Value {
        let request = self.http.post(url).json(body);
        let request = if let Some(token) = token { request.bearer_auth(token) } else { request };
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{url}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    async fn get(&self, url: &str) -> Value {
        let answer = self.http.get(url).send().await.unwrap();
        answer.json().await.unwrap_or_default()
    }

    /// A chat with a canary wherever somebody can put one, from its beginning to its end or until everybody has heard
    /// everybody. Gives the interaction and the customer's token.
    async fn journey(&self, end: &str) -> (String, String) {
        let wish = json!({
            // A caller may well make their key of what they know of the customer.
            "idempotency_key": format!("{PHONE}/{EMAIL}/{end}"),
            "customer": { "name": NAME, "phone": PHONE, "email": EMAIL },
            "topic": TOPIC,
            "attributes": { "order": ORDER, "hidden": ORDER },
        });
        let opened = self.post(&format!("{}/v1/chats", self.hub), None, &wish).await;
        let text = |name: &str| opened[name].as_str().unwrap().to_owned();
        let (interaction, thread, token) = (text("interaction"), text("thread"), text("token"));
        let messages = format!(
            "{}/chat/threads/{}/messages?api-version=2024-03-07",
            self.acs,
            thread.replace(':', "%3A").replace('@', "%40")
        );
        let say = |content: &str| json!({ "content": content, "type": "text", "senderDisplayName": NAME });
        self.post(&messages, Some(&token), &say(SAID)).await;

        let found = tokio::sync::OnceCell::new();
        until("the contact waits", || async {
            let all = self.get(&format!("{}/sim/contacts", self.connect)).await;
            for contact in all["contacts"].as_array().into_iter().flatten() {
                let id = contact["contactId"].as_str().unwrap_or_default();
                let shown = self.get(&format!("{}/sim/contacts/{id}", self.connect)).await;
                if contact["stage"] == "queued" && shown["attributes"]["tandem_interaction"] == *interaction {
                    return found.set(id.to_owned()).is_ok();
                }
            }
            false
        })
        .await;
        let contact = format!("{}/sim/contacts/{}", self.connect, found.into_inner().unwrap());
        let agent = json!({ "userId": "00000000-0000-4000-9000-000000000000" });
        self.post(&format!("{contact}/accept"), None, &agent).await;
        self.post(&format!("{contact}/message"), None, &json!({ "text": ANSWERED })).await;
        until("the customer hears the agent", || async {
            let ledger = self.http.get(&messages).bearer_auth(&token).send().await.unwrap().text().await.unwrap();
            ledger.contains("canary-answered-51ab")
        })
        .await;
        self.post(&messages, Some(&token), &say(&format!("{SAID} and again"))).await;
        until("the agent hears the customer", || async {
            self.http.get(&contact).send().await.unwrap().text().await.unwrap().contains("and again")
        })
        .await;
        if end == "open" {
            return (interaction, token);
        }
        self.post(&format!("{contact}/disconnect"), None, &json!({})).await;
        until("the interaction is closed", || async {
            let it = self.get(&format!("{}/v1/interactions/{interaction}", self.hub)).await;
            it["state"] == "closed" && it["owed"].as_array().is_some_and(Vec::is_empty)
        })
        .await;
        (interaction, token)
    }

    /// Authentic messages that nobody understands, with a canary wherever a reason could quote one.
    async fn garble(&self) {
        let key = std::fs::read_to_string(self.path("hook.key")).unwrap();
        let url = format!("{}/hooks/acs/events?code={key}", self.hub);
        let kind = "Microsoft.Communication.ChatMessageReceivedInThread";
        for body in [
            format!("{{\"id\":\"{GARBLED}"),
            format!("\"{GARBLED}\""),
            json!([{ "id": "g1", "topic": "t", "eventType": kind, "data": { "messageBody": GARBLED } }]).to_string(),
            json!([{ "id": "g2", "topic": "t", "eventType": kind, "eventTime": GARBLED,
                "data": { "threadId": "19:g", "messageId": "1", "version": GARBLED, "composeTime": GARBLED,
                    "type": GARBLED, "messageBody": 7, "senderCommunicationIdentifier": GARBLED } }])
            .to_string(),
        ] {
            let answer = self.http.post(&url).body(body.clone()).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{body}");
        }
        let kept = self.get(&format!("{}/v1/quarantine", self.hub)).await;
        assert!(
            kept["quarantine"].as_array().or(kept["quarantined"].as_array()).is_some_and(|kept| kept.len() >= 3),
            "{kept}"
        );
    }

    /// Kills the demo; its processes see that and end in good order.
    async fn stop(&mut self) {
        let mut demo = self.demo.take().unwrap();
        demo.kill().unwrap();
        demo.wait().unwrap();
        drop(self.store().await);
    }

    /// A verb over the data directory, with the demo's config.
    fn tandem(&self, verb: &[&str], rest: &[&str]) -> Output {
        Command::new(TANDEM)
            .args(verb)
            .arg("--data")
            .arg(self.path("data"))
            .arg("--config")
            .arg(self.path("tandem.toml"))
            .args(rest)
            .output()
            .unwrap()
    }

    /// The store, as soon as nobody else holds it.
    async fn store(&self) -> Arc<dyn Store> {
        for _ in 0..600 {
            match Embedded::open(&self.path("data"), Settings::default()) {
                Ok(store) => return Arc::new(store),
                Err(StoreError::Locked { .. }) => tokio::time::sleep(Duration::from_millis(100)).await,
                Err(error) => panic!("{error}"),
            }
        }
        panic!("the hub never let go of its store");
    }

    /// Every key and value of the store, as the engine gives them: what it compressed on disk is readable here.
    async fn rows(&self, places: &mut Vec<(String, Vec<u8>)>) {
        let store = self.store().await;
        for keyspace in Keyspace::ALL {
            let rows = store.range(keyspace, Bound::Unbounded, Bound::Unbounded, 100_000).unwrap();
            let bytes = rows.iter().flat_map(|(key, value)| [key.as_ref(), value.as_ref()].concat()).collect();
            places.push((format!("rows of {keyspace}"), bytes));
        }
    }

    /// The data keys, as whoever has the master key can open them.
    fn keys(&self, store: &Arc<dyn Store>) -> Keys {
        let text = std::fs::read_to_string(self.path("master.key")).unwrap();
        let mut master = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.trim(), master.as_mut_slice()).unwrap();
        let masters = MasterKeys::new(MasterKey::new(master), Vec::new());
        Keys::open(Arc::clone(store), masters, Arc::new(OsEntropy::new()), 100).unwrap()
    }

    /// Every secret that the hub keeps at present, by its name.
    async fn secrets(&self) -> BTreeMap<String, String> {
        let store = self.store().await;
        let vault = Vault::new(Arc::clone(&store), Arc::new(self.keys(&store)));
        let rows = store.range(Keyspace::Vault, Bound::Unbounded, Bound::Unbounded, 1000).unwrap();
        let names = rows.iter().filter_map(|(key, _)| match SecretKey::decode(key)? {
            SecretKey::Secret(name) => Some(name),
            SecretKey::Expiry(..) => None,
        });
        let secret = |name: SecretName| {
            let secret = vault.get(&name, jiff::Timestamp::UNIX_EPOCH).unwrap().unwrap();
            (name.as_str().to_owned(), String::from_utf8(secret.reveal().to_vec()).unwrap())
        };
        names.map(secret).collect()
    }

    /// Every record, with everything opened that can still be opened.
    async fn opened(&self, places: &mut Vec<(String, Vec<u8>)>) {
        let store = self.store().await;
        let keys = self.keys(&store);
        let entries = Log::new(store).read(FIRST_SEQ, usize::MAX, usize::MAX).unwrap();
        assert!(entries.len() > 50);
        let mut erased = 0;
        for (seq, bytes) in entries {
            let opened = Record::open(&bytes, &keys).unwrap();
            erased += usize::from(opened.erased);
            places.push((format!("record {seq}"), serde_json::to_vec(&opened.record).unwrap()));
            places.push((format!("body of record {seq}"), opened.body));
        }
        assert!(erased > 5, "{erased} records were erased");
    }

    /// Everything that the hub says over HTTP, once it runs again.
    async fn asked(&self, interaction: &str, places: &mut Vec<(String, Vec<u8>)>) {
        let log = std::fs::File::create(self.path("again.log")).unwrap();
        let mut hub = Command::new(TANDEM)
            .args(["serve", "--while-stdin", "--data"])
            .arg(self.path("data"))
            .arg("--config")
            .arg(self.path("tandem.toml"))
            .env("TANDEM_LOG", "trace")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let ready = format!("{}/readyz", self.hub);
        until("the hub is ready again", || async {
            self.http.get(&ready).send().await.is_ok_and(|answer| answer.status() == 200)
        })
        .await;
        for path in [
            format!("interactions/{interaction}"),
            format!("interactions/{interaction}/timeline"),
            format!("interactions/{interaction}/decisions"),
            "interactions".to_owned(),
            "events?limit=500".to_owned(),
            "agents".to_owned(),
            "quarantine".to_owned(),
            "deadletters".to_owned(),
        ] {
            let answer = self.http.get(format!("{}/v1/{path}", self.hub)).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{path}");
            places.push((path, answer.bytes().await.unwrap().to_vec()));
        }
        drop(hub.stdin.take());
        hub.wait().unwrap();
        places.push(("again.log".to_owned(), std::fs::read(self.path("again.log")).unwrap()));
    }
}

impl Drop for Town {
    fn drop(&mut self) {
        if let Some(demo) = &mut self.demo {
            // A test that failed leaves no process behind.
            drop(demo.kill());
            drop(demo.wait());
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a caller of the demo, not a part of the hub")]
fn trusting(pem: &[u8]) -> reqwest::Client {
    let roots = reqwest::Certificate::from_pem_bundle(pem).unwrap();
    reqwest::Client::builder().tls_certs_only(roots).timeout(PATIENCE).build().unwrap()
}

async fn until<F: Future<Output = bool>>(what: &str, mut ask: impl FnMut() -> F) {
    let asked = async {
        while !ask().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, asked).await.is_ok(), "it never came about that {what}");
}

/// Every file of a folder.
fn files(folder: &Path, places: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, places);
        } else {
            places.push((path.display().to_string(), std::fs::read(path).unwrap()));
        }
    }
}

/// Where a needle is found, in any of its spellings.
fn found_in(needles: &[String], places: &[(String, Vec<u8>)]) -> Vec<String> {
    // Byte for byte as text: the standard library searches text fast, also in a test that is not optimised.
    let places: Vec<(&str, String)> = places.iter().map(|(place, bytes)| (place.as_str(), latin(bytes))).collect();
    let mut found = Vec::new();
    for needle in needles {
        for (spelling, bytes) in spellings(needle) {
            let spelt = latin(&bytes);
            let at = places.iter().filter(|(_, hay)| hay.contains(&spelt));
            found.extend(at.map(|(place, _)| format!("{needle:?} as {spelling} in {place}")));
        }
    }
    found
}

fn latin(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// Every way in which a text may stand in a file and still be readable by anybody.
fn spellings(text: &str) -> Vec<(&'static str, Vec<u8>)> {
    let json = serde_json::to_string(text).unwrap();
    let json = json[1..json.len() - 1].to_owned();
    let twice = serde_json::to_string(&json).unwrap();
    let ascii: String = json.chars().map(|c| if c.is_ascii() { c.to_string() } else { escaped(c) }).collect();
    let percent: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
    let mut spelt = vec![
        ("UTF-8", text.as_bytes().to_vec()),
        ("JSON", json.into_bytes()),
        ("JSON in JSON", twice.as_bytes()[1..twice.len() - 1].to_vec()),
        ("JSON in ASCII", ascii.into_bytes()),
        ("percent", percent.replace('+', "%20").into_bytes()),
        ("form", percent.into_bytes()),
        ("hex", hex::encode(text).into_bytes()),
        ("UTF-16LE", text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("UTF-16BE", text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
    ];
    for shift in 0..3_usize {
        // Base64 spells a text in three ways, by where it stands; the first and the last characters hang on its neighbours.
        let shifted = [&b"xxx"[..shift], text.as_bytes()].concat();
        let whole = shifted.len() / 3 * 4;
        let begin = [0, 2, 3][shift];
        for (name, engine) in [("base64", &STANDARD_NO_PAD), ("base64url", &URL_SAFE_NO_PAD)] {
            spelt.push((name, engine.encode(&shifted).as_bytes()[begin..whole].to_vec()));
        }
    }
    spelt
}

fn escaped(c: char) -> String {
    c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect()
}

fn holds(hay: &[u8], needle: &str) -> bool {
    latin(hay).contains(&latin(needle.as_bytes()))
}
