//! Corners of the journey: what is lost, late, doubled or meant for nobody else.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use jiff::SignedDuration;
use tandem::desk::{Claim, Priority, Work};
use tandem::interactions::{Interaction, Settings};
use tandem_sdk::error::{AdapterError, ErrorKind};
use tandem_sdk::model::{ContentType, Fact, FactKind, Outcome, Party, Personal, Profile, Role, Visibility};
use tandem_sdk::secret::SecretRole;

use crate::desk_house::{CUSTOMER, DeskHouse, contact, contact_fact, line, said, thread};

const NOTHING: [&str; 0] = [];

pub(crate) async fn began(settings: Settings) -> DeskHouse {
    let mut house = DeskHouse::open(settings, false);
    house.carry_all().await;
    customer_says(&mut house, "1", "I need help").await;
    house
}

pub(crate) async fn queued(settings: Settings) -> DeskHouse {
    let house = began(settings).await;
    house.carry_all().await;
    house.wait(1).await;
    house
}

pub(crate) async fn served(settings: Settings) -> DeskHouse {
    let mut house = queued(settings).await;
    leg(&mut house, FactKind::LegConnected, "c1", Some("agent-1")).await;
    house.carry_all().await;
    house
}

pub(crate) async fn customer_says(house: &mut DeskHouse, id: &str, text: &str) {
    house.tell("acs", vec![said(thread(), house.now(), id, CUSTOMER, None, text)]).await;
}

pub(crate) async fn agent_says(house: &mut DeskHouse, on: &str, id: &str, text: &str) {
    house.tell("connect", vec![said(contact(on), house.now(), id, "a", Some(Role::Agent), text)]).await;
}

pub(crate) async fn leg(house: &mut DeskHouse, kind: FactKind, native: &str, agent: Option<&str>) {
    house.tell("connect", vec![contact_fact(kind, native, house.now(), agent)]).await;
}

/// A leg that follows `c1`.
pub(crate) fn follower(house: &DeskHouse, kind: FactKind, native: &str, agent: Option<&str>) -> Fact {
    let mut fact = contact_fact(kind, native, house.now(), agent);
    fact.links.previous = Some("c1".into());
    fact.links.initial = Some("c1".into());
    fact
}

/// Carries until a command of this kind is there, which stays in flight.
pub(crate) async fn reach(house: &DeskHouse, action: &str) -> Claim {
    loop {
        let claim = house.claim().await.unwrap();
        if claim.command.action.name() == action {
            return claim;
        }
        let (outcome, secrets) = house.usual_outcome(&claim.command.action);
        house.settle(&claim, outcome, secrets).await;
    }
}

pub(crate) async fn settle_usually(house: &DeskHouse, claim: &Claim) {
    let (outcome, secrets) = house.usual_outcome(&claim.command.action);
    house.settle(claim, outcome, secrets).await;
}

pub(crate) async fn fail(house: &DeskHouse, claim: &Claim, kind: ErrorKind) {
    let result = Err(AdapterError::new(kind, "operation", "no"));
    let work = Work::Outcome { command: claim.command.id, result, secrets: vec![], repeated: false };
    house.desk.submit(Priority::Outcome, work).await.unwrap();
}

