//! A customer asks to be forgotten: the log still folds, and nothing of what they said or who they are can be read.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use reqwest::{Method, StatusCode};
use serde_json::json;
use tandem::desk::{Priority, Work};
use tandem::interactions::ChatRequest;
use tandem_sdk::error::{AdapterError, ErrorKind};
use tandem_sdk::model::{Action, Identity, IdentityKind, Outcome, Role};

use crate::desk_house::{contact, said, thread};
use crate::follow_house::{FollowHouse, OPERATE, OPERATE_TEXT, READ, TEXT};

/// What must not be found once it was erased.
const CANARIES: [&str; 6] =
    ["canary-words", "canary-answer", "canary-name", "canary-topic", "+4315550199", "canary-4711"];

fn identity(kind: IdentityKind, value: &str) -> Identity {
    Identity { kind, value: value.into(), source: "caller".to_owned(), verified: true }
}

/// Every page that shows anything, with everything that may be shown.
async fn everything(house: &FollowHouse, id: &str) -> String {
    let mut shown = String::new();
    for (path, token) in [
        ("/v1/events".to_owned(), TEXT),
        ("/v1/interactions".to_owned(), TEXT),
        (format!("/v1/interactions/{id}"), TEXT),
        (format!("/v1/interactions/{id}/timeline"), TEXT),
        (format!("/v1/interactions/{id}/decisions"), TEXT),
        ("/v1/agents".to_owned(), TEXT),
        ("/v1/quarantine".to_owned(), OPERATE_TEXT),
        ("/v1/deadletters".to_owned(), OPERATE_TEXT),
    ] {
        let got = house.get(&path, token).await;
        assert_eq!(got.status, StatusCode::OK, "{path}: {}", got.text);
        shown += &got.text;
    }
    shown
}

fn canaries_in(text: &str) -> Vec<&'static str> {
    CANARIES.into_iter().filter(|canary| text.contains(canary)).collect()
}

fn canaries_on_disk(house: &FollowHouse) -> Vec<&'static str> {
    let bytes = house.bytes_on_disk();
    let is_there = |canary: &&str| bytes.windows(canary.len()).any(|window| window == canary.as_bytes());
    CANARIES.into_iter().filter(is_there).collect()
}

/// A chat of a known customer, in which an agent spoke before the hub knew the contact, and an answer could not be delivered.
async fn a_chat_with_canaries() -> (FollowHouse, String) {
    let mut house = FollowHouse::open();
    house.carry_all().await;
    let request = ChatRequest {
        key: "key-1".to_owned(),
        name: "canary-name".into(),
        topic: "canary-topic".into(),
        identities: vec![identity(IdentityKind::Phone, "+4315550199"), identity(IdentityKind::Customer, "canary-4711")],
        ..ChatRequest::default()
    };
    let done = house.desk.submit(Priority::Webhook, Work::Chat(Box::new(request))).await.unwrap();
    house.carry_all().await;
    house.tell("acs", vec![said(thread(), house.now(), "1", "8:acs:agent", None, "canary-words")]).await;

    // While the contact is on its way, somebody speaks on it.
    let (mut house, place) = loop {
        let claim = house.claim().await.expect("a placement is owed");
        if let Action::Place { .. } = claim.command.action {
            break (house, claim);
        }
        house.settle(&claim, Ok(Outcome::Done {})).await;
    };
    let answer = said(contact("c1"), house.now(), "m1", "a", Some(Role::Bot), "canary-answer");
    house.tell("connect", vec![answer]).await;
    assert_eq!(house.desk.house().await.unwrap().parked.len(), 1);

    // The house is written down with what is parked, and read back.
    let house = house.restart().await;
    let mut dead = false;
    while let Some(claim) = house.claim().await {
        let result = match &claim.command.action {
            Action::Place { .. } => {
                assert_eq!(claim.command.id, place.command.id);
                Ok(Outcome::Placed { leg: contact("c1"), participant: "p-1".into() })
            }
            Action::Say { content, .. } if content.text.reveal().is_some_and(|text| text.contains("canary-answer")) => {
                dead = true;
                Err(AdapterError::new(ErrorKind::Refused, "SendMessage", "403"))
            }
            Action::Say { .. } => Ok(Outcome::Said { message: "n".into(), at: None }),
            Action::Inquire { .. } | Action::Trace { .. } | Action::Recall { .. } => {
                Ok(Outcome::Observed { facts: vec![] })
            }
            _ => Ok(Outcome::Done {}),
        };
        house.settle(&claim, result).await;
    }
    assert!(dead, "what was parked was relayed after the restart");
    (house, done.interaction.unwrap().to_string())
}

