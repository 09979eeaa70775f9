//! The last agents' leg ended and nobody told of another one: is it over?

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use tandem::desk::Claim;
use tandem::interactions::Settings;
use tandem_sdk::error::ErrorKind;
use tandem_sdk::model::{Action, Fact, FactKind, Outcome, Role};

use crate::conduct_corners::{began, customer_says, fail, follower, leg, only, queued, reach, served, settle_usually};
use crate::desk_house::{DeskHouse, contact, contact_fact, said};

/// An agent had it, the hub was away, and the agent's leg ended.
async fn ended_after_an_absence() -> DeskHouse {
    let mut house = served(Settings::default()).await.restart();
    house.carry_all().await;
    leg(&mut house, FactKind::LegEnded, "c1", Some("agent-1")).await;
    house.carry_all().await;
    house
}

/// The end of a leg, and the look into its transcript that follows when grace is over.
async fn looked_at(house: &mut DeskHouse, native: &str) -> Claim {
    leg(house, FactKind::LegEnded, native, None).await;
    house.carry_all().await;
    house.wait(21).await;
    let look = reach(house, "recall").await;
    assert_eq!(look.command.action.leg().unwrap().native, native);
    assert!(only(house).await.closed.is_none(), "nothing is over before the transcript was looked at");
    look
}

fn observed(facts: Vec<Fact>) -> Outcome {
    Outcome::Observed { facts }
}

#[tokio::test]
async fn an_ordinary_end_is_looked_at_once_and_asks_for_no_more() {
    let mut house = served(Settings::default()).await;
    let look = looked_at(&mut house, "c1").await;
    house.settle(&look, observed(vec![]), vec![]).await;
    house.wait(0).await;
    assert!(only(&house).await.closed.is_some());
    let carried = house.carry_all().await;
    assert!(carried.iter().all(|line| line != "connect trace" && line != "connect recall"), "{carried:?}");
}

#[tokio::test]
async fn a_hand_over_of_which_only_the_transcript_tells_is_followed_and_the_agents_contact_stands() {
    let mut house = served(Settings::default()).await;
    let look = looked_at(&mut house, "c1").await;
    customer_says(&mut house, "2", "are you there?").await;
    let handed_over = contact_fact(FactKind::LegTransferred, "c1", house.now(), None);
    house.settle(&look, observed(vec![handed_over]), vec![]).await;
    let trace = reach(&house, "trace").await;
    assert!(only(&house).await.closed.is_none());
    house.settle(&trace, observed(vec![follower(&house, FactKind::LegInitiated, "c2", None)]), vec![]).await;
    // EventBridge's own news comes at last.
    let next = follower(&house, FactKind::LegConnected, "c2", Some("agent-2"));
    house.tell("connect", vec![next]).await;
    let carried = house.carry_all().await;
    assert!(carried.contains(&"connect say \"are you there?\"".to_owned()), "{carried:?}");
    assert!(!carried.contains(&"connect end".to_owned()), "{carried:?}");
    assert_eq!(only(&house).await.assignment.unwrap().agent, "agent-2");
}

#[tokio::test]
async fn a_leg_that_nobody_took_and_that_went_to_another_queue_is_not_given_up() {
    let mut house = queued(Settings::default()).await;
    let look = looked_at(&mut house, "c1").await;
    let handed_over = contact_fact(FactKind::LegTransferred, "c1", house.now(), None);
    house.settle(&look, observed(vec![handed_over]), vec![]).await;
    let trace = reach(&house, "trace").await;
    house.settle(&trace, observed(vec![follower(&house, FactKind::LegQueued, "c2", None)]), vec![]).await;
    let carried = house.carry_all().await;
    assert!(!carried.iter().any(|line| line == "connect end" || line.starts_with("connect place")), "{carried:?}");
    assert!(only(&house).await.closed.is_none());
}

#[tokio::test]
async fn each_handover_that_a_transcript_tells_of_is_asked_about_once() {
    let mut house = queued(Settings::default()).await;
    for (from, to) in [("c1", Some("c2")), ("c2", Some("c3")), ("c3", None)] {
        let look = looked_at(&mut house, from).await;
        let handed_over = contact_fact(FactKind::LegTransferred, from, house.now(), None);
        house.settle(&look, observed(vec![handed_over]), vec![]).await;
        let trace = reach(&house, "trace").await;
        assert_eq!(trace.command.action.leg().unwrap().native, from);
        let next = to.map(|to| {
            let mut next = follower(&house, FactKind::LegQueued, to, None);
            next.links.previous = Some(from.into());
            next
        });
        house.settle(&trace, observed(next.into_iter().collect()), vec![]).await;
    }
    let carried = house.carry_all().await;
    assert!(carried.iter().all(|line| line != "connect trace"), "{carried:?}");
    assert!(only(&house).await.closed.is_some(), "nobody knows who has it");
}

