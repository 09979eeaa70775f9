//! How interactions begin and how they end: what comes after the end, what nobody ever wrote to, what was never ours.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use jiff::SignedDuration;
use tandem::desk::{Priority, Work};
use tandem::interactions::{ChatRequest, Interaction, Settings, State};
use tandem_sdk::error::ErrorKind;
use tandem_sdk::model::{ClosingReason, Fact, FactKind, InteractionId, LegRef, Outcome, Party, Personal, Role};
use tandem_sdk::secret::SecretRole;

use crate::conduct_corners::{customer_says, fail, gold, leg, only, reach, served};
use crate::desk_house::{CUSTOMER, DeskHouse, HUB, contact, contact_fact, said, thread};

const NOTHING: [&str; 0] = [];

/// The interactions, the first to be opened first.
async fn all(house: &DeskHouse) -> Vec<Interaction> {
    let mut ids: Vec<InteractionId> = Vec::new();
    for event in house.events() {
        if !ids.contains(&event.interaction) {
            ids.push(event.interaction);
        }
    }
    let mut found = Vec::new();
    for id in ids {
        found.push(house.desk.interaction(id).await.unwrap().unwrap());
    }
    found
}

fn reason(it: &Interaction) -> Option<ClosingReason> {
    it.closed.map(|closed| closed.reason)
}

fn count(house: &DeskHouse, name: &str) -> usize {
    house.event_names().iter().filter(|one| *one == name).count()
}

/// An agent had it, nobody followed, the customer was told that it is over.
async fn over() -> DeskHouse {
    let mut house = served(Settings::default()).await;
    leg(&mut house, FactKind::LegEnded, "c1", Some("agent-1")).await;
    house.carry_all().await;
    house.wait(21).await;
    let carried = house.carry_all().await;
    assert!(carried[0] == "connect recall" && carried[1].starts_with("acs say \"This conversation has ended."));
    house
}

#[tokio::test]
async fn the_grace_of_a_placement_that_was_lost_does_not_end_its_fallback() {
    let mut house = gold(Settings::default()).await;
    let enter = reach(&house, "enter").await;
    leg(&mut house, FactKind::LegEnded, "c1", None).await;
    fail(&house, &enter, ErrorKind::Refused).await;
    let place = reach(&house, "place").await;
    assert_eq!(only(&house).await.placements.len(), 2);
    // The cloud takes its time, longer than grace.
    house.wait(60).await;
    assert_eq!((only(&house).await.state(), count(&house, "offer.lost")), (State::Dispatching, 1));

    let placed = Outcome::Placed { leg: contact("c2"), participant: "p-2".into() };
    house.settle(&place, placed, vec![(SecretRole::ParticipantToken, "token-2")]).await;
    let carried = house.carry_all().await;
    assert!(carried.contains(&"connect say \"first\"".to_owned()), "{carried:?}");
}

#[tokio::test]
async fn what_the_customer_writes_right_after_the_end_begins_anew() {
    let mut house = over().await;
    house.wait(3).await;
    customer_says(&mut house, "2", "one more thing").await;
    let carried = house.carry_all().await;
    assert!(carried.contains(&"connect place queue-general".to_owned()), "{carried:?}");
    let all = all(&house).await;
    assert_eq!(all.len(), 2);
    assert_eq!((all[1].generation, all[1].continued_from), (2, Some(all[0].id)));
}

#[tokio::test]
async fn what_was_written_before_the_end_and_comes_after_it_is_told_as_undelivered() {
    let mut house = served(Settings::default()).await;
    let (by_customer, by_agent) = (
        said(thread(), house.now(), "2", CUSTOMER, None, "one more thing"),
        said(contact("c1"), house.now(), "m9", "a", Some(Role::Agent), "bye"),
    );
    leg(&mut house, FactKind::LegEnded, "c1", Some("agent-1")).await;
    house.wait(21).await;
    house.carry_all().await;
    assert_eq!(
        (reason(&only(&house).await), count(&house, "message.undelivered")),
        (Some(ClosingReason::Completed), 0)
    );

    house.tell("acs", vec![by_customer]).await;
    assert_eq!(count(&house, "message.undelivered"), 1);
    house.tell("connect", vec![by_agent]).await;
    assert_eq!((all(&house).await.len(), count(&house, "message.undelivered")), (1, 2));
    assert_eq!(house.carry_all().await, NOTHING);
}

