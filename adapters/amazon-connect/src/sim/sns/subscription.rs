//! Who gets a topic's notifications: nobody until the subscription is confirmed.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

/// How long a confirmation token is good.
const TOKEN_LIVES: SignedDuration = SignedDuration::from_hours(48);
/// Tokens that one subscription may have; the oldest stops working beyond it.
const MAX_TOKENS: usize = 100;

/// The subscriptions of the one endpoint, by topic.
#[derive(Debug, Default)]
pub(super) struct Subscriptions(HashMap<String, Subscription>);

#[derive(Debug)]
struct Subscription {
    arn: String,
    confirmed: bool,
    /// Tokens and when each was given.
    tokens: Vec<(String, Timestamp)>,
}

impl Subscriptions {
    /// Asks for a subscription with one more token.
    pub(super) fn ask(&mut self, topic: &str, subscription_id: &str, token: String, now: Timestamp) {
        let subscription = self.0.entry(topic.to_owned()).or_insert_with(|| Subscription {
            arn: format!("{topic}:{subscription_id}"),
            confirmed: false,
            tokens: Vec::new(),
        });
        if subscription.tokens.len() == MAX_TOKENS {
            subscription.tokens.remove(0);
        }
        subscription.tokens.push((token, now));
    }

    /// Confirms with a token; gives the subscription's ARN. Confirming again changes nothing.
    pub(super) fn confirm(&mut self, topic: &str, token: &str, now: Timestamp) -> Option<String> {
        let subscription = self.0.get_mut(topic)?;
        let good = |(known, given): &(String, Timestamp)| known == token && now.duration_since(*given) <= TOKEN_LIVES;
        if !subscription.tokens.iter().any(good) {
            return None;
        }
        subscription.confirmed = true;
        Some(subscription.arn.clone())
    }

    /// The ARN of a confirmed subscription.
    pub(super) fn confirmed(&self, topic: &str) -> Option<&str> {
        self.0.get(topic).filter(|subscription| subscription.confirmed).map(|subscription| subscription.arn.as_str())
    }

    /// Ends a subscription; anybody who has its ARN can.
    pub(super) fn end(&mut self, arn: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|_, subscription| subscription.arn != arn);
        self.0.len() < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_token_of_the_last_two_days_confirms() {
        let start = Timestamp::UNIX_EPOCH;
        let hours = |hours| start + SignedDuration::from_hours(hours);
        let mut subscriptions = Subscriptions::default();
        subscriptions.ask("t", "s", "token".to_owned(), start);
        assert_eq!(subscriptions.confirmed("t"), None);
        assert_eq!(subscriptions.confirm("t", "guess", hours(1)), None);
        assert_eq!(subscriptions.confirm("other", "token", hours(1)), None);
        assert_eq!(subscriptions.confirm("t", "token", hours(49)), None);
        assert_eq!(subscriptions.confirm("t", "token", hours(48)), Some("t:s".to_owned()));
        assert_eq!(subscriptions.confirm("t", "token", hours(48)), Some("t:s".to_owned()));
        assert_eq!(subscriptions.confirmed("t"), Some("t:s"));
        assert!(subscriptions.end("t:s"));
        assert_eq!(subscriptions.confirmed("t"), None);
    }
}