#[tokio::test]
async fn a_successor_that_the_transcript_itself_tells_of_stands_in() {
    let mut house = served(Settings::default()).await;
    let look = looked_at(&mut house, "c1").await;
    let mut hello = said(contact("c2"), house.now(), "m2", "b", Some(Role::Agent), "I am the next one");
    hello.links.initial = Some("c1".into());
    house.settle(&look, observed(vec![hello]), vec![]).await;
    house.carry_all().await;
    house.wait(21).await;
    assert!(only(&house).await.closed.is_none());
    assert!(only(&house).await.timers.contains_key("overdue"), "it is asked about");
}

#[tokio::test]
async fn last_words_that_only_the_transcript_has_are_said_before_the_end_is() {
    let mut house = served(Settings::default()).await;
    let words = said(contact("c1"), house.now(), "m9", "a", Some(Role::Agent), "bye now");
    let look = looked_at(&mut house, "c1").await;
    house.settle(&look, observed(vec![words]), vec![]).await;
    let carried = house.carry_all().await;
    let position = |what: &str| carried.iter().position(|line| line.starts_with(what)).unwrap();
    assert!(position("acs say \"bye now\"") < position("acs say \"This conversation has ended"), "{carried:?}");
}

#[tokio::test]
async fn a_look_that_is_refused_or_fails_ends_in_the_end_and_is_no_dead_letter() {
    use ErrorKind::{NotFound, Refused, Unavailable, Unverified};
    for kind in [Unverified, Refused, NotFound, Unavailable] {
        let mut house = served(Settings::default()).await;
        let look = looked_at(&mut house, "c1").await;
        fail(&house, &look, kind).await;
        house.wait(0).await;
        let it = only(&house).await;
        assert!(it.closed.is_some() && it.dead.is_empty(), "{kind:?}");
        assert!(!house.event_names().contains(&"command.dead".to_owned()), "{kind:?}");
    }
}

#[tokio::test]
async fn every_leg_that_ends_is_looked_at_once() {
    let mut house = served(Settings::default()).await;
    let look = looked_at(&mut house, "c1").await;
    let next = follower(&house, FactKind::LegConnected, "c2", Some("agent-2"));
    house.tell("connect", vec![next]).await;
    house.settle(&look, observed(vec![]), vec![]).await;
    house.carry_all().await;
    let look = looked_at(&mut house, "c2").await;
    house.settle(&look, observed(vec![]), vec![]).await;
    house.wait(0).await;
    assert!(only(&house).await.closed.is_some());
}

#[tokio::test]
async fn a_look_that_a_restart_interrupts_is_answered_and_the_cloud_is_asked_as_after_any_absence() {
    let mut house = served(Settings::default()).await;
    looked_at(&mut house, "c1").await;
    let house = house.restart();
    let again = reach(&house, "recall").await;
    assert_eq!(again.command.purpose.0, "look/c1");
    house.settle(&again, observed(vec![]), vec![]).await;
    let trace = reach(&house, "trace").await;
    assert!(only(&house).await.closed.is_none());
    house.settle(&trace, observed(vec![]), vec![]).await;
    house.carry_all().await;
    assert!(only(&house).await.closed.is_some());
}

#[tokio::test]
async fn a_leg_that_was_never_entered_ends_without_a_look() {
    let mut house = began(Settings::default()).await;
    let enter = reach(&house, "enter").await;
    leg(&mut house, FactKind::LegEnded, "c1", None).await;
    house.wait(21).await;
    fail(&house, &enter, ErrorKind::Refused).await;
    let carried = house.carry_all().await;
    assert!(carried.iter().all(|line| line != "connect recall"), "{carried:?}");
    assert!(only(&house).await.closed.is_some());
}

#[tokio::test]
async fn a_successor_that_came_while_the_hub_was_away_is_found_and_hears_what_was_said() {
    let mut house = ended_after_an_absence().await;
    house.wait(21).await;
    let trace = reach(&house, "trace").await;
    customer_says(&mut house, "2", "are you there?").await;
    assert!(only(&house).await.closed.is_none());
    let found = vec![follower(&house, FactKind::LegInitiated, "c2", None)];
    house.settle(&trace, Outcome::Observed { facts: found }, vec![]).await;
    // What was said on it meanwhile is asked for too.
    assert_eq!(house.carry_all().await, ["connect recall", "connect say \"are you there?\""]);
    house.wait(21).await;
    assert!(only(&house).await.closed.is_none(), "a successor is there");
    // The cloud is asked about it as about any leg of which nobody tells.
    assert!(only(&house).await.timers.contains_key("overdue"));
}

