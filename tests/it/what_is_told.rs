//! What each side gets to read: corrections, names, files, choices, notices; and what a decision says of itself.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use tandem::interactions::{Settings, Step};
use tandem::routing::{Decision, Standing};
use tandem_sdk::error::{AdapterError, ErrorKind};
use tandem_sdk::model::{
    Action, Attachment, ClosingReason, ContentType, EventKind, Fact, FactKind, Outcome, Personal, Profile, Role,
};

use crate::conduct_corners::{customer_says, fail, leg, only, reach, served, settle_usually};
use crate::desk_house::{CUSTOMER, DeskHouse, RULES, contact, contact_fact, said, setup, thread};
use tandem::desk::{Priority, Work};

const NOTHING: [&str; 0] = [];

fn changed(kind: FactKind, mut fact: Fact, text: &str) -> Fact {
    fact.kind = kind;
    fact.key = format!("{}/{}", kind.name(), fact.key);
    fact.message.as_mut().unwrap().text = text.into();
    fact
}

#[tokio::test]
async fn corrections_and_what_is_taken_back_are_told_as_text_on_both_sides() {
    let mut house = served(Settings::default()).await;
    let by_customer = said(thread(), house.now(), "2", CUSTOMER, None, "at five");
    let by_agent = said(contact("c1"), house.now(), "m2", "a", Some(Role::Agent), "at six");
    for (instance, other, fact) in [("acs", "connect", by_customer), ("connect", "acs", by_agent)] {
        let text = fact.message.as_ref().unwrap().text.reveal().unwrap().to_owned();
        house.tell(instance, vec![fact.clone()]).await;
        assert_eq!(house.carry_all().await, [format!("{other} say {text:?}")]);
        house.tell(instance, vec![changed(FactKind::MessageEdited, fact.clone(), "at seven")]).await;
        assert_eq!(house.carry_all().await, [format!("{other} say \"(corrected) at seven\"")]);
        house.tell(instance, vec![changed(FactKind::MessageDeleted, fact, "")]).await;
        assert_eq!(house.carry_all().await, [format!("{other} say \"(a message was taken back)\"")]);
    }
}

#[tokio::test]
async fn nobody_is_without_a_name() {
    let mut house = DeskHouse::open(Settings::default(), false);
    house.carry_all().await;
    let mut first = said(thread(), house.now(), "1", CUSTOMER, None, "I need help");
    first.author.as_mut().unwrap().name = " ".into();
    house.tell("acs", vec![first]).await;
    let mut named = Vec::new();
    for step in 0..2 {
        while let Some(claim) = house.claim().await {
            let name = match &claim.command.action {
                Action::Place { name, .. } => Some(name),
                Action::Join { member, .. } => Some(&member.name),
                Action::Say { content, .. } if claim.command.instance.0 == "acs" => Some(&content.name),
                _ => None,
            };
            let name = name.map(|name| name.reveal().unwrap_or_default().to_owned());
            named.extend(name.map(|name| format!("{} {name}", claim.command.action.name())));
            let (mut outcome, secrets) = house.usual_outcome(&claim.command.action);
            if let Outcome::Described { name } = &mut outcome {
                *name = Personal::NONE;
            }
            house.settle(&claim, outcome, secrets).await;
        }
        if step == 0 {
            leg(&mut house, FactKind::LegConnected, "c1", Some("agent-1")).await;
            let mut hello = said(contact("c1"), house.now(), "m1", "a", Some(Role::Agent), "Hello");
            hello.author.as_mut().unwrap().name = Personal::NONE;
            house.tell("connect", vec![hello]).await;
        }
    }
    assert_eq!(named, ["place Customer", "say Assistant", "join Agent", "say Agent", "say Agent"]);
    let greeting = house.events().into_iter().find_map(|event| match event.kind {
        EventKind::NoticePosted { notice, content } if notice == "greeting" => Some(content.text),
        _ => None,
    });
    assert_eq!(greeting.unwrap().reveal(), Some("You are now talking to Agent."));
}