pub(crate) async fn only(house: &DeskHouse) -> Interaction {
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
    for (placement, was) in after.placements.iter_mut().zip(&before.placements) {
        placement.asked = was.asked;
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
async fn a_message_that_is_only_a_file_is_told_to_the_agent_although_its_event_names_no_file() {
    let mut house = served(Settings::default()).await;
    customer_says(&mut house, "2", "").await;
    let line = "[a message without text, for instance a file, could not be carried over]";
    assert_eq!(house.carry_all().await, [format!("connect say {line:?}")]);

    // A file that a Teams client sends leaves a mark in the HTML, and nothing to read.
    let mut sent = said(thread(), house.now(), "3", CUSTOMER, None, r#"<attachment id="a"></attachment>"#);
    sent.message.as_mut().unwrap().content_type = ContentType::Html;
    house.tell("acs", vec![sent]).await;
    assert_eq!(house.carry_all().await, [format!("connect say {line:?}")]);

    let mut emptied = said(thread(), house.now(), "2", CUSTOMER, None, " ");
    emptied.kind = FactKind::MessageEdited;
    emptied.key = "message.edited/2/2".into();
    house.tell("acs", vec![emptied]).await;
    assert_eq!(house.carry_all().await, [format!("connect say {:?}", format!("(corrected) {line}"))]);
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
async fn what_is_held_and_what_is_said_in_the_gap_of_a_transfer_keep_their_order() {
    let mut house = served(Settings { hold: SignedDuration::from_secs(2), ..Settings::default() }).await;
    house.wait(3).await;
    house.carry_all().await;
    customer_says(&mut house, "2", "are you still there?").await;
    house.clock.advance(SignedDuration::from_millis(40));
    leg(&mut house, FactKind::LegEnded, "c1", Some("agent-1")).await;
    customer_says(&mut house, "3", "hello?").await;
    let next = follower(&house, FactKind::LegConnected, "c2", Some("agent-2"));
    house.tell("connect", vec![next]).await;
    let mut carried = house.carry_all().await;
    house.wait(3).await;
    carried.extend(house.carry_all().await);
    let said: Vec<_> = carried.iter().filter(|line| line.starts_with("connect say")).collect();
    assert_eq!(said, ["connect say \"are you still there?\"", "connect say \"hello?\""]);
    assert!(only(&house).await.waiting.is_empty());
}

#[tokio::test]
async fn what_was_held_when_the_leg_ended_reaches_the_successor() {
    let mut house = served(Settings { hold: SignedDuration::from_secs(2), ..Settings::default() }).await;
    house.wait(3).await;
    house.carry_all().await;
    customer_says(&mut house, "2", "are you still there?").await;
    leg(&mut house, FactKind::LegEnded, "c1", Some("agent-1")).await;
    house.wait(3).await;
    assert!(house.carry_all().await.iter().all(|line| !line.starts_with("connect say")), "there is nobody to hear it");
    let mut house = recovers(house).await;
    let next = follower(&house, FactKind::LegConnected, "c2", Some("agent-2"));
    house.tell("connect", vec![next]).await;
    let carried = house.carry_all().await;
    assert_eq!(carried.iter().filter(|line| *line == "connect say \"are you still there?\"").count(), 1, "{carried:?}");
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

#[tokio::test]
async fn a_transfer_whose_first_end_was_lost_closes_when_the_second_ends() {
    let mut house = served(Settings::default()).await;
    let next = follower(&house, FactKind::LegConnected, "c2", Some("agent-2"));
    house.tell("connect", vec![next]).await;
    house.carry_all().await;
    leg(&mut house, FactKind::LegEnded, "c2", Some("agent-2")).await;
    house.carry_all().await;
    house.wait(21).await;
    let carried = house.carry_all().await;
    assert!(carried.contains(&"connect end".to_owned()), "what may still stand is ended: {carried:?}");
    assert!(only(&house).await.closed.is_some());
}

#[tokio::test]
async fn a_transfer_to_a_queue_that_nobody_serves_is_asked_about_and_ends() {
    for end_first in [true, false] {
        let mut house = served(Settings::default()).await;
        let end = contact_fact(FactKind::LegEnded, "c1", house.now(), Some("agent-1"));
        let next = follower(&house, FactKind::LegQueued, "c2", None);
        let facts = if end_first { [end, next] } else { [next, end] };
        for fact in facts {
            house.tell("connect", vec![fact]).await;
        }
        house.carry_all().await;
        let house = recovers(house).await;
        house.carry_all().await;
        house.wait(31).await;
        assert_eq!(house.carry_all().await, ["connect inquire"]);
        house.wait(900).await;
        let carried = house.carry_all().await;
        assert!(carried.contains(&"connect end".to_owned()), "{carried:?}");
        assert!(only(&house).await.closed.is_some());
    }
}

#[tokio::test]
async fn what_an_agent_says_before_the_identity_is_ready_is_not_lost_when_the_agent_goes() {
    let mut house = queued(Settings::default()).await;
    leg(&mut house, FactKind::LegConnected, "c1", Some("agent-1")).await;
    agent_says(&mut house, "c1", "m1", "please call 555").await;
    house.wait(1).await;
    leg(&mut house, FactKind::LegEnded, "c1", Some("agent-1")).await;
    let mut says = Vec::new();
    while let Some(claim) = house.claim().await {
        if line(&claim) == "acs say \"please call 555\"" {
            says.push(claim.command.uses.values().cloned().collect::<Vec<_>>());
        }
        settle_usually(&house, &claim).await;
    }
    assert_eq!(says, [["hub/acs"]], "once, in the hub's voice");
}

#[tokio::test]
async fn a_message_that_outruns_the_connection_waits_for_the_agents_voice() {
    let mut house = queued(Settings::default()).await;
    agent_says(&mut house, "c1", "m1", "Hello").await;
    assert_eq!(house.carry_all().await, NOTHING);
    let mut house = recovers(house).await;
    house.carry_all().await;
    leg(&mut house, FactKind::LegConnected, "c1", Some("agent-1")).await;
    let mut voice = Vec::new();
    while let Some(claim) = house.claim().await {
        if line(&claim) == "acs say \"Hello\"" {
            voice.extend(claim.command.uses.values().cloned());
        }
        settle_usually(&house, &claim).await;
    }
    assert_eq!(voice, ["agent/acs/agent-1"]);
}

#[tokio::test]
async fn nobodys_words_are_said_in_somebody_elses_voice() {
    let mut house = served(Settings::default()).await;
    let mut early = said(contact("c2"), house.now(), "m2", "b", Some(Role::Agent), "I am the next one");
    early.links.initial = Some("c1".into());
    house.tell("connect", vec![early]).await;
    assert_eq!(house.carry_all().await, NOTHING);
    let next = follower(&house, FactKind::LegConnected, "c2", Some("agent-2"));
    house.tell("connect", vec![next]).await;
    agent_says(&mut house, "c1", "m3", "I was the one before").await;
    let mut voices = Vec::new();
    while let Some(claim) = house.claim().await {
        if line(&claim).contains("the ") {
            voices.extend(claim.command.uses.values().map(|token| format!("{} by {token}", line(&claim))));
        }
        settle_usually(&house, &claim).await;
    }
    voices.sort();
    assert_eq!(
        voices,
        ["acs say \"I am the next one\" by agent/acs/agent-2", "acs say \"I was the one before\" by hub/acs"]
    );
}

#[tokio::test]
async fn an_identity_that_never_comes_keeps_nothing_back() {
    let mut house = queued(Settings::default()).await;
    leg(&mut house, FactKind::LegConnected, "c1", Some("agent-1")).await;
    agent_says(&mut house, "c1", "m1", "Hello").await;
    let identify = reach(&house, "identify").await;
    house.wait(31).await;
    assert_eq!(house.carry_all().await, ["acs say \"Hello\""]);
    settle_usually(&house, &identify).await;
    assert!(house.carry_all().await.contains(&"acs join".to_owned()));
}

#[tokio::test]
async fn a_straggler_that_comes_within_the_hold_goes_first_and_is_not_late() {
    let mut house = served(Settings { hold: SignedDuration::from_secs(2), ..Settings::default() }).await;
    house.wait(3).await;
    house.carry_all().await;
    let older = house.now();
    house.wait(1).await;
    customer_says(&mut house, "3", "newer").await;
    house.wait(1).await;
    house.tell("acs", vec![said(thread(), older, "2", CUSTOMER, None, "older")]).await;
    customer_says(&mut house, "4", "newest").await;
    house.wait(1).await;
    assert_eq!(house.carry_all().await, ["connect say \"older\"", "connect say \"newer\""]);
    house.wait(1).await;
    assert_eq!(house.carry_all().await, ["connect say \"newest\""]);
}

#[tokio::test]
async fn last_words_that_are_held_reach_the_agent_before_the_end() {
    let mut house = served(Settings { hold: SignedDuration::from_secs(2), ..Settings::default() }).await;
    house.wait(3).await;
    house.carry_all().await;
    customer_says(&mut house, "2", "my last words").await;
    house.tell("acs", vec![Fact::new(FactKind::LegEnded, thread(), house.now(), "gone")]).await;
    let carried = house.carry_all().await;
    let position = |what: &str| carried.iter().position(|line| line == what).unwrap();
    assert!(position("connect say \"my last words\"") < position("connect end"), "{carried:?}");
}

/// A chat that is placed with the first target of two.
pub(crate) async fn gold(settings: Settings) -> DeskHouse {
    let mut house = DeskHouse::open(settings, true);
    house.carry_all().await;
    customer_says(&mut house, "1", "first").await;
    let look = reach(&house, "lookup").await;
    let profile = Profile { document: "{\"tier\":\"gold\"}".into(), ..Profile::default() };
    house.settle(&look, Outcome::Profile { found: Some(profile) }, vec![]).await;
    house
}

#[tokio::test]
async fn what_comes_of_a_placement_goes_to_that_placement() {
    let house = gold(Settings { patience: SignedDuration::from_secs(60), ..Settings::default() }).await;
    let first = reach(&house, "place").await;
    house.wait(61).await;
    let second = reach(&house, "place").await;
    settle_usually(&house, &first).await;
    let placed = Outcome::Placed { leg: contact("c2"), participant: "p-2".into() };
    house.settle(&second, placed, vec![(SecretRole::ParticipantToken, "token-2")]).await;
    let it = only(&house).await;
    let legs: Vec<_> = it.placements.iter().map(|placement| placement.leg.clone().unwrap().native).collect();
    assert_eq!(legs, ["c1", "c2"]);
    let mut did = Vec::new();
    while let Some(claim) = house.claim().await {
        let leg = claim.command.action.leg().map(|leg| leg.native.clone()).unwrap_or_default();
        did.push(format!("{} {leg}", claim.command.action.name()));
        settle_usually(&house, &claim).await;
    }
    did.retain(|line| !line.contains("19:"));
    assert_eq!(did, ["end c1", "listen c2", "enter c2", "say c2"]);
}

#[tokio::test]
async fn a_contact_that_comes_after_the_end_is_ended() {
    let house = began(Settings { patience: SignedDuration::from_secs(60), ..Settings::default() }).await;
    let place = reach(&house, "place").await;
    house.wait(61).await;
    house.carry_all().await;
    settle_usually(&house, &place).await;
    assert_eq!(house.carry_all().await, ["connect end"]);
}

#[tokio::test]
async fn a_closed_interaction_is_not_placed_again() {
    let mut house = gold(Settings::default()).await;
    let place = reach(&house, "place").await;
    house.tell("acs", vec![Fact::new(FactKind::LegEnded, thread(), house.now(), "gone")]).await;
    fail(&house, &place, ErrorKind::Refused).await;
    let carried = house.carry_all().await;
    assert!(carried.iter().all(|line| !line.starts_with("connect place")), "{carried:?}");
}

#[tokio::test]
async fn an_agent_of_whom_late_news_comes_takes_nobody_out() {
    let mut house = queued(Settings::default()).await;
    let early = contact_fact(FactKind::LegConnected, "c1", house.now(), Some("agent-1"));
    house.wait(5).await;
    let next = follower(&house, FactKind::LegConnected, "c2", Some("agent-2"));
    house.tell("connect", vec![next]).await;
    house.carry_all().await;
    house.tell("connect", vec![early]).await;
    assert_eq!(house.carry_all().await, NOTHING);
    leg(&mut house, FactKind::LegEnded, "c1", Some("agent-1")).await;
    assert_eq!(house.carry_all().await, NOTHING);
    assert_eq!(only(&house).await.assignment.unwrap().agent, "agent-2");
}

#[tokio::test]
async fn a_member_who_is_not_the_customer_may_leave() {
    let mut house = served(Settings::default()).await;
    let mut other = Fact::new(FactKind::ParticipantJoined, thread(), house.now(), "joined");
    other.participant = Some(Party { address: "8:acs:supervisor".into(), ..Party::default() });
    house.tell("acs", vec![other.clone()]).await;
    house.wait(1).await;
    let left = Fact { kind: FactKind::ParticipantLeft, key: "left".into(), occurred_at: house.now(), ..other };
    house.tell("acs", vec![left.clone()]).await;
    assert_eq!(house.carry_all().await, NOTHING);
    assert!(only(&house).await.closed.is_none());

    let customer = Some(Party { address: CUSTOMER.into(), ..Party::default() });
    let joined =
        Fact { kind: FactKind::ParticipantJoined, key: "3".into(), participant: customer.clone(), ..left.clone() };
    house.tell("acs", vec![joined]).await;
    house.wait(1).await;
    let gone = Fact { key: "4".into(), participant: customer, occurred_at: house.now(), ..left };
    house.tell("acs", vec![gone]).await;
    assert!(only(&house).await.closed.is_some());
}

#[tokio::test]
async fn a_message_from_the_future_makes_no_other_late() {
    let mut house = served(Settings::default()).await;
    let future = house.now().saturating_add(SignedDuration::from_hours(10)).unwrap();
    house.tell("acs", vec![said(thread(), future, "2", CUSTOMER, None, "future")]).await;
    house.wait(5).await;
    customer_says(&mut house, "3", "now").await;
    assert_eq!(house.carry_all().await, ["connect say \"future\"", "connect say \"now\""]);
}

#[tokio::test]
async fn a_fallback_hears_everything_in_order_and_nothing_as_late() {
    let mut house = gold(Settings::default()).await;
    house.carry_all().await;
    house.wait(2).await;
    customer_says(&mut house, "2", "second").await;
    house.carry_all().await;
    house.wait(901).await;
    let place = reach(&house, "place").await;
    let placed = Outcome::Placed { leg: contact("c9"), participant: "p-9".into() };
    house.settle(&place, placed, vec![(SecretRole::ParticipantToken, "token-9")]).await;
    let carried = house.carry_all().await;
    let said: Vec<_> = carried.iter().filter(|line| line.starts_with("connect say")).collect();
    assert_eq!(said, ["connect say \"first\"", "connect say \"second\""]);
}

#[tokio::test]
async fn a_renewal_that_failed_is_tried_again() {
    let house = served(Settings { silence: SignedDuration::from_hours(100), ..Settings::default() }).await;
    house.wait(20 * 3600).await;
    let renewal = reach(&house, "enter").await;
    fail(&house, &renewal, ErrorKind::Unavailable).await;
    assert!(house.carry_all().await.contains(&"connect inquire".to_owned()));
    house.wait(31).await;
    assert_eq!(house.carry_all().await, ["connect enter"]);
}
