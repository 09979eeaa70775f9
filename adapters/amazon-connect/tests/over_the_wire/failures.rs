//! What goes wrong between us and the cloud, and what is made of it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use tandem_sdk::error::{AdapterError, Effect, ErrorKind, Retry};
use tandem_sdk::model::{Action, Content, ContentType, Outcome, Personal, Speaker};
use tandem_sdk::secret::{Secret, SecretRole};
use tandem_sdk::sim::{Fault, FaultKind};

use crate::house::{House, ORDINARY, nobody, place};

fn meaning(error: &AdapterError) -> (ErrorKind, Retry, Effect) {
    (error.kind, error.retry, error.effect)
}

#[tokio::test]
async fn lost_answers_are_unknown_and_asking_again_does_nothing_twice() {
    let house = House::build(ORDINARY).await;
    let (_, none) = ((), BTreeMap::new());
    for (fault, detail) in [
        (Fault::UnknownOutcome, "the connection broke"),
        (Fault::Timeout, "no answer in time"),
        (Fault::ServerError, "500 "),
    ] {
        assert!(house.cloud.faults.force("PUT /contact/chat", fault));
        let error = house.carry_as(1, place(), &none).await.unwrap_err();
        assert_eq!(meaning(&error), (ErrorKind::Unavailable, Retry::Later, Effect::Unknown), "{error}");
        assert!(error.detail.starts_with(detail), "{error}");
    }
    let (leg, secrets) = house.chat(1).await;
    for path in ["message", "disconnect"] {
        assert!(house.cloud.faults.force(&format!("POST /participant/{path}"), Fault::UnknownOutcome));
    }
    let content = Content { content_type: ContentType::Text, text: "once".into(), name: Personal::NONE };
    let say = Action::Say { leg: leg.clone(), speaker: Speaker::Customer, content };
    for action in [say, Action::End { leg: leg.clone() }] {
        let error = house.carry_as(9, action.clone(), &secrets).await.unwrap_err();
        assert_eq!(error.effect, Effect::Unknown);
        house.carry_as(9, action, &secrets).await.unwrap();
    }
    for effect in ["contact.started", "message.sent", "contact.ended"] {
        let ours =
            house.effects(effect).into_iter().filter(|entry| effect != "message.sent" || entry.key.ends_with('9'));
        assert_eq!(ours.count(), 1, "{effect}");
    }
}

#[tokio::test]
async fn throttling_is_no_effect_and_later() {
    let house = House::build(ORDINARY).await;
    assert!(house.cloud.faults.force("PUT /contact/chat", Fault::Throttle));
    let error = house.carry_as(1, place(), &BTreeMap::new()).await.unwrap_err();
    assert_eq!((error.kind, error.effect), (ErrorKind::RateLimited, Effect::None));
    assert_eq!(house.cloud.faults.histogram()[&FaultKind::Throttle].drawn, 1);

    // The documented burst of eight, and not one more.
    let documented = House::build((|cloud| cloud["limits"] = json!("documented"), |_| ())).await;
    let mut limited = None;
    for number in 0..20 {
        if let Err(error) = documented.carry_as(number, place(), &BTreeMap::new()).await {
            limited = Some((number, error));
            break;
        }
    }
    let (number, error) = limited.unwrap();
    assert!(number >= 8, "{number}");
    assert_eq!(meaning(&error), (ErrorKind::RateLimited, Retry::Later, Effect::None), "{error}");
}

#[tokio::test]
async fn a_call_that_never_left_has_no_effect() {
    let refused = House::build((
        |_| (),
        |settings| {
            let nobody = format!("https://{}", nobody());
            settings
                .insert("endpoints".to_owned(), toml::Table::from_iter([("connect".to_owned(), nobody.into())]).into());
        },
    ))
    .await;
    let error = refused.carry_as(1, place(), &BTreeMap::new()).await.unwrap_err();
    assert_eq!(meaning(&error), (ErrorKind::Unavailable, Retry::Later, Effect::None), "{error}");
    assert_eq!(error.detail, "no connection");

    // A name that the server's certificate does not have.
    let unnamed = House::build((
        |_| (),
        |settings| {
            let endpoints = settings["endpoints"].as_table_mut().unwrap();
            let port = endpoints["connect"].as_str().unwrap().rsplit(':').next().unwrap().to_owned();
            endpoints.insert("connect".to_owned(), format!("https://127.0.0.2:{port}").into());
        },
    ))
    .await;
    let error = unnamed.carry_as(1, place(), &BTreeMap::new()).await.unwrap_err();
    assert_eq!(meaning(&error), (ErrorKind::Unavailable, Retry::Later, Effect::None), "{error}");
    assert!(unnamed.effects("contact.started").is_empty());
}

