//! CDP and CRM follow the canonical stream: pages, Server-Sent Events, cursors, scopes.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;
use tandem::config::{Delivery, Period};
use tandem_sdk::model::{FactKind, Role};

use crate::desk_house::{CUSTOMER, contact, contact_fact, said, thread};
use crate::follow_house::{CHATS, FollowHouse, READ, TEXT};

/// Two customers' chats, of which one is answered.
async fn two_chats(house: &mut FollowHouse) {
    house.carry_all().await;
    house.say("1", "I need help").await;
    let mut other = thread();
    other.native = "19:t2".into();
    house.tell("acs", vec![said(other, house.now(), "1", "8:acs:other", None, "So do I")]).await;
    house.carry_all().await;
    house.wait(1).await;
    house.tell("connect", vec![contact_fact(FactKind::LegConnected, "c1", house.now(), Some("agent-1"))]).await;
    house.carry_all().await;
    house.tell("connect", vec![said(contact("c1"), house.now(), "m1", "a", Some(Role::Agent), "Hello Jane")]).await;
    house.carry_all().await;
}

/// Reads page after page to the end.
async fn read_all(house: &FollowHouse, first: &str, token: &str) -> Vec<Value> {
    let mut events = Vec::new();
    let mut path = first.to_owned();
    loop {
        let page = house.get(&path, token).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        events.extend(page.lines());
        let link = page.header("link");
        path = link[1..link.find('>').unwrap()].to_owned();
        assert!(path.contains(page.header("tandem-cursor")), "{link}");
        if page.header("tandem-more") == "false" {
            return events;
        }
    }
}

fn gap_free(events: &[Value]) -> usize {
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    for event in events {
        let sequence: u64 = event["sequence"].as_str().unwrap().parse().unwrap();
        let before = last.insert(event["subject"].as_str().unwrap(), sequence).unwrap_or(0);
        assert_eq!(sequence, before + 1, "{event}");
    }
    last.len()
}

#[tokio::test]
async fn pages_of_any_size_hold_every_event_once_in_order_and_without_gaps() {
    let mut house = FollowHouse::open();
    two_chats(&mut house).await;

    let whole = read_all(&house, "/v1/events", READ).await;
    assert_eq!(gap_free(&whole), 2);
    assert!(whole.len() > 12, "{}", whole.len());
    for limit in [1, 2, 3, 7] {
        assert_eq!(read_all(&house, &format!("/v1/events?limit={limit}"), READ).await, whole, "{limit}");
    }

    let house = house.restart().await;
    let again = read_all(&house, "/v1/events?limit=5", READ).await;
    assert_eq!(again[..whole.len()], whole[..], "a restart changes nothing that was recorded");
}

#[tokio::test]
async fn a_page_shows_words_and_names_only_under_the_scope_text() {
    let mut house = FollowHouse::open();
    house.carry_all().await;
    house.say("1", "I need help").await;
    house.carry_all().await;

    let plain = house.get("/v1/events?limit=4", READ).await;
    assert!(!plain.text.contains("need help") && !plain.text.contains("Jane"), "{}", plain.text);
    let text = house.get("/v1/events?limit=4", TEXT).await;
    assert!(text.text.contains("I need help"));
    for (name, page) in [("without", plain), ("with", text)] {
        assert_eq!(page.header("content-type"), "application/x-ndjson");
        let events: Vec<String> =
            page.lines().iter().map(|event| serde_json::to_string_pretty(event).unwrap()).collect();
        insta::assert_snapshot!(format!("a_page_{name}_text"), events.join("\n"));
    }
}

