//! What is sent, and where it goes.

use fe2o3_amqp::Sender;
use fe2o3_amqp_types::messaging::{Body, Data, Message, Outcome};
use fe2o3_amqp_types::primitives::{Binary, Value};

use crate::client::{Any, Client, batch, encoded, event, next, send, simulator, soon, text};

#[tokio::test]
async fn a_hub_takes_turns_and_a_partition_keeps_what_is_meant_for_it() {
    let running = simulator().await;
    let mut client = Client::granted(&running).await;
    let mut hub = client.sender("amqps://localhost/events").await;
    for body in ["a", "b", "c", "d"] {
        send(&mut hub, body).await;
    }
    let mut one = client.sender("amqps://localhost/events/Partitions/2").await;
    send(&mut one, "e").await;
    let stored: Vec<_> = running.ledger.entries().into_iter().filter(|entry| entry.effect == "event.stored").collect();
    let found: Vec<_> = stored
        .iter()
        .map(|entry| (entry.detail["partition"].as_str().unwrap(), entry.detail["body"].as_str().unwrap()))
        .collect();
    assert_eq!(found, [("0", "a"), ("1", "b"), ("2", "c"), ("3", "d"), ("2", "e")]);
    assert_eq!(stored.last().unwrap().key, "id of e");
}

#[tokio::test]
async fn a_key_always_goes_to_the_same_partition() {
    let running = simulator().await;
    let mut client = Client::granted(&running).await;
    let mut hub = client.sender("events").await;
    for round in 0..3 {
        for key in ["a", "key", "partition-key"] {
            let sent = soon(hub.send(event(&format!("{key} {round}"), Some(key)))).await.unwrap();
            assert!(matches!(sent, Outcome::Accepted(_)));
        }
    }
    let mut homes: Vec<(String, String)> = running
        .ledger
        .entries()
        .iter()
        .filter(|entry| entry.effect == "event.stored")
        .map(|entry| (entry.detail["partition_key"].to_string(), entry.detail["partition"].to_string()))
        .collect();
    homes.sort();
    homes.dedup();
    assert_eq!(homes.len(), 3, "{homes:?}");
}

#[tokio::test]
async fn a_batch_is_taken_apart_and_stored_whole_in_one_partition() {
    let running = simulator().await;
    let mut client = Client::granted(&running).await;
    let mut hub = client.sender("events").await;
    let sections = ["one", "two", "three"].map(encoded).to_vec();
    let outcome = soon(hub.send(batch(sections))).await.unwrap();
    assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
    let mut reader = client.reader("0", "offset > '-1'").await;
    let wanted = [(0, "one".to_owned()), (1, "two".to_owned()), (2, "three".to_owned())];
    assert_eq!(next(&mut reader, 3).await, wanted);
}

#[tokio::test]
async fn of_a_batch_with_one_bad_part_nothing_is_stored() {
    let running = simulator().await;
    let mut client = Client::granted(&running).await;
    let mut hub = client.sender("events").await;
    for sections in [vec![encoded("good"), vec![0xff; 9]], vec![encoded("good"), vec![]], vec![]] {
        let outcome = soon(hub.send(batch(sections.clone()))).await.unwrap();
        assert!(matches!(outcome, Outcome::Rejected(_)), "{sections:?}: {outcome:?}");
    }
    assert!(running.ledger.entries().iter().all(|entry| entry.effect != "event.stored"));
    send(&mut hub, "the link lives on").await;
}

#[tokio::test]
async fn what_is_longer_than_allowed_never_arrives() {
    let running = simulator().await;
    let mut client = Client::granted(&running).await;
    let mut hub = client.sender("events").await;
    assert_eq!(hub.max_message_size(), Some(1 << 20));
    let refused = format!("{:?}", soon(hub.send(event(&"x".repeat(1 << 20), None))).await);
    assert!(refused.contains("MessageSizeExceeded"), "{refused}");
    let long = "x".repeat((1 << 20) - 20);
    let data = Data(Binary::from(long.clone().into_bytes()));
    let event: Any = Message::builder().body(Body::Data(vec![data].into())).build();
    assert!(matches!(soon(hub.send(event)).await.unwrap(), Outcome::Accepted(_)));
    // It comes back in many frames, each short enough for this client although its fields were filled up.
    let mut reader = client.reader("0", "offset > '-1'").await;
    let back = soon(reader.recv::<Body<Value>>()).await.unwrap().into_message();
    assert_eq!(text(&back).len(), long.len());
}

#[tokio::test]
async fn a_receiver_settles_first_whatever_the_client_asks_for() {
    use fe2o3_amqp_types::definitions::ReceiverSettleMode;
    let running = simulator().await;
    let mut client = Client::granted(&running).await;
    let link = Sender::builder().name("second").target("events").receiver_settle_mode(ReceiverSettleMode::Second);
    let mut sender = soon(link.attach(&mut client.session)).await.unwrap();
    send(&mut sender, "settled at once").await;
}

#[tokio::test]
async fn targets_that_do_not_exist_have_the_documented_conditions() {
    let running = simulator().await;
    let mut client = Client::granted(&running).await;
    for (address, condition) in [
        ("amqps://localhost/nowhere", "NotFound"),
        ("amqps://localhost/events/Partitions/9", "com.microsoft:argument-out-of-range"),
        ("amqps://elsewhere/events", "NotFound"),
        ("events/ConsumerGroups/$Default/Partitions/0", "NotAllowed"),
        ("nothing/of/the/kind", "NotFound"),
    ] {
        let mut sender = client.sender(address).await;
        let refused = format!("{:?}", soon(sender.send(event("x", None))).await);
        assert!(refused.contains(condition), "{address}: {refused}");
        assert!(refused.contains("origin"), "an error has an info map: {refused}");
        // The refusal is followed by the end of the link.
        soon(sender.on_detach()).await;
    }
}

#[tokio::test]
async fn a_body_of_any_kind_and_several_sections_comes_back() {
    let running = simulator().await;
    let mut client = Client::granted(&running).await;
    let mut sender = client.sender("events/Partitions/0").await;
    let sections: Vec<Data> = ["two ", "sections"].iter().map(|part| Data(Binary::from(part.as_bytes()))).collect();
    let two: Any = Message::builder().body(Body::Data(sections.into())).build();
    let value: Any = Message::builder()
        .body(Body::Value(fe2o3_amqp_types::messaging::AmqpValue(Value::String("a value".to_owned()))))
        .build();
    for message in [two, value.clone()] {
        assert!(matches!(soon(sender.send(message)).await.unwrap(), Outcome::Accepted(_)));
    }
    let mut reader = client.reader("0", "offset > '-1'").await;
    let first = soon(reader.recv::<Body<Value>>()).await.unwrap().into_message();
    assert_eq!(text(&first), "two sections");
    let second = soon(reader.recv::<Body<Value>>()).await.unwrap().into_message();
    assert_eq!(second.body, value.body);
}
