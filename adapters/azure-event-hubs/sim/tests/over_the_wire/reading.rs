//! From where readers read, and beside whom.

use fe2o3_amqp_types::messaging::{AmqpValue, Body};
use fe2o3_amqp_types::primitives::Value;
use serde_amqp::descriptor::Descriptor;

use crate::client::{Client, annotation, end_of, next, send, simulator, soon, status, until};

const READ: &str = "events/ConsumerGroups/$Default/Partitions/0";
const LATEST: &str = "offset > '@latest'";

/// Five events `0` to `4` in partition 0, told apart in time after the third.
async fn five(client: &mut Client) -> i64 {
    let mut sender = client.sender("events/Partitions/0").await;
    for body in ["0", "1", "2"] {
        send(&mut sender, body).await;
    }
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    let between = jiff::Timestamp::now().as_millisecond();
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    for body in ["3", "4"] {
        send(&mut sender, body).await;
    }
    between
}

#[tokio::test]
async fn every_start_gives_what_it_says_under_both_descriptors() {
    let running = simulator().await;
    let mut client = Client::granted(&running).await;
    let between = five(&mut client).await;
    for (start, first) in [
        ("offset > '-1'".to_owned(), 0),
        ("offset >'82'".to_owned(), 3),
        ("offset >='82'".to_owned(), 2),
        ("sequence-number > '2'".to_owned(), 3),
        ("sequence-number >= '2'".to_owned(), 2),
        ("sequence-number > '-1'".to_owned(), 0),
        (format!("enqueued-time > '{between}'"), 3),
    ] {
        for descriptor in
            [Descriptor::Code(0x0000_468C_0000_0004), Descriptor::Name("apache.org:selector-filter:string".into())]
        {
            let mut reader = client.reader_with(READ, descriptor, &start, None).await;
            let found = next(&mut reader, usize::try_from(5 - first).unwrap()).await;
            let wanted: Vec<_> = (first..5).map(|number| (number, number.to_string())).collect();
            assert_eq!(found, wanted, "{start}");
            soon(reader.close()).await.unwrap();
        }
    }
}

#[tokio::test]
async fn the_latest_is_what_comes_next() {
    let running = simulator().await;
    let mut client = Client::granted(&running).await;
    five(&mut client).await;
    let mut reader = client.reader("0", LATEST).await;
    let mut sender = client.sender("events/Partitions/0").await;
    until(|| running.ledger.entries().iter().any(|entry| entry.effect == "reader.attached")).await;
    send(&mut sender, "5").await;
    assert_eq!(next(&mut reader, 1).await, [(5, "5".to_owned())]);
}

#[tokio::test]
async fn events_carry_the_annotations_of_the_service() {
    let running = simulator().await;
    let mut client = Client::granted(&running).await;
    five(&mut client).await;
    let mut reader = client.reader("0", "sequence-number >= '2'").await;
    let event = soon(reader.recv::<Body<Value>>()).await.unwrap().into_message();
    assert_eq!(annotation(&event, "x-opt-sequence-number"), Some(Value::Long(2)));
    assert_eq!(annotation(&event, "x-opt-offset"), Some(Value::String("82".to_owned())));
    assert!(matches!(annotation(&event, "x-opt-enqueued-time"), Some(Value::Timestamp(_))));
    assert_eq!(event.properties.unwrap().message_id, Some("id of 2".to_owned().into()));
}

#[tokio::test]
async fn starts_that_cannot_be_are_refused() {
    let running = simulator().await;
    let mut client = Client::granted(&running).await;
    five(&mut client).await;
    for start in ["offset > '9999'", "sequence-number > '9'", "color > 'red'", "offset > 'x'"] {
        let mut reader = client.reader("0", start).await;
        let told = end_of(&mut reader).await;
        assert!(told.contains("com.microsoft:argument-error"), "{start}: {told}");
    }
}

#[tokio::test]
async fn sources_that_do_not_exist_have_the_documented_conditions() {
    let running = simulator().await;
    let mut client = Client::granted(&running).await;
    for (address, condition) in [
        ("nowhere/ConsumerGroups/$Default/Partitions/0", "NotFound"),
        ("events/ConsumerGroups/nobody/Partitions/0", "NotFound"),
        ("events/ConsumerGroups/$Default/Partitions/4", "com.microsoft:argument-out-of-range"),
        ("events", "NotAllowed"),
    ] {
        let mut reader = client.reader_of(address, LATEST, None).await;
        let told = end_of(&mut reader).await;
        assert!(told.contains(condition), "{address}: {told}");
    }
}