#[tokio::test]
async fn after_an_absence_every_transcript_that_may_have_grown_is_asked_for() {
    for (is_over, expected) in [(false, vec!["c1", "c2"]), (true, vec!["c2"])] {
        let mut house = served(Settings::default()).await;
        let next = follower(&house, FactKind::LegConnected, "c2", Some("agent-2"));
        house.tell("connect", vec![next]).await;
        if is_over {
            leg(&mut house, FactKind::LegEnded, "c1", None).await;
        }
        house.carry_all().await;
        let house = house.restart();
        let mut asked = Vec::new();
        while let Some(claim) = house.claim().await {
            if let Action::Recall { leg, since: Some(_) } = &claim.command.action
                && claim.command.instance.0 == "connect"
            {
                asked.push(leg.native.clone());
            }
            settle_usually(&house, &claim).await;
        }
        assert_eq!(asked, expected);
    }
}

#[tokio::test]
async fn what_has_no_successor_closes_once_the_cloud_has_said_so() {
    let house = ended_after_an_absence().await;
    house.wait(21).await;
    let trace = reach(&house, "trace").await;
    assert!(only(&house).await.closed.is_none());
    house.settle(&trace, Outcome::Observed { facts: vec![] }, vec![]).await;
    house.wait(0).await;
    assert!(only(&house).await.closed.is_some());
    assert!(house.carry_all().await.iter().any(|line| line.starts_with("acs say")), "the customer is told");
}

#[tokio::test]
async fn a_cloud_that_cannot_be_asked_keeps_nothing_open() {
    let house = ended_after_an_absence().await;
    house.wait(21).await;
    let trace = reach(&house, "trace").await;
    fail(&house, &trace, ErrorKind::Refused).await;
    house.wait(0).await;
    assert!(only(&house).await.closed.is_some());
}

#[tokio::test]
async fn a_leg_that_was_handed_over_to_nobody_known_is_asked_about_in_whatever_order_that_was_told() {
    for kinds in [[FactKind::LegTransferred, FactKind::LegEnded], [FactKind::LegEnded, FactKind::LegTransferred]] {
        let mut house = served(Settings::default()).await;
        for kind in kinds {
            leg(&mut house, kind, "c1", None).await;
        }
        house.carry_all().await;
        house.wait(21).await;
        reach(&house, "trace").await;
        assert!(only(&house).await.closed.is_none());
    }
}

#[tokio::test]
async fn a_leg_whose_successor_is_known_and_ended_too_is_not_asked_about() {
    let mut house = served(Settings::default()).await;
    leg(&mut house, FactKind::LegTransferred, "c1", None).await;
    let next = follower(&house, FactKind::LegConnected, "c2", Some("agent-2"));
    house.tell("connect", vec![next]).await;
    leg(&mut house, FactKind::LegEnded, "c1", Some("agent-1")).await;
    leg(&mut house, FactKind::LegEnded, "c2", Some("agent-2")).await;
    house.carry_all().await;
    house.wait(21).await;
    let carried = house.carry_all().await;
    assert!(carried.iter().all(|line| line != "connect trace"), "{carried:?}");
    assert!(only(&house).await.closed.is_some());
}

#[tokio::test]
async fn the_question_survives_a_restart_and_so_does_its_answer() {
    let house = ended_after_an_absence().await;
    house.wait(21).await;
    reach(&house, "trace").await;
    let house = house.restart();
    let trace = reach(&house, "trace").await;
    house.settle(&trace, Outcome::Observed { facts: vec![] }, vec![]).await;
    // The next life doubts again.
    let house = house.restart();
    for _ in 0..3 {
        house.carry_all().await;
        house.wait(21).await;
    }
    assert!(only(&house).await.closed.is_some());
}

#[tokio::test]
async fn a_successor_that_turns_up_after_the_end_is_ended_and_a_contact_that_is_only_related_is_not() {
    let mut house = served(Settings::default()).await;
    leg(&mut house, FactKind::LegEnded, "c1", Some("agent-1")).await;
    house.carry_all().await;
    house.wait(21).await;
    house.carry_all().await;
    assert!(only(&house).await.closed.is_some());

    let late = follower(&house, FactKind::LegInitiated, "c2", None);
    house.tell("connect", vec![late]).await;
    assert_eq!(house.carry_all().await, ["connect end"]);

    let mut task = contact_fact(FactKind::LegInitiated, "t1", house.now(), None);
    task.links.related = Some("c1".into());
    house.tell("connect", vec![task]).await;
    assert!(house.carry_all().await.iter().all(|line| line != "connect end"));
}

#[tokio::test]
async fn an_assignment_that_comes_while_the_cloud_is_asked_leaves_no_doubt_unasked() {
    let mut house = ended_after_an_absence().await;
    house.wait(21).await;
    let trace = reach(&house, "trace").await;
    let next = follower(&house, FactKind::LegConnected, "c2", Some("agent-2"));
    house.tell("connect", vec![next]).await;
    house.settle(&trace, Outcome::Observed { facts: vec![] }, vec![]).await;
    house.carry_all().await;

    for kind in [FactKind::LegTransferred, FactKind::LegEnded] {
        leg(&mut house, kind, "c2", Some("agent-2")).await;
    }
    house.carry_all().await;
    house.wait(21).await;
    reach(&house, "trace").await;
    assert!(only(&house).await.closed.is_none());
}
