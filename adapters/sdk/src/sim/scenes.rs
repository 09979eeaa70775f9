//! The kit at work over real TLS sockets.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::response::IntoResponse as _;
use axum::routing::post;
use axum::{Json, Router};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::{
    Authority, Deliverer, Delivery, DeliveryBounds, Fault, FaultKind, FaultLayer, Faults, Ledger, Schedule, Served,
    SimError, TimeScale, Verdict, control_routes, fault_layer, serve,
};

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

struct Scene {
    authority: Authority,
    ledger: Ledger,
    faults: Faults,
    _dir: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::open(dir.path()).unwrap();
        Self { authority, ledger: Ledger::default(), faults: Faults::none(), _dir: dir }
    }

    async fn serve(&self, listen: SocketAddr, router: Router) -> Served {
        serve(listen, self.authority.server_config(&["localhost", "127.0.0.1"]).unwrap(), router).await.unwrap()
    }

    fn client(&self) -> reqwest::Client {
        let builder = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5));
        self.authority.trusted_by(builder).unwrap().build().unwrap()
    }

    fn deliverer(&self) -> Deliverer {
        self.deliverer_within(DeliveryBounds::default())
    }

    fn deliverer_within(&self, bounds: DeliveryBounds) -> Deliverer {
        let (ledger, faults) = (self.ledger.clone(), self.faults.clone());
        let scale = TimeScale::new(1_000.0).unwrap();
        Deliverer::new(&self.authority, ledger, faults, scale, bounds).unwrap()
    }

    fn effects(&self, key: &str) -> Vec<String> {
        self.ledger.entries().into_iter().filter(|entry| entry.key == key).map(|entry| entry.effect).collect()
    }
}

fn delivery(addr: SocketAddr, key: &str, allowed: &'static [FaultKind]) -> Delivery {
    Delivery {
        site: "events".to_owned(),
        key: key.to_owned(),
        url: format!("https://{addr}/hook?secret=s").parse().unwrap(),
        body: Bytes::copy_from_slice(key.as_bytes()),
        headers: Arc::new(|before| HeaderMap::from_iter([("x-attempts".parse().unwrap(), before.into())])),
        order: "thread".to_owned(),
        allowed,
        schedule: Arc::new(Schedule {
            waits: [10, 30, 60].map(Duration::from_secs).to_vec(),
            jitter: 0.1,
            max_attempts: 8,
            time_to_live: Duration::from_secs(86_400),
            answer_within: Duration::from_secs(30),
            verdict: |status| match status {
                200..=204 => Verdict::Delivered,
                413 => Verdict::Final,
                _ => Verdict::TryAgain { at_least: Duration::ZERO },
            },
        }),
        dead_letter: true,
        detail: Value::Null,
    }
}

