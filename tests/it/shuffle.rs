//! The facts of a journey in any order and more than once: the same end, each fact once.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use tandem::interactions::{Interaction, Settings};
use tandem_sdk::model::{Derive, EventKind, Fact, FactKind, Role};

use crate::desk_house::{CUSTOMER, DeskHouse, contact, contact_fact, said, thread};

/// Seeds that are tried.
const SEEDS: u64 = 60;

/// What is told after the placement: a first agent, a transfer, messages on both sides.
fn facts(start: Timestamp) -> Vec<(&'static str, Fact)> {
    let at = |second| start.saturating_add(SignedDuration::from_secs(second)).unwrap();
    let mut transferred = contact_fact(FactKind::LegConnected, "c2", at(20), Some("agent-2"));
    transferred.links.initial = Some("c1".into());
    transferred.links.previous = Some("c1".into());
    let agent = |native, second, id, text| {
        let mut fact = said(contact(native), at(second), id, "agent", Some(Role::Agent), text);
        // Connect says with every message which contact the chain began with.
        fact.links.initial = Some("c1".into());
        fact
    };
    let customer = |second, id, text| said(thread(), at(second), id, CUSTOMER, None, text);
    vec![
        ("connect", contact_fact(FactKind::LegInitiated, "c1", at(1), None)),
        ("connect", contact_fact(FactKind::LegQueued, "c1", at(2), None)),
        ("connect", contact_fact(FactKind::LegConnected, "c1", at(5), Some("agent-1"))),
        ("connect", agent("c1", 6, "a1", "Hello")),
        ("acs", customer(8, "2", "It is broken")),
        ("acs", customer(9, "3", "Quite")),
        ("connect", contact_fact(FactKind::LegEnded, "c1", at(19), Some("agent-1"))),
        ("connect", transferred),
        ("connect", agent("c2", 22, "a2", "Hello, I am another")),
        ("acs", customer(25, "4", "Still there?")),
    ]
}

/// The parts of an interaction that no command and no timer made.
#[derive(Debug, PartialEq)]
struct Told {
    legs: BTreeMap<String, serde_json::Value>,
    state: String,
    agent: Option<String>,
    heard: BTreeMap<String, Timestamp>,
    messages: BTreeMap<String, usize>,
}

async fn told(house: &mut DeskHouse, order: &[(&'static str, Fact)]) -> Told {
    for (instance, fact) in order {
        house.tell(instance, vec![fact.clone()]).await;
    }
    house.carry_all().await;
    let id = house.desk.interactions(1).await.unwrap()[0].id;
    let it: Interaction = house.desk.interaction(id).await.unwrap().unwrap();
    let mut messages = BTreeMap::new();
    for event in house.events() {
        if let EventKind::MessageReceived { message, .. } = event.kind {
            *messages.entry(message).or_insert(0) += 1;
        }
    }
    Told {
        legs: it.legs.iter().map(|leg| (leg.leg.native.clone(), serde_json::to_value(leg).unwrap())).collect(),
        state: format!("{:?}", it.state()),
        agent: it.assignment.map(|has| has.agent),
        heard: it.heard.iter().map(|(side, at)| (side.name().to_owned(), *at)).collect(),
        messages,
    }
}

async fn placed() -> DeskHouse {
    let mut house = DeskHouse::open(Settings::default(), false);
    house.carry_all().await;
    let at = house.now();
    house.tell("acs", vec![said(thread(), at, "1", CUSTOMER, None, "I need help")]).await;
    house.carry_all().await;
    house.clock.advance(SignedDuration::from_secs(30));
    house
}

#[tokio::test]
async fn any_order_of_the_same_facts_gives_the_same_interaction() {
    let mut house = placed().await;
    let start = house.now().saturating_sub(SignedDuration::from_secs(30)).unwrap();
    let in_order = facts(start);
    let expected = told(&mut house, &in_order).await;
    assert_eq!((expected.state.as_str(), expected.agent.as_deref()), ("Active", Some("agent-2")));
    assert!(expected.messages.values().all(|count| *count == 1), "{:?}", expected.messages);

    let shuffled = (0..SEEDS).map(|seed| {
        let draw = move |n: usize, below: usize| {
            let drawn = Derive::entity("shuffle").number(seed).number(n as u64).uuid().as_u64_pair().0;
            usize::try_from(drawn >> 16).unwrap() % below
        };
        let mut order = in_order.clone();
        // Every third fact comes twice, by another envelope.
        let twice = in_order.iter().enumerate().filter(|(n, _)| draw(1000 + n, 3) == 0);
        order.extend(twice.map(|(_, told)| told.clone()));
        for n in (1..order.len()).rev() {
            order.swap(n, draw(n, n + 1));
        }
        async move { (seed, told(&mut placed().await, &order).await, order) }
    });
    for (seed, found, order) in futures_util::future::join_all(shuffled).await {
        let told: Vec<&str> = order.iter().map(|(_, fact)| fact.key.as_str()).collect();
        assert_eq!(found, expected, "seed {seed}: {told:#?}");
    }
}
