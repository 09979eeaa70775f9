//! The last agents' leg ended and nobody told of another one: is it over?

use tandem::interactions::Settings;
use tandem_sdk::error::ErrorKind;
use tandem_sdk::model::{FactKind, Outcome};

use crate::conduct_corners::{customer_says, fail, follower, leg, only, reach, served};
use crate::desk_house::{DeskHouse, contact_fact};

/// An agent had it, the hub was away, and the agent's leg ended.
async fn ended_after_an_absence() -> DeskHouse {
    let mut house = served(Settings::default()).await.restart();
    house.carry_all().await;
    leg(&mut house, FactKind::LegEnded, "c1", Some("agent-1")).await;
    house.carry_all().await;
    house
}

#[tokio::test]
async fn an_ordinary_end_asks_nobody() {
    let mut house = served(Settings::default()).await;
    leg(&mut house, FactKind::LegEnded, "c1", Some("agent-1")).await;
    house.carry_all().await;
    house.wait(21).await;
    assert!(only(&house).await.closed.is_some());
    assert!(house.carry_all().await.iter().all(|line| line != "connect trace"));
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
    assert_eq!(house.carry_all().await, ["connect say \"are you there?\""]);
    house.wait(21).await;
    assert!(only(&house).await.closed.is_none(), "a successor is there");
    // The cloud is asked about it as about any leg of which nobody tells.
    assert!(only(&house).await.timers.contains_key("overdue"));
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