async fn until(what: impl Fn() -> bool) {
    for _ in 0..500 {
        if what() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not within five seconds");
}

/// A subscriber that keeps what it was told and answers as scripted, 200 when the script is over.
fn subscriber(script: &[u16]) -> (Router, Arc<Mutex<Vec<String>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let script = Arc::new(Mutex::new(script.iter().copied().collect::<std::collections::VecDeque<_>>()));
    let book = Arc::clone(&told);
    let hook = post(async move |headers: HeaderMap, body: String| {
        book.lock().unwrap().push(format!("{body}/{}", headers["x-attempts"].to_str().unwrap()));
        StatusCode::from_u16(script.lock().unwrap().pop_front().unwrap_or(200)).unwrap()
    });
    (Router::new().route("/hook", hook), told)
}

#[tokio::test]
async fn an_address_that_others_can_reach_is_refused() {
    let scene = Scene::new();
    let tls = scene.authority.server_config(&["localhost"]).unwrap();
    let refused = serve("0.0.0.0:0".parse().unwrap(), tls, Router::new()).await;
    assert!(matches!(refused, Err(SimError::NotLoopback(_))));
}

#[tokio::test]
async fn each_fault_befalls_a_call_as_it_should() {
    let scene = Scene::new();
    let effects = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&effects);
    let layer = FaultLayer::new(scene.faults.clone(), |kind| match kind {
        FaultKind::Throttle => (StatusCode::TOO_MANY_REQUESTS, "slow down").into_response(),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "broken").into_response(),
    })
    .holding(Duration::from_millis(50))
    .entering(scene.ledger.clone(), |path, body| format!("{path} {}", String::from_utf8_lossy(body)));
    let router = Router::new()
        .route(
            "/things/{id}",
            post(async move |body: String| {
                counter.fetch_add(1, Ordering::Relaxed);
                format!("done {body}").trim().to_owned()
            }),
        )
        .layer(axum::middleware::from_fn_with_state(layer, fault_layer))
        .merge(control_routes(scene.ledger.clone(), scene.faults.clone()));
    let served = scene.serve(LOOPBACK, router).await;
    let (client, base) = (scene.client(), format!("https://{}", served.addr));
    let site = "POST /things/{id}";

    let wish = json!({"site": site, "fault": "throttle"});
    let forced = client.post(format!("{base}/sim/faults/force")).json(&wish).send().await.unwrap();
    assert_eq!(forced.status(), StatusCode::NO_CONTENT);
    let throttled = client.post(format!("{base}/things/1")).send().await.unwrap();
    assert_eq!((throttled.status().as_u16(), &throttled.headers()["retry-after"]), (429, &"1".parse().unwrap()));

    assert!(scene.faults.force(site, Fault::ServerError));
    assert_eq!(client.post(format!("{base}/things/1")).send().await.unwrap().status().as_u16(), 503);
    assert!(scene.faults.force(site, Fault::Timeout));
    client.post(format!("{base}/things/1")).send().await.unwrap_err();
    assert_eq!(effects.load(Ordering::Relaxed), 0);

    assert!(scene.faults.force(site, Fault::UnknownOutcome));
    client.post(format!("{base}/things/1")).body("it").send().await.unwrap_err();
    assert_eq!(effects.load(Ordering::Relaxed), 1);
    let faulted = scene.ledger.entries().pop().unwrap();
    assert_eq!((faulted.effect.as_str(), faulted.key.as_str()), ("call.faulted", "/things/1 it"));
    assert_eq!(faulted.detail, json!({"site": site, "fault": "unknown_outcome"}));
    assert!(scene.faults.force(site, Fault::Delay(Duration::from_millis(1))));
    let delayed = client.post(format!("{base}/things/1")).body("it").send().await.unwrap();
    assert_eq!(delayed.text().await.unwrap(), "done it", "the body arrives as it was sent");

    assert_eq!(client.post(format!("{base}/things/1")).send().await.unwrap().text().await.unwrap(), "done");
    let histogram: Value = client.get(format!("{base}/sim/faults")).send().await.unwrap().json().await.unwrap();
    assert_eq!(histogram["unknown_outcome"], json!({"drawn": 1, "of": 6}));
}

#[tokio::test]
async fn closing_the_connection_also_works_for_a_client_that_speaks_http_1_only() {
    let scene = Scene::new();
    let served = scene.serve(LOOPBACK, Router::new().route("/", post(async || super::sever()))).await;
    let builder = reqwest::Client::builder().no_proxy().http1_only();
    // ALPN would choose HTTP/2; a client restricted to HTTP/1.1 ignores what the preconfigured backend offers.
    let mut roots = rustls::RootCertStore::empty();
    let pem = scene.authority.certificate_pem().as_bytes();
    roots.add(rustls::pki_types::pem::PemObject::from_pem_slice(pem).unwrap()).unwrap();
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = builder.tls_backend_preconfigured(tls).build().unwrap();
    let error = client.post(format!("https://{}", served.addr)).send().await.unwrap_err();
    assert!(!error.is_timeout() && !error.is_status(), "{error:?}");
}

#[tokio::test]
async fn a_delivery_is_tried_again_until_it_is_acknowledged() {
    let scene = Scene::new();
    let (router, told) = subscriber(&[503, 500]);
    let served = scene.serve(LOOPBACK, router).await;
    let deliverer = scene.deliverer();
    deliverer.deliver(delivery(served.addr, "a", &[])).await;
    until(|| deliverer.open() == 0).await;
    assert_eq!(*told.lock().unwrap(), ["a/0", "a/1", "a/2"]);
    let attempted = "delivery.attempted";
    assert_eq!(scene.effects("a"), [attempted, attempted, attempted, "delivery.acknowledged"]);
}

#[tokio::test]
async fn a_status_that_is_final_makes_a_dead_letter() {
    let scene = Scene::new();
    let (router, told) = subscriber(&[413]);
    let served = scene.serve(LOOPBACK, router).await;
    let deliverer = scene.deliverer();
    deliverer.deliver(delivery(served.addr, "a", &[])).await;
    until(|| deliverer.open() == 0).await;
    assert_eq!(told.lock().unwrap().len(), 1);
    assert_eq!(scene.effects("a"), ["delivery.attempted", "delivery.dead_lettered"]);
}