#[tokio::test]
async fn the_beginning_moves_and_an_older_start_begins_there() {
    let running = simulator().await;
    let mut client = Client::granted(&running).await;
    let mut sender = client.sender("short").await;
    for number in 0..5 {
        send(&mut sender, &number.to_string()).await;
    }
    let address = "short/ConsumerGroups/$Default/Partitions/0";
    for start in ["offset > '-1'", "offset > '0'", "sequence-number > '0'", "enqueued-time > '0'"] {
        let mut reader = client.reader_of(address, start, None).await;
        assert_eq!(next(&mut reader, 1).await, [(2, "2".to_owned())], "{start}");
        soon(reader.close()).await.unwrap();
    }
    let asked = [("type", "com.microsoft:partition"), ("name", "short"), ("partition", "0")];
    let told = client.properties(&asked).await;
    assert_eq!(
        (number(&told.body, "begin_sequence_number"), number(&told.body, "last_enqueued_sequence_number")),
        (2, 4)
    );
}

#[tokio::test]
async fn properties_tell_everything_that_clients_ask_for() {
    let running = simulator().await;
    let mut client = Client::granted(&running).await;
    five(&mut client).await;
    let hub = client.properties(&[("type", "com.microsoft:eventhub"), ("name", "events")]).await;
    assert_eq!(status(&hub), 200);
    assert_eq!(field(&hub.body, "partition_count"), Some(Value::Int(4)));
    assert!(matches!(field(&hub.body, "partition_ids"), Some(Value::Array(_))));
    assert!(matches!(field(&hub.body, "created_at"), Some(Value::Timestamp(_))));
    let asked = [("type", "com.microsoft:partition"), ("name", "EVENTS"), ("partition", "0")];
    let partition = client.properties(&asked).await;
    assert_eq!(field(&partition.body, "last_enqueued_offset"), Some(Value::String("164".to_owned())));
    assert_eq!(field(&partition.body, "is_partition_empty"), Some(Value::Bool(false)));
    assert!(matches!(field(&partition.body, "last_enqueued_time_utc"), Some(Value::Timestamp(_))));
    for (name, kind, id, wanted) in [
        ("nowhere", "com.microsoft:eventhub", "", 404),
        ("events", "com.microsoft:partition", "4", 404),
        ("events", "com.microsoft:other", "", 400),
    ] {
        let told = client.properties(&[("type", kind), ("name", name), ("partition", id)]).await;
        assert_eq!(status(&told), wanted, "{name} {kind}");
    }
}

fn field(body: &Body<Value>, wanted: &str) -> Option<Value> {
    match body {
        Body::Value(AmqpValue(Value::Map(map))) => map.get(&Value::String(wanted.to_owned())).cloned(),
        _ => None,
    }
}

fn number(body: &Body<Value>, wanted: &str) -> i64 {
    match field(body, wanted) {
        Some(Value::Long(number)) => number,
        other => panic!("{wanted}: {other:?}"),
    }
}

#[tokio::test]
async fn a_higher_or_equal_epoch_takes_the_place_and_a_lower_one_is_refused() {
    let running = simulator().await;
    let mut client = Client::granted(&running).await;
    let mut plain = client.reader("0", LATEST).await;
    until(|| attached(&running) == 1).await;
    let mut first = client.reader_of(READ, LATEST, Some(1)).await;
    assert!(end_of(&mut plain).await.contains("Stolen"));
    let mut second = client.reader_of(READ, LATEST, Some(1)).await;
    assert!(end_of(&mut first).await.contains("Stolen"));
    let mut third = client.reader_of(READ, LATEST, Some(2)).await;
    assert!(end_of(&mut second).await.contains("Stolen"));
    for epoch in [Some(1), None] {
        let mut refused = client.reader_of(READ, LATEST, epoch).await;
        assert!(end_of(&mut refused).await.contains("Stolen"), "{epoch:?}");
    }
    // Another group and another partition are other places.
    client.reader_of("events/ConsumerGroups/second/Partitions/0", LATEST, Some(0)).await;
    let mut sender = client.sender("events/Partitions/0").await;
    send(&mut sender, "for the owner").await;
    assert_eq!(next(&mut third, 1).await, [(0, "for the owner".to_owned())]);
    let displaced = running.ledger.entries().into_iter().filter(|entry| entry.effect == "reader.displaced").count();
    assert_eq!(displaced, 3);
}

#[tokio::test]
async fn five_readers_without_an_epoch_are_enough() {
    let running = simulator().await;
    let mut client = Client::granted(&running).await;
    let mut readers = Vec::new();
    for number in 1..=5 {
        readers.push(client.reader("0", LATEST).await);
        until(|| attached(&running) == number).await;
    }
    let mut sixth = client.reader("0", LATEST).await;
    assert!(end_of(&mut sixth).await.contains("ResourceLimitExceeded"));
    soon(readers.remove(0).close()).await.unwrap();
    until(|| running.ledger.entries().iter().any(|entry| entry.effect == "reader.left")).await;
    client.reader("0", LATEST).await;
    until(|| attached(&running) == 6).await;
}

fn attached(running: &tandem_event_hubs_sim::Running) -> usize {
    running.ledger.entries().iter().filter(|entry| entry.effect == "reader.attached").count()
}
