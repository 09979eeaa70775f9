//! The door against the simulator, over TLS on loopback.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use tandem_cdp_http::{KIND, sim};
use tandem_sdk::doors::{Context, Doors, Lookup};
use tandem_sdk::error::{AdapterError, Effect, ErrorKind, Retry};
use tandem_sdk::model::{Identity, IdentityKind, InstanceName, Personal, Profile};
use tandem_sdk::problem::Problem;
use tandem_sdk::sim::{Authority, Fault};
use tempfile::TempDir;
use tokio::task::JoinSet;

const SCRIPT: &str = r#"
[[profiles]]
identities = { customer_number = "C-1001", phone = "+4315550100" }
document = { id = "C-1001", name = "Anna Muster", tier = "gold" }

[[profiles]]
identities = { customer_number = "C-1002" }
behave = { mode = "garbage" }
document = { id = "C-1002" }
"#;

/// A simulated CDP and the door to it.
struct Scene {
    dir: TempDir,
    running: sim::Running,
    http: reqwest::Client,
}

impl Scene {
    async fn begin(change: impl FnOnce(&mut sim::Settings)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("profiles.toml"), SCRIPT).unwrap();
        std::fs::write(dir.path().join("secret"), "s3cr&t=+ü\n").unwrap();
        let mut settings = sim::Settings::new(dir.path(), "s3cr&t=+ü");
        settings.profiles = Some(dir.path().join("profiles.toml"));
        change(&mut settings);
        let running = sim::run(settings).await.unwrap();
        let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        let http = Authority::open(dir.path()).unwrap().trusted_by(builder).unwrap().build().unwrap();
        Scene { dir, running, http }
    }

    fn settings(&self, more: &str) -> String {
        format!(
            "url = '{}'\n{more}\n[[identities]]\nkind = 'customer'\nparameter = 'customer_number'\n\
             [[identities]]\nkind = 'phone'\nparameter = 'phone'\n\
             [oauth]\ntoken_url = '{}'\nclient_id = 'tandem'\nclient_secret = 'file:secret'\n",
            self.running.profile_url(),
            self.running.token_url()
        ) + "[response]\nid = '/id'\nname = ['/name']\n"
    }

    fn build(&self, settings: &str) -> Result<Doors, Vec<Problem>> {
        let context = Context {
            instance: InstanceName::from("cdp"),
            base: self.dir.path(),
            mappings: Path::new("mappings"),
            http: self.http.clone(),
            trust: &[],
        };
        (KIND.build)(settings.parse().unwrap(), &context)
    }

    fn door(&self, settings: &str) -> Arc<dyn Lookup> {
        self.build(settings).map_err(|problems| format!("{problems:?}")).unwrap().lookup.unwrap()
    }

    async fn tell(&self, what: &str, body: serde_json::Value) {
        let url = format!("https://localhost:{}/sim/cdp/{what}", self.running.addr.port());
        let answer = self.http.post(url).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 204);
    }

    fn effects(&self, effect: &str) -> usize {
        self.running.ledger.entries().iter().filter(|entry| entry.effect == effect).count()
    }
}

async fn ask(door: &Arc<dyn Lookup>, kind: IdentityKind, value: &str) -> Result<Option<Profile>, AdapterError> {
    let identity = Identity { kind, value: Personal::new(value), source: "caller".to_owned(), verified: true };
    door.lookup(&[identity]).await
}

async fn customer(door: &Arc<dyn Lookup>, value: &str) -> Result<Option<Profile>, AdapterError> {
    ask(door, IdentityKind::Customer, value).await
}

