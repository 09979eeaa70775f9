//! The documented rules of single operations.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tandem_sdk::sim::Fault;

use super::calls::{start_wish, text};
use super::world::{ADA, FLOW, GOLD, INSTANCE, TOPIC, World};

#[tokio::test]
async fn client_tokens_make_one_chat_one_stream_and_one_message() {
    let world = World::with(|_| {}).await;
    world.confirm_subscription().await;
    let (contact, participant) = world.start("same", json!({})).await;
    assert_eq!(world.start("same", json!({})).await, (contact.clone(), participant.clone()));
    let first = world.stream(&contact, "stream", TOPIC).await;
    assert_eq!(world.stream(&contact, "stream", TOPIC).await.body, first.body);
    let token = world.join(&participant).await;
    let message = json!({ "ContentType": "text/plain", "Content": "once", "ClientToken": "m" });
    let sent = world.participant("message", &token, &message).await;
    assert_eq!(world.participant("message", &token, &message).await.body, sent.body);

    let counts = ["contact.started", "streaming.started", "message.sent"].map(|effect| world.effects(effect).len());
    assert_eq!(counts, [1, 1, 1]);
    assert_eq!(world.effects("call.repeated").len(), 3);
}

#[tokio::test]
async fn what_breaks_a_rule_is_refused_in_the_vendors_words() {
    let world = World::with(|_| {}).await;
    let with = |key: &str, value: Value| {
        let mut wish = start_wish("x", &json!({}));
        wish[key] = value;
        wish
    };
    let starts = [
        (with("InstanceId", json!(FLOW)), 404, "ResourceNotFoundException"),
        (with("ContactFlowId", json!(GOLD)), 404, "ResourceNotFoundException"),
        (with("ParticipantDetails", json!({ "DisplayName": "" })), 400, "InvalidRequestException"),
        (with("Attributes", json!({ "a b": "c" })), 400, "InvalidRequestException"),
        (with("Attributes", json!({ "a": "x".repeat(32_768) })), 400, "InvalidRequestException"),
        (with("ChatDurationInMinutes", json!(59)), 400, "InvalidRequestException"),
        (with("SupportedMessagingContentTypes", json!(["text/markdown"])), 400, "InvalidRequestException"),
        (with("ParticipantDetails", json!(null)), 400, "InvalidRequestException"),
    ];
    for (wish, status, code) in starts {
        let answer = world.connect(Method::PUT, "/contact/chat", &wish).await;
        assert_eq!((answer.status, answer.code.as_str()), (status, code), "{wish}");
    }
    let (contact, token) = world.start("good", json!({})).await;
    assert_eq!(world.stream(&contact, "a", "arn:aws:sns:eu-central-1:111122223333:other").await.status, 400);
    assert_eq!(world.stream(&contact, "a", TOPIC).await.status, 200);
    assert_eq!(world.stream(&contact, "b", TOPIC).await.status, 200);
    assert_eq!(world.stream(&contact, "c", TOPIC).await.code, "LimitExceededException");
    let connection = world.join(&token).await;
    for (operation, token, body) in [
        ("connection", connection.as_str(), json!({ "ConnectParticipant": true })),
        ("message", token.as_str(), json!({ "ContentType": "text/plain", "Content": "x" })),
        ("transcript", "guess", json!({})),
    ] {
        let answer = world.participant(operation, token, &body).await;
        assert_eq!((answer.status, answer.code.as_str()), (403, "AccessDeniedException"), "{operation}");
    }
    for body in [
        json!({ "ContentType": "text/plain", "Content": "x".repeat(16_385) }),
        json!({ "ContentType": "text/plain", "Content": "ä".repeat(8_193) }),
        json!({ "ContentType": "text/markdown", "Content": "x" }),
        json!({ "ContentType": "text/plain", "Content": "" }),
        json!({ "Content": "x" }),
    ] {
        let answer = world.participant("message", &connection, &body).await;
        assert_eq!((answer.status, answer.code.as_str()), (400, "ValidationException"), "{body}");
    }
}

#[tokio::test]
async fn a_contact_that_is_gone_is_410_and_one_that_never_was_too() {
    let world = World::with(|_| {}).await;
    let (contact, _) = world.chat("stop", json!({ "tandem_queue": GOLD })).await;
    let stop = json!({ "InstanceId": INSTANCE, "ContactId": contact });
    assert_eq!(world.connect(Method::POST, "/contact/stop", &stop).await.status, 200);
    let again = world.connect(Method::POST, "/contact/stop", &stop).await;
    assert_eq!((again.status, again.code.as_str()), (410, "ContactNotFoundException"));
    assert_eq!(world.effects("contact.stopped").len(), 1);
    assert_eq!(world.describe(&contact).await["DisconnectReason"], "API");
    let nobody = json!({ "InstanceId": INSTANCE, "ContactId": "nobody" });
    assert_eq!(world.connect(Method::POST, "/contact/stop", &nobody).await.status, 410);
}

#[tokio::test]
async fn attributes_are_merged_by_the_initial_contact_id() {
    let world = World::with(|_| {}).await;
    let (contact, _) = world.start("attributes", json!({ "tandem_interaction": "i", "b": "1" })).await;
    let wish = json!({ "InstanceId": INSTANCE, "InitialContactId": contact, "Attributes": { "b": "", "c": "3" } });
    assert_eq!(world.connect(Method::POST, "/contact/attributes", &wish).await.status, 200);
    let arn = format!("arn%3Aaws%3Aconnect%3Aeu-central-1%3A111122223333%3Ainstance%2F{INSTANCE}");
    let read = world.connect(Method::GET, &format!("/contact/attributes/{arn}/{contact}"), &json!(null)).await;
    assert_eq!(read.body["Attributes"], json!({ "tandem_interaction": "i", "b": "", "c": "3" }));
    assert_eq!(world.describe(&contact).await["Attributes"]["tandem_interaction"], "i");
    let updated = world.event(|detail| detail["eventType"] == "CONTACT_DATA_UPDATED").await;
    assert_eq!(updated["detail"]["updatedProperties"], json!(["UserDefinedAttributes"]));
}

