//! One chat from its start to its end.

use std::collections::BTreeSet;

use serde_json::json;
use tandem_sdk::error::{Effect, ErrorKind, Retry};
use tandem_sdk::model::{Action, Content, ContentType, Fact, FactKind, Outcome, Personal, Role, Speaker};
use tandem_sdk::secret::SecretRole;

use crate::house::{ADA, GOLD, House, INSTANCE, ORDINARY};

fn keys(facts: &[Fact], of: impl Fn(&Fact) -> bool) -> BTreeSet<String> {
    facts.iter().filter(|fact| of(fact)).map(|fact| fact.key.clone()).collect()
}

fn say(leg: &tandem_sdk::model::LegRef, text: &str) -> Action {
    let content = Content { content_type: ContentType::Text, text: text.into(), name: Personal::NONE };
    Action::Say { leg: leg.clone(), speaker: Speaker::Customer, content }
}

#[tokio::test]
async fn a_chat_is_placed_answered_spoken_on_and_ended() {
    let house = House::build(ORDINARY).await;
    house.effect("subscription.confirmed").await;

    // Placed once, however often it is asked for.
    let (leg, _) = house.place(1).await.unwrap();
    assert_eq!((leg.system.as_str(), leg.account.as_str(), leg.kind.as_str()), ("amazon-connect", INSTANCE, "contact"));
    let (same, secrets) = house.chat(1).await;
    assert_eq!(same, leg);
    house.carry_as(2, Action::Listen { leg: leg.clone() }, &secrets).await.unwrap();
    for effect in ["contact.started", "streaming.started", "participant.connected"] {
        assert_eq!(house.effects(effect).len(), 1, "{effect}");
    }

    // It waits in the queue that was decided; asking tells what the events tell.
    house.effect("contact.queued").await;
    let queued = house.fact(|fact| fact.kind == FactKind::LegQueued).await;
    assert_eq!((queued.queue.as_deref(), &queued.leg), (Some(GOLD), &leg));
    let asked = house.inquire(&leg).await;
    assert!(asked.iter().all(|fact| fact.attributes["tandem_interaction"].reveal() == Some("i-1")));

    // An agent takes it.
    house.play(&format!("contacts/{}/accept", leg.native), json!({ "userId": ADA })).await;
    let connected = house.fact(|fact| fact.kind == FactKind::LegConnected).await;
    assert_eq!(connected.agent.as_deref(), Some(ADA));
    let described = house.carry_as(3, Action::Describe { agent: ADA.to_owned() }, &secrets).await.unwrap();
    assert_eq!(described.outcome, Outcome::Described { name: "Ada Example".into() });

    // Both speak. What we say comes back once, and is said once.
    let first = house.carry_as(4, say(&leg, "Grüße 😀"), &secrets).await.unwrap().outcome;
    let again = house.carry_as(4, say(&leg, "Grüße 😀"), &secrets).await.unwrap().outcome;
    assert_eq!(first, again);
    let Outcome::Said { message, at: Some(_) } = first else { panic!("{first:?}") };
    house.play(&format!("contacts/{}/message", leg.native), json!({ "text": "hello" })).await;
    let from = |role: Role| {
        move |fact: &Fact| {
            fact.kind == FactKind::MessagePosted && fact.author.as_ref().and_then(|author| author.role) == Some(role)
        }
    };
    let echo = house.fact(from(Role::Customer)).await.message.unwrap();
    assert_eq!((echo.id.as_str(), echo.text.reveal()), (message.as_str(), Some("Grüße 😀")));
    let said = house.fact(from(Role::Agent)).await.message.unwrap();
    assert_eq!(said.text.reveal(), Some("hello"));

    // What the transcript tells is what the stream told: the same keys.
    let recalled = house.carry_as(5, Action::Recall { leg: leg.clone(), since: None }, &secrets).await.unwrap();
    let Outcome::Observed { facts: recalled } = recalled.outcome else { panic!("{:?}", recalled.outcome) };
    let spoken = |fact: &Fact| matches!(fact.kind, FactKind::MessagePosted | FactKind::ParticipantJoined);
    assert!(recalled.is_sorted_by_key(|fact| fact.occurred_at));
    assert_eq!(keys(&recalled, spoken), keys(&house.facts(), spoken));
    let since = recalled.iter().find(|fact| from(Role::Agent)(fact)).map(|fact| fact.occurred_at);
    let late = house.carry_as(6, Action::Recall { leg: leg.clone(), since }, &secrets).await.unwrap();
    let Outcome::Observed { facts: late } = late.outcome else { panic!("{:?}", late.outcome) };
    assert!(late.iter().any(from(Role::Agent)) && late.len() < recalled.len());

    // The customer leaves; ending what has ended is done.
    for number in [7, 7, 8] {
        let ended = house.carry_as(number, Action::End { leg: leg.clone() }, &secrets).await.unwrap();
        assert_eq!(ended.outcome, Outcome::Done {});
    }
    let from_outside = house.carry_as(9, Action::End { leg: leg.clone() }, &Default::default()).await.unwrap();
    assert_eq!(from_outside.outcome, Outcome::Done {});
    assert_eq!(house.effects("contact.ended").len(), 1);
    house.fact(|fact| fact.kind == FactKind::LegCompleted).await;

    // In the end, asking tells exactly what the contact events told.
    let of_contact = |fact: &Fact| {
        fact.key.starts_with("leg.") && fact.channel.is_some() && fact.reason.as_deref() != Some("chat.ended")
    };
    let asked = house.inquire(&leg).await;
    let told = keys(&house.facts(), |fact| of_contact(fact) && fact.kind != FactKind::LegUpdated);
    assert_eq!(keys(&asked, |_| true), told);
    assert_eq!(house.refusals(), [""; 0]);

    // Nobody can speak any more.
    let error = house.carry_as(10, say(&leg, "too late"), &secrets).await.unwrap_err();
    assert_eq!((error.kind, error.effect), (ErrorKind::Unverified, Effect::None));
}

