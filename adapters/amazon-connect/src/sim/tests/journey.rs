//! A chat from its start to its end, and the ways it can go.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use serde_json::json;

use super::calls::text;
use super::world::{ADA, BEN, GOLD, TOPIC, World};

const JOINED: &str = "application/vnd.amazonaws.connect.event.participant.joined";

#[tokio::test]
async fn a_chat_is_queued_taken_talked_handed_over_and_ended() {
    let world = World::with(|_| {}).await;
    world.confirm_subscription().await;
    let attributes = json!({ "tandem_queue": GOLD, "tandem_greeting": "One moment, please." });
    let (contact, token) = world.chat("journey", attributes).await;

    world.item(|item| item["Content"] == "One moment, please." && item["ParticipantRole"] == "SYSTEM").await;
    let queued = world.event(|detail| detail["eventType"] == "QUEUED").await;
    assert!(text(&queued["detail"]["queueInfo"]["queueArn"]).ends_with(&format!("/queue/{GOLD}")));
    assert_eq!(world.control(&format!("contacts/{contact}/accept"), &json!({ "userId": ADA })).await.status, 200);
    let taken = world.event(|detail| detail["eventType"] == "CONNECTED_TO_AGENT").await;
    assert!(text(&taken["detail"]["agentInfo"]["agentArn"]).ends_with(&format!("/agent/{ADA}")));
    world.item(|item| item["ContentType"] == JOINED && item["DisplayName"] == "Ada").await;

    let sent = world.participant("message", &token, &json!({ "ContentType": "text/plain", "Content": "Help" })).await;
    let echo = world.item(|item| item["Content"] == "Help").await;
    assert_eq!((&echo["Id"], &echo["ParticipantRole"]), (&sent.body["Id"], &json!("CUSTOMER")));
    world.control(&format!("contacts/{contact}/message"), &json!({ "text": "Gladly" })).await;
    assert_eq!(world.item(|item| item["Content"] == "Gladly").await["ParticipantRole"], "AGENT");

    let moved = world.control(&format!("contacts/{contact}/transfer"), &json!({ "userId": BEN })).await;
    let second = text(&moved.body["contactId"]);
    let begun = world.event(|detail| detail["eventType"] == "INITIATED" && detail["contactId"] == second).await;
    let link = ["initialContactId", "previousContactId", "initiationMethod"].map(|key| text(&begun["detail"][key]));
    assert_eq!(link, [contact.clone(), contact.clone(), "TRANSFER".to_owned()]);
    assert_eq!(world.control(&format!("contacts/{second}/accept"), &json!({ "userId": ADA })).await.status, 409);
    assert_eq!(world.control(&format!("contacts/{second}/accept"), &json!({ "userId": BEN })).await.status, 200);
    let joined = world.item(|item| item["ContentType"] == JOINED && item["DisplayName"] == "Ben").await;
    assert_eq!((&joined["ContactId"], &joined["InitialContactId"]), (&json!(second), &json!(contact)));

    assert_eq!(world.participant("disconnect", &token, &json!({ "ClientToken": "bye" })).await.status, 200);
    world.event(|detail| detail["eventType"] == "DISCONNECTED" && detail["contactId"] == second).await;
    assert_eq!(world.control(&format!("contacts/{second}/complete"), &json!({})).await.status, 200);
    world.event(|detail| detail["eventType"] == "COMPLETED" && detail["contactId"] == second).await;
    let shown = world.describe(&second).await;
    assert_eq!((&shown["DisconnectReason"], &shown["AgentInfo"]["Id"]), (&json!("CUSTOMER_DISCONNECT"), &json!(BEN)));
    assert_eq!(
        world.event_types(&second),
        ["INITIATED", "CONNECTED_TO_SYSTEM", "QUEUED", "CONNECTED_TO_AGENT", "DISCONNECTED", "COMPLETED"]
    );
    let late = world.participant("message", &token, &json!({ "ContentType": "text/plain", "Content": "?" })).await;
    assert_eq!((late.status, late.code.as_str()), (403, "AccessDeniedException"));
}