#[tokio::test]
async fn a_choice_that_the_flow_offers_reaches_the_customer_as_a_list() {
    let mut house = served(Settings::default()).await;
    let json = r#"{"templateType":"ListPicker","version":"1.0","data":{"content":{"title":"What is it about?",
        "elements":[{"title":"Bill"},{"title":"Parcel"}]}}}"#;
    let mut offer = said(contact("c1"), house.now(), "m1", "flow", Some(Role::System), json);
    offer.message.as_mut().unwrap().content_type = ContentType::Interactive;
    house.tell("connect", vec![offer]).await;
    assert_eq!(house.carry_all().await, ["acs say \"What is it about?\\n1. Bill\\n2. Parcel\""]);
}

#[tokio::test]
async fn a_file_of_either_side_becomes_a_line_that_says_that_it_was_left_behind() {
    let mut house = served(Settings::default()).await;
    let from_agent = said(contact("c1"), house.now(), "m1", "a", Some(Role::Agent), "");
    let from_customer = said(thread(), house.now(), "2", CUSTOMER, None, "");
    for (instance, other, mut fact) in [("connect", "acs", from_agent), ("acs", "connect", from_customer)] {
        let message = fact.message.as_mut().unwrap();
        message.content_type = ContentType::Attachment;
        let media_type = Some("image/png".to_owned());
        message.attachments =
            vec![Attachment { id: "f1".into(), media_type, name: "plan.png".into(), ..Attachment::default() }];
        house.tell(instance, vec![fact]).await;
        let line = "[file plan.png (image/png) could not be carried over]";
        assert_eq!(house.carry_all().await, [format!("{other} say {line:?}")]);
    }
}