#[tokio::test]
async fn transcripts_hide_what_only_agents_see_and_typing() {
    let world = World::with(|settings| settings["agents"][0]["auto_accept_ms"] = json!(1)).await;
    let (contact, token) = world.chat("transcript", json!({ "tandem_queue": GOLD })).await;
    world.event(|detail| detail["eventType"] == "CONNECTED_TO_AGENT").await;
    world.control(&format!("contacts/{contact}/typing"), &json!({})).await;
    world.control(&format!("contacts/{contact}/message"), &json!({ "text": "hello" })).await;
    let answer = world.participant("transcript", &token, &json!({ "SortOrder": "ASCENDING", "MaxResults": 100 })).await;
    let items = answer.body["Transcript"].as_array().unwrap().clone();
    let kinds: Vec<String> = items.iter().map(|item| text(&item["ContentType"])).collect();
    let joined = "application/vnd.amazonaws.connect.event.participant.joined";
    assert_eq!(kinds, [joined, joined, "text/plain"]);
    assert_eq!(answer.body["NextToken"], json!(null));
}

#[tokio::test]
async fn files_travel_through_addresses_on_this_server() {
    let world = World::with(|_| {}).await;
    let (contact, token) = world.chat("files", json!({ "tandem_queue": GOLD })).await;
    let wish = json!({
        "ContentType": "text/csv", "AttachmentSizeInBytes": 5, "AttachmentName": "a.csv", "ClientToken": "upload",
    });
    let begun = world.participant("start-attachment-upload", &token, &wish).await.body;
    assert_eq!(
        world.participant("start-attachment-upload", &token, &wish).await.body["AttachmentId"],
        begun["AttachmentId"]
    );
    let complete = json!({ "AttachmentIds": [begun["AttachmentId"]], "ClientToken": "done" });
    assert_eq!(world.participant("complete-attachment-upload", &token, &complete).await.status, 409);
    let url = text(&begun["UploadMetadata"]["Url"]);
    let put = |bytes: &'static str| world.client.put(&url).header("content-type", "text/csv").body(bytes).send();
    assert_eq!(put("longer than five").await.unwrap().status(), 403);
    assert_eq!(put("1,2,3").await.unwrap().status(), 200);
    assert_eq!(world.participant("complete-attachment-upload", &token, &complete).await.status, 200);
    let got = world.participant("attachment", &token, &json!({ "AttachmentId": begun["AttachmentId"] })).await.body;
    let bytes = world.client.get(text(&got["Url"])).send().await.unwrap().text().await.unwrap();
    assert_eq!((bytes.as_str(), &got["AttachmentSizeInBytes"]), ("1,2,3", &json!(5)));
    let forged = text(&got["Url"]).replace("expires=", "expires=9");
    assert_eq!(world.client.get(forged).send().await.unwrap().status(), 403);

    world.effect("contact.queued").await;
    world.control(&format!("contacts/{contact}/accept"), &json!({ "userId": ADA })).await;
    let sent = json!({ "name": "b.txt", "contentType": "text/plain", "base64": "aGk=" });
    assert_eq!(world.control(&format!("contacts/{contact}/attachment"), &sent).await.status, 200);
}

/// Signing keys take a second to make; these scenes push no chat items.
fn without_streaming(settings: &mut Value) {
    settings["sns"] = json!(null);
}

#[tokio::test]
async fn an_answer_that_is_lost_has_had_its_effect() {
    let world = World::with(without_streaming).await;
    let (_, participant) = world.start("lost", json!({})).await;
    let connection = world.join(&participant).await;
    assert!(world.cloud.faults.force("POST /participant/message", Fault::UnknownOutcome));
    let message = json!({ "ContentType": "text/plain", "Content": "x", "ClientToken": "t" });
    let url = format!("{}/participant/message", world.cloud.endpoint);
    let request = world.client.post(url).header("x-amz-bearer", &connection).body(message.to_string());
    assert!(request.send().await.is_err());
    assert_eq!(world.effects("message.sent").len(), 1);
    assert_eq!(world.participant("message", &connection, &message).await.status, 200);
    assert_eq!(world.effects("message.sent").len(), 1);
}

#[tokio::test]
async fn a_connection_token_expires_and_the_participant_token_gives_another() {
    let world = World::with(|settings| {
        without_streaming(settings);
        settings["connection_token_seconds"] = json!(1);
    })
    .await;
    let (contact, participant) = world.start("expiry", json!({})).await;
    let connection = world.join(&participant).await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let expired = world.participant("transcript", &connection, &json!({})).await;
    assert_eq!((expired.status, expired.code.as_str()), (403, "AccessDeniedException"));
    let fresh = world.join(&participant).await;
    assert_ne!(fresh, connection);
    assert_eq!(world.describe(&contact).await["Id"], contact);
}

#[tokio::test]
async fn documented_rates_hold() {
    let world = World::with(|settings| {
        without_streaming(settings);
        settings["limits"] = json!("documented");
    })
    .await;
    let path = format!("/queues-summary/{INSTANCE}?queueTypes=STANDARD");
    let mut codes = Vec::new();
    for _ in 0..30 {
        let answer = world.connect(Method::GET, &path, &json!(null)).await;
        codes.push((answer.status, answer.code));
    }
    assert!(codes[..5].iter().all(|(status, _)| *status == 200));
    assert!(codes.contains(&(429, "ThrottlingException".to_owned())));
}
