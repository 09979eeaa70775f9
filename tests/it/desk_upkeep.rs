//! What the house keeps up beside the interactions: agents' identities and tokens, parked facts, its own state.

use std::collections::BTreeSet;

use bytes::Bytes;
use tandem::desk::{Priority, Setup, Work};
use tandem::interactions::Settings;
use tandem::store::rows::state::StateKey;
use tandem::store::{Keyspace, Store};
use tandem_sdk::error::ErrorKind;
use tandem_sdk::model::FactKind;
use tandem_sdk::secret::Secret;

use crate::desk_house::{CUSTOMER, DeskHouse, RULES, contact_fact, said, setup, thread};

/// Carries everything that may go but the commands of this purpose, which are refused; says how many were.
async fn refusing(house: &DeskHouse, purpose: &str, kind: ErrorKind) -> usize {
    let mut refused = 0;
    while let Some(claim) = house.claim().await {
        if claim.command.purpose.0.starts_with(purpose) {
            refused += 1;
            assert!(refused < 20, "it is asked for again at once");
            house.refuse(&claim, kind).await;
        } else {
            let (outcome, secrets) = house.usual_outcome(&claim.command.action);
            house.settle(&claim, outcome, secrets).await;
        }
    }
    refused
}

/// A chat that an agent has just taken.
async fn taken() -> DeskHouse {
    let mut house = DeskHouse::open(Settings::default(), false);
    house.carry_all().await;
    house.tell("acs", vec![said(thread(), house.now(), "1", CUSTOMER, None, "I need help")]).await;
    house.carry_all().await;
    house.tell("connect", vec![contact_fact(FactKind::LegConnected, "c1", house.now(), Some("agent-1"))]).await;
    house
}

#[tokio::test]
async fn an_identity_that_is_refused_is_asked_for_later_each_time_until_nobody_waits_for_it() {
    let mut house = taken().await;
    let mut asked = vec![refusing(&house, "identify:", ErrorKind::Refused).await];
    for seconds in [29, 2, 31, 30, 60, 61] {
        house.wait(seconds).await;
        asked.push(refusing(&house, "identify:", ErrorKind::Refused).await);
    }
    assert_eq!(asked, [1, 0, 1, 0, 1, 0, 1]);

    house.tell("connect", vec![contact_fact(FactKind::LegEnded, "c1", house.now(), None)]).await;
    refusing(&house, "identify:", ErrorKind::Refused).await;
    house.wait(30).await;
    house.carry_all().await;
    let agents = house.desk.house().await.unwrap().agents;
    assert_eq!(agents.values().map(|agent| &agent.waiting).collect::<Vec<_>>(), [&BTreeSet::new()]);
    for _ in 0..5 {
        house.wait(600).await;
        assert_eq!(refusing(&house, "identify:", ErrorKind::Refused).await, 0);
    }
}

#[tokio::test]
async fn an_identity_that_its_cloud_does_not_know_any_more_is_made_anew() {
    let house = taken().await;
    assert_eq!(refusing(&house, "token:", ErrorKind::NotFound).await, 1);
    house.wait(31).await;
    let carried = house.carry_all().await;
    assert!(carried.iter().any(|line| line.contains("identify")), "{carried:?}");
    assert!(carried.iter().any(|line| line.contains("join")), "{carried:?}");
}

#[tokio::test]
async fn a_contact_that_was_asked_about_leaves_nothing_behind_in_the_house() {
    let mut house = DeskHouse::open(Settings::default(), false);
    house.carry_all().await;
    house.tell("acs", vec![said(thread(), house.now(), "1", CUSTOMER, None, "I need help")]).await;
    let before = house.desk.house().await.unwrap();
    // The placement is on its way all the time.
    while house.claim().await.is_some_and(|claim| claim.command.action.name() != "place") {}
    for native in ["s1", "s2"] {
        house.tell("connect", vec![contact_fact(FactKind::LegQueued, native, house.now(), None)]).await;
    }
    assert_eq!(house.desk.house().await.unwrap().parked.len(), 2);
    house.wait(11).await;
    let carried = house.carry_all().await;
    assert_eq!(carried.iter().filter(|line| line.contains("inquire")).count(), 2, "{carried:?}");

    let after = house.desk.house().await.unwrap();
    assert_eq!((after.parked.len(), after.generations), (0, before.generations));
}

#[tokio::test]
async fn the_house_is_written_down_as_seldom_as_recovery_allows() {
    let few = Setup { fold_most: 20, ..setup(Settings::default(), false) };
    let mut house = DeskHouse::open_with(few, RULES);
    house.carry_all().await;
    let key = StateKey::new(3, b"house").unwrap().encode();
    let (mut last, mut written): (Option<Bytes>, usize) = (house.store.get(Keyspace::States, &key).unwrap(), 0);
    let first = house.desk.status().await.unwrap().next_seq;
    for n in 0..100 {
        let leg = thread().sibling(&format!("19:t{n}"));
        house.tell("acs", vec![said(leg, house.now(), "1", CUSTOMER, None, "I need help")]).await;
        let topic = format!("topic-{n}");
        let work = Work::Confirm { instance: "connect".into(), topic, address: Secret::new("https://example.com/") };
        house.desk.submit(Priority::Webhook, work).await.unwrap();
        let now = house.store.get(Keyspace::States, &key).unwrap();
        written += usize::from(now != last);
        last = now;
    }
    let records = house.desk.status().await.unwrap().next_seq - first;
    let often = usize::try_from(records / 20).unwrap();
    assert!(written <= often + 2, "written down {written} times in {records} records");
}
