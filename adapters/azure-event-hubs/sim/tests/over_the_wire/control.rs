//! What a judge asks from outside.

use std::fmt::Write as _;

use serde_json::{Value, json};
use tandem_event_hubs_sim::{Running, Settings, run};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::{Client, next, send, settings, simulator, soon};

/// One HTTP request: (status, body).
pub(crate) async fn http(running: &Running, path: &str, body: Option<Value>) -> (u16, String) {
    let host = running.control.trim_start_matches("http://");
    let mut stream = soon(TcpStream::connect(host)).await.unwrap();
    let (method, body) = body.map_or(("GET", String::new()), |body| ("POST", body.to_string()));
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
    write!(request, "content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon(stream.read_to_string(&mut answer)).await.unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

pub(crate) async fn disturb(running: &Running, wish: Value) {
    let (status, why) = http(running, "/sim/event-hubs/disturb", Some(wish)).await;
    assert_eq!(status, 204, "{why}");
}

#[tokio::test]
async fn what_is_stored_is_told_in_order_with_id_key_and_body() {
    let running = simulator().await;
    let mut client = Client::granted(&running).await;
    let mut sender = client.sender("events/Partitions/0").await;
    send(&mut sender, "first").await;
    send(&mut sender, "second").await;
    let (status, lines) = http(&running, "/sim/event-hubs/events/0", None).await;
    let events: Vec<Value> = lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert_eq!(status, 200);
    assert_eq!(events[0]["message_id"], "id of first");
    assert_eq!((&events[1]["sequence"], &events[1]["body"]), (&json!(1), &json!("second")));
    let (_, lines) = http(&running, "/sim/event-hubs/events/0?after=0&limit=5", None).await;
    assert!(lines.contains("second") && !lines.contains("first"));
    assert_eq!(http(&running, "/sim/event-hubs/events/9", None).await.0, 404);
    let (_, ledger) = http(&running, "/sim/ledger", None).await;
    assert!(ledger.contains(r#""effect":"event.stored","key":"id of second""#), "{ledger}");
}

#[tokio::test]
async fn who_reads_is_told_until_it_leaves() {
    let running = simulator().await;
    let mut client = Client::granted(&running).await;
    let reader = client.reader_of("events/ConsumerGroups/second/Partitions/1", "offset > '-1'", Some(7)).await;
    let readers =
        |told: &str| serde_json::from_str::<Value>(told).unwrap()["hubs"][0]["partitions"][1]["readers"].clone();
    let told = loop {
        let told = readers(&http(&running, "/sim/event-hubs", None).await.1);
        if told != json!([]) {
            break told;
        }
    };
    assert_eq!((&told[0]["group"], &told[0]["epoch"]), (&json!("second"), &json!(7)));
    // The whole connection goes without a word.
    drop(reader);
    disturb(&running, json!({"what": "cut"})).await;
    soon(async {
        while readers(&http(&running, "/sim/event-hubs", None).await.1) != json!([]) {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn events_of_event_grid_arrive_with_its_headers() {
    let running = simulator().await;
    let events = json!([
        {"id": "e-1", "eventType": "T", "data": {"x": 1}, "dataVersion": "1.0", "metadataVersion": "1"},
        {"id": "e-2", "type": "T", "specversion": "1.0", "data": {"x": 2}},
    ]);
    for as_array in [false, true] {
        let wish = json!({"events": events, "subscription": "S", "partition_key": "a", "as_array": as_array});
        let (status, answer) = http(&running, "/sim/event-hubs/events/inject", Some(wish)).await;
        assert_eq!((status, answer.contains(r#"{"stored":2}"#)), (200, true), "{answer}");
    }
    let stored: Vec<Value> = running.ledger.entries().into_iter().map(|entry| entry.detail).collect();
    assert_eq!(stored[0]["partition_key"], "a");
    assert_eq!(stored[0]["properties"]["aeg-output-event-id"], "e-1");
    assert_eq!(stored[0]["properties"]["aeg-data-version"], "1.0");
    assert_eq!(stored[1]["properties"]["aeg-metadata-version"], "1.0");
    assert_eq!(serde_json::from_str::<Value>(stored[1]["body"].as_str().unwrap()).unwrap(), events[1]);
    assert_eq!(serde_json::from_str::<Value>(stored[3]["body"].as_str().unwrap()).unwrap(), json!([events[1]]));
    let mut client = Client::granted(&running).await;
    let partition = stored[0]["partition"].as_str().unwrap().to_owned();
    let mut reader = client.reader(&partition, "offset > '-1'").await;
    assert_eq!(next(&mut reader, 4).await.len(), 4);
    let nowhere = json!({"events": []});
    assert_eq!(http(&running, "/sim/event-hubs/nowhere/inject", Some(nowhere)).await.0, 404);
}

#[tokio::test]
async fn wishes_that_make_no_sense_are_refused() {
    let running = simulator().await;
    for (wish, wanted) in [
        (json!({"what": "explode"}), 422),
        (json!({"what": "busy", "hub": "events", "more": 1}), 422),
        (json!({"what": "busy", "hub": "nowhere"}), 409),
        (json!({"what": "busy", "hub": "events", "times": 1_000_000}), 409),
    ] {
        assert_eq!(http(&running, "/sim/event-hubs/disturb", Some(wish.clone())).await.0, wanted, "{wish}");
    }
}

#[tokio::test]
async fn settings_are_read_strictly_and_checked() {
    let text = "namespace = \"n\"\n[[rules]]\nname = \"r\"\nkey = \"k\"\nrights = [\"send\"]\n[[hubs]]\nname = \"h\"\n";
    let settings: Settings = toml::from_str(text).unwrap();
    assert!(run(settings).await.is_ok());
    assert!(toml::from_str::<Settings>(&format!("colour = 1\n{text}")).is_err());
    let broken = |change: fn(&mut Settings)| {
        let mut settings = self::settings();
        change(&mut settings);
        settings
    };
    for settings in [
        broken(|settings| settings.hubs.clear()),
        broken(|settings| settings.hubs[0].partitions = 0),
        broken(|settings| settings.hubs[0].retention = 0),
        broken(|settings| settings.hubs[1].name = "EVENTS".to_owned()),
        broken(|settings| settings.hubs[1].name = "a/b".to_owned()),
        broken(|settings| settings.rules[0].key.clear()),
        broken(|settings| settings.namespace = "sb://n".to_owned()),
        broken(|settings| settings.listen = ([0, 0, 0, 0], 0).into()),
    ] {
        assert!(run(settings).await.is_err());
    }
}
