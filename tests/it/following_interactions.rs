//! People look at interactions and agents: what stands, what came, what followed, what was decided.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use reqwest::StatusCode;
use serde_json::Value;
use tandem_sdk::model::FactKind;

use crate::desk_house::contact_fact;
use crate::follow_house::{CHATS, FollowHouse, READ, TEXT};

async fn answered_chat() -> (FollowHouse, String) {
    let mut house = FollowHouse::open();
    house.carry_all().await;
    house.say("1", "I need help").await;
    house.carry_all().await;
    house.wait(1).await;
    house.tell("connect", vec![contact_fact(FactKind::LegQueued, "c1", house.now(), None)]).await;
    house.wait(1).await;
    house.tell("connect", vec![contact_fact(FactKind::LegConnected, "c1", house.now(), Some("agent-1"))]).await;
    house.carry_all().await;
    let list = house.get("/v1/interactions", READ).await.json();
    let id = list["interactions"][0]["id"].as_str().unwrap().to_owned();
    (house, id)
}

#[tokio::test]
async fn an_interaction_shows_where_it_stands_and_words_only_under_the_scope() {
    let (house, id) = answered_chat().await;
    let path = format!("/v1/interactions/{id}");
    let plain = house.get(&path, READ).await;
    assert!(!plain.text.contains("Jane") && !plain.text.contains("8:acs:"), "{}", plain.text);
    let it = plain.json();
    assert_eq!((&it["state"], &it["redacted"], &it["erased"]), (&"active".into(), &true.into(), &false.into()));
    assert_eq!(it["clock"]["first_queued"], "2026-01-01T12:00:01Z");
    assert_eq!(it["clock"]["first_answered"], "2026-01-01T12:00:02Z");
    assert_eq!(it["assignment"]["agent"], "agent-1");
    assert_eq!(it["placements"][0]["target"]["queue"], "queue-general");
    let completeness = &it["completeness"];
    assert_eq!((&completeness["facts"], &completeness["repaired"]), (&3.into(), &0.into()), "{completeness}");

    let text = house.get(&path, TEXT).await.json();
    assert_eq!((&text["customer"]["name"], &text["assignment"]["name"]), (&"Jane".into(), &"Ada Agent".into()));

    let before = plain.text;
    house.carry_all().await;
    let house = house.restart().await;
    let after = house.get(&path, READ).await.json();
    let before: Value = serde_json::from_str(&before).unwrap();
    for field in ["state", "legs", "assignment", "clock", "customer"] {
        assert_eq!(after[field], before[field], "{field}");
    }
}

#[tokio::test]
async fn a_timeline_tells_what_came_and_what_followed_in_order() {
    let (house, id) = answered_chat().await;
    let path = format!("/v1/interactions/{id}/timeline");
    let plain = house.get(&path, READ).await;
    assert!(!plain.text.contains("need help"), "{}", plain.text);
    let whole = plain.json();
    let records = whole["records"].as_array().unwrap();
    let came: Vec<String> = records
        .iter()
        .map(|record| {
            let followed = record["followed"].as_array().unwrap();
            let summaries = followed.iter().map(|one| one["kind"].as_str().unwrap());
            let summary = record["came"]["summary"].as_str().unwrap();
            // Ids of commands are long; what they were about stands in what followed before.
            let summary =
                summary.split_once(": ").filter(|_| summary.starts_with("command")).map_or(summary, |(_, s)| s);
            format!("{summary} -> {}", summaries.collect::<Vec<_>>().join(" "))
        })
        .collect();
    assert!(came[0].starts_with("acs told test.message through events -> event event"), "{came:?}");
    assert!(came.iter().any(|line| line.starts_with("a contact was started")), "{came:?}");
    assert!(came.iter().any(|line| line.starts_with("agent agent-1 can join")), "{came:?}");
    assert!(records.iter().is_sorted_by_key(|record| record["seq"].as_u64()));

    let text = house.get(&path, TEXT).await;
    assert_eq!(text.json()["records"][0]["facts"][0]["message"]["text"], "I need help");

    let mut paged = Vec::new();
    let mut next = String::new();
    loop {
        let page = house.get(&format!("{path}?limit=2&after={next}"), READ).await.json();
        paged.extend(page["records"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(cursor) => cursor.clone_into(&mut next),
            None => break,
        }
    }
    assert_eq!(&paged, records);

    let events = house.get(&format!("/v1/events?interaction={id}"), READ).await.lines();
    let causes: Vec<&Value> = records.iter().map(|record| &record["record"]).collect();
    assert!(
        events.iter().all(|event| causes.contains(&&event["causationid"])),
        "an event names the record that caused it"
    );
}

#[tokio::test]
async fn a_decision_is_kept_whole() {
    let (house, id) = answered_chat().await;
    let got = house.get(&format!("/v1/interactions/{id}/decisions"), READ).await.json();
    let decision = &got["decisions"][0]["decision"];
    assert_eq!((&decision["rule"], &decision["target_name"]), (&"default".into(), &"general".into()));
    assert_eq!(decision["profile"]["reason"], "not_configured");
    assert!(decision["rules_version"].as_str().is_some_and(|version| !version.is_empty()));
}

#[tokio::test]
async fn agents_are_listed_with_names_only_under_the_scope() {
    let (house, _) = answered_chat().await;
    let plain = house.get("/v1/agents", READ).await.json();
    assert_eq!((&plain["agents"][0]["agent"], &plain["agents"][0]["has_identity"]), (&"agent-1".into(), &true.into()));
    assert_eq!(plain["agents"][0].get("name"), None);
    assert_eq!(house.get("/v1/agents", TEXT).await.json()["agents"][0]["name"], "Ada Agent");
}

#[tokio::test]
async fn what_is_not_there_is_404_and_who_may_not_is_403() {
    let house = FollowHouse::open();
    for path in ["7", "00000000-0000-8000-8000-000000000000", "7/timeline", "7/decisions"] {
        let got = house.get(&format!("/v1/interactions/{path}"), READ).await;
        assert_eq!((got.status, got.json()["code"].as_str()), (StatusCode::NOT_FOUND, Some("not_found")), "{path}");
    }
    for path in ["/v1/interactions", "/v1/interactions/7", "/v1/agents"] {
        assert_eq!(house.get(path, CHATS).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    for path in ["/v1/quarantine", "/v1/deadletters"] {
        assert_eq!(house.get(path, TEXT).await.status, StatusCode::FORBIDDEN, "{path}");
        assert_eq!(house.get(path, "nobody's").await.status, StatusCode::UNAUTHORIZED, "{path}");
    }
}