#[tokio::test]
async fn what_was_said_before_and_after_a_handover_is_recalled_contact_by_contact() {
    let house = House::build(ORDINARY).await;
    house.effect("subscription.confirmed").await;
    let (leg, secrets) = house.chat(1).await;
    house.effect("contact.queued").await;
    house.play(&format!("contacts/{}/accept", leg.native), json!({ "userId": ADA })).await;
    house.play(&format!("contacts/{}/message", leg.native), json!({ "text": "before" })).await;
    house.play(&format!("contacts/{}/transfer", leg.native), json!({ "queueId": GOLD })).await;
    let next = leg.sibling(house.effect("contact.transferred").await.detail["to"].as_str().unwrap());
    house.play(&format!("contacts/{}/accept", next.native), json!({ "userId": ADA })).await;
    house.play(&format!("contacts/{}/message", next.native), json!({ "text": "after" })).await;

    for (number, asked, text) in [(5, &leg, "before"), (6, &next, "after")] {
        let recall = Action::Recall { leg: asked.clone(), since: None };
        let recalled = house.carry_as(number, recall, &secrets).await.unwrap();
        let Outcome::Observed { facts } = recalled.outcome else { panic!("{:?}", recalled.outcome) };
        let said: Vec<_> = facts.iter().filter_map(|fact| fact.message.as_ref()?.text.reveal()).collect();
        assert_eq!(said, [text]);
        assert!(facts.iter().all(|fact| fact.leg == *asked));
        // The transcript tells of the handover as the stream does.
        let is_handover = |fact: &Fact| fact.kind == FactKind::LegTransferred;
        assert_eq!(facts.iter().any(is_handover), asked == &leg);
        let streamed = house.fact(|fact| is_handover(fact) && fact.leg == leg).await;
        assert!(facts.iter().filter(|fact| is_handover(fact)).all(|fact| fact.key == streamed.key));
    }
}

#[tokio::test]
async fn the_transcript_of_a_chat_that_is_over_is_refused_at_once() {
    let house = House::build(ORDINARY).await;
    let (leg, secrets) = house.chat(1).await;
    house.carry_as(4, Action::End { leg: leg.clone() }, &secrets).await.unwrap();
    let error = house.carry_as(5, Action::Recall { leg, since: None }, &secrets).await.unwrap_err();
    assert_eq!((error.kind, error.retry), (ErrorKind::Unverified, Retry::Never));
}

#[tokio::test]
async fn the_old_signature_works_where_it_is_pinned_and_nowhere_else() {
    let pinned = House::build((
        |cloud| cloud["sns"]["signature_version"] = json!(1),
        |settings| {
            settings["sns"].as_table_mut().unwrap().insert("signature_versions".to_owned(), vec!["1"].into());
        },
    ))
    .await;
    pinned.effect("subscription.confirmed").await;

    let downgraded = House::build((|cloud| cloud["sns"]["signature_version"] = json!(1), |_| ())).await;
    crate::house::until(|| downgraded.refusals().into_iter().next()).await;
    assert!(downgraded.refusals()[0].contains("sns.signature_versions"));
    assert!(downgraded.effects("subscription.confirmed").is_empty());
}

#[tokio::test]
async fn the_wrong_key_of_the_api_destination_lets_nothing_in() {
    let house =
        House::build((|cloud| cloud["eventbridge"]["authorization"]["api_key"]["value"] = json!("guessed"), |_| ()))
            .await;
    house.place(1).await.unwrap();
    let refusal = crate::house::until(|| house.refusals().into_iter().next()).await;
    assert_eq!(refusal, "not authentic: the api_key credential is not one of ours");
    assert!(house.facts().is_empty());
}

#[tokio::test]
async fn the_connection_token_is_issued_and_never_part_of_an_outcome() {
    let house = House::build(ORDINARY).await;
    let (_, secrets) = house.chat(1).await;
    assert!(secrets.contains_key(&SecretRole::ParticipantToken) && secrets.contains_key(&SecretRole::ConnectionToken));
    assert!(!format!("{secrets:?}").contains(secrets[&SecretRole::ConnectionToken].reveal()));
}

#[tokio::test]
async fn a_probe_says_what_works_and_what_would_be_right() {
    let house = House::build(ORDINARY).await;
    let found = house.probe().await;
    assert!(found.iter().all(|(ok, _)| *ok), "{found:?}");
    let elsewhere = House::build((
        |_| (),
        |settings| {
            settings.insert("instance_id".to_owned(), GOLD.into());
        },
    ))
    .await;
    let found = elsewhere.probe().await;
    let wrong: Vec<&str> = found.iter().filter(|(ok, _)| !ok).map(|(_, line)| line.as_str()).collect();
    assert_eq!(wrong, [format!("instance {GOLD} in eu-central-1: not found; instance_id and region belong together")]);
}