#[tokio::test]
async fn what_waits_for_a_successor_that_never_comes_is_told_as_undelivered() {
    let mut house = served(Settings::default()).await;
    leg(&mut house, FactKind::LegEnded, "c1", Some("agent-1")).await;
    customer_says(&mut house, "2", "are you there?").await;
    house.wait(21).await;
    assert_eq!(count(&house, "message.undelivered"), 0);
    house.carry_all().await;
    assert_eq!(count(&house, "message.undelivered"), 1);
}

#[tokio::test]
async fn a_twin_of_a_message_that_was_taken_before_the_end_opens_nothing() {
    let mut house = served(Settings::default()).await;
    // The customer's cloud is a little ahead of the hub.
    let ahead = house.now().saturating_add(SignedDuration::from_secs(2)).unwrap();
    let message = said(thread(), ahead, "2", CUSTOMER, None, "bye");
    house.tell("acs", vec![message.clone()]).await;
    house.tell("acs", vec![Fact::new(FactKind::LegEnded, thread(), house.now(), "gone")]).await;
    house.tell("acs", vec![message]).await;
    house.carry_all().await;
    assert_eq!(house.desk.interactions(9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_last_words_of_hub_and_agent_open_nothing_however_late_they_come_back() {
    let mut house = over().await;
    house.wait(600).await;
    let agent = only(&house).await.agent_parties[0];
    for (id, author) in [("h1", HUB), ("a1", "8:acs:agent")] {
        let fact = said(thread(), house.now(), id, author, None, "This conversation has ended.");
        house.tell("acs", vec![fact]).await;
    }
    assert_eq!(house.carry_all().await, NOTHING);
    let all = all(&house).await;
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].agent_parties, [agent]);
}

async fn asks_for_a_chat(house: &DeskHouse) {
    let request = ChatRequest { key: "k1".into(), name: "Jane".into(), ..ChatRequest::default() };
    house.desk.submit(Priority::Webhook, Work::Chat(Box::new(request))).await.unwrap();
}

#[tokio::test]
async fn a_chat_whose_customer_gets_no_token_is_closed() {
    let house = DeskHouse::open(Settings::default(), false);
    house.carry_all().await;
    asks_for_a_chat(&house).await;
    let token = reach(&house, "issue_token").await;
    assert_eq!(token.command.purpose.0, "customer_token");
    fail(&house, &token, ErrorKind::Refused).await;
    let it = only(&house).await;
    assert_eq!(reason(&it), Some(ClosingReason::Failed));
    let dead = it.dead.values().next().unwrap();
    assert!(it.cannot_redrive(&dead.command).is_some());
    house.carry_all().await;
    assert!(only(&house).await.secrets.is_empty());
}

#[tokio::test]
async fn a_chat_in_which_nobody_ever_writes_is_closed_after_a_day_and_its_secrets_go() {
    let house = DeskHouse::open(Settings::default(), false);
    house.carry_all().await;
    asks_for_a_chat(&house).await;
    assert_eq!(house.carry_all().await, ["acs identify", "acs issue_token", "acs open"]);
    house.wait(24 * 3600 - 60).await;
    let it = only(&house).await;
    assert_eq!((reason(&it), it.secrets.len()), (None, 1));

    let house = house.restart();
    house.carry_all().await;
    house.wait(60).await;
    let it = only(&house).await;
    assert_eq!((reason(&it), it.secrets.len(), it.timers.len()), (Some(ClosingReason::Abandoned), 0, 0));
    let carried = house.carry_all().await;
    assert!(carried.iter().all(|line| !line.starts_with("acs say") && line != "acs leave"), "{carried:?}");
}

#[tokio::test]
async fn a_thread_that_was_created_without_a_message_is_closed_and_one_with_a_message_is_not() {
    let mut house = DeskHouse::open(Settings::default(), false);
    house.carry_all().await;
    house.tell("acs", vec![Fact::new(FactKind::LegInitiated, thread(), house.now(), "created")]).await;
    // The site's own program, which is an agent nowhere, says something to the customer meanwhile.
    house.wait(20 * 3600).await;
    let mut notice = said(thread(), house.now(), "0", HUB, None, "Welcome");
    notice.author.as_mut().unwrap().name = Personal::NONE;
    house.tell("acs", vec![notice]).await;
    house.wait(20 * 3600).await;
    assert_eq!(reason(&only(&house).await), None, "what is said there moves its end");
    house.wait(4 * 3600).await;
    assert_eq!(reason(&only(&house).await), Some(ClosingReason::Abandoned));

    let house = served(Settings::default()).await;
    assert!(!only(&house).await.timers.contains_key("idle"));
    house.wait(25 * 3600).await;
    assert_eq!(reason(&only(&house).await), None);
}

/// A contact of the instance that nobody placed.
async fn somebody_elses(facts: &[(FactKind, Option<&str>)]) -> DeskHouse {
    let mut house = DeskHouse::open(Settings::default(), false);
    house.carry_all().await;
    for (kind, agent) in facts {
        leg(&mut house, *kind, "v1", *agent).await;
        house.wait(1).await;
    }
    house
}

#[tokio::test]
async fn a_contact_that_is_not_ours_closes_when_its_last_leg_is_over() {
    let end = (FactKind::LegEnded, None);
    for (facts, expected) in [
        (
            vec![(FactKind::LegInitiated, None), (FactKind::LegConnected, Some("agent-1")), end],
            ClosingReason::Completed,
        ),
        (vec![(FactKind::LegQueued, None), end], ClosingReason::Abandoned),
        (vec![end], ClosingReason::Abandoned),
    ] {
        let house = somebody_elses(&facts).await;
        assert_eq!(reason(&only(&house).await), None, "a successor may come");
        house.wait(21).await;
        let it = only(&house).await;
        assert_eq!((reason(&it), it.timers.len()), (Some(expected), 0), "{facts:?}");
        assert_eq!(house.carry_all().await, NOTHING);
        let house = house.restart();
        assert_eq!(house.carry_all().await, NOTHING, "it is not woken any more");
    }
}

#[tokio::test]
async fn a_transfer_of_a_contact_that_is_not_ours_keeps_it_open() {
    let mut house = somebody_elses(&[(FactKind::LegConnected, Some("agent-1")), (FactKind::LegEnded, None)]).await;
    let mut next = contact_fact(FactKind::LegConnected, "v2", house.now(), Some("agent-2"));
    (next.links.previous, next.links.initial) = (Some("v1".into()), Some("v1".into()));
    house.tell("connect", vec![next]).await;
    house.wait(60).await;
    let it = only(&house).await;
    assert_eq!((reason(&it), it.assignment.unwrap().agent), (None, "agent-2".to_owned()));
    leg(&mut house, FactKind::LegEnded, "v2", None).await;
    house.wait(21).await;
    assert_eq!(reason(&only(&house).await), Some(ClosingReason::Completed));
}

#[tokio::test]
async fn the_lost_end_of_a_contact_that_is_not_ours_is_asked_for() {
    for facts in [vec![(FactKind::LegQueued, None)], vec![(FactKind::LegConnected, Some("agent-1"))]] {
        let house = somebody_elses(&facts).await;
        assert_eq!(house.carry_all().await, NOTHING);
        house.wait(600).await;
        let inquire = reach(&house, "inquire").await;
        let ended = contact_fact(FactKind::LegEnded, "v1", house.now(), None);
        house.settle(&inquire, Outcome::Observed { facts: vec![ended] }, vec![]).await;
        house.wait(21).await;
        assert!(only(&house).await.closed.is_some(), "{facts:?}");
    }
}

#[tokio::test]
async fn a_contact_that_is_not_ours_and_that_its_cloud_does_not_know_any_more_is_closed() {
    let house = somebody_elses(&[(FactKind::LegQueued, None)]).await;
    house.wait(600).await;
    let inquire = reach(&house, "inquire").await;
    fail(&house, &inquire, ErrorKind::NotFound).await;
    assert_eq!(reason(&only(&house).await), Some(ClosingReason::Abandoned));
}

#[tokio::test]
async fn a_second_chat_of_a_customer_and_a_second_matter_of_an_agent_make_no_second_identity() {
    for restarts in [false, true] {
        let mut house = DeskHouse::open(Settings::default(), false);
        house.carry_all().await;
        let mut identified = Vec::new();
        for n in 1..=2 {
            identified.extend(one_chat(&mut house, n).await);
            if restarts {
                house = house.restart();
                house.carry_all().await;
            }
        }
        assert_eq!(identified, ["8:acs:jane", "8:acs:ada"], "each of them once, restarts: {restarts}");
    }
}

/// A chat that the same customer asks for and the same agent takes. Says which identities were made.
async fn one_chat(house: &mut DeskHouse, n: u32) -> Vec<&'static str> {
    let identity = tandem_sdk::model::Identity {
        kind: tandem_sdk::model::IdentityKind::Customer,
        value: "C-1".into(),
        source: "caller".into(),
        verified: true,
    };
    let request = ChatRequest { key: format!("k{n}"), identities: vec![identity], ..ChatRequest::default() };
    house.desk.submit(Priority::Webhook, Work::Chat(Box::new(request))).await.unwrap();
    let talk = LegRef { native: format!("19:t{n}"), ..thread() };
    let mut identified = carry_with(house, n, &talk, "8:acs:jane").await;
    house.tell("acs", vec![said(talk.clone(), house.now(), "1", "8:acs:jane", None, "Hello")]).await;
    identified.extend(carry_with(house, n, &talk, "").await);
    house.wait(1).await;
    leg(house, FactKind::LegConnected, &format!("c{n}"), Some("agent-1")).await;
    identified.extend(carry_with(house, n, &talk, "8:acs:ada").await);
    let it = house.desk.interactions(9).await.unwrap();
    assert_eq!(it.iter().filter(|it| it.state == State::Active).count(), usize::try_from(n).unwrap());
    identified
}