#[tokio::test]
async fn filters_leave_out_the_rest_and_still_come_to_the_end() {
    let mut house = FollowHouse::open();
    two_chats(&mut house).await;
    let whole = read_all(&house, "/v1/events", TEXT).await;
    let id = whole[0]["subject"].as_str().unwrap();

    let one = read_all(&house, &format!("/v1/events?interaction={id}&limit=2"), TEXT).await;
    let expected: Vec<&Value> = whole.iter().filter(|event| event["subject"] == id).collect();
    assert_eq!(one.iter().collect::<Vec<_>>(), expected);

    let messages = read_all(&house, "/v1/events?type=tandem.message.&limit=2", TEXT).await;
    assert!(messages.iter().all(|event| event["type"].as_str().unwrap().starts_with("tandem.message.")));
    let expected = whole.iter().filter(|event| event["type"].as_str().unwrap().starts_with("tandem.message."));
    assert_eq!(messages.iter().collect::<Vec<_>>(), expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn what_is_asked_wrongly_is_told_what_would_be_right() {
    let house = FollowHouse::open();
    let other_hub = tandem::delivery::Cursor::START.write(&tandem::delivery::Source::new("other", "main".into()));
    let ahead = tandem::delivery::Cursor::before(10_000).write(&tandem::delivery::Source::new("test", "main".into()));
    for (path, token, status, code) in [
        ("/v1/events?after=12".to_owned(), READ, 400, "malformed"),
        (format!("/v1/events?after={other_hub}"), READ, 400, "malformed"),
        (format!("/v1/events?after={ahead}"), READ, 400, "malformed"),
        ("/v1/events?limit=0".to_owned(), READ, 400, "malformed"),
        ("/v1/events?limt=1".to_owned(), READ, 400, "malformed"),
        ("/v1/events?interaction=7".to_owned(), READ, 400, "malformed"),
        ("/v1/events?interaction=00000000-0000-8000-8000-000000000000".to_owned(), READ, 404, "not_found"),
        ("/v1/events".to_owned(), CHATS, 403, "not_allowed"),
        ("/v1/events".to_owned(), "nobody's", 401, "not_authentic"),
    ] {
        let got = house.get(&path, token).await;
        assert_eq!(got.status.as_u16(), status, "{path}: {}", got.text);
        assert_eq!(got.header("content-type"), "application/problem+json");
        assert_eq!(got.json()["code"], code, "{path}");
    }
    let bad = house.get("/v1/events?after=12", READ).await;
    assert!(bad.json()["detail"].as_str().unwrap().contains("Tandem-Cursor"), "{}", bad.text);
    assert_eq!(house.get("/v1/events", READ).await.status, StatusCode::OK, "and the next good request works");
}

/// One event of a stream: its id and its data.
struct Frame {
    id: String,
    event: Value,
}

/// Reads frames off a stream until there are so many, or it ends.
async fn frames(response: &mut reqwest::Response, most: usize) -> (Vec<Frame>, String) {
    let mut text = String::new();
    let mut found = Vec::new();
    while found.len() < most {
        let chunk = tokio::time::timeout(Duration::from_secs(15), response.chunk()).await.unwrap().unwrap();
        let Some(chunk) = chunk else { break };
        text.push_str(std::str::from_utf8(&chunk).unwrap());
        let whole = &text[..text.rfind("\n\n").map_or(0, |end| end + 2)];
        found = whole.split("\n\n").filter_map(frame).collect();
    }
    (found, text)
}

fn frame(block: &str) -> Option<Frame> {
    let id = block.lines().find_map(|line| line.strip_prefix("id: "))?;
    let data = block.lines().find_map(|line| line.strip_prefix("data: "))?;
    Some(Frame { id: id.to_owned(), event: serde_json::from_str(data).unwrap() })
}

#[tokio::test]
async fn a_stream_goes_on_where_it_broke_off_and_wakes_when_something_is_recorded() {
    let mut house = FollowHouse::open();
    two_chats(&mut house).await;
    let whole = read_all(&house, "/v1/events", READ).await;

    let mut first = house.stream("/v1/events", READ, None).await;
    assert_eq!(first.headers()["content-type"], "text/event-stream");
    let (seen, text) = frames(&mut first, 1).await;
    assert!(text.starts_with("retry: 2000\n\n"), "{text}");
    drop(first);

    // However much came after it: what this consumer noted is the third event.
    let mut second = house.stream("/v1/events", READ, Some(&seen[2].id)).await;
    let (rest, _) = frames(&mut second, whole.len() - 3).await;
    let both: Vec<&Value> = seen[..3].iter().chain(&rest).map(|frame| &frame.event).collect();
    assert_eq!(both, whole.iter().collect::<Vec<_>>());

    house.say("2", "Still there?").await;
    let (new, _) = frames(&mut second, 1).await;
    assert_eq!(new[0].event["type"], "tandem.message.received");
    let page = house.get(&format!("/v1/events?after={}", rest.last().unwrap().id), READ).await;
    assert_eq!(page.lines()[0], new[0].event, "pages and streams have the same cursors");

    let chunk = tokio::time::timeout(Duration::from_secs(10), second.chunk()).await.unwrap().unwrap().unwrap();
    assert_eq!(&chunk[..], b": still here\n\n");
}

#[tokio::test]
async fn a_stream_of_one_interaction_holds_its_past_and_its_future() {
    let mut house = FollowHouse::open();
    two_chats(&mut house).await;
    let whole = read_all(&house, "/v1/events", TEXT).await;
    let id = whole[0]["subject"].as_str().unwrap().to_owned();
    let past = whole.iter().filter(|event| event["subject"] == id.as_str()).count();

    let mut stream = house.stream(&format!("/v1/events?interaction={id}"), TEXT, None).await;
    let (seen, _) = frames(&mut stream, past).await;
    assert_eq!(seen.len(), past);
    house.say("2", "Still there?").await;
    let (new, _) = frames(&mut stream, 1).await;
    assert_eq!(new[0].event["data"]["content"]["text"], "Still there?");
    assert_eq!(new[0].event["subject"], id.as_str());
}

#[tokio::test]
async fn streams_have_places_and_one_that_nobody_reads_holds_up_nobody() {
    let mut house = FollowHouse::open();
    house.carry_all().await;
    let mut reading = house.stream("/v1/events", READ, None).await;
    let idle = house.stream("/v1/events", TEXT, None).await;
    let third = house.stream("/v1/events", READ, None).await;
    assert_eq!(third.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(third.headers()["retry-after"], "2");
    drop(third);

    let long = "word ".repeat(4000);
    for n in 0..60 {
        house.say(&n.to_string(), &long).await;
    }
    let (seen, _) = frames(&mut reading, 60).await;
    assert!(seen.len() >= 60);
    drop(idle);

    // The place comes back once the hub sees that its consumer is gone.
    for _ in 0..200 {
        house.say("again", "x").await;
        if house.stream("/v1/events", READ, None).await.status() == StatusCode::OK {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the place never came back");
}

#[tokio::test]
async fn a_stream_ends_when_the_hub_stops_and_goes_on_at_the_next_one() {
    let mut house = FollowHouse::open();
    house.carry_all().await;
    house.say("1", "I need help").await;
    let mut stream = house.stream("/v1/events", READ, None).await;
    let (seen, _) = frames(&mut stream, 1).await;
    let reading = async move { while let Ok(Some(_)) = stream.chunk().await {} };
    let (house, ()) = tokio::join!(house.restart(), reading);

    let mut stream = house.stream("/v1/events", READ, Some(&seen[0].id)).await;
    let (rest, _) = frames(&mut stream, 1).await;
    assert_eq!(rest[0].event["sequence"], "0000000002");
}

#[tokio::test]
async fn a_page_never_holds_more_than_the_config_allows() {
    let mut house = FollowHouse::open_with(Delivery { page: 3, streams: 1, heartbeat: Period::secs(1) });
    house.carry_all().await;
    house.tell("acs", vec![said(thread(), house.now(), "1", CUSTOMER, None, "I need help")]).await;
    let page = house.get("/v1/events?limit=100", READ).await;
    assert_eq!((page.lines().len(), page.header("tandem-more")), (3, "true"));
}
