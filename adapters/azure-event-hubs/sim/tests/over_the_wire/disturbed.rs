//! What goes wrong when somebody says so, or when the seed does.

use std::time::{Duration, Instant};

use fe2o3_amqp_types::messaging::{AmqpValue, Body, Message, Outcome};
use fe2o3_amqp_types::primitives::Value;
use serde_json::json;
use tandem_event_hubs_sim::{Running, run};
use tandem_sdk::sim::Rates;

use crate::client::{Client, end_of, event, next, send, settings, simulator, soon, status, until};
use crate::control::disturb;

const LATEST: &str = "offset > '@latest'";

fn count(running: &Running, effect: &str) -> usize {
    running.ledger.entries().iter().filter(|entry| entry.effect == effect).count()
}

#[tokio::test]
async fn sockets_are_cut_and_whoever_comes_again_goes_on() {
    let running = simulator().await;
    let mut client = Client::granted(&running).await;
    let mut reader = client.reader("0", LATEST).await;
    disturb(&running, json!({"what": "cut"})).await;
    end_of(&mut reader).await;
    assert!(soon(client.connection.on_close()).await.is_err());
    until(|| count(&running, "connection.closed") == 1).await;
    Client::granted(&running).await;
}

#[tokio::test]
async fn connections_are_closed_by_force() {
    let running = simulator().await;
    let mut client = Client::granted(&running).await;
    disturb(&running, json!({"what": "force_close"})).await;
    let told = format!("{:?}", soon(client.connection.on_close()).await);
    assert!(told.contains("ConnectionForced"), "{told}");
}

#[tokio::test]
async fn idle_links_of_one_hub_are_detached_and_no_others() {
    let running = simulator().await;
    let mut client = Client::granted(&running).await;
    let mut reader = client.reader("0", LATEST).await;
    let (mut ours, mut others) = (client.sender("events").await, client.sender("short").await);
    until(|| count(&running, "reader.attached") == 1).await;
    disturb(&running, json!({"what": "detach", "hub": "events"})).await;
    let told = end_of(&mut reader).await;
    assert!(told.contains("DetachForced"), "{told}");
    let told = format!("{:?}", soon(ours.on_detach()).await);
    assert!(told.contains("DetachForced"), "{told}");
    send(&mut others, "still here").await;
}

#[tokio::test]
async fn a_link_is_detached_with_a_transfer_in_flight_which_is_stored() {
    let running = simulator().await;
    let mut client = Client::granted(&running).await;
    let mut sender = client.sender("events").await;
    disturb(&running, json!({"what": "detach_in_flight", "hub": "events"})).await;
    let told = format!("{:?}", soon(sender.send(event("x", None))).await);
    assert!(told.contains("DetachForced"), "{told}");
    assert_eq!(count(&running, "event.stored"), 1);
}

#[tokio::test]
async fn busy_and_unavailable_are_so_as_often_as_was_said() {
    let running = simulator().await;
    let mut client = Client::granted(&running).await;
    let mut sender = client.sender("events").await;
    disturb(&running, json!({"what": "busy", "hub": "events", "times": 2})).await;
    for _ in 0..2 {
        let outcome = soon(sender.send(event("x", None))).await.unwrap();
        let Outcome::Rejected(rejected) = outcome else { panic!("{outcome:?}") };
        let told = format!("{rejected:?}");
        assert!(told.contains("com.microsoft:server-busy") && told.contains("origin"), "{told}");
    }
    send(&mut sender, "at last").await;
    assert_eq!(count(&running, "event.stored"), 1);
    disturb(&running, json!({"what": "unavailable", "hub": "events", "times": 1})).await;
    let asked = [("type", "com.microsoft:eventhub"), ("name", "events")];
    assert_eq!(status(&client.properties(&asked).await), 503);
    assert_eq!(status(&client.properties(&asked).await), 200);
}

#[tokio::test]
async fn a_send_hangs_whether_it_was_stored_or_not() {
    let running = simulator().await;
    let mut client = Client::granted(&running).await;
    let mut sender = client.sender("events").await;
    for (what, stored) in [("hang", 1), ("swallow", 1)] {
        disturb(&running, json!({"what": what, "hub": "events"})).await;
        let hung = tokio::time::timeout(Duration::from_millis(200), sender.send(event("x", None))).await;
        assert!(hung.is_err(), "{what}");
        assert_eq!(count(&running, "event.stored"), stored, "{what}");
    }
    send(&mut sender, "the link lives on").await;
}

#[tokio::test]
async fn nobody_can_connect_for_a_while() {
    let running = simulator().await;
    let mut client = Client::granted(&running).await;
    let mut sender = client.sender("events").await;
    disturb(&running, json!({"what": "refuse", "for_ms": 500})).await;
    let began = Instant::now();
    until(|| std::net::TcpStream::connect(running.addr).is_err()).await;
    send(&mut sender, "who is in stays in").await;
    until(|| std::net::TcpStream::connect(running.addr).is_ok()).await;
    assert!(began.elapsed() > Duration::from_millis(300));
    Client::granted(&running).await;
}

