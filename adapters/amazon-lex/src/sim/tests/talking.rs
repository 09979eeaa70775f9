//! What the bot does by itself.

use serde_json::json;

use super::world::{World, said, stands};

#[tokio::test]
async fn a_bot_asks_for_slots_then_for_confirmation_and_then_fulfils() {
    let world = World::new().await;
    let body = world.say("s1", "book a room").await;
    assert_eq!(stands(&body), ("ElicitSlot", "BookRoom", "InProgress"));
    assert_eq!(body["sessionState"]["dialogAction"]["slotToElicit"], "Size");
    assert_eq!(body["messages"], json!([{ "content": "A small or a large room?", "contentType": "PlainText" }]));
    let nothing_yet = json!({ "Size": null, "Nights": null, "Wishes": null });
    assert_eq!(body["sessionState"]["intent"]["slots"], nothing_yet);
    assert_eq!(body["sessionState"]["intent"]["confirmationState"], "None");
    let body = world.say("s1", "A very big one, please").await;
    assert_eq!(body["sessionState"]["dialogAction"]["slotToElicit"], "Nights");
    let size = &body["sessionState"]["intent"]["slots"]["Size"];
    let value = json!({ "originalValue": "A very big one, please", "interpretedValue": "large",
        "resolvedValues": ["large"] });
    assert_eq!(*size, json!({ "shape": "Scalar", "value": value }));
    let body = world.say("s1", "two").await;
    assert_eq!((stands(&body).0, said(&body)), ("ConfirmIntent", "A large room for 2 nights?"));
    let body = world.say("s1", "Yes!").await;
    assert_eq!(stands(&body), ("Close", "BookRoom", "Fulfilled"));
    assert_eq!(body["sessionState"]["intent"]["confirmationState"], "Confirmed");
    assert_eq!(said(&body), "Your large room is booked.");
    assert_eq!(body["sessionId"], "s1");
}

#[tokio::test]
async fn an_utterance_fills_the_slots_that_it_names() {
    let world = World::new().await;
    let body = world.say("s1", "a cosy room for 3 nights please").await;
    assert_eq!((stands(&body).0, said(&body)), ("ConfirmIntent", "A small room for 3 nights?"));
    // What is no value of the list makes it another utterance.
    let body = world.say("s2", "book a green room").await;
    assert_eq!(body["sessionState"]["dialogAction"]["slotToElicit"], "Size");
}

#[tokio::test]
async fn who_says_no_ends_the_intent_as_failed() {
    let world = World::new().await;
    world.say("s1", "a big room for 1 nights please").await;
    let body = world.say("s1", "no").await;
    assert_eq!((stands(&body), said(&body)), (("Close", "BookRoom", "Failed"), "Then not."));
    assert_eq!(body["sessionState"]["intent"]["confirmationState"], "Denied");
}

#[tokio::test]
async fn a_list_slot_takes_several_values() {
    let world = World::new().await;
    world.say("s1", "order breakfast").await;
    let body = world.say("s1", "an egg, toast and espresso").await;
    assert_eq!((stands(&body).2, said(&body)), ("Fulfilled", "We bring eggs, toast, coffee."));
    let slot = &body["sessionState"]["intent"]["slots"]["Dishes"];
    assert_eq!(slot["shape"], "List");
    assert_eq!(slot["value"]["resolvedValues"], json!(["eggs", "toast", "coffee"]));
    let single = &slot["values"][1];
    assert_eq!((&single["shape"], &single["value"]["interpretedValue"]), (&json!("Scalar"), &json!("toast")));
}

#[tokio::test]
async fn a_question_is_asked_again_and_then_the_fallback_intent_is_invoked() {
    let world = World::new().await;
    world.say("s1", "book a big room").await;
    let body = world.say("s1", "no idea").await;
    assert_eq!(stands(&body), ("ElicitSlot", "BookRoom", "InProgress"));
    let body = world.say("s1", "still no idea").await;
    assert_eq!(stands(&body).1, "FallbackIntent");
    world.say("s2", "a big room for 1 nights please").await;
    assert_eq!(stands(&world.say("s2", "perhaps").await).0, "ConfirmIntent");
    assert_eq!(stands(&world.say("s2", "perhaps").await).1, "FallbackIntent");
}

