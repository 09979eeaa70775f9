//! Corners of the journey: what is lost, late, doubled or meant for nobody else.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use jiff::SignedDuration;
use tandem::desk::{Claim, Priority, Work};
use tandem::interactions::{Interaction, Settings};
use tandem_sdk::error::{AdapterError, ErrorKind};
use tandem_sdk::model::{Fact, FactKind, Outcome, Personal, Role, Visibility};

use crate::desk_house::{CUSTOMER, DeskHouse, contact, contact_fact, line, said, thread};

const NOTHING: [&str; 0] = [];

async fn began(settings: Settings) -> DeskHouse {
    let mut house = DeskHouse::open(settings, false);
    house.carry_all().await;
    customer_says(&mut house, "1", "I need help").await;
    house
}

async fn queued(settings: Settings) -> DeskHouse {
    let house = began(settings).await;
    house.carry_all().await;
    house.wait(1).await;
    house
}

async fn served(settings: Settings) -> DeskHouse {
    let mut house = queued(settings).await;
    leg(&mut house, FactKind::LegConnected, "c1", Some("agent-1")).await;
    house.carry_all().await;
    house
}

async fn customer_says(house: &mut DeskHouse, id: &str, text: &str) {
    house.tell("acs", vec![said(thread(), house.now(), id, CUSTOMER, None, text)]).await;
}

async fn agent_says(house: &mut DeskHouse, on: &str, id: &str, text: &str) {
    house.tell("connect", vec![said(contact(on), house.now(), id, "a", Some(Role::Agent), text)]).await;
}

async fn leg(house: &mut DeskHouse, kind: FactKind, native: &str, agent: Option<&str>) {
    house.tell("connect", vec![contact_fact(kind, native, house.now(), agent)]).await;
}

/// A leg that follows `c1`.
fn follower(house: &DeskHouse, kind: FactKind, native: &str, agent: Option<&str>) -> Fact {
    let mut fact = contact_fact(kind, native, house.now(), agent);
    fact.links.previous = Some("c1".into());
    fact.links.initial = Some("c1".into());
    fact
}

/// Carries until a command of this kind is there, which stays in flight.
async fn reach(house: &DeskHouse, action: &str) -> Claim {
    loop {
        let claim = house.claim().await.unwrap();
        if claim.command.action.name() == action {
            return claim;
        }
        let (outcome, secrets) = house.usual_outcome(&claim.command.action);
        house.settle(&claim, outcome, secrets).await;
    }
}

async fn settle_usually(house: &DeskHouse, claim: &Claim) {
    let (outcome, secrets) = house.usual_outcome(&claim.command.action);
    house.settle(claim, outcome, secrets).await;
}

async fn fail(house: &DeskHouse, claim: &Claim, kind: ErrorKind) {
    let result = Err(AdapterError::new(kind, "operation", "no"));
    let work = Work::Outcome { command: claim.command.id, result, secrets: vec![], repeated: false };
    house.desk.submit(Priority::Outcome, work).await.unwrap();
}

async fn only(house: &DeskHouse) -> Interaction {
    let id = house.events()[0].interaction;
    house.desk.interaction(id).await.unwrap().unwrap()
}

/// What the log says equals what lives.
async fn recovers(house: DeskHouse) -> DeskHouse {
    let before = only(&house).await;
    let house = house.restart();
    let mut after = only(&house).await;
    // The restart itself asks both sides.
    for (_, command) in after.owed.clone() {
        if matches!(command.action.name(), "inquire" | "recall") {
            after.owed.remove(&command.id);
        }
    }
    assert_eq!((before.waiting, before.held, before.relayed), (after.waiting, after.held, after.relayed));
    assert_eq!(
        (before.placements, before.assignment, before.closed),
        (after.placements, after.assignment, after.closed)
    );
    house
}

