//! What came of a lookup.

use std::future::Future;
use std::pin::Pin;

use serde::{Deserialize, Serialize};
use tandem_sdk::model::Profile;

/// What came of a lookup.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// This is the customer.
    Found(Profile),
    /// Every door was asked, and none knows them.
    Unknown,
    /// It cannot be said.
    Missing(Missing),
}

/// Why it cannot be said who the customer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// No answer came in time; it may still come.
    Deadline,
    /// A door failed, or too many lookups are under way.
    Unavailable,
    /// The doors failed so often that they are left alone for a while.
    BreakerOpen,
    /// No adapter is configured that could be asked.
    NotConfigured,
    /// Nothing is known to ask with: no identity, or none that anybody verified.
    NoIdentity,
}

impl Missing {
    /// The reason in one word, as events and decisions say it.
    pub fn reason(self) -> &'static str {
        match self {
            Missing::Deadline => "deadline",
            Missing::Unavailable => "unavailable",
            Missing::BreakerOpen => "breaker_open",
            Missing::NotConfigured => "not_configured",
            Missing::NoIdentity => "no_identity",
        }
    }
}

/// An answer that did not come within the deadline. Ends by itself; whoever drops it does without.
pub type Late = Pin<Box<dyn Future<Output = Answer> + Send>>;

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use super::*;

    #[test]
    fn the_reasons_are_the_words_of_their_json() {
        use Missing::{BreakerOpen, Deadline, NoIdentity, NotConfigured, Unavailable};
        for missing in [Deadline, Unavailable, BreakerOpen, NotConfigured, NoIdentity] {
            assert_eq!(serde_json::to_value(missing).unwrap(), missing.reason());
        }
    }
}