#[tokio::test]
async fn a_flow_starts_only_for_a_customer_who_connects_a_streamed_chat_in_time() {
    let world = World::with(|settings| settings["time_scale"] = json!(60.0)).await;
    let (unstreamed, token) = world.start("unstreamed", json!({})).await;
    world.join(&token).await;
    let (unconnected, token) = world.start("unconnected", json!({})).await;
    world.stream(&unconnected, "unconnected", TOPIC).await;
    let credentials = json!({ "Type": ["CONNECTION_CREDENTIALS"] });
    assert_eq!(world.participant("connection", &token, &credentials).await.status, 200);

    for contact in [&unstreamed, &unconnected] {
        let ended = world.event(|detail| detail["eventType"] == "COMPLETED" && detail["contactId"] == **contact).await;
        assert_eq!(ended["detail"]["disconnectReason"], "CUSTOMER_CONNECTION_NOT_ESTABLISHED");
    }
    assert_eq!(world.participant("connection", &token, &json!({ "ConnectParticipant": true })).await.status, 403);
    assert!(world.effects("flow.started").is_empty());

    let (contact, _) = world.chat("in time", json!({ "tandem_queue": GOLD })).await;
    assert_eq!(world.effect("flow.started").await.key, contact);
    assert_eq!(world.effect("contact.queued").await.detail["queue"], GOLD);
}

#[tokio::test]
async fn a_flow_that_cannot_queue_says_so_and_ends_the_chat() {
    let world = World::with(|settings| settings["queues"][0]["max_contacts"] = json!(1)).await;
    world.confirm_subscription().await;
    let unknown = "00000000-0000-4000-8000-00000000dead";
    let (lost, _) = world.chat("unknown queue", json!({ "tandem_queue": unknown })).await;
    world
        .item(|item| item["ContactId"] == lost && item["ParticipantRole"] == "SYSTEM" && item["Type"] == "MESSAGE")
        .await;
    let ended = world.event(|detail| detail["eventType"] == "DISCONNECTED" && detail["contactId"] == lost).await;
    assert_eq!(ended["detail"]["disconnectReason"], "CONTACT_FLOW_DISCONNECT");
    assert_eq!(ended["detail"]["queueInfo"], json!(null));

    world.chat("first", json!({ "tandem_queue": GOLD })).await;
    world.effect("contact.queued").await;
    let (second, _) = world.chat("second", json!({ "tandem_queue": GOLD })).await;
    world.event(|detail| detail["eventType"] == "COMPLETED" && detail["contactId"] == second).await;
    assert_eq!(world.effects("contact.queued").len(), 1);
}

#[tokio::test]
async fn agents_take_by_themselves_never_more_than_they_may_and_go_on_when_free() {
    let world = World::with(|settings| {
        settings["agents"][0]["auto_accept_ms"] = json!(10);
        settings["agents"][0]["max_chats"] = json!(1);
    })
    .await;
    let (first, token) = world.chat("first", json!({ "tandem_queue": GOLD })).await;
    world.event(|detail| detail["eventType"] == "CONNECTED_TO_AGENT" && detail["contactId"] == first).await;
    let (second, _) = world.chat("second", json!({ "tandem_queue": GOLD })).await;
    world.event(|detail| detail["eventType"] == "QUEUED" && detail["contactId"] == second).await;
    let over = world.control(&format!("contacts/{second}/accept"), &json!({ "userId": ADA })).await;
    assert_eq!((over.status, over.body["Message"].as_str()), (409, Some("the agent has no slot left")));

    world.participant("disconnect", &token, &json!({})).await;
    assert_eq!(world.effects("contact.assigned").len(), 1);
    world.control(&format!("contacts/{first}/complete"), &json!({})).await;
    world.event(|detail| detail["eventType"] == "CONNECTED_TO_AGENT" && detail["contactId"] == second).await;
}