async fn erase(house: &FollowHouse, body: serde_json::Value) -> StatusCode {
    house.ask(Method::POST, "/v1/erasures", OPERATE, Some(body)).await.status
}

#[tokio::test]
async fn after_an_erasure_the_log_folds_and_nothing_of_the_customer_can_be_read() {
    for by in ["identity", "interaction"] {
        let (mut house, id) = a_chat_with_canaries().await;
        // A customer who stays, on another thread.
        let mut other = thread();
        other.native = "19:t2".into();
        house.tell("acs", vec![said(other, house.now(), "1", "8:acs:other", None, "I stay")]).await;
        assert_eq!(canaries_in(&everything(&house, &id).await), CANARIES, "everything can be read before");
        assert_eq!(canaries_in(&house.whole_log().await), CANARIES);
        assert_eq!(canaries_on_disk(&house), Vec::<&str>::new());
        let before = house.get(&format!("/v1/interactions/{id}"), READ).await.json();

        let body = match by {
            "identity" => json!({"identity": {"kind": "phone", "value": "+4315550199"}}),
            _ => json!({"interaction": id}),
        };
        assert_eq!(erase(&house, body).await, StatusCode::OK, "{by}");
        let mut house = house;
        for life in ["this one", "the next one"] {
            let shown = everything(&house, &id).await;
            assert_eq!(canaries_in(&shown), Vec::<&str>::new(), "{by}, {life}");
            assert!(shown.contains("I stay"), "{by}, {life}");
            assert_eq!(canaries_in(&house.whole_log().await), Vec::<&str>::new(), "{by}, {life}");
            let after = house.get(&format!("/v1/interactions/{id}"), READ).await.json();
            assert_eq!((&after["state"], &after["erased"]), (&before["state"], &true.into()), "{by}, {life}");
            assert_eq!(after["legs"], before["legs"], "{by}, {life}");
            let words = format!("/v1/events?interaction={id}&type=tandem.message.received");
            let words = house.get(&words, TEXT).await.lines();
            assert!(!words.is_empty() && words.iter().all(|event| event["erased"] == true), "{words:?}");
            let letters = house.get("/v1/deadletters", OPERATE_TEXT).await.json();
            assert_eq!(letters["deadletters"][0]["cannot_redrive"], "what it was to say was erased");
            if life == "this one" {
                house = house.restart().await;
            }
        }

        // Whoever comes back is a stranger, and is served.
        house.tell("acs", vec![said(thread(), house.now(), "2", "8:acs:agent", None, "It is me again")]).await;
        assert!(everything(&house, &id).await.contains("It is me again"), "{by}");
    }
}

#[tokio::test]
async fn who_may_not_erase_and_who_is_not_known() {
    let house = FollowHouse::open();
    let phone = json!({"identity": {"kind": "phone", "value": "+4315550199"}});
    let got = house.ask(Method::POST, "/v1/erasures", TEXT, Some(phone.clone())).await;
    assert_eq!(got.status, StatusCode::FORBIDDEN);
    assert_eq!(erase(&house, phone).await, StatusCode::NOT_FOUND);
    for wrong in [
        json!({}),
        json!({"interaction": "7"}),
        json!({"identity": {"kind": "shoe size", "value": "42"}}),
        json!({"interaction": "00000000-0000-8000-8000-000000000000", "identity": {"kind": "phone", "value": "1"}}),
        json!({"everybody": true}),
    ] {
        let got = house.ask(Method::POST, "/v1/erasures", OPERATE, Some(wrong.clone())).await;
        assert_eq!(got.status, StatusCode::BAD_REQUEST, "{wrong}");
        assert!(got.json()["detail"].as_str().unwrap().contains("expected"), "{}", got.text);
    }
}
