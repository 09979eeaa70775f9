//! Code hooks: what they are asked, and what their answers do.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
#![expect(clippy::needless_pass_by_value, reason = "rows of tables read better without ampersands")]

use std::time::Duration;

use serde_json::{Value, json};

use super::world::{ALIAS, BOT, Reply, World, said, stands};

fn action(kind: &str, intent: Value, messages: Value) -> Value {
    json!({ "sessionState": { "dialogAction": { "type": kind }, "intent": intent }, "messages": messages })
}

fn words(content: &str) -> Value {
    json!([{ "contentType": "PlainText", "content": content }])
}

#[tokio::test]
async fn a_dialog_hook_gets_the_documented_event() {
    let world = World::new().await;
    let body = json!({
        "text": "where is my order", "requestAttributes": { "from": "tandem" },
        "sessionState": { "sessionAttributes": { "tier": "gold" } },
    });
    let answer = world.recognize("s1", &body).await;
    let (headers, event) = world.function.asked.lock().unwrap()[0].clone();
    assert_eq!(
        (&headers["content-type"], &headers["x-credential"]),
        (&"application/json".parse().unwrap(), &"of the bot".parse().unwrap())
    );
    let intent = json!({
        "name": "CheckOrder", "state": "InProgress", "confirmationState": "None", "slots": { "Number": null },
        "kendraResponse": null,
    });
    assert_eq!(
        event["bot"],
        json!({ "id": BOT, "name": "Hotel", "aliasId": ALIAS, "aliasName": "live",
        "localeId": "en_US", "version": "DRAFT" })
    );
    let fixed = [
        ("messageVersion", json!("1.0")),
        ("invocationSource", json!("DialogCodeHook")),
        ("inputMode", json!("Text")),
        ("responseContentType", json!("text/plain; charset=utf-8")),
        ("sessionId", json!("s1")),
        ("inputTranscript", json!("where is my order")),
        ("invocationLabel", Value::Null),
        ("requestAttributes", json!({ "from": "tandem" })),
        (
            "proposedNextState",
            json!({
                "intent": intent, "dialogAction": { "type": "ElicitSlot", "slotToElicit": "Number" },
                "prompt": { "attempt": "Initial" },
            }),
        ),
        (
            "sessionState",
            json!({
                "sessionAttributes": { "tier": "gold" }, "activeContexts": [], "intent": intent, "dialogAction": null,
                "runtimeHints": null, "originatingRequestId": answer.headers["x-amzn-requestid"].to_str().unwrap(),
            }),
        ),
        (
            "transcriptions",
            json!([{
                "transcription": "where is my order", "transcriptionConfidence": 1.0,
                "resolvedContext": { "intent": "CheckOrder" }, "resolvedSlots": {},
            }]),
        ),
    ];
    for (name, value) in fixed {
        assert_eq!(event[name], value, "{name}");
    }
    let first = &event["interpretations"][0];
    assert_eq!((&first["intent"], &first["nluConfidence"]), (&intent, &json!(1.0)), "a number here");
    let last = event["interpretations"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["intent"]["name"], &last["nluConfidence"]), (&json!("FallbackIntent"), &Value::Null));
}

#[tokio::test]
async fn nulls_can_be_left_out_but_for_slots_and_request_attributes() {
    let world = World::with(|settings| settings["bots"][0]["hook"]["explicit_nulls"] = json!(false)).await;
    world.say("s1", "give me a refund").await;
    let event = world.function.event();
    for absent in ["proposedNextState", "invocationLabel"] {
        assert_eq!(event.get(absent), None, "{absent}");
    }
    assert_eq!(event.get("requestAttributes"), Some(&Value::Null));
    assert_eq!(event["sessionState"].get("dialogAction"), None);
    world.say("s2", "where is my order").await;
    assert_eq!(world.function.event()["sessionState"]["intent"]["slots"], json!({ "Number": null }));
}

#[tokio::test]
async fn delegate_lets_the_bot_go_on_and_hooks_see_every_input_and_the_fulfilment() {
    let world = World::new().await;
    let body = world.say("s1", "where is my order").await;
    assert_eq!((stands(&body).0, said(&body)), ("ElicitSlot", "Which order number?"));
    let body = world.say("s1", "B-42").await;
    assert_eq!((stands(&body).0, said(&body)), ("ConfirmIntent", "Look for order B-42?"));
    assert_eq!(world.function.event()["proposedNextState"], Value::Null, "a confirmation is not proposed");
    let body = world.say("s1", "yes").await;
    assert_eq!((stands(&body), said(&body)), (("Close", "CheckOrder", "Fulfilled"), "That was order B-42."));
    let dialog = "DialogCodeHook".to_owned();
    assert_eq!(world.function.sources(), [dialog.clone(), dialog.clone(), dialog, "FulfillmentCodeHook".to_owned()]);
    let event = world.function.event();
    assert_eq!(event["sessionState"]["intent"]["state"], "ReadyForFulfillment");
    assert_eq!(event["sessionState"]["intent"]["slots"]["Number"]["value"]["interpretedValue"], "B-42");
    let called: Vec<_> =
        world.effects("hook.called").into_iter().map(|entry| entry.detail["outcome"].clone()).collect();
    assert_eq!(called, ["answered"; 4]);
}

