//! The journey, told to a desk alone: what is said to it, and what it then owes.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use tandem::interactions::Settings;
use tandem_sdk::model::{FactKind, Role};

use crate::desk_house::{CUSTOMER, DeskHouse, contact, contact_fact, said, thread};

#[tokio::test]
async fn a_chat_is_placed_taken_relayed_transferred_and_closed() {
    let mut house = DeskHouse::open(Settings::default(), false);
    assert_eq!(house.carry_all().await, ["acs issue_token"]);

    let at = house.now();
    house.tell("acs", vec![said(thread(), at, "1", CUSTOMER, None, "I need help")]).await;
    assert_eq!(
        house.carry_all().await,
        [
            "connect place queue-general",
            "acs say \"Thank you. We are looking for somebody who can help you.\"",
            "connect listen",
            "connect enter",
            "connect say \"I need help\"",
        ]
    );

    house.wait(1).await;
    house.tell("connect", vec![contact_fact(FactKind::LegConnected, "c1", house.now(), Some("agent-1"))]).await;
    assert_eq!(
        house.carry_all().await,
        [
            "connect describe",
            "acs identify",
            "acs issue_token",
            "acs join",
            "acs say \"You are now talking to Ada Agent.\""
        ]
    );

    house.wait(1).await;
    house.tell("connect", vec![said(contact("c1"), house.now(), "m1", "a", Some(Role::Agent), "Hello Jane")]).await;
    assert_eq!(house.carry_all().await, ["acs say \"Hello Jane\""]);
    house
        .tell("connect", vec![said(contact("c1"), house.now(), "m2", "p-1", Some(Role::Customer), "I need help")])
        .await;
    assert_eq!(house.carry_all().await, Vec::<String>::new(), "our own words come back and are not relayed");

    house.wait(1).await;
    let mut transfer = contact_fact(FactKind::LegConnected, "c2", house.now(), Some("agent-2"));
    transfer.links.initial = Some("c1".into());
    transfer.links.previous = Some("c1".into());
    house.tell("connect", vec![contact_fact(FactKind::LegEnded, "c1", house.now(), Some("agent-1"))]).await;
    house.tell("connect", vec![transfer]).await;
    let carried = house.carry_all().await;
    let position = |what: &str| carried.iter().position(|line| line == what);
    assert!(position("acs leave").unwrap() < position("acs join").unwrap(), "old out, new in: {carried:?}");

    house.tell("acs", vec![said(thread(), house.now(), "2", CUSTOMER, None, "Still there?")]).await;
    assert_eq!(house.carry_all().await, ["connect say \"Still there?\""]);

    house.tell("connect", vec![contact_fact(FactKind::LegEnded, "c2", house.now(), Some("agent-2"))]).await;
    assert_eq!(house.carry_all().await, ["acs leave"]);
    house.wait(21).await;
    let carried = house.carry_all().await;
    assert_eq!(carried[0], "connect recall", "it may have been handed over");
    assert!(carried[1].starts_with("acs say \"This conversation has ended."), "{carried:?}");
    insta::assert_snapshot!(house.event_names().join("\n"));
}

#[tokio::test]
async fn a_restart_at_any_point_changes_nothing_but_asks_both_sides() {
    let mut house = DeskHouse::open(Settings::default(), false);
    house.carry_all().await;
    house.tell("acs", vec![said(thread(), house.now(), "1", CUSTOMER, None, "I need help")]).await;
    let claim = house.claim().await.unwrap();
    let before = house.desk.interactions(10).await.unwrap();

    let mut house = house.restart();
    let after = house.desk.interactions(10).await.unwrap();
    assert_eq!(before[0].id, after[0].id);
    let again = house.claim().await.unwrap();
    assert_eq!(again.command.id, claim.command.id, "what was in flight is carried again, under the same id");
    assert!(again.uncertain);
    let (outcome, secrets) = house.usual_outcome(&again.command.action);
    house.settle(&again, outcome, secrets).await;
    house.carry_all().await;
    house.tell("connect", vec![contact_fact(FactKind::LegConnected, "c1", house.now(), Some("agent-1"))]).await;
    house.carry_all().await;

    let house = house.restart();
    let carried = house.carry_all().await;
    assert_eq!(carried, ["connect inquire", "acs recall", "connect recall"]);
}