#[tokio::test]
async fn a_customer_is_found_by_each_identity_in_each_way() {
    let scene = Scene::begin(|_| {}).await;
    let (get, post) = (scene.settings(""), scene.settings("method = 'POST'"));
    let in_path = get.replace("/v1/profiles'", "/v1/profiles/{value}'").replace("parameter", "# parameter");
    let in_body = get.replace("client_id", "client_auth = 'body'\nclient_id");
    for settings in [get, post, in_path, in_body] {
        let door = scene.door(&settings);
        for (kind, value) in [(IdentityKind::Customer, "C-1001"), (IdentityKind::Phone, "+4315550100")] {
            let profile = ask(&door, kind, value).await.unwrap().unwrap();
            assert_eq!(
                (profile.id.reveal(), profile.name.reveal()),
                (Some("C-1001"), Some("Anna Muster")),
                "{settings}"
            );
            assert!(profile.document.reveal().unwrap().contains(r#""tier":"gold""#));
        }
        assert_eq!(customer(&door, "C-9999").await, Ok(None));
    }
    // One token for each door, whatever was asked.
    assert_eq!(scene.effects("token.granted"), 4);
}

#[tokio::test]
async fn each_identity_is_tried_where_that_is_wanted() {
    let scene = Scene::begin(|_| {}).await;
    let identity = |kind, value| Identity { kind, value: Personal::new(value), source: "c".to_owned(), verified: true };
    let both = [identity(IdentityKind::Phone, "+4315550100"), identity(IdentityKind::Customer, "C-9999")];
    assert_eq!(scene.door(&scene.settings("")).lookup(&both).await, Ok(None));
    let found = scene.door(&scene.settings("ask = 'each'")).lookup(&both).await.unwrap();
    assert_eq!(found.unwrap().id.reveal(), Some("C-1001"));
}

#[tokio::test]
async fn a_token_that_is_refused_is_renewed_once() {
    let scene = Scene::begin(|_| {}).await;
    let door = scene.door(&scene.settings(""));
    customer(&door, "C-1001").await.unwrap();
    scene.tell("revoke", json!({})).await;
    customer(&door, "C-1001").await.unwrap();
    assert_eq!((scene.effects("token.granted"), scene.effects("profile.refused")), (2, 1));
}

#[tokio::test]
async fn a_token_is_renewed_before_its_end() {
    let scene = Scene::begin(|settings| settings.token_seconds = 6).await;
    let door = scene.door(&scene.settings(""));
    customer(&door, "C-1001").await.unwrap();
    // Renewing early gives away at most half of a token's life.
    tokio::time::sleep(std::time::Duration::from_millis(3_100)).await;
    customer(&door, "C-1001").await.unwrap();
    assert_eq!((scene.effects("token.granted"), scene.effects("profile.refused")), (2, 0));
}

#[tokio::test]
async fn many_lookups_at_once_ask_for_one_token() {
    let scene = Scene::begin(|_| {}).await;
    let door = scene.door(&scene.settings(""));
    let mut lookups = JoinSet::new();
    for _ in 0..16 {
        let door = Arc::clone(&door);
        lookups.spawn(async move { customer(&door, "C-1001").await });
    }
    while let Some(lookup) = lookups.join_next().await {
        assert!(lookup.unwrap().unwrap().is_some());
    }
    assert_eq!((scene.effects("token.granted"), scene.effects("profile.found")), (1, 16));
}

#[tokio::test]
async fn what_goes_wrong_has_a_kind_and_a_verdict_and_no_personal_data() {
    let scene = Scene::begin(|_| {}).await;
    let door = scene.door(&scene.settings("timeout = '400ms'\nmax_response = '4KiB'"));
    let cases = [
        (json!({"mode": "broken"}), ErrorKind::Unavailable, Retry::Later, "status 500"),
        (json!({"mode": "garbage"}), ErrorKind::Malformed, Retry::Never, "the answer is not JSON"),
        (json!({"mode": "huge", "bytes": 5_000}), ErrorKind::Malformed, Retry::Never, "200 OK, more than 4096 bytes"),
        (json!({"mode": "silent"}), ErrorKind::Unavailable, Retry::Later, ""),
        (json!({"mode": "slow", "delay_ms": 3_000}), ErrorKind::Unavailable, Retry::Later, ""),
    ];
    for (mode, kind, retry, detail) in cases {
        scene.tell("mode", mode.clone()).await;
        let error = customer(&door, "C-1001").await.unwrap_err();
        assert_eq!((error.kind, error.retry, error.effect), (kind, retry, Effect::None), "{mode}");
        assert!(error.detail.starts_with(detail) && !error.to_string().contains("C-1001"), "{mode}: {error}");
    }
    scene.tell("mode", json!({"mode": "unknown"})).await;
    assert_eq!(customer(&door, "C-1001").await, Ok(None));
    scene.tell("mode", json!({"mode": "normal"})).await;
    assert!(customer(&door, "C-1001").await.unwrap().is_some());
    assert_eq!(customer(&door, "C-1002").await.unwrap_err().kind, ErrorKind::Malformed);
    assert_eq!(ask(&door, IdentityKind::Email, "a@example.com").await.unwrap_err().kind, ErrorKind::Unsupported);
}

#[tokio::test]
async fn throttling_says_how_long_to_pause_at_either_endpoint() {
    let scene = Scene::begin(|_| {}).await;
    let door = scene.door(&scene.settings(""));
    let second = Retry::After(std::time::Duration::from_secs(1));
    for site in ["POST /oauth2/token", "GET /v1/profiles"] {
        assert!(scene.running.faults.force(site, Fault::Throttle));
        let error = customer(&door, "C-1001").await.unwrap_err();
        assert_eq!((error.kind, error.retry), (ErrorKind::RateLimited, second), "{site}");
        assert!(scene.running.faults.force(site, Fault::UnknownOutcome));
        assert_eq!(customer(&door, "C-1001").await.unwrap_err().kind, ErrorKind::Unavailable, "{site}");
        customer(&door, "C-1001").await.unwrap();
    }
}

#[tokio::test]
async fn what_the_authorization_server_refuses_is_told_apart() {
    let scene = Scene::begin(|settings| settings.scopes = vec!["profiles.read".to_owned()]).await;
    let with = |line: &str| scene.settings("").replace("client_id", &format!("{line}\nclient_id"));
    let cases = [
        (scene.settings("").replace("'tandem'", "'other'"), ErrorKind::Unverified, "invalid_client"),
        (with("scopes = ['profiles.write']"), ErrorKind::Misconfigured, "invalid_scope"),
        (scene.settings("").replace("/oauth2/token", "/nowhere"), ErrorKind::Misconfigured, "no token endpoint"),
        (scene.settings("").replace("/oauth2/token", "/sim/health"), ErrorKind::Misconfigured, "no token endpoint"),
        (scene.settings(""), ErrorKind::Refused, "status 403"),
    ];
    for (settings, kind, detail) in cases {
        let error = customer(&scene.door(&settings), "C-1001").await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.detail.contains(detail), "{error}");
    }
    let door = scene.door(&with("scopes = ['profiles.read']"));
    assert!(customer(&door, "C-1001").await.unwrap().is_some());
}

#[tokio::test]
async fn nobody_there_is_unavailable() {
    let scene = Scene::begin(|_| {}).await;
    let settings = scene.settings("");
    let door = scene.door(&settings);
    let Scene { running, dir: _dir, .. } = scene;
    running.stop().await;
    let error = customer(&door, "C-1001").await.unwrap_err();
    assert_eq!((error.kind, error.detail.as_str()), (ErrorKind::Unavailable, "cannot connect"));
}

#[tokio::test]
async fn a_probe_says_what_works_and_what_to_check() {
    let scene = Scene::begin(|_| {}).await;
    let lines = async |settings: &str| {
        let findings =
            scene.build(settings).map_err(|problems| format!("{problems:?}")).unwrap().probe.unwrap().probe().await;
        findings.into_iter().map(|finding| (finding.ok, finding.line)).collect::<Vec<_>>()
    };
    let good = lines(&scene.settings("")).await;
    assert_eq!(good.iter().map(|(ok, _)| *ok).collect::<Vec<_>>(), [true, true], "{good:?}");
    let bad = lines(&scene.settings("").replace("'tandem'", "'other'")).await;
    assert_eq!(bad.len(), 1);
    assert!(!bad[0].0 && bad[0].1.contains("check client_id"), "{bad:?}");
}

#[tokio::test]
async fn every_problem_of_the_settings_is_named_at_once() {
    let scene = Scene::begin(|_| {}).await;
    let keys = |settings: &str| {
        let problems = scene.build(settings).err().unwrap_or_default();
        let mut keys: Vec<String> = problems.into_iter().map(|problem| problem.key).collect();
        keys.sort();
        keys
    };
    assert_eq!(keys(""), ["identities", "url"]);
    let unreadable = "url = 3\ncolour = 'red'\ntimeout = 'soon'\nmax_response = '4GB'\nmethod = 'PUT'\n[oauth]\nsecret = 'x'\n\
                      [[identities]]\nkind = 'face'\n[[identities]]\nkind = 'phone'\nname = 'x'";
    let expected = [
        "colour",
        "identities.0.kind",
        "identities.1.name",
        "max_response",
        "method",
        "oauth.secret",
        "timeout",
        "url",
    ];
    assert_eq!(keys(unreadable), expected);
    let wrong = "url = 'http://cdp.example.com'\ntimeout = '0s'\n[headers]\nauthorization = 'x'\n[response]\nid = 'id'\n\
                 [oauth]\ntoken_url = 'https://user@login.example.com'\nclient_secret = 'hunter2'\nscopes = ['a b']\n\
                 parameters = { scope = 'x' }\n[[identities]]\nkind = 'phone'\n[[identities]]\nkind = 'phone'\nparameter = 'p'\n\
                 [[identities]]\nkind = 'email'\nurl = 'https://{value}.example.com/'";
    let expected = [
        "headers.authorization",
        "identities.0.parameter",
        "identities.1.kind",
        "identities.2.url",
        "oauth.client_id",
        "oauth.client_secret",
        "oauth.parameters.scope",
        "oauth.scopes",
        "oauth.token_url",
        "response.id",
        "timeout",
        "url",
    ];
    assert_eq!(keys(wrong), expected);
    let problems = scene.build(wrong).err().unwrap_or_default();
    assert!(problems.iter().all(|problem| !problem.to_string().contains("hunter2")));
}

#[tokio::test]
async fn profiles_can_be_added_while_it_runs() {
    let scene = Scene::begin(|settings| settings.profiles = None).await;
    let door = scene.door(&scene.settings(""));
    assert_eq!(customer(&door, "C-7").await, Ok(None));
    scene
        .tell("profiles", json!({"identities": {"customer_number": "C-7"}, "document": {"id": 7, "name": "Bo"}}))
        .await;
    let profile = customer(&door, "C-7").await.unwrap().unwrap();
    assert_eq!((profile.id.reveal(), profile.name.reveal()), (Some("7"), Some("Bo")));
}