#[tokio::test]
async fn who_has_priority_one_overtakes_who_came_before() {
    let world = World::with(|settings| {
        settings["agents"][0]["auto_accept_ms"] = json!(10);
        settings["agents"][0]["max_chats"] = json!(1);
    })
    .await;
    let (first, token) = world.chat("first", json!({ "tandem_queue": GOLD })).await;
    world.event(|detail| detail["eventType"] == "CONNECTED_TO_AGENT" && detail["contactId"] == first).await;
    let mut waiting = Vec::new();
    for (name, priority) in [("plain", None), ("last", Some("12")), ("urgent", Some("1")), ("default", Some("5"))] {
        let mut attributes = json!({ "tandem_queue": GOLD });
        if let Some(priority) = priority {
            attributes["tandem_priority"] = json!(priority);
        }
        let (contact, token) = world.chat(name, attributes).await;
        world.event(|detail| detail["eventType"] == "QUEUED" && detail["contactId"] == contact).await;
        waiting.push((contact, token));
    }
    assert_eq!(world.describe(&waiting[1].0).await["QueuePriority"], 10);

    let mut served = Vec::new();
    let (mut serving, mut token) = (first, token);
    for _ in 0..waiting.len() {
        world.participant("disconnect", &token, &json!({})).await;
        world.control(&format!("contacts/{serving}/complete"), &json!({})).await;
        let is_next = |detail: &serde_json::Value| {
            let contact = text(&detail["contactId"]);
            detail["eventType"] == "CONNECTED_TO_AGENT"
                && waiting.iter().any(|(one, _)| *one == contact)
                && !served.contains(&contact)
        };
        serving = text(&world.event(is_next).await["detail"]["contactId"]);
        token = waiting.iter().find(|(one, _)| *one == serving).unwrap().1.clone();
        served.push(serving.clone());
    }
    let place = |n: usize| served.iter().position(|one| *one == waiting[n].0);
    assert_eq!([place(2), place(0), place(3), place(1)], [Some(0), Some(1), Some(2), Some(3)]);
}

#[tokio::test]
async fn a_missed_contact_goes_on_waiting_and_events_can_be_forgotten() {
    let world = World::with(|settings| settings["agents"][0]["auto_accept_ms"] = json!(60_000)).await;
    let (contact, _) = world.chat("missed", json!({ "tandem_queue": GOLD })).await;
    world.effect("contact.queued").await;
    assert_eq!(world.control(&format!("contacts/{contact}/miss"), &json!({})).await.status, 200);
    world.control("forget", &json!({ "eventTypes": ["CONNECTED_TO_AGENT"] })).await;
    assert_eq!(world.control(&format!("contacts/{contact}/accept"), &json!({ "userId": BEN })).await.status, 200);
    world.effect("delivery.forgotten").await;

    let shown = world.describe(&contact).await;
    assert_eq!(shown["AgentInfo"]["Id"], BEN);
    assert_eq!(shown["AgentInfo"]["StateTransitions"][0]["State"], "MISSED");
    assert!(!world.event_types(&contact).contains(&"CONNECTED_TO_AGENT".to_owned()));
}

#[tokio::test]
async fn a_judge_sees_capacity_and_changes_agents_while_chats_go_on() {
    let world = World::with(|_| {}).await;
    let (contact, _) = world.chat("capacity", json!({ "tandem_queue": GOLD })).await;
    world.effect("contact.queued").await;
    let look = async |path: &str| {
        let url = format!("{}/sim/{path}", world.cloud.endpoint);
        world.client.get(url).send().await.unwrap().json::<serde_json::Value>().await.unwrap()
    };
    let before = look("capacity").await;
    assert_eq!((&before["queues"][0]["waiting"], &before["agents"][1]["taken"]), (&json!(1), &json!(0)));

    let change = json!({ "autoAcceptMs": 1, "maxChats": 1 });
    assert_eq!(world.control(&format!("agents/{BEN}"), &change).await.status, 200);
    world.event(|detail| detail["eventType"] == "CONNECTED_TO_AGENT").await;
    let after = look("capacity").await;
    assert_eq!((&after["agents"][1]["taken"], &after["agents"][1]["max"]), (&json!(1), &json!(1)));
    assert_eq!(look("contacts").await["contacts"][0]["agent"], BEN);
    let shown = look(&format!("contacts/{contact}")).await;
    let invited = shown["transcript"].as_array().unwrap().iter().find(|item| item["MessageVisibility"] == "AGENT");
    assert_eq!(invited.unwrap()["ContentType"], "application/vnd.amazonaws.connect.event.participant.invited");
}
