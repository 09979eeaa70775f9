//! How the customer feels, by word lists: Lex asks Amazon Comprehend.

use super::script::Script;
use super::words::words;
use crate::sim::shapes::{Sentiment, SentimentScore};

/// Nothing when the bot does not look for sentiment. The four scores add up to 1.
pub(in crate::sim) fn sentiment(script: &Script, text: &str) -> Option<Sentiment> {
    let lists = script.sentiment.as_ref()?;
    let said = words(text);
    let hits =
        |list: &[String]| said.iter().filter(|word| list.iter().any(|entry| words(entry) == [(*word).clone()])).count();
    let (positive, negative) = (hits(&lists.positive), hits(&lists.negative));
    let score = |positive, negative, neutral, mixed| SentimentScore { positive, negative, neutral, mixed };
    let (sentiment, sentiment_score) = match (positive, negative) {
        (0, 0) => ("NEUTRAL", score(0.02, 0.02, 0.95, 0.01)),
        (good, bad) if good == bad => ("MIXED", score(0.1, 0.1, 0.1, 0.7)),
        (good, bad) if good > bad => ("POSITIVE", score(0.9, 0.02, 0.07, 0.01)),
        _ => ("NEGATIVE", score(0.02, 0.9, 0.07, 0.01)),
    };
    Some(Sentiment { sentiment, sentiment_score })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use super::*;

    #[test]
    fn the_majority_of_loaded_words_decides() {
        let lists = "intents = []\n[sentiment]\npositive = ['great']\nnegative = ['awful', 'angry']";
        let script = Script::parse(lists).unwrap();
        let of = |text: &str| sentiment(&script, text).unwrap().sentiment;
        assert_eq!(
            ["Great!", "I am ANGRY, this is awful. Great.", "great but awful", "a room"].map(of),
            ["POSITIVE", "NEGATIVE", "MIXED", "NEUTRAL"]
        );
        assert_eq!(sentiment(&Script::parse("intents = []").unwrap(), "great"), None);
    }
}
