//! A customer asks to be forgotten: the log still folds, and nothing of what they said or who they are can be read.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use std::ops::Bound;

use reqwest::{Method, StatusCode};
use serde_json::json;
use tandem::desk::{Priority, Work};
use tandem::interactions::{ChatRequest, State};
use tandem::store::Keyspace;
use tandem_sdk::error::{AdapterError, ErrorKind};
use tandem_sdk::model::{Action, Fact, FactKind, Identity, IdentityKind, LegRef, Outcome, Party, Role};

use crate::desk_house::{HUB, contact, contact_fact, said, thread};
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

/// A backend makes a thread as it makes all of them: with an identity of its own, with the hub and these people in it.
async fn a_thread_of_the_backend(house: &mut FollowHouse, native: &str, people: &[&str]) -> LegRef {
    let mut leg = thread();
    leg.native = native.into();
    let mut made = Fact::new(FactKind::LegInitiated, leg.clone(), house.now(), "leg.initiated");
    let party = |address: &str| Party { address: address.into(), name: address.into(), ..Party::default() };
    made.author = Some(party("8:acs:backend"));
    made.members = ["8:acs:backend", HUB].iter().chain(people).map(|address| party(address)).collect();
    house.tell("acs", vec![made]).await;
    leg
}

/// The one interaction with a leg of this native id.
async fn interaction_on(house: &FollowHouse, native: &str) -> String {
    for listed in house.desk.interactions(100).await.unwrap() {
        let it = house.desk.interaction(listed.id).await.unwrap().unwrap();
        if it.legs.iter().any(|leg| leg.leg.native == native) {
            return it.id.to_string();
        }
    }
    panic!("nobody knows {native}");
}

#[tokio::test]
async fn erasing_one_customer_leaves_the_others_whose_threads_the_same_backend_made() {
    let mut house = FollowHouse::open();
    for (n, customer) in ["8:acs:anna", "8:acs:bert", "8:acs:carl"].into_iter().enumerate() {
        let leg = a_thread_of_the_backend(&mut house, &format!("19:b{n}"), &[customer]).await;
        house.tell("acs", vec![said(leg, house.now(), "1", customer, None, &format!("words of {customer}"))]).await;
    }
    let first = interaction_on(&house, "19:b0").await;
    assert_eq!(erase(&house, json!({"interaction": first})).await, StatusCode::OK);
    let log = house.whole_log().await;
    assert!(!log.contains("8:acs:anna"), "{log}");
    assert!(log.contains("words of 8:acs:bert") && log.contains("words of 8:acs:carl"));

    let second = json!({"identity": {"kind": "communication_user", "value": "8:acs:bert"}});
    assert_eq!(erase(&house, second).await, StatusCode::OK);
    let log = house.whole_log().await;
    assert!(!log.contains("8:acs:bert"), "{log}");
    assert!(log.contains("words of 8:acs:carl"));
}

#[tokio::test]
async fn whoever_was_in_a_thread_is_found_although_somebody_else_wrote_or_nobody_did() {
    let mut house = FollowHouse::open();
    let group = a_thread_of_the_backend(&mut house, "19:group", &["8:acs:anna", "8:acs:bert"]).await;
    house.tell("acs", vec![said(group.clone(), house.now(), "1", "8:acs:anna", None, "I write")]).await;
    let mut joined = Fact::new(FactKind::ParticipantJoined, group, house.now(), "participant.joined/1");
    joined.participant = Some(Party { address: "8:acs:carl".into(), ..Party::default() });
    house.tell("acs", vec![joined]).await;
    a_thread_of_the_backend(&mut house, "19:silent", &["8:acs:dora"]).await;

    for (silent, gone) in [("8:acs:dora", &["8:acs:dora"][..]), ("8:acs:bert", &["8:acs:bert", "I write"])] {
        let log = house.whole_log().await;
        assert!(gone.iter().all(|gone| log.contains(gone)), "{silent}");
        let body = json!({"identity": {"kind": "communication_user", "value": silent}});
        assert_eq!(erase(&house, body).await, StatusCode::OK, "{silent}");
        let log = house.whole_log().await;
        assert!(gone.iter().all(|gone| !log.contains(gone)), "{silent}: {log}");
    }
    let again = json!({"identity": {"kind": "communication_user", "value": "8:acs:carl"}});
    assert_eq!(erase(&house, again).await, StatusCode::OK);
    let hub = json!({"identity": {"kind": "communication_user", "value": HUB}});
    assert_eq!(erase(&house, hub).await, StatusCode::NOT_FOUND, "the hub is nobody");
}