#[tokio::test]
async fn after_so_many_misses_in_a_row_the_fallback_intent_is_left_to_the_client() {
    let world = World::new().await;
    for session in ["s1", "s2"] {
        for _ in 0..2 {
            let body = world.say(session, "fnord").await;
            assert_eq!(stands(&body), ("ElicitIntent", "FallbackIntent", "InProgress"));
            assert_eq!(said(&body), "Sorry, what can I do for you?");
        }
    }
    let body = world.say("s1", "fnord").await;
    assert_eq!(stands(&body), ("Close", "FallbackIntent", "ReadyForFulfillment"));
    assert_eq!(said(&body), "I get somebody who can help.");
    world.say("s2", "order breakfast").await;
    world.say("s2", "toast").await;
    assert_eq!(stands(&world.say("s2", "fnord").await).0, "ElicitIntent");
}

#[tokio::test]
async fn who_asks_for_a_person_is_left_to_the_client_and_what_cannot_be_done_fails() {
    let world = World::new().await;
    let body = world.say("s1", "agent please").await;
    assert_eq!(stands(&body), ("Close", "AgentRequest", "ReadyForFulfillment"));
    assert_eq!(said(&body), "One moment, I get somebody.");
    assert_eq!(stands(&world.say("s1", "check out later").await), ("Close", "LateCheckout", "Failed"));
    // In the middle of something else too.
    world.say("s1", "book a room").await;
    assert_eq!(stands(&world.say("s1", "talk to an agent").await).1, "AgentRequest");
}

#[tokio::test]
async fn interpretations_are_ordered_and_fallback_comes_last_unless_nothing_is_sure() {
    let world = World::new().await;
    let body = world.say("s1", "I want to talk to a person").await;
    let told = body["interpretations"].as_array().cloned().unwrap_or_default();
    assert_eq!(told[0]["intent"]["name"], "AgentRequest");
    assert_eq!(told[0]["nluConfidence"], json!({ "score": 1.0 }));
    assert_eq!(told[0]["interpretationSource"], "Lex");
    let last = &told[told.len() - 1];
    assert_eq!((&last["intent"]["name"], last.get("nluConfidence")), (&json!("FallbackIntent"), None));
    let scores: Vec<f64> = told.iter().filter_map(|one| one["nluConfidence"]["score"].as_f64()).collect();
    assert!(scores.windows(2).all(|two| two[0] >= two[1]) && (3..=5).contains(&told.len()), "{told:?}");
    let body = world.say("s2", "check the room service bill again today").await;
    assert_eq!(body["interpretations"][0]["intent"]["name"], "FallbackIntent");
    let second = body["interpretations"][1]["nluConfidence"]["score"].as_f64();
    assert!(second.is_some_and(|score| score < 0.4), "{body}");
}

#[tokio::test]
async fn sentiment_is_told_of_the_first_interpretation() {
    let world = World::new().await;
    let body = world.say("s1", "this is awful, agent please").await;
    let told = &body["interpretations"][0]["sentimentResponse"];
    assert_eq!(told["sentiment"], "NEGATIVE");
    let score = |name: &str| told["sentimentScore"][name].as_f64().unwrap_or_default();
    let sum: f64 = ["positive", "negative", "neutral", "mixed"].map(score).iter().sum();
    assert!((sum - 1.0).abs() < 1e-9, "{told}");
    assert_eq!(body["interpretations"][1].get("sentimentResponse"), None);
}

#[tokio::test]
async fn request_attributes_come_back_and_last_one_turn() {
    let world = World::new().await;
    let given = json!({ "x-amz-lex:accept-content-types": "PlainText", "from": "tandem" });
    let answer = world.recognize("s1", &json!({ "text": "book a room", "requestAttributes": given })).await;
    assert_eq!(answer.body["requestAttributes"], given);
    assert_eq!(world.say("s1", "big").await["requestAttributes"], json!({}));
}