#[tokio::test]
async fn a_frozen_connection_is_silent_and_then_goes_on() {
    let running = simulator().await;
    let mut client = Client::granted(&running).await;
    let mut sender = client.sender("events/Partitions/0").await;
    let mut reader = client.reader("0", "offset > '-1'").await;
    until(|| count(&running, "reader.attached") == 1).await;
    let began = Instant::now();
    disturb(&running, json!({"what": "freeze", "for_ms": 400})).await;
    send(&mut sender, "late").await;
    assert_eq!(next(&mut reader, 1).await.len(), 1);
    assert!(began.elapsed() >= Duration::from_millis(400));
}

#[tokio::test]
async fn under_faults_from_a_seed_whoever_tries_again_gets_everything_through() {
    let mut settings = settings();
    (settings.seed, settings.rates) = (7, Some(Rates { delay_max_ms: 30, ..Rates::uniform(0.05) }));
    let running = run(settings).await.unwrap();
    for number in 0..15 {
        let body = format!("event {number}");
        while !once(&running, &body).await {}
    }
    let stored: std::collections::HashSet<String> = running
        .ledger
        .entries()
        .into_iter()
        .filter(|entry| entry.effect == "event.stored")
        .map(|entry| entry.key)
        .collect();
    assert_eq!(stored.len(), 15);
    assert!(running.faults.histogram().values().any(|count| count.drawn > 0));
}

/// One attempt over a connection of its own. A fault may make this client panic; then the attempt has failed.
async fn once(running: &Running, body: &str) -> bool {
    let (endpoint, body) = (running.endpoint.clone(), body.to_owned());
    let attempt = tokio::spawn(async move {
        let mut client = Client::connect_to(&endpoint).await;
        client.put("sb://localhost", crate::client::POLICY).await;
        let mut sender = client.sender("events").await;
        matches!(sender.send(event(&body, None)).await, Ok(Outcome::Accepted(_)))
    });
    let stop = attempt.abort_handle();
    match tokio::time::timeout(Duration::from_millis(700), attempt).await {
        Ok(done) => done.unwrap_or(false),
        Err(_) => {
            stop.abort();
            false
        }
    }
}

#[tokio::test]
async fn stopping_ends_every_connection() {
    let running = simulator().await;
    let mut client = Client::granted(&running).await;
    let addr = running.addr;
    soon(running.stop()).await;
    soon(client.connection.on_close()).await.unwrap_err();
    assert!(std::net::TcpStream::connect(addr).is_err());
}

#[tokio::test]
async fn garbage_on_a_socket_harms_nobody_else() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let running = simulator().await;
    let mut client = Client::granted(&running).await;
    let mut sender = client.sender("events").await;
    for garbage in [
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        vec![0xff; 100],
        vec![0; 100],
        b"AMQP\x03\x01\x00\x00garbage behind a header".to_vec(),
        [b"AMQP\x03\x01\x00\x00".as_slice(), &[0, 0, 0, 16, 2, 1, 0, 0, 0, 0x53, 0x41, 0xc0, 1, 1, 0xa3, 9]].concat(),
        b"AMQP\x00\x01\x00\x00\x00\x00\x00\x0c\x02\x00\x00\x00\x00\x53\x10\xd0".to_vec(),
    ] {
        let mut stream = tokio::net::TcpStream::connect(running.addr).await.unwrap();
        stream.write_all(&garbage).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        // A reset is an answer too.
        drop(soon(stream.read_to_end(&mut answer)).await);
        send(&mut sender, "unharmed").await;
    }
}

#[tokio::test]
async fn a_message_of_values_in_values_harms_nobody() {
    let running = simulator().await;
    let mut client = Client::granted(&running).await;
    let mut sender = client.sender("events").await;
    for depth in [10, 1_000, 100_000] {
        // An amqp-value section of described values, each of which describes the next: two bytes and one for each.
        let mut section = vec![0x00, 0x53, 0x77];
        for _ in 0..depth {
            section.extend_from_slice(&[0x00, 0x53, 0x01]);
        }
        section.push(0x40);
        let outcome = soon(sender.send(crate::client::batch(vec![section]))).await.unwrap();
        assert!(depth == 10 || matches!(outcome, Outcome::Rejected(_)), "{depth}: {outcome:?}");
    }
    send(&mut sender, "unharmed").await;
    // One that is no batch ends its own connection, whether it is one frame long or many.
    for (depth, beside) in [(100, 0), (100, 200_000)] {
        let mut value = Value::String("x".repeat(beside));
        for _ in 0..depth {
            value = Value::List(vec![value]);
        }
        let mut client = Client::granted(&running).await;
        let mut sender = client.sender("events").await;
        let deep: crate::client::Any = Message::builder().body(Body::Value(AmqpValue(value))).build();
        assert!(
            soon(async {
                tokio::select! { sent = sender.send(deep) => sent.is_err(), _ = client.connection.on_close() => true }
            })
            .await
        );
    }
    send(&mut sender, "unharmed").await;
}