#[tokio::test]
async fn wrong_keys_and_wrong_tokens_are_not_tried_again() {
    let house = House::build((|cloud| cloud["secret_access_key"] = json!("another"), |_| ())).await;
    let error = house.carry_as(1, place(), &BTreeMap::new()).await.unwrap_err();
    assert_eq!(meaning(&error), (ErrorKind::Unverified, Retry::Never, Effect::None), "{error}");

    let house = House::build(ORDINARY).await;
    let (leg, secrets) = house.place(1).await.unwrap();
    let content = Content { content_type: ContentType::Text, text: "hello".into(), name: Personal::NONE };
    let say = Action::Say { leg: leg.clone(), speaker: Speaker::Customer, content };
    let swapped = BTreeMap::from([(SecretRole::ConnectionToken, secrets[&SecretRole::ParticipantToken].clone())]);
    let error = house.carry_as(2, say.clone(), &swapped).await.unwrap_err();
    assert_eq!(meaning(&error), (ErrorKind::Unverified, Retry::Never, Effect::None), "{error}");
    let error = house.carry_as(3, say, &BTreeMap::new()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Misconfigured);

    // A token that the chat does not take does not keep us from ending it.
    let ended = house.carry_as(4, Action::End { leg }, &swapped).await.unwrap();
    assert_eq!(ended.outcome, Outcome::Done {});
    assert_eq!(house.effects("contact.stopped").len(), 1);
}

#[tokio::test]
async fn entering_after_five_minutes_is_too_late() {
    let house = House::build((|cloud| cloud["time_scale"] = json!(3_000.0), |_| ())).await;
    let (leg, secrets) = house.place(1).await.unwrap();
    house.carry_as(2, Action::Listen { leg: leg.clone() }, &secrets).await.unwrap();
    tokio::time::sleep(Duration::from_millis(400)).await;
    let error = house.carry_as(3, Action::Enter { leg: leg.clone() }, &secrets).await.unwrap_err();
    assert_eq!((error.kind, error.retry), (ErrorKind::Unverified, Retry::Never), "{error}");
    assert!(house.effects("flow.started").is_empty());
    let ended = house.inquire(&leg).await;
    assert!(ended.iter().any(|fact| fact.kind == tandem_sdk::model::FactKind::LegEnded));
}

#[tokio::test]
async fn what_does_not_exist_is_not_found() {
    let house = House::build(ORDINARY).await;
    let (leg, secrets) = house.place(1).await.unwrap();
    let nowhere = leg.sibling("00000000-0000-4000-8000-000000000000");
    let inquired = house.carry_as(2, Action::Inquire { leg: nowhere.clone() }, &secrets).await.unwrap_err();
    assert_eq!((inquired.kind, inquired.retry), (ErrorKind::NotFound, Retry::Never), "{inquired}");
    // A contact may be so new that it is not known everywhere yet.
    let listened = house.carry_as(3, Action::Listen { leg: nowhere.clone() }, &secrets).await.unwrap_err();
    assert_eq!((listened.kind, listened.retry), (ErrorKind::NotFound, Retry::Later), "{listened}");
    let described = house.carry_as(4, Action::Describe { agent: nowhere.native.clone() }, &secrets).await.unwrap_err();
    assert_eq!(described.kind, ErrorKind::NotFound, "{described}");
    let ended = house.carry_as(5, Action::End { leg: nowhere }, &BTreeMap::new()).await.unwrap();
    assert_eq!(ended.outcome, Outcome::Done {});
}

#[tokio::test]
async fn a_confirmation_of_somebody_elses_topic_is_never_visited() {
    let house = House::build(ORDINARY).await;
    let url = "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&Token=t&TopicArn=";
    for (topic, url) in [
        (crate::house::TOPIC, format!("{url}arn:aws:sns:eu-central-1:111122223333:other")),
        ("arn:aws:sns:eu-central-1:111122223333:other", format!("{url}arn:aws:sns:eu-central-1:111122223333:other")),
        (crate::house::TOPIC, format!("http://127.0.0.1/?TopicArn={}", crate::house::TOPIC)),
    ] {
        let secrets = BTreeMap::from([(SecretRole::ConfirmUrl, Secret::new(url))]);
        let error = house.carry_as(1, Action::Confirm { topic: topic.to_owned() }, &secrets).await.unwrap_err();
        assert_eq!((error.kind, error.effect), (ErrorKind::Refused, Effect::None));
    }
}

#[tokio::test]
async fn a_form_that_connect_has_not_is_not_sent() {
    let house = House::build(ORDINARY).await;
    let (leg, secrets) = house.chat(1).await;
    let content = Content { content_type: ContentType::Html, text: "<p>hello</p>".into(), name: Personal::NONE };
    let say = Action::Say { leg, speaker: Speaker::Customer, content };
    assert_eq!(house.carry_as(9, say, &secrets).await.unwrap_err().kind, ErrorKind::Unsupported);
}