#[tokio::test]
async fn an_erasure_reaches_what_was_parked_for_a_later_conversation_of_the_same_user() {
    let mut house = FollowHouse::open();
    house.carry_all().await;
    let phone = identity(IdentityKind::Phone, "+4315550199");
    let request = ChatRequest { key: "key-1".to_owned(), identities: vec![phone], ..ChatRequest::default() };
    house.desk.submit(Priority::Webhook, Work::Chat(Box::new(request))).await.unwrap();
    house.carry_all().await;
    house.tell("acs", vec![said(thread(), house.now(), "1", "8:acs:agent", None, "first words")]).await;
    house.carry_all().await;
    house.tell("acs", vec![Fact::new(FactKind::LegEnded, thread(), house.now(), "leg.ended")]).await;
    house.carry_all().await;
    house.wait(60).await;
    house.carry_all().await;
    house.wait(60).await;
    assert!(house.desk.interactions(10).await.unwrap().iter().all(|it| it.state == State::Closed));

    // The same user comes back, and no caller vouches for them; somebody speaks on the contact before the hub knows it.
    house.tell("acs", vec![said(thread(), house.now(), "2", "8:acs:agent", None, "second words")]).await;
    let mut parked = false;
    while let Some(claim) = house.claim().await {
        let outcome = match &claim.command.action {
            Action::Place { .. } => {
                let answer = said(contact("c2"), house.now(), "m1", "a", Some(Role::Bot), "parked words");
                house.tell("connect", vec![answer]).await;
                parked = house.desk.house().await.unwrap().parked.len() == 1;
                Outcome::Placed { leg: contact("c2"), participant: "p-2".into() }
            }
            Action::Say { .. } => Outcome::Said { message: "n".into(), at: None },
            Action::Inquire { .. } | Action::Trace { .. } | Action::Recall { .. } => {
                Outcome::Observed { facts: vec![] }
            }
            _ => Outcome::Done {},
        };
        house.settle(&claim, Ok(outcome)).await;
    }
    assert!(parked, "it waited for its contact");
    assert!(house.whole_log().await.contains("parked words"));

    let body = json!({"identity": {"kind": "phone", "value": "+4315550199"}});
    assert_eq!(erase(&house, body).await, StatusCode::OK);
    let log = house.whole_log().await;
    for words in ["first words", "second words", "parked words"] {
        assert!(!log.contains(words), "{words}");
    }
}

