//! The front desk itself: its signs, its bounds, and what it says to whoever cannot be served.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::house::House;

async fn get(house: &House, path: &str, headers: &[(&str, &str)]) -> String {
    house.answer("GET", path, headers, Vec::new()).await
}

/// What a connection gives until it is closed.
async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await.unwrap().unwrap_or_default();
    String::from_utf8(answer).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_signs_tell_that_the_hub_lives_and_what_it_counted() {
    let house = House::open().await;
    house.goes_on().await;
    assert_eq!(get(&house, "/healthz", &[]).await, "200\ncontent-type: text/plain; charset=utf-8\nok");
    let ready = get(&house, "/readyz", &[]).await;
    assert!(ready.starts_with("200") && ready.contains("/hooks/acs/events"), "{ready}");
    let metrics = get(&house, "/metrics", &[]).await;
    assert!(metrics.starts_with("200\ncontent-type: application/openmetrics-text"), "{metrics}");
    for line in [
        "tandem_webhooks_total{instance=\"acs\",door=\"events\",status=\"200\"} 1",
        "tandem_webhooks_total{instance=\"connect\",door=\"contacts\",status=\"200\"} 1",
        "tandem_interactions 1",
        "tandem_quarantined 0",
    ] {
        assert!(metrics.lines().any(|one| one == line), "{line} is not in {metrics}");
    }
    for name in ["tandem_records", "tandem_commits", "tandem_commit_seconds"] {
        let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
        assert!(value.is_some_and(|value| value > 0.0), "{name}: {value:?} in {metrics}");
    }
    assert!(metrics.trim_end().ends_with("# EOF"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tokens_v1_answers_to_this_machine_only() {
    let house = House::open().await;
    assert!(get(&house, "/v1/agents", &[]).await.starts_with("200"));
    for headers in [
        [("host", "hub.example.com")],
        [("x-forwarded-for", "192.0.2.1")],
        [("forwarded", "for=192.0.2.1")],
        [("via", "1.1 proxy")],
    ] {
        for path in ["/v1/agents", "/v1/interactions", "/v1/events", "/v1/quarantine"] {
            let answer = get(&house, path, &headers).await;
            assert!(answer.starts_with("401\ncontent-type: application/problem+json"), "{headers:?} {path}: {answer}");
        }
        // Vendors come through the proxy, and have credentials of their own.
        let body = json!([house.message("proxied", "19:t@thread.v2", &json!({}))]).to_string();
        assert!(house.answer("POST", &house.events(), &headers, body.into()).await.starts_with("200"));
        assert!(get(&house, "/readyz", &headers).await.starts_with("200"));
    }
    let chat = json!({ "idempotency_key": "k", "customer": {} }).to_string();
    let answer = house.send("POST", "/v1/chats", &[("x-forwarded-proto", "https")], chat).await;
    assert!(answer.starts_with("401"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_cannot_be_read_names_nothing() {
    let house = House::open().await;
    for (method, path) in [
        ("GET", "/v1/interactions/%ff"),
        ("GET", "/v1/interactions/%ff/timeline"),
        ("GET", "/v1/interactions/%ff/decisions"),
        ("GET", "/v1/quarantine/%ff"),
        ("DELETE", "/v1/quarantine/%ff"),
        ("POST", "/v1/quarantine/%ff/redrive"),
        ("POST", "/v1/deadletters/%ff/redrive"),
        ("POST", "/hooks/%ff/events"),
        ("POST", "/hooks/acs/%ff"),
    ] {
        let answer = house.answer(method, path, &[], Vec::new()).await;
        assert!(answer.starts_with("404\ncontent-type: application/problem+json"), "{method} {path}: {answer}");
        assert!(answer.contains("\"code\":\"not_found\""), "{method} {path}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_too_slow_is_told_to_come_again() {
    let house = House::open_with(|config| {
        config.replace("hooks = 8", "hooks = 8\ntimeout = \"600ms\"\nbody_timeout = \"200ms\"")
    })
    .await;
    for path in [house.events(), "/v1/chats".to_owned()] {
        let mut slow = TcpStream::connect(house.address).await.unwrap();
        let head =
            format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\nconnection: close\r\n\r\n[");
        slow.write_all(head.as_bytes()).await.unwrap();
        let answer = rest(&mut slow).await.to_lowercase();
        assert!(answer.starts_with("http/1.1 503"), "{answer}");
        assert!(answer.contains("retry-after: 2") && answer.contains("application/problem+json"), "{answer}");
        assert!(answer.contains("\"code\":\"not_now\""), "{answer}");
    }
    house.goes_on().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_too_many_is_closed_and_one_that_says_nothing_loses_its_place() {
    let house =
        House::open_with(|config| config.replace("hooks = 8", "hooks = 8\nconnections = 3\nheaders = \"3s\"")).await;
    let mut silent = Vec::new();
    for said in ["", "GE", "GET /healthz HTTP/1.1\r\nhost: localhost\r\n"] {
        let mut stream = TcpStream::connect(house.address).await.unwrap();
        stream.write_all(said.as_bytes()).await.unwrap();
        silent.push(stream);
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut one_more = TcpStream::connect(house.address).await.unwrap();
    // It may be closed before it says a word.
    drop(one_more.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await);
    assert_eq!(rest(&mut one_more).await, "", "it is closed without an answer");
    for stream in &mut silent {
        assert!(!rest(stream).await.contains("200 OK"));
    }
    house.goes_on().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_nobody_signed_make_the_hub_fetch_little() {
    let house = House::open().await;
    house.keys_are_served.store(false, Ordering::Relaxed);
    let of = |name: &str| {
        let url = format!("https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-{name}.pem");
        house.notice(name, |fields| {
            fields.insert("SigningCertURL".to_owned(), url.into());
        })
    };
    let send = |name: &str| house.answer("POST", "/hooks/connect/chat", &[], of(name));
    // Many who name one document cost one fetch, also afterwards.
    let answers = futures_util::future::join_all((0..6).map(|_| send("aa"))).await;
    assert!(answers.iter().all(|answer| answer.starts_with("503")), "{answers:?}");
    assert!(send("aa").await.starts_with("503"));
    assert_eq!(house.keys_asked.load(Ordering::Relaxed), 1);
    // Many who name many cost no more than are fetched at once.
    let answers = futures_util::future::join_all((0..6).map(|n| send(["b0", "b1", "b2", "b3", "b4", "b5"][n]))).await;
    assert!(answers.iter().all(|answer| answer.starts_with("503\n") && answer.contains("retry-after")), "{answers:?}");
    assert!(house.keys_at_once.load(Ordering::Relaxed) <= 2, "{:?}", house.keys_at_once);
    // What could not be had is asked for again, after a while.
    house.keys_are_served.store(true, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    assert_eq!(send("aa").await, "200");
}
