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

proptest! {
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
                next = delegate.and_then(|answer| turn.answered(call.source, answer, 12_288)).map_err(TestCaseError::fail)?;
            }
            turn.settle();
            prop_assert!(hooks <= 2);
            prop_assert!(turn.remembered.state.dialog_action.is_some());
            prop_assert!(turn.remembered.interpretations.len() <= 5);
            remembered = turn.remembered;
        }
    }
}