#[tokio::test]
async fn what_nobody_understood_can_be_read_for_a_while_only() {
    let mut house = FollowHouse::open();
    house.post(br#"{"id": "1", "text": "canary-words"}"#).await;
    let list = house.get("/v1/quarantine", OPERATE).await.json();
    let id = list["quarantine"][0]["id"].as_str().unwrap().to_owned();
    house.wait(29 * 86_400).await;
    house.post(br#"{"id": "2", "text": "canary-answer"}"#).await;
    assert_eq!(canaries_in(&house.whole_log().await), ["canary-words", "canary-answer"]);

    for life in ["this one", "the next one"] {
        if life == "this one" {
            house.wait(2 * 86_400).await;
        } else {
            house = house.restart().await;
        }
        let log = house.whole_log().await;
        assert_eq!(canaries_in(&log), ["canary-answer"], "{life}");
        assert!(log.contains("queue-general"), "the rules are kept: {life}");
        house.mend_the_mapping();
        let got = house.post_to(&format!("/v1/quarantine/{id}/redrive"), OPERATE).await;
        assert_eq!(got.status, StatusCode::GONE, "{life}: {}", got.text);
        assert!(got.text.contains("no longer kept"), "{life}: {}", got.text);
    }
}

#[tokio::test]
async fn an_erasure_takes_the_keys_out_of_the_files_and_the_profile_out_of_memory() {
    let (house, id) = a_chat_with_canaries().await;
    let who = [identity(IdentityKind::Phone, "+4315550199")];
    for _ in 0..2 {
        house.profiles.lookup(&who, house.now()).await;
    }
    assert_eq!(house.cdp_asked(), 1);
    let keys = house.store.range(Keyspace::Keys, Bound::Unbounded, Bound::Unbounded, 1000).unwrap();
    let on_disk = |house: &FollowHouse, wrapped: &[u8]| {
        house.bytes_on_disk().windows(wrapped.len()).any(|window| window == wrapped)
    };
    assert!(keys.iter().all(|(_, wrapped)| on_disk(&house, wrapped)));

    let body = json!({"identity": {"kind": "phone", "value": "+4315550199"}});
    let got = house.ask(Method::POST, "/v1/erasures", OPERATE, Some(body)).await;
    assert_eq!((got.status, &got.json()["scrubbed"]), (StatusCode::OK, &true.into()), "{}", got.text);
    let kept = house.store.range(Keyspace::Keys, Bound::Unbounded, Bound::Unbounded, 1000).unwrap();
    let gone: Vec<_> = keys.iter().filter(|key| !kept.contains(key)).collect();
    assert!(!gone.is_empty());
    for (_, wrapped) in gone {
        assert!(!on_disk(&house, wrapped), "{id}");
    }
    house.profiles.lookup(&who, house.now()).await;
    assert_eq!(house.cdp_asked(), 2, "nobody remembers the profile");
}

#[tokio::test]
async fn what_was_owed_to_a_cloud_does_not_go_there_after_an_erasure() {
    let mut house = FollowHouse::open();
    house.carry_all().await;
    house.say("1", "I need help").await;
    house.carry_all().await;
    house.wait(1).await;
    house.tell("connect", vec![contact_fact(FactKind::LegConnected, "c1", house.now(), Some("agent-1"))]).await;
    house.carry_all().await;
    // What goes to the customer needs no secret of the interaction's own, which would be gone with its key.
    for (id, text) in [("m1", "canary-words"), ("m2", "canary-answer")] {
        house.tell("connect", vec![said(contact("c1"), house.now(), id, "a", Some(Role::Agent), text)]).await;
    }
    let on_its_way = house.claim().await.unwrap();
    let Action::Say { content, .. } = &on_its_way.command.action else { panic!("{:?}", on_its_way.command) };
    assert_eq!(content.text.reveal(), Some("canary-words"));

    let body = json!({"identity": {"kind": "communication_user", "value": "8:acs:customer"}});
    assert_eq!(erase(&house, body).await, StatusCode::OK);
    house.desk.defer(on_its_way.command.id, house.now(), false, true);
    let mut house = house;
    for life in ["this one", "the next one"] {
        while let Some(claim) = house.claim().await {
            if let Action::Say { content, .. } = &claim.command.action {
                panic!("{life}: {:?}", content.text.reveal());
            }
            house.settle(&claim, Ok(Outcome::Observed { facts: vec![] })).await;
        }
        let letters = house.get("/v1/deadletters", OPERATE_TEXT).await;
        let unsaid =
            letters.json()["deadletters"].as_array().unwrap().iter().filter(|dead| dead["action"] == "say").count();
        assert_eq!(unsaid, 2, "{life}: {}", letters.text);
        if life == "this one" {
            house = house.restart().await;
        }
    }
}