async fn carry_with(house: &DeskHouse, n: u32, talk: &LegRef, identity: &'static str) -> Vec<&'static str> {
    let mut identified = Vec::new();
    while let Some(claim) = house.claim().await {
        let (mut outcome, secrets) = house.usual_outcome(&claim.command.action);
        match &mut outcome {
            Outcome::Identified { address } => {
                *address = identity.into();
                identified.push(identity);
            }
            Outcome::Opened { leg, .. } => *leg = talk.clone(),
            Outcome::Placed { leg, .. } => *leg = contact(&format!("c{n}")),
            _ => {}
        }
        house.settle(&claim, outcome, secrets).await;
    }
    identified
}

#[tokio::test]
async fn a_thread_without_the_hub_is_told_of_when_its_members_are_told() {
    let mut house = DeskHouse::open(Settings::default(), false);
    house.carry_all().await;
    let member = |address: &str| Party { address: address.into(), ..Party::default() };
    for (native, members, expected) in
        [("19:with", vec![member(CUSTOMER), member(HUB)], 0), ("19:without", vec![member(CUSTOMER)], 1)]
    {
        let mut created =
            Fact::new(FactKind::LegInitiated, LegRef { native: native.into(), ..thread() }, house.now(), "created");
        created.members = members;
        house.tell("acs", vec![created]).await;
        assert_eq!(count(&house, "interaction.hub_absent"), expected, "{native}");
    }
    assert!(all(&house).await[1].hub_absent);
}

#[tokio::test]
async fn a_notice_that_the_thread_refuses_says_that_the_hub_is_no_participant() {
    let mut house = DeskHouse::open(Settings::default(), false);
    house.carry_all().await;
    customer_says(&mut house, "1", "I need help").await;
    let notice = reach(&house, "say").await;
    fail(&house, &notice, ErrorKind::Refused).await;
    assert_eq!(count(&house, "interaction.hub_absent"), 1);
    assert!(only(&house).await.hub_absent);
}
