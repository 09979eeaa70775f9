//! What a session remembers, how it is set, read and ended.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Value, json};

use super::world::{ALIAS, Answer, BOT, Reply, World, path, said, stands};

/// The JSON in a header of PutSession's answer. Reads stored blocks alone, which is what the simulator writes; that
/// others can read them is the judge's to say.
fn unpacked(answer: &Answer, name: &str) -> Value {
    let member = STANDARD.decode(answer.headers.get(name).unwrap()).unwrap();
    assert_eq!(&member[..3], [0x1f, 0x8b, 8]);
    let length = usize::from(u16::from_le_bytes([member[11], member[12]]));
    assert_eq!((member[10], member.len()), (1, 15 + length + 8));
    serde_json::from_slice(&member[15..15 + length]).unwrap()
}

#[tokio::test]
async fn attributes_that_a_client_leaves_out_stay() {
    let world = World::new().await;
    let body = json!({ "text": "book a room", "sessionState": { "sessionAttributes": { "tier": "gold" } } });
    let answer = world.recognize("s1", &body).await;
    assert_eq!(answer.body["sessionState"]["sessionAttributes"], json!({ "tier": "gold" }));
    let origin = &answer.body["sessionState"]["originatingRequestId"];
    assert_eq!(origin, answer.headers["x-amzn-requestid"].to_str().unwrap());
    let body = world.say("s1", "big").await;
    assert_eq!(body["sessionState"]["sessionAttributes"], json!({ "tier": "gold" }));
    assert_eq!(world.say("s2", "book a room").await["sessionState"]["sessionAttributes"], json!({}));
}

#[tokio::test]
async fn sessions_differ_by_alias_and_by_id() {
    let world = World::new().await;
    world.say("s1", "book a room").await;
    let other = format!("/bots/{BOT}/botAliases/TSTALIASID/botLocales/en_US/sessions/s1");
    assert_eq!(world.call(Method::GET, &other, "").await.status, 404);
    assert_eq!(world.get("s2").await.status, 404);
    assert_eq!(world.get("s1").await.status, 200);
}

#[tokio::test]
async fn get_session_tells_what_was_said_last() {
    let world = World::new().await;
    let said = world.say("s1", "book a big room").await;
    let answer = world.get("s1").await;
    for member in ["sessionId", "messages", "interpretations", "sessionState"] {
        assert_eq!(answer.body[member], said[member], "{member}");
    }
}

#[tokio::test]
async fn a_missing_session_is_refused_as_the_settings_say() {
    let world = World::new().await;
    let answer = world.get("nobody").await;
    assert_eq!((answer.status, answer.code.as_str()), (404, "ResourceNotFoundException"));
    let world = World::with(|settings| settings["missing_session"] = json!("BadRequestException")).await;
    for method in [Method::GET, Method::DELETE] {
        let answer = world.call(method, &path("nobody"), "").await;
        assert_eq!((answer.status, answer.code.as_str()), (400, "BadRequestException"));
    }
}

#[tokio::test]
async fn delete_session_forgets_everything_and_says_what() {
    let world = World::new().await;
    world.say("s1", "book a room").await;
    let answer = world.call(Method::DELETE, &path("s1"), "").await;
    let gone = json!({ "botId": BOT, "botAliasId": ALIAS, "localeId": "en_US", "sessionId": "s1" });
    assert_eq!((answer.status, &answer.body), (200, &gone));
    assert_eq!(world.get("s1").await.status, 404);
    assert_eq!(world.effects("session.deleted").len(), 1);
}

#[tokio::test]
async fn put_session_sets_the_question_and_answers_in_packed_headers() {
    let world = World::new().await;
    let wish = json!({
        "sessionState": {
            "dialogAction": { "type": "ElicitSlot", "slotToElicit": "Size" },
            "intent": { "name": "BookRoom" },
            "sessionAttributes": { "tier": "gold" },
        },
        "requestAttributes": { "from": "tandem" },
    });
    let answer = world.put("s1", &wish).await;
    assert_eq!((answer.status, answer.headers["content-type"].to_str().unwrap()), (200, "text/plain; charset=utf-8"));
    assert_eq!(answer.headers["x-amz-lex-session-id"], "s1");
    assert_eq!(unpacked(&answer, "x-amz-lex-request-attributes"), json!({ "from": "tandem" }));
    let state = unpacked(&answer, "x-amz-lex-session-state");
    assert_eq!(
        (&state["dialogAction"]["slotToElicit"], &state["sessionAttributes"]["tier"]),
        (&json!("Size"), &json!("gold"))
    );
    let messages = unpacked(&answer, "x-amz-lex-messages");
    assert_eq!(messages[0]["content"], "A small or a large room?");
    let body = world.say("s1", "big").await;
    assert_eq!(body["sessionState"]["dialogAction"]["slotToElicit"], "Nights");
    assert_eq!(world.effects("session.put").len(), 1);
}

#[tokio::test]
async fn an_intent_from_outside_gets_what_it_leaves_out_and_closes_what_was_open() {
    let world = World::new().await;
    world.say("s1", "book a room").await;
    let given = json!({ "text": "toast", "sessionState": { "intent": { "name": "OrderBreakfast" },
        "dialogAction": { "type": "ElicitSlot", "slotToElicit": "Dishes" } } });
    assert_eq!(stands(&world.recognize("s1", &given).await.body), ("Close", "OrderBreakfast", "Fulfilled"));
    world.say("s2", "book a room").await;
    let given = json!({ "sessionState": { "intent": { "name": "OrderBreakfast" } } });
    let state = unpacked(&world.put("s2", &given).await, "x-amz-lex-session-state");
    let intent = json!({ "name": "OrderBreakfast", "slots": { "Dishes": null }, "state": "InProgress",
        "confirmationState": "None" });
    assert_eq!((&state["intent"], state.get("dialogAction")), (&intent, None));
}