/// The queues that were decided and found, for every time that they differed.
fn diverged(house: &DeskHouse) -> Vec<(String, String)> {
    let events = house.events().into_iter();
    events
        .filter_map(|event| match event.kind {
            EventKind::DecisionDiverged { decided, actual } => Some((decided, actual)),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn another_queue_than_was_decided_is_told_and_the_same_by_its_arn_is_not() {
    let arn = "arn:aws:connect:eu-central-1:111122223333:instance/instance-1/queue/queue-general";
    for rules in [RULES.to_owned(), RULES.replace("\"queue-general\"", &format!("{arn:?}"))] {
        let mut house = DeskHouse::open_with(setup(Settings::default(), false), &rules);
        house.carry_all().await;
        customer_says(&mut house, "1", "I need help").await;
        house.carry_all().await;
        for (queue, expected) in [("queue-general", vec![]), ("queue-other", vec![("queue-general", "queue-other")])] {
            house.wait(1).await;
            let mut queued = contact_fact(FactKind::LegQueued, "c1", house.now(), None);
            queued.queue = Some(queue.into());
            house.tell("connect", vec![queued]).await;
            let expected: Vec<_> = expected.into_iter().map(|(a, b)| (a.to_owned(), b.to_owned())).collect();
            assert_eq!(diverged(&house), expected, "{rules}");
        }
    }
}

/// A customer who wrote, and a CDP that is being asked.
async fn asked() -> DeskHouse {
    let mut house = DeskHouse::open(Settings::default(), true);
    house.carry_all().await;
    customer_says(&mut house, "1", "I need help").await;
    house
}

fn decisions(house: &DeskHouse) -> Vec<Decision> {
    let steps = house.records().into_iter().flat_map(|record| record.steps);
    steps.filter_map(|step| if let Step::Decision(decision) = step { Some(*decision) } else { None }).collect()
}

/// Why there is no profile, by the event and by the decision.
fn why_not(house: &DeskHouse) -> (String, Standing) {
    let told = house.events().into_iter().find_map(|event| match event.kind {
        EventKind::ProfileMissing { reason } => Some(reason),
        _ => None,
    });
    (told.unwrap(), decisions(house).remove(0).profile)
}

fn missing(reason: &str) -> (String, Standing) {
    (reason.to_owned(), Standing::Missing { reason: reason.to_owned() })
}

#[tokio::test]
async fn a_profile_that_comes_after_its_deadline_is_kept_and_decides_nothing() {
    let house = asked().await;
    let lookup = reach(&house, "lookup").await;
    assert_eq!(decisions(&house).len(), 0, "the decision waits for the profile");
    house.wait(1).await;
    assert_eq!(why_not(&house), missing("deadline"));
    assert!(house.carry_all().await.contains(&"connect place queue-general".to_owned()));

    let found = Profile { document: r#"{"tier":"gold"}"#.into(), ..Profile::default() };
    house.settle(&lookup, Outcome::Profile { found: Some(found) }, vec![]).await;
    let late = house.events().into_iter().filter(|event| event.kind == EventKind::ProfileResolved { late: true });
    assert_eq!((late.count(), decisions(&house).len()), (1, 1));
    assert_eq!(house.carry_all().await, NOTHING);
    let house = house.restart();
    assert_eq!(only(&house).await.customer.profile.reveal(), Some(r#"{"tier":"gold"}"#));
}

#[tokio::test]
async fn a_decision_says_why_it_was_made_without_a_profile() {
    let house = asked().await;
    let lookup = reach(&house, "lookup").await;
    house.settle(&lookup, Outcome::Profile { found: None }, vec![]).await;
    assert_eq!(why_not(&house), missing("unknown"));

    let house = asked().await;
    let lookup = reach(&house, "lookup").await;
    let result = Err(AdapterError::new(ErrorKind::Unavailable, "lookup", "breaker_open"));
    let work = Work::Outcome { command: lookup.command.id, result, secrets: vec![], repeated: false };
    house.desk.submit(Priority::Outcome, work).await.unwrap();
    assert_eq!(why_not(&house), missing("breaker_open"));

    let mut house = DeskHouse::open(Settings::default(), false);
    house.carry_all().await;
    customer_says(&mut house, "1", "I need help").await;
    assert_eq!(why_not(&house), missing("not_configured"));
}

#[tokio::test]
async fn the_customer_is_told_when_waiting_starts_and_when_nobody_comes() {
    let mut house = DeskHouse::open(Settings::default(), false);
    house.carry_all().await;
    customer_says(&mut house, "1", "I need help").await;
    let notice = "acs say \"Thank you. We are looking for somebody who can help you.\"";
    assert_eq!(house.carry_all().await.iter().filter(|line| *line == notice).count(), 1);
    house.wait(899).await;
    assert!(house.carry_all().await.iter().all(|line| !line.starts_with("acs say")));
    house.wait(2).await;
    let carried = house.carry_all().await;
    assert!(
        carried.contains(&"acs say \"I am sorry, nobody is free right now. Please write again later.\"".to_owned()),
        "{carried:?}"
    );
    assert_eq!(only(&house).await.closed.map(|end| end.reason), Some(ClosingReason::Expired));
}

#[tokio::test]
async fn the_customer_is_told_when_connect_refuses() {
    let mut house = DeskHouse::open(Settings::default(), false);
    house.carry_all().await;
    customer_says(&mut house, "1", "I need help").await;
    let place = reach(&house, "place").await;
    fail(&house, &place, ErrorKind::Refused).await;
    let carried = house.carry_all().await;
    let notice = "acs say \"I am sorry, we cannot connect you at the moment. Please write again later.\"";
    assert!(carried.contains(&notice.to_owned()), "{carried:?}");
    assert_eq!(only(&house).await.closed.map(|end| end.reason), Some(ClosingReason::Failed));
}

/// A chat that an agent has, of whose leg the cloud says that it does not know us when the customer writes.
async fn refused(kind: ErrorKind) -> DeskHouse {
    let mut house = served(Settings::default()).await;
    customer_says(&mut house, "2", "are you there?").await;
    let say = reach(&house, "say").await;
    fail(&house, &say, kind).await;
    house
}

fn undelivered(house: &DeskHouse) -> usize {
    house.event_names().iter().filter(|name| *name == "message.undelivered").count()
}

#[tokio::test]
async fn what_a_stale_connection_does_not_take_is_said_again_over_a_new_one_in_order() {
    for kind in [ErrorKind::Unverified, ErrorKind::Refused, ErrorKind::NotFound] {
        let mut house = served(Settings::default()).await;
        customer_says(&mut house, "2", "second").await;
        house.wait(1).await;
        customer_says(&mut house, "3", "third").await;
        for _ in 0..2 {
            let say = reach(&house, "say").await;
            fail(&house, &say, kind).await;
        }
        house.wait(1).await;
        customer_says(&mut house, "4", "fourth").await;
        let mut carried = house.carry_all().await;
        carried.retain(|line| line != "connect inquire");
        let said = |text: &str| format!("connect say {text:?}");
        assert_eq!(carried, ["connect enter".to_owned(), said("second"), said("third"), said("fourth")], "{kind:?}");
        assert_eq!(undelivered(&house), 0);
        let it = only(&house).await;
        assert!(it.dead.values().all(|dead| it.cannot_redrive(&dead.command).is_some()), "that would say it twice");
    }
}

#[tokio::test]
async fn what_is_refused_twice_is_undelivered_and_tried_no_more() {
    let house = refused(ErrorKind::Unverified).await;
    assert_eq!(undelivered(&house), 0);
    let house = house.restart();
    let again = reach(&house, "say").await;
    fail(&house, &again, ErrorKind::Unverified).await;
    assert_eq!(undelivered(&house), 1);
    assert!(house.carry_all().await.iter().all(|line| !line.starts_with("connect say")));
}

#[tokio::test]
async fn what_fails_for_another_reason_is_undelivered_at_once() {
    let house = refused(ErrorKind::Malformed).await;
    assert_eq!(undelivered(&house), 1);
    assert_eq!(house.carry_all().await, NOTHING);
}

#[tokio::test]
async fn what_a_leg_that_just_ended_does_not_take_goes_to_its_successor_or_is_undelivered() {
    for is_followed in [true, false] {
        let mut house = served(Settings::default()).await;
        customer_says(&mut house, "2", "are you there?").await;
        let say = reach(&house, "say").await;
        leg(&mut house, FactKind::LegEnded, "c1", Some("agent-1")).await;
        fail(&house, &say, ErrorKind::Unverified).await;
        let house = &mut house.restart();
        house.carry_all().await;
        assert_eq!(undelivered(house), 0);
        if is_followed {
            let next = crate::conduct_corners::follower(house, FactKind::LegConnected, "c2", Some("agent-2"));
            house.tell("connect", vec![next]).await;
            let carried = house.carry_all().await;
            let times = carried.iter().filter(|line| *line == "connect say \"are you there?\"").count();
            assert_eq!((times, undelivered(house)), (1, 0), "{carried:?}");
        } else {
            house.wait(21).await;
            let trace = reach(house, "trace").await;
            settle_usually(house, &trace).await;
            house.wait(0).await;
            assert_eq!(undelivered(house), 1);
        }
    }
}

#[tokio::test]
async fn what_a_chat_that_is_over_does_not_take_ends_it() {
    let house = refused(ErrorKind::Unverified).await;
    let inquire = reach(&house, "inquire").await;
    let ended = contact_fact(FactKind::LegEnded, "c1", house.now(), None);
    house.settle(&inquire, Outcome::Observed { facts: vec![ended] }, vec![]).await;
    house.wait(21).await;
    house.carry_all().await;
    assert!(only(&house).await.closed.is_some());
}