#[tokio::test]
async fn a_subscriber_that_comes_up_late_still_gets_it() {
    let scene = Scene::new();
    // A port that was free a moment ago, so that connections are refused until the subscriber is up.
    let addr = std::net::TcpListener::bind(LOOPBACK).unwrap().local_addr().unwrap();
    let deliverer = scene.deliverer();
    deliverer.deliver(delivery(addr, "a", &[])).await;
    until(|| !scene.effects("a").is_empty()).await;
    let (router, told) = subscriber(&[]);
    let _served = scene.serve(addr, router).await;
    until(|| deliverer.open() == 0).await;
    assert_eq!(scene.effects("a").last().unwrap(), "delivery.acknowledged");
    assert_eq!(told.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn faults_duplicate_reorder_and_drop_deliveries_and_lose_answers() {
    let scene = Scene::new();
    let (router, told) = subscriber(&[]);
    let served = scene.serve(LOOPBACK, router).await;
    let deliverer = scene.deliverer();
    for fault in [Fault::Duplicate, Fault::Reorder, Fault::Drop, Fault::UnknownOutcome, Fault::Timeout] {
        assert!(scene.faults.force("events", fault));
    }
    for key in ["duplicated", "overtaken", "dropped", "answer-lost", "lost", "plain"] {
        deliverer.deliver(delivery(served.addr, key, &[])).await;
    }
    until(|| deliverer.open() == 0).await;
    let told = told.lock().unwrap();
    let times = |key: &str| told.iter().filter(|line| line.starts_with(key)).count();
    assert_eq!(["duplicated", "overtaken", "dropped", "answer-lost", "lost", "plain"].map(times), [2, 1, 0, 2, 1, 1]);
    let place = |key: &str| told.iter().position(|line| line.starts_with(key)).unwrap();
    assert!(place("plain") < place("overtaken") || place("answer-lost") < place("overtaken"), "{told:?}");
    assert_eq!(scene.effects("dropped"), ["delivery.dropped"]);
}

#[tokio::test]
async fn deliveries_of_one_order_arrive_in_order() {
    let scene = Scene::new();
    let (router, told) = subscriber(&[]);
    let served = scene.serve(LOOPBACK, router).await;
    let deliverer = scene.deliverer();
    let keys: Vec<String> = (0..30).map(|number| format!("m{number:02}")).collect();
    for key in &keys {
        deliverer.deliver(delivery(served.addr, key, &[])).await;
    }
    until(|| deliverer.open() == 0).await;
    assert_eq!(*told.lock().unwrap(), keys.iter().map(|key| format!("{key}/0")).collect::<Vec<_>>());
}

#[tokio::test]
async fn nothing_is_lost_because_a_lane_is_full() {
    let scene = Scene::new();
    let (router, told) = subscriber(&[]);
    let served = scene.serve(LOOPBACK, router).await;
    let deliverer = scene.deliverer_within(DeliveryBounds { lanes: 1, waiting: 2, ..DeliveryBounds::default() });
    let keys: Vec<String> = (0..30).map(|number| format!("m{number:02}")).collect();
    for key in &keys {
        deliverer.deliver(delivery(served.addr, key, &[])).await;
    }
    until(|| deliverer.open() == 0).await;
    assert_eq!(*told.lock().unwrap(), keys.iter().map(|key| format!("{key}/0")).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_simulator_that_is_full_takes_no_calls() {
    let scene = Scene::new();
    let full = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let is_full = Arc::clone(&full);
    let layer = FaultLayer::new(scene.faults.clone(), |_| (StatusCode::SERVICE_UNAVAILABLE, "busy").into_response())
        .refusing_while(move || is_full.load(Ordering::Relaxed));
    let router =
        Router::new().route("/", post(async || "done")).layer(axum::middleware::from_fn_with_state(layer, fault_layer));
    let served = scene.serve(LOOPBACK, router).await;
    let (client, url) = (scene.client(), format!("https://{}/", served.addr));
    assert_eq!(client.post(&url).send().await.unwrap().status().as_u16(), 503);
    full.store(false, Ordering::Relaxed);
    assert_eq!(client.post(&url).send().await.unwrap().status().as_u16(), 200);
}

#[tokio::test]
async fn a_judge_reads_the_ledger_from_where_it_stopped() {
    let scene = Scene::new();
    let served = scene.serve(LOOPBACK, control_routes(scene.ledger.clone(), scene.faults.clone())).await;
    for key in ["a", "b"] {
        scene.ledger.enter("thread.created", key, json!({"n": 1}));
    }
    let url = format!("https://{}/sim/ledger?after=1", served.addr);
    let page = scene.client().get(url).send().await.unwrap().text().await.unwrap();
    let lines: Vec<super::Entry> = page.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.iter().map(|entry| entry.key.as_str()).collect::<Vec<_>>(), ["b"]);
    let health: Json<Value> = Json(
        scene.client().get(format!("https://{}/sim/health", served.addr)).send().await.unwrap().json().await.unwrap(),
    );
    assert_eq!(health.0, json!({"status": "ok"}));
    served.stop().await;
}