#[tokio::test]
async fn close_ends_the_intent_in_the_state_that_the_hook_says() {
    let world = World::new().await;
    for state in ["Failed", "Fulfilled", "InProgress"] {
        world.function.reply(Reply::of(&action(
            "Close",
            json!({ "name": "Complain", "state": state }),
            words("Done."),
        )));
        let body = world.say("s1", "I want to complain").await;
        assert_eq!((stands(&body), said(&body)), (("Close", "Complain", state), "Done."));
    }
}

#[tokio::test]
async fn a_hook_can_ask_for_an_intent_a_slot_and_a_confirmation() {
    let world = World::new().await;
    world.function.reply(Reply::of(&action("ElicitIntent", Value::Null, words("What else?"))));
    let body = world.say("s1", "I want to complain").await;
    assert_eq!((stands(&body), said(&body)), (("ElicitIntent", "", ""), "What else?"));
    // Another intent than the one that was heard, and the bot's own prompt.
    let slot = json!({ "sessionState": {
        "dialogAction": { "type": "ElicitSlot", "slotToElicit": "Nights" }, "intent": { "name": "BookRoom" },
    } });
    world.function.reply(Reply::of(&slot));
    let body = world.say("s1", "I want to complain").await;
    assert_eq!((stands(&body).1, said(&body)), ("BookRoom", "How many nights?"));
    assert_eq!(body["interpretations"][0]["intent"]["name"], "BookRoom");
    world.say("s1", "2").await;
    let order = json!({ "name": "CheckOrder", "slots": { "Number": { "value": { "interpretedValue": "7" } } } });
    world.function.reply(Reply::of(&action("ConfirmIntent", order, words("Order 7?"))));
    let body = world.say("s2", "where is my order").await;
    assert_eq!((stands(&body).0, said(&body)), ("ConfirmIntent", "Order 7?"));
    let body = world.say("s2", "yes").await;
    assert_eq!(body["sessionState"]["intent"]["confirmationState"], "Confirmed");
}

#[tokio::test]
async fn a_hook_may_change_attributes_contexts_and_slots() {
    let world = World::new().await;
    let number = json!({ "shape": "Scalar", "value": { "interpretedValue": "9" } });
    let answer = json!({
        "sessionState": {
            "dialogAction": { "type": "Delegate", "slotToElicit": null },
            "intent": { "name": "CheckOrder", "slots": { "Number": number } },
            "sessionAttributes": { "seen": "yes" }, "activeContexts": null, "runtimeHints": null,
            "originatingRequestId": null,
        },
        "messages": null, "requestAttributes": { "by": "hook" }, "unheardOf": 1,
    });
    world.function.reply(Reply::of(&answer));
    let body = world.say("s1", "where is my order").await;
    assert_eq!(said(&body), "Look for order 9?");
    assert_eq!(body["sessionState"]["sessionAttributes"], json!({ "seen": "yes" }));
    assert_eq!(body["requestAttributes"], json!({ "by": "hook" }));
}

#[tokio::test]
async fn attributes_that_a_hook_leaves_out_are_gone_or_stay_as_the_settings_say() {
    for (setting, left) in [("clear", json!({})), ("keep", json!({ "tier": "gold" }))] {
        let world = World::with(|settings| settings["bots"][0]["hook"]["omitted_attributes"] = json!(setting)).await;
        let body = json!({ "text": "where is my order", "sessionState": { "sessionAttributes": { "tier": "gold" } } });
        assert_eq!(world.recognize("s1", &body).await.body["sessionState"]["sessionAttributes"], left, "{setting}");
    }
}

#[tokio::test]
async fn retries_are_counted_in_what_is_proposed_until_the_fallback_intent_is_invoked() {
    let world = World::new().await;
    for (text, attempt) in [("change my room", "Initial"), ("dunno", "Retry1"), ("dunno", "Retry2")] {
        let body = world.say("s1", text).await;
        assert_eq!((stands(&body).0, said(&body)), ("ElicitSlot", "Which floor?"));
        assert_eq!(world.function.event()["proposedNextState"]["prompt"], json!({ "attempt": attempt }));
    }
    assert_eq!(stands(&world.say("s1", "dunno").await).1, "FallbackIntent");
    assert_eq!(world.function.sources().len(), 3);
}

#[tokio::test]
async fn a_hook_can_refuse_a_value_and_ask_again_in_its_own_words() {
    let world = World::new().await;
    world.say("s1", "where is my order").await;
    let again = json!({ "sessionState": {
        "dialogAction": { "type": "ElicitSlot", "slotToElicit": "Number" },
        "intent": { "name": "CheckOrder", "slots": { "Number": null } },
    }, "messages": words("There is no such order.") });
    world.function.reply(Reply::of(&again));
    let body = world.say("s1", "x").await;
    assert_eq!((stands(&body).0, said(&body)), ("ElicitSlot", "There is no such order."));
    assert_eq!(body["sessionState"]["intent"]["slots"]["Number"], Value::Null);
}

