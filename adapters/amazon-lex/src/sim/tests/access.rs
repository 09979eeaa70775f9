//! Who may call, what is there, and what is too long.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use http::Method;
use serde_json::{Value, json};
use tandem_sdk::sim::sigv4::Expected;

use super::world::{ALIAS, BOT, SIGNED, World, path, read};

#[tokio::test]
async fn a_call_must_be_signed_by_the_right_key_for_lex_in_this_region_now() {
    let world = World::new().await;
    let cases = [
        (SIGNED, 0, 200, ""),
        (Expected { access_key_id: "AKIDOTHER", ..SIGNED }, 0, 403, "UnrecognizedClientException"),
        (Expected { secret_access_key: "another", ..SIGNED }, 0, 403, "InvalidSignatureException"),
        (Expected { region: "us-east-1", ..SIGNED }, 0, 403, "InvalidSignatureException"),
        (Expected { service: "connect", ..SIGNED }, 0, 403, "InvalidSignatureException"),
        (SIGNED, 400, 403, "InvalidSignatureException"),
        (SIGNED, -400, 403, "InvalidSignatureException"),
    ];
    for (signed, late, status, code) in cases {
        let body = json!({ "text": "book a room" }).to_string();
        let answer = world.call_as(&signed, late, Method::POST, &format!("{}/text", path("s1")), &body).await;
        assert_eq!((answer.status, answer.code.as_str()), (status, code), "{answer:?}");
        assert!(answer.headers.contains_key("x-amzn-requestid"));
    }
}

#[tokio::test]
async fn a_call_without_a_signature_is_refused_and_tells_so_in_the_words_of_aws() {
    let world = World::new().await;
    let url = format!("{}{}", world.lex.endpoint, path("s1"));
    let answer = read(world.client.get(url)).await.unwrap();
    assert_eq!((answer.status, answer.code.as_str()), (403, "MissingAuthenticationTokenException"));
    assert!(answer.body["message"].is_string(), "{answer:?}");
}

#[tokio::test]
async fn an_unknown_bot_alias_or_locale_is_not_found() {
    let world = World::new().await;
    let paths = [
        format!("/bots/ABCDEFGHIJ/botAliases/{ALIAS}/botLocales/en_US/sessions/s1/text"),
        format!("/bots/{BOT}/botAliases/NOSUCHONE1/botLocales/en_US/sessions/s1/text"),
        format!("/bots/{BOT}/botAliases/{ALIAS}/botLocales/de_DE/sessions/s1/text"),
    ];
    for path in paths {
        let answer = world.call(Method::POST, &path, r#"{"text":"hello"}"#).await;
        assert_eq!((answer.status, answer.code.as_str()), (404, "ResourceNotFoundException"), "{path}");
    }
    let answer = world.call(Method::POST, "/bots/short/elsewhere", "{}").await;
    assert_eq!((answer.status, answer.code.as_str()), (404, "UnknownOperationException"));
}

#[tokio::test]
async fn ids_have_patterns_and_lengths() {
    let world = World::new().await;
    let long = "s".repeat(101);
    let bot = |bot: &str| format!("/bots/{bot}/botAliases/{ALIAS}/botLocales/en_US/sessions/s1/text");
    let session = |session: &str| format!("{}/text", path(session));
    for path in [bot("HOTEL"), bot("HOTELBOT-1"), session("s"), session(&long), session("a%20b"), session("a~b")] {
        let answer = world.call(Method::POST, &path, r#"{"text":"hello"}"#).await;
        assert_eq!((answer.status, answer.code.as_str()), (400, "ValidationException"), "{path}");
    }
    for fine in ["s1", &"s".repeat(100), "A.b_c:d-9"] {
        assert_eq!(world.recognize(fine, &json!({ "text": "hello" })).await.status, 200, "{fine}");
    }
}

/// A body and whether it is taken.
fn bodies() -> Vec<(Value, bool)> {
    let with = |state: Value| json!({ "text": "hello", "sessionState": state });
    let context = |name: &str, seconds: i64, turns: i64| {
        let life = json!({ "timeToLiveInSeconds": seconds, "turnsToLive": turns });
        with(json!({ "activeContexts": [{ "name": name, "timeToLive": life, "contextAttributes": {} }] }))
    };
    let many: Vec<Value> = (0..21)
        .map(|n| json!({ "name": format!("c{n}"), "timeToLive": { "timeToLiveInSeconds": 9, "turnsToLive": 9 } }))
        .collect();
    vec![
        (json!({ "text": "x".repeat(1_024) }), true),
        (json!({ "text": "x".repeat(1_025) }), false),
        // Two code units each, as the guide counts.
        (json!({ "text": "😀".repeat(513) }), false),
        (json!({ "text": "" }), false),
        (json!({ "text": 7 }), false),
        (json!({}), false),
        (json!({ "text": "hello", "unheardOf": 1 }), true),
        (with(json!({ "sessionAttributes": { "a": "x".repeat(8_000) } })), true),
        (with(json!({ "sessionAttributes": { "a": "x".repeat(10_000) } })), false),
        (with(json!({ "sessionAttributes": { "": "x" } })), false),
        (json!({ "text": "hello", "requestAttributes": { "a": "x".repeat(10_000) } }), false),
        (context("order_fulfilled", 86_400, 20), true),
        (context("order-fulfilled", 60, 2), false),
        (context("order", 4, 2), false),
        (context("order", 86_401, 2), false),
        (context("order", 60, 0), false),
        (context("order", 60, 21), false),
        (with(json!({ "activeContexts": many })), false),
        (with(json!({ "dialogAction": { "type": "Dance" } })), false),
        (with(json!({ "dialogAction": { "type": "ElicitSlot" } })), false),
        (with(json!({ "dialogAction": { "type": "ElicitSlot", "slotToElicit": "Size" } })), false),
        (with(json!({ "intent": { "name": "BookRoom", "state": "Finished" } })), false),
        (with(json!({ "intent": { "name": "BookPlane" } })), false),
        (with(json!({ "intent": { "name": "BookRoom", "slots": { "Wings": null } } })), false),
        (with(json!({ "intent": { "name": "BookRoom", "slots": { "Size": null } } })), true),
    ]
}

#[tokio::test]
async fn what_is_too_long_or_no_word_of_the_api_is_a_validation_exception() {
    let world = World::new().await;
    for (body, fine) in bodies() {
        let answer = world.recognize("s1", &body).await;
        let wanted = if fine { (200, "") } else { (400, "ValidationException") };
        let shown: String = body.to_string().chars().take(200).collect();
        assert_eq!((answer.status, answer.code.as_str()), wanted, "{shown}");
    }
    let garbage = world.call(Method::POST, &format!("{}/text", path("s1")), "{\"text\":").await;
    assert_eq!((garbage.status, garbage.code.as_str()), (400, "ValidationException"));
}