#[tokio::test]
async fn put_session_can_speak_for_the_bot_delegate_to_it_and_close() {
    let world = World::new().await;
    let intent = json!({ "name": "BookRoom", "slots": { "Size": { "value": { "interpretedValue": "large" } } } });
    let put = |kind: &str, messages: Value| {
        let state = json!({ "dialogAction": { "type": kind }, "intent": intent });
        json!({ "sessionState": state, "messages": messages })
    };
    let own = json!([{ "contentType": "PlainText", "content": "Well?" }]);
    let answer = world.put("s1", &put("ConfirmIntent", own.clone())).await;
    assert_eq!(unpacked(&answer, "x-amz-lex-messages"), own);
    let answer = world.put("s2", &put("Delegate", json!([]))).await;
    assert_eq!(unpacked(&answer, "x-amz-lex-session-state")["dialogAction"]["slotToElicit"], "Nights");
    let answer = world.put("s3", &put("Close", json!([]))).await;
    assert_eq!(unpacked(&answer, "x-amz-lex-session-state")["dialogAction"]["type"], "Close");
}

#[tokio::test]
async fn put_session_wants_a_session_state_and_messages_inside_their_bounds() {
    let world = World::new().await;
    let plain = |content: &str| json!({ "contentType": "PlainText", "content": content });
    let card = |title: &str, buttons: usize| {
        let buttons: Vec<Value> = (0..buttons).map(|_| json!({ "text": "yes", "value": "yes" })).collect();
        json!({ "contentType": "ImageResponseCard", "imageResponseCard": { "title": title, "buttons": buttons } })
    };
    let with = |messages: Vec<Value>| json!({ "sessionState": {}, "messages": messages });
    let cases = [
        (json!({}), 400),
        (with(vec![plain("hello"); 10]), 200),
        (with(vec![plain("hello"); 11]), 400),
        (with(vec![plain(&"x".repeat(1_025))]), 400),
        (with(vec![json!({ "contentType": "PlainText" })]), 400),
        (with(vec![json!({ "contentType": "Video", "content": "x" })]), 400),
        (with(vec![card("pick", 5)]), 200),
        (with(vec![card("pick", 6)]), 400),
        (with(vec![card(&"x".repeat(251), 1)]), 400),
        (json!({ "sessionState": { "dialogAction": { "type": "ConfirmIntent" } } }), 400),
    ];
    for (number, (wish, status)) in cases.into_iter().enumerate() {
        let answer = world.put(&format!("s{number}"), &wish).await;
        assert_eq!(answer.status, status, "{number}: {answer:?}");
    }
}

#[tokio::test]
async fn a_session_is_over_after_its_idle_time_and_not_before() {
    let world = World::with(|settings| settings["time_scale"] = json!(100.0)).await;
    world.say("s1", "book a room").await;
    for _ in 0..3 {
        // 300 seconds at 100: three seconds. The last use counts, not the first.
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        assert_eq!(world.get("s1").await.status, 200);
        world.say("s1", "book a room").await;
    }
    tokio::time::sleep(Duration::from_millis(3_200)).await;
    assert_eq!(world.get("s1").await.status, 404);
    let body = world.say("s1", "big").await;
    assert_eq!(stands(&body).1, "FallbackIntent");
}

#[tokio::test]
async fn contexts_live_for_their_turns() {
    let world = World::new().await;
    let life = json!({ "timeToLiveInSeconds": 600, "turnsToLive": 2 });
    let context = json!({ "name": "booked", "timeToLive": life, "contextAttributes": { "room": "7" } });
    let body = json!({ "text": "fnord", "sessionState": { "activeContexts": [context] } });
    assert_eq!(world.recognize("s1", &body).await.body["sessionState"]["activeContexts"], json!([context]));
    let body = world.say("s1", "fnord").await;
    assert_eq!(body["sessionState"]["activeContexts"][0]["timeToLive"]["turnsToLive"], 1);
    assert_eq!(world.say("s1", "fnord").await["sessionState"]["activeContexts"], json!([]));
}

#[tokio::test]
async fn two_requests_for_one_session_at_once_are_a_conflict() {
    let world = World::new().await;
    world.function.reply(Reply { delay: Duration::from_millis(600), ..Reply::delegate() });
    let text = json!({ "text": "where is my order" });
    let (first, second, other, deleted) = tokio::join!(
        world.recognize("s1", &text),
        async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            world.recognize("s1", &text).await
        },
        world.say("s2", "book a room"),
        async {
            tokio::time::sleep(Duration::from_millis(250)).await;
            world.call(Method::DELETE, &path("s1"), "").await
        },
    );
    assert_eq!((first.status, said(&first.body)), (200, "Which order number?"));
    assert_eq!((second.status, second.code.as_str()), (409, "ConflictException"));
    assert_eq!((deleted.status, deleted.code.as_str()), (409, "ConflictException"));
    assert_eq!(stands(&other).1, "BookRoom");
    assert_eq!(world.recognize("s1", &text).await.status, 200);
}

#[tokio::test]
async fn sessions_are_shown_and_bounded() {
    let world = World::with(|settings| settings["sessions"] = json!(2)).await;
    for session in ["s1", "s2", "s3"] {
        world.say(session, "book a room").await;
    }
    let shown = world.control("sessions").await;
    let ids: Vec<&Value> = shown.as_array().unwrap().iter().map(|one| &one["sessionId"]).collect();
    assert_eq!(ids, ["s2", "s3"]);
    let one = world.control(&format!("sessions/{BOT}/{ALIAS}/en_US/s3")).await;
    assert_eq!(one["sessionState"]["intent"]["name"], "BookRoom");
}
