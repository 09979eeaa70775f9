//! Corners of the desk: inputs that can never be taken, contacts that name an interaction, secrets that never come.

use bytes::Bytes;
use tandem::desk::{Incoming, Priority, Whose, Work};
use tandem::interactions::{ChatRequest, Settings};
use tandem_sdk::doors::{Decoded, Envelope};
use tandem_sdk::error::{AdapterError, ErrorKind};
use tandem_sdk::model::{Fact, FactKind, Identity, IdentityKind, LegRef, Outcome, Personal, Role};

use crate::desk_house::{CUSTOMER, DeskHouse, contact, contact_fact, said, thread};

/// More text than one record can hold.
fn too_much(house: &DeskHouse, leg: &LegRef, role: Option<Role>) -> Vec<Fact> {
    // Each says something else: what is said twice in a record is written once.
    let say = |n: usize| said(leg.clone(), house.now(), &format!("b{n}"), CUSTOMER, role, &format!("{n:x>28000}"));
    (0..600).map(say).collect()
}

async fn served() -> DeskHouse {
    let mut house = DeskHouse::open(Settings::default(), false);
    house.carry_all().await;
    house.tell("acs", vec![said(thread(), house.now(), "1", CUSTOMER, None, "I need help")]).await;
    house.carry_all().await;
    house.wait(1).await;
    house.tell("connect", vec![contact_fact(FactKind::LegConnected, "c1", house.now(), Some("agent-1"))]).await;
    house.carry_all().await;
    house
}

#[tokio::test]
async fn an_outcome_that_no_record_can_hold_becomes_a_dead_command_and_nothing_after_it_is_lost() {
    let mut house = served().await.restart();
    let recall = loop {
        let claim = house.claim().await.unwrap();
        if claim.command.action.name() == "recall" {
            break claim;
        }
        let (outcome, secrets) = house.usual_outcome(&claim.command.action);
        house.settle(&claim, outcome, secrets).await;
    };
    house.carry_all().await;
    let facts = too_much(&house, &contact("c1"), Some(Role::Agent));
    let result = Ok(Outcome::Observed { facts });
    let work = Work::Outcome { command: recall.command.id, result, secrets: vec![], repeated: false };
    house.desk.submit(Priority::Outcome, work).await.unwrap();
    house.tell("acs", vec![said(thread(), house.now(), "2", CUSTOMER, None, "acknowledged")]).await;

    let house = house.restart();
    let carried = house.carry_all().await;
    assert!(carried.contains(&"connect say \"acknowledged\"".to_owned()), "{carried:?}");
    assert!(!house.desk.status().await.unwrap().is_stuck);
}

/// An envelope that no record can hold.
fn huge(house: &DeskHouse) -> Work {
    let decoded = Decoded::Facts(too_much(house, &thread(), None));
    let envelope = Envelope {
        door: "test".into(),
        kind: None,
        dedupe: vec!["huge".into()],
        origin: vec![],
        body: Bytes::from_static(b"{}"),
    };
    Work::Envelope(Box::new(Incoming { instance: "acs".into(), envelope, decoded, mapping: "m".into() }))
}

#[tokio::test]
async fn an_envelope_that_no_record_can_hold_is_quarantined_and_its_twin_is_a_duplicate() {
    let house = served().await;
    let first = house.desk.submit(Priority::Webhook, huge(&house)).await.unwrap();
    let again = house.desk.submit(Priority::Webhook, huge(&house)).await.unwrap();

    assert!(!first.duplicate && again.duplicate);
    assert_eq!(house.desk.status().await.unwrap().quarantined, 1);
}

#[tokio::test]
async fn what_a_customer_says_after_an_envelope_that_no_record_can_hold_can_be_read_after_a_restart() {
    let mut house = DeskHouse::open(Settings::default(), false);
    house.carry_all().await;
    house.desk.submit(Priority::Webhook, huge(&house)).await.unwrap();
    house.tell("acs", vec![said(thread(), house.now(), "1", CUSTOMER, None, "acknowledged")]).await;

    let house = house.restart_cold();
    let records = house.records();
    let texts: Vec<_> = records
        .iter()
        .flat_map(|record| &record.facts)
        .filter_map(|fact| fact.message.as_ref())
        .map(|message| message.text.reveal())
        .collect();
    assert_eq!(texts, [Some("acknowledged")]);
}