/// Answers that Lex refuses.
fn wrong() -> Vec<(&'static str, Value)> {
    let intent = json!({ "name": "Complain", "state": "Fulfilled" });
    let slot = |slot: &str, intent: Value| {
        let action = json!({ "type": "ElicitSlot", "slotToElicit": slot });
        json!({ "sessionState": { "dialogAction": action, "intent": intent } })
    };
    let with = |member: &str, value: Value| {
        let mut answer = action("Close", intent.clone(), json!([]));
        answer["sessionState"][member] = value;
        answer
    };
    vec![
        ("no object", json!([])),
        ("no session state", json!({ "messages": [] })),
        ("no action", json!({ "sessionState": {} })),
        ("an unknown action", action("Dance", intent.clone(), json!([]))),
        ("None", action("None", intent.clone(), json!([]))),
        ("an intent that is text", action("Close", json!("Complain"), json!([]))),
        ("Close without an intent", action("Close", Value::Null, json!([]))),
        ("Close without a state", action("Close", json!({ "name": "Complain" }), json!([]))),
        (
            "Close in another state",
            action("Close", json!({ "name": "Complain", "state": "ReadyForFulfillment" }), json!([])),
        ),
        ("Close of an unknown intent", action("Close", json!({ "name": "Fly", "state": "Failed" }), json!([]))),
        ("ElicitIntent without messages", action("ElicitIntent", Value::Null, json!([]))),
        (
            "ConfirmIntent without messages",
            action("ConfirmIntent", json!({ "name": "BookRoom", "slots": {} }), json!([])),
        ),
        ("ConfirmIntent without slots", action("ConfirmIntent", json!({ "name": "BookRoom" }), words("?"))),
        ("ElicitSlot without a slot", action("ElicitSlot", json!({ "name": "BookRoom" }), json!([]))),
        ("ElicitSlot without an intent", slot("Size", Value::Null)),
        ("ElicitSlot of an unknown slot", slot("Wings", json!({ "name": "BookRoom" }))),
        ("an unknown slot", action("Delegate", json!({ "name": "BookRoom", "slots": { "Wings": null } }), json!([]))),
        ("eleven messages", action("Close", intent.clone(), json!(vec![words("x")[0].clone(); 11]))),
        ("a message that is too long", action("Close", intent.clone(), words(&"x".repeat(1_025)))),
        ("attributes that are too large", with("sessionAttributes", json!({ "a": "x".repeat(10_000) }))),
        ("attributes that are no text", with("sessionAttributes", json!({ "a": 1 }))),
        ("too much", json!({ "sessionState": { "dialogAction": { "type": "Delegate" } }, "x": "x".repeat(51_200) })),
    ]
}

#[tokio::test]
async fn a_wrong_answer_is_a_failed_dependency_and_leaves_the_session_as_it_was() {
    let world = World::new().await;
    world.say("s1", "book a room").await;
    let before = world.get("s1").await.body;
    for (name, answer) in wrong() {
        world.function.reply(Reply::of(&answer));
        let answer = world.recognize("s1", &json!({ "text": "I want to complain" })).await;
        assert_eq!((answer.status, answer.code.as_str()), (424, "DependencyFailedException"), "{name}");
        assert!(answer.body["message"].as_str().unwrap().starts_with("Invalid Lambda Response"), "{answer:?}");
    }
    assert_eq!(world.get("s1").await.body, before);
}

#[tokio::test]
async fn a_hook_that_fails_or_is_late_is_a_failed_dependency_unless_the_bot_has_words_for_it() {
    let world = World::with(|settings| settings["time_scale"] = json!(20.0)).await;
    let late = Reply { delay: Duration::from_secs(4), ..Reply::delegate() };
    let cases = [
        (Reply { status: 500, ..Reply::delegate() }, "That did not work."),
        (Reply { error: true, ..Reply::delegate() }, "That did not work."),
        (Reply { body: "not JSON".to_owned(), ..Reply::delegate() }, "That did not work."),
        (late, "That takes too long."),
    ];
    for (reply, words) in cases {
        world.function.reply(reply.clone());
        let answer = world.recognize("s1", &json!({ "text": "I want to complain" })).await;
        assert_eq!((answer.status, answer.code.as_str()), (424, "DependencyFailedException"));
        world.function.reply(reply);
        let body = world.say("s1", "give me a refund").await;
        assert_eq!((stands(&body), said(&body)), (("Close", "Refund", "Failed"), words));
    }
}

#[tokio::test]
async fn a_bot_without_a_function_fails_where_it_has_a_hook() {
    let world = World::with(|settings| settings["bots"][0]["hook"] = Value::Null).await;
    let answer = world.recognize("s1", &json!({ "text": "where is my order" })).await;
    assert_eq!((answer.status, answer.code.as_str()), (424, "DependencyFailedException"));
}
