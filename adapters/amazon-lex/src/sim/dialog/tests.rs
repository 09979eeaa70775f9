//! Whatever a customer says and a hook answers, a turn ends and nothing panics.

use jiff::Timestamp;
use proptest::prelude::*;

use super::{Answer, Conversation, Next, Remembered, Wish};
use crate::sim::bot::Script;
use crate::sim::settings::Omitted;

const BOT: &str = include_str!("../../../examples/bot.toml");

fn texts() -> impl Strategy<Value = String> {
    const KNOWN: &[&str] =
        &["book a room", "big", "two", "yes", "no", "where is my order", "{Size}", "order breakfast", ""];
    prop_oneof![proptest::sample::select(KNOWN).prop_map(str::to_owned), ".{0,60}"]
}

/// Answers of every kind, most of them wrong.
fn answers() -> impl Strategy<Value = String> {
    const KINDS: &[&str] = &["Close", "ConfirmIntent", "Delegate", "ElicitIntent", "ElicitSlot", "None", "Dance"];
    const INTENTS: &[&str] = &[
        "null",
        r#"{"name":"CheckOrder"}"#,
        r#"{"name":"BookRoom","slots":{"Size":null},"state":"Fulfilled"}"#,
        r#"{"name":"FallbackIntent","slots":{},"state":"Failed"}"#,
        r#"{"name":"Refund","slots":{},"state":"Waiting","confirmationState":"Denied"}"#,
        r#"{"name":"","slots":null}"#,
        r#"{"name":"BookPlane"}"#,
        "7",
    ];
    const SLOTS: &[&str] = &["null", "\"Size\"", "\"Number\"", "\"\"", "\"Wings\"", "[]"];
    const MESSAGES: &[&str] =
        &["null", "[]", r#"[{"contentType":"PlainText","content":"x"}]"#, r#"[{"contentType":"SSML"}]"#];
    let of = proptest::sample::select::<&str>;
    (of(KINDS), of(INTENTS), of(SLOTS), of(MESSAGES)).prop_map(|(kind, intent, slot, messages)| {
        let action = format!(r#"{{"type":"{kind}","slotToElicit":{slot}}}"#);
        format!(r#"{{"sessionState":{{"dialogAction":{action},"intent":{intent}}},"messages":{messages}}}"#)
    })
}

proptest! {
    #[test]
    fn any_answer_is_refused_or_leaves_a_conversation_that_goes_on(
        turns in proptest::collection::vec((texts(), answers(), answers()), 1..12),
    ) {
        let script = Script::parse(BOT).map_err(TestCaseError::fail)?;
        let mut remembered = Remembered::default();
        for (text, first, second) in turns {
            let (before, now) = (remembered.clone(), Timestamp::UNIX_EPOCH);
            let mut turn = Conversation::new(&script, remembered, Omitted::Keep, &mut Wish::default(), now);
            let mut next = Ok(turn.hear(&text));
            for answer in [first, second] {
                let Ok(Next::Ask(call)) = next else { break };
                next = Answer::read(answer.as_bytes()).and_then(|answer| turn.answered(call.source, answer, 12_288));
            }
            remembered = if next.is_ok() { turn.remembered } else { before };
            let intent = remembered.state.intent.as_ref();
            prop_assert!(intent.is_none_or(|intent| script.intent(&intent.name).is_some() && intent.slots.is_some()));
        }
    }

    #[test]
    fn any_conversation_goes_on(said in proptest::collection::vec(texts(), 1..12)) {
        let script = Script::parse(BOT).map_err(TestCaseError::fail)?;
        let mut remembered = Remembered::default();
        for text in said {
            let now = Timestamp::UNIX_EPOCH;
            let mut turn = Conversation::new(&script, remembered, Omitted::Clear, &mut Wish::default(), now);
            let mut next = turn.hear(&text);
            let mut hooks = 0;
            while let Next::Ask(call) = next {
                hooks += 1;
                let delegate = Answer::read(br#"{"sessionState":{"dialogAction":{"type":"Delegate"}}}"#);
                let answered = delegate.and_then(|answer| turn.answered(call.source, answer, 12_288));
                next = answered.map_err(TestCaseError::fail)?;
            }
            turn.settle();
            prop_assert!(hooks <= 2);
            prop_assert!(turn.remembered.state.dialog_action.is_some());
            prop_assert!(turn.remembered.interpretations.len() <= 5);
            remembered = turn.remembered;
        }
    }
}