#[tokio::test]
async fn a_contact_that_names_an_interaction_which_waits_for_none_does_not_get_it() {
    let mut house = served().await;
    let id = house.desk.interactions(1).await.unwrap()[0].id;
    let mut stranger = contact_fact(FactKind::LegConnected, "stranger", house.now(), Some("agent-2"));
    stranger.attributes.insert("tandem_interaction".into(), Personal::new(id.to_string()));
    house.tell("connect", vec![stranger]).await;

    let it = house.desk.interaction(id).await.unwrap().unwrap();
    assert_eq!(it.assignment.unwrap().agent, "agent-1");
}

#[tokio::test]
async fn a_contact_that_cannot_be_entered_is_ended_at_once() {
    let mut house = DeskHouse::open(Settings::default(), false);
    house.carry_all().await;
    house.tell("acs", vec![said(thread(), house.now(), "1", CUSTOMER, None, "I need help")]).await;
    let enter = loop {
        let claim = house.claim().await.unwrap();
        if claim.command.action.name() == "enter" {
            break claim;
        }
        let (outcome, secrets) = house.usual_outcome(&claim.command.action);
        house.settle(&claim, outcome, secrets).await;
    };
    let refused = Err(AdapterError::new(ErrorKind::Refused, "CreateParticipantConnection", "403"));
    let work = Work::Outcome { command: enter.command.id, result: refused, secrets: vec![], repeated: false };
    house.desk.submit(Priority::Outcome, work).await.unwrap();

    let carried = house.carry_all().await;
    assert!(carried.contains(&"connect end".to_owned()), "{carried:?}");
}

#[tokio::test]
async fn the_same_key_with_another_customer_gets_nothing_of_the_first_one() {
    let house = DeskHouse::open(Settings::default(), false);
    house.carry_all().await;
    let chat = |who: &str| {
        let identity =
            Identity { kind: IdentityKind::Customer, value: who.into(), source: "caller".into(), verified: true };
        Work::Chat(Box::new(ChatRequest { key: "k1".into(), identities: vec![identity], ..ChatRequest::default() }))
    };
    let anna = house.desk.submit(Priority::Webhook, chat("anna")).await.unwrap();
    let again = house.desk.submit(Priority::Webhook, chat("anna")).await.unwrap();
    let bob = house.desk.submit(Priority::Webhook, chat("bob")).await.unwrap();

    assert_eq!((again.interaction, again.duplicate), (anna.interaction, true));
    assert_eq!((bob.interaction, bob.duplicate), (None, true));
}

#[tokio::test]
async fn two_interactions_of_one_person_survive_their_erasure_and_what_comes_after() {
    let mut house = DeskHouse::open(Settings::default(), false);
    house.carry_all().await;
    let other = LegRef { native: "19:t2".into(), ..thread() };
    house.tell("acs", vec![said(thread(), house.now(), "1", CUSTOMER, None, "one")]).await;
    house.tell("acs", vec![said(other.clone(), house.now(), "1", CUSTOMER, None, "two")]).await;
    house.carry_all().await;
    let rows = house.desk.interactions(9).await.unwrap();
    let subjects = house.desk.subjects_of(Whose::Interaction(rows[0].id)).await.unwrap();
    house.desk.erase(subjects).await.unwrap();
    for leg in [thread(), other] {
        house.tell("acs", vec![said(leg, house.now(), "2", CUSTOMER, None, "more")]).await;
    }
    let mut live = Vec::new();
    for row in &rows {
        live.push(house.desk.interaction(row.id).await.unwrap().unwrap());
    }

    let house = house.restart();
    for before in live {
        let after = house.desk.interaction(before.id).await.unwrap().unwrap();
        assert!(after.events >= before.events && after.records.starts_with(&before.records));
    }
}