#[tokio::test]
async fn what_agents_say_among_themselves_is_recorded_and_stays_there() {
    let mut house = served(Settings::default()).await;
    let mut whisper = said(contact("c1"), house.now(), "w1", "a", Some(Role::Agent), "she sounds upset");
    whisper.message.as_mut().unwrap().visibility = Visibility::Agent;
    house.tell("connect", vec![whisper]).await;
    assert_eq!(house.carry_all().await, NOTHING);
    assert_eq!(house.event_names().last().unwrap(), "message.received");

    let mut aside = said(thread(), house.now(), "2", CUSTOMER, None, "note to myself");
    aside.message.as_mut().unwrap().visibility = Visibility::Customer;
    house.tell("acs", vec![aside]).await;
    assert_eq!(house.carry_all().await, NOTHING);
}

#[tokio::test]
async fn a_first_message_that_is_held_goes_to_the_agents_once() {
    let house = began(Settings { hold: SignedDuration::from_secs(2), ..Settings::default() }).await;
    let mut carried = house.carry_all().await;
    house.wait(3).await;
    carried.extend(house.carry_all().await);
    let times = carried.iter().filter(|line| *line == "connect say \"I need help\"").count();
    assert_eq!(times, 1, "{carried:?}");
}

#[tokio::test]
async fn a_message_in_the_gap_of_a_transfer_reaches_the_successor() {
    let mut house = served(Settings::default()).await;
    leg(&mut house, FactKind::LegEnded, "c1", Some("agent-1")).await;
    house.wait(1).await;
    customer_says(&mut house, "2", "are you there?").await;
    assert_eq!(house.carry_all().await, ["acs leave"]);
    let mut house = recovers(house).await;
    house.carry_all().await;
    let next = follower(&house, FactKind::LegConnected, "c2", Some("agent-2"));
    house.tell("connect", vec![next]).await;
    let carried = house.carry_all().await;
    assert_eq!(carried.iter().filter(|line| *line == "connect say \"are you there?\"").count(), 1, "{carried:?}");
    assert!(only(&house).await.waiting.is_empty());
}

#[tokio::test]
async fn what_is_said_in_grace_when_nobody_follows_stays_recorded() {
    let mut house = served(Settings::default()).await;
    leg(&mut house, FactKind::LegEnded, "c1", Some("agent-1")).await;
    customer_says(&mut house, "2", "thank you").await;
    house.wait(21).await;
    let carried = house.carry_all().await;
    assert!(carried.iter().all(|line| !line.contains("thank you")), "{carried:?}");
    assert!(only(&house).await.closed.is_some());
}

#[tokio::test]
async fn nothing_is_lost_when_the_contact_is_known_before_its_placement() {
    let mut house = began(Settings::default()).await;
    let place = reach(&house, "place").await;
    let id = only(&house).await.id;
    let mut connected = contact_fact(FactKind::LegConnected, "c1", house.now(), Some("agent-1"));
    connected.attributes.insert("tandem_interaction".into(), Personal::new(id.to_string()));
    house.tell("connect", vec![connected]).await;
    house.carry_all().await;
    house.wait(1).await;
    customer_says(&mut house, "2", "second").await;
    assert_eq!(house.carry_all().await, NOTHING);
    settle_usually(&house, &place).await;
    assert_eq!(
        house.carry_all().await,
        ["connect listen", "connect enter", "connect say \"I need help\"", "connect say \"second\""]
    );
    assert!(only(&house).await.waiting.is_empty());
}

#[tokio::test]
async fn of_too_many_waiting_messages_the_oldest_goes_visibly() {
    let mut house = began(Settings { waiting_most: 2, ..Settings::default() }).await;
    let place = reach(&house, "place").await;
    for (id, text) in [("2", "second"), ("3", "third")] {
        house.wait(1).await;
        customer_says(&mut house, id, text).await;
    }
    assert!(house.event_names().contains(&"message.undelivered".to_owned()));
    settle_usually(&house, &place).await;
    let carried = house.carry_all().await;
    let said: Vec<_> = carried.iter().filter(|line| line.starts_with("connect say")).collect();
    assert_eq!(said, ["connect say \"second\"", "connect say \"third\""]);
}
