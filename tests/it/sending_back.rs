//! What could not be understood or done is kept, shown, and sent back by a person.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use reqwest::{Method, StatusCode};
use serde_json::Value;
use tandem_sdk::error::{AdapterError, ErrorKind};
use tandem_sdk::model::{Action, Outcome};

use crate::follow_house::{FollowHouse, OPERATE, OPERATE_TEXT, READ, TEXT};

async fn quarantine(house: &FollowHouse) -> Vec<Value> {
    house.get("/v1/quarantine", OPERATE).await.json()["quarantine"].as_array().unwrap().clone()
}

async fn dead_letters(house: &FollowHouse) -> Vec<Value> {
    house.get("/v1/deadletters", OPERATE).await.json()["deadletters"].as_array().unwrap().clone()
}

#[tokio::test]
async fn what_was_not_understood_is_taken_once_its_mapping_is_mended() {
    let mut house = FollowHouse::open();
    house.carry_all().await;
    house.post(br#"{"id": "1", "text": "I need help"}"#).await;
    let found = quarantine(&house).await;
    assert_eq!(found.len(), 1);
    let id = found[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(found[0]["reason"], "there is no row for words");
    assert_eq!((&found[0]["instance"], &found[0]["kind"]), (&"acs".into(), &"test.message".into()));
    assert_eq!(found[0].get("body"), None);
    let one = format!("/v1/quarantine/{id}");
    assert_eq!(house.get(&one, OPERATE).await.json().get("body"), None);
    assert_eq!(house.get(&one, OPERATE_TEXT).await.json()["body"], r#"{"id": "1", "text": "I need help"}"#);

    let redrive = format!("/v1/quarantine/{id}/redrive");
    let still = house.post_to(&redrive, OPERATE).await;
    assert_eq!(still.status, StatusCode::CONFLICT, "{}", still.text);
    assert!(still.text.contains("there is no row for words"));
    assert_eq!(house.post_to(&redrive, READ).await.status, StatusCode::FORBIDDEN);

    let mut house = house.restart().await;
    house.carry_all().await;
    house.mend_the_mapping();
    let taken = house.post_to(&redrive, OPERATE).await;
    assert_eq!(taken.status, StatusCode::OK, "{}", taken.text);
    let interaction = taken.json()["interaction"].as_str().unwrap().to_owned();
    assert_eq!(quarantine(&house).await, Vec::<Value>::new());
    assert_eq!(house.post_to(&redrive, OPERATE).await.status, StatusCode::NOT_FOUND);

    let said = format!("/v1/events?interaction={interaction}&type=tandem.message.received");
    let events = house.get(&said, TEXT).await.lines();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["data"]["content"]["text"], "I need help");
    // The cloud sends it again, in another envelope: it is the same message.
    house.post(br#"{"id": "1", "text": "I need help"}"#).await;
    let house = house.restart().await;
    assert_eq!(house.get(&said, TEXT).await.lines().len(), 1);
    assert_eq!(quarantine(&house).await, Vec::<Value>::new());
}

#[tokio::test]
async fn what_nobody_wants_is_discarded_for_good() {
    let mut house = FollowHouse::open();
    for n in 0..3 {
        house.post(format!("{{\"x\": {n}}}").as_bytes()).await;
    }
    let found = quarantine(&house).await;
    let page = house.get("/v1/quarantine?limit=2", OPERATE).await.json();
    let next = page["next"].as_str().unwrap();
    assert_eq!(page["quarantine"].as_array().unwrap()[..], found[..2]);
    let rest = house.get(&format!("/v1/quarantine?limit=2&after={next}"), OPERATE).await.json();
    assert_eq!((rest["quarantine"].as_array().unwrap(), &rest["next"]), (&found[2..].to_vec(), &Value::Null));

    let one = format!("/v1/quarantine/{}", found[1]["id"].as_str().unwrap());
    assert_eq!(house.ask(Method::DELETE, &one, OPERATE, None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(house.ask(Method::DELETE, &one, OPERATE, None).await.status, StatusCode::NOT_FOUND);
    assert_eq!(house.get(&one, OPERATE).await.status, StatusCode::NOT_FOUND);
    let house = house.restart().await;
    assert_eq!(quarantine(&house).await, [found[0].clone(), found[2].clone()]);
    assert_eq!(house.get("/v1/quarantine?after=seven", OPERATE).await.status, StatusCode::BAD_REQUEST);
}

fn refused() -> AdapterError {
    AdapterError::new(ErrorKind::Refused, "SendMessage", "403 AccessDenied")
}

/// A chat whose first notice to the customer dies, with the id of the command that died.
async fn a_dead_notice() -> (FollowHouse, String) {
    let mut house = FollowHouse::open();
    house.carry_all().await;
    house.say("1", "I need help").await;
    let mut dead = None;
    while let Some(claim) = house.claim().await {
        match &claim.command.action {
            Action::Say { .. } if dead.is_none() => {
                dead = Some(claim.command.id.to_string());
                house.settle(&claim, Err(refused())).await;
            }
            Action::Place { .. } => {
                let outcome = Outcome::Placed { leg: crate::desk_house::contact("c1"), participant: "p-1".into() };
                house.settle(&claim, Ok(outcome)).await;
            }
            Action::Say { .. } => {
                house.settle(&claim, Ok(Outcome::Said { message: "n".into(), at: None })).await;
            }
            _ => house.settle(&claim, Ok(Outcome::Done {})).await,
        }
    }
    (house, dead.unwrap())
}

#[tokio::test]
async fn a_dead_command_is_owed_again_under_the_same_id() {
    let (house, id) = a_dead_notice().await;
    let found = dead_letters(&house).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((&found[0]["id"], &found[0]["action"]), (&id.as_str().into(), &"say".into()));
    assert_eq!(found[0]["error"]["detail"], "403 AccessDenied");
    assert_eq!((found[0].get("text"), found[0].get("cannot_redrive")), (None, None));
    let text = house.get("/v1/deadletters", OPERATE_TEXT).await.json();
    assert!(text["deadletters"][0]["text"].as_str().is_some_and(|text| !text.is_empty()), "{text}");

    let house = house.restart().await;
    assert_eq!(dead_letters(&house).await, found, "a restart forgets none");
    house.carry_all().await;
    let redrive = format!("/v1/deadletters/{id}/redrive");
    assert_eq!(house.post_to(&redrive, READ).await.status, StatusCode::FORBIDDEN);
    assert_eq!(house.post_to(&redrive, OPERATE).await.status, StatusCode::ACCEPTED);
    assert_eq!(house.post_to(&redrive, OPERATE).await.status, StatusCode::NOT_FOUND, "it is dead no longer");
    assert_eq!(dead_letters(&house).await, Vec::<Value>::new());

    let house = house.restart().await;
    let claim = loop {
        let claim = house.claim().await.expect("the command is owed after the restart too");
        if claim.command.id.to_string() == id {
            break claim;
        }
        house.settle(&claim, Ok(Outcome::Observed { facts: vec![] })).await;
    };
    assert!(claim.uncertain, "the attempt that died may have had its effect");
    house.settle(&claim, Err(refused())).await;
    assert_eq!(dead_letters(&house).await.len(), 1, "it may die again");

    assert_eq!(house.post_to(&redrive, OPERATE).await.status, StatusCode::ACCEPTED);
    house.carry_all().await;
    let house = house.restart().await;
    assert_eq!(dead_letters(&house).await, Vec::<Value>::new());
}

#[tokio::test]
async fn what_the_interaction_went_on_without_cannot_be_sent_back() {
    let mut house = FollowHouse::open();
    house.carry_all().await;
    house.say("1", "I need help").await;
    while let Some(claim) = house.claim().await {
        match &claim.command.action {
            Action::Place { .. } => house.settle(&claim, Err(refused())).await,
            _ => house.settle(&claim, Ok(Outcome::Said { message: "n".into(), at: None })).await,
        }
    }
    let found = dead_letters(&house).await;
    assert_eq!((found.len(), &found[0]["action"]), (1, &"place".into()));
    assert!(found[0]["cannot_redrive"].as_str().unwrap().contains("placement"));
    let redrive = format!("/v1/deadletters/{}/redrive", found[0]["id"].as_str().unwrap());
    let refused = house.post_to(&redrive, OPERATE).await;
    assert_eq!((refused.status, refused.json()["code"].as_str()), (StatusCode::CONFLICT, Some("conflict")));
    for id in ["7", "00000000-0000-8000-8000-000000000000"] {
        let got = house.post_to(&format!("/v1/deadletters/{id}/redrive"), OPERATE).await;
        assert_eq!(got.status, StatusCode::NOT_FOUND, "{id}");
    }
}
