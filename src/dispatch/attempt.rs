//! What follows from one attempt. Pure.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tandem_sdk::error::{AdapterError, Effect, ErrorKind, Retry};
use tandem_sdk::model::EffectClass;

use super::Backoff;

/// What becomes of a command after an attempt that failed.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verdict {
    /// Try again, not before this.
    Again {
        until: Timestamp,
        /// Whether it may have had its effect.
        uncertain: bool,
    },
    /// It will not be tried again by itself.
    Dead(AdapterError),
}

/// Judges a failed attempt. `jitter` is any number.
pub(super) fn judge(
    error: AdapterError,
    class: EffectClass,
    attempt: u32,
    most: u32,
    backoff: &Backoff,
    now: Timestamp,
    jitter: u64,
) -> Verdict {
    let uncertain = error.effect == Effect::Unknown;
    // A call that was turned away for its rate was no attempt at the command, and what is harmless to repeat outlives an
    // absence of its cloud: their expiry bounds them instead.
    let is_bounded = match error.kind {
        ErrorKind::RateLimited => false,
        ErrorKind::Unavailable => class != EffectClass::Natural,
        _ => true,
    };
    if error.retry == Retry::Never || is_bounded && attempt >= most {
        return Verdict::Dead(error);
    }
    let wait = match error.retry {
        Retry::After(least) => least.max(backoff.delay(attempt, jitter)),
        Retry::Later | Retry::Never => backoff.delay(attempt, jitter),
    };
    Verdict::Again { until: after(now, wait), uncertain }
}

/// `wait` from now.
pub(super) fn after(now: Timestamp, wait: Duration) -> Timestamp {
    SignedDuration::try_from(wait).ok().and_then(|wait| now.saturating_add(wait).ok()).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use super::*;
    use crate::config::Period;

    fn judged(error: AdapterError, attempt: u32) -> Verdict {
        let backoff = Backoff { first: Period::secs(1), factor: 2.0, cap: Period::secs(60), jitter: 0.0 };
        judge(error, EffectClass::ReadBack, attempt, 3, &backoff, Timestamp::UNIX_EPOCH, 0)
    }

    fn again(seconds: i64, uncertain: bool) -> Verdict {
        Verdict::Again { until: Timestamp::from_second(seconds).unwrap(), uncertain }
    }

    #[test]
    fn what_can_help_is_tried_again_later_each_time() {
        let error = |kind| AdapterError::new(kind, "X", "");
        assert_eq!(judged(error(ErrorKind::Unavailable), 1), again(1, false));
        assert_eq!(judged(error(ErrorKind::Unavailable).perhaps_done(), 2), again(2, true));
        assert!(matches!(judged(error(ErrorKind::Unavailable), 3), Verdict::Dead(_)));
        assert!(matches!(judged(error(ErrorKind::Refused), 1), Verdict::Dead(_)));
    }

    #[test]
    fn what_is_harmless_to_repeat_outlives_an_absence_of_its_cloud() {
        let backoff = Backoff { first: Period::secs(1), factor: 2.0, cap: Period::secs(60), jitter: 0.0 };
        let judged =
            |class, kind| judge(AdapterError::new(kind, "X", ""), class, 99, 3, &backoff, Timestamp::UNIX_EPOCH, 0);
        assert_eq!(judged(EffectClass::Natural, ErrorKind::Unavailable), again(60, false));
        assert!(matches!(judged(EffectClass::Natural, ErrorKind::Refused), Verdict::Dead(_)));
        assert!(matches!(judged(EffectClass::Token, ErrorKind::Unavailable), Verdict::Dead(_)));
    }

    #[test]
    fn a_cloud_that_says_when_is_not_asked_before() {
        let error = AdapterError::new(ErrorKind::RateLimited, "X", "").retry(Retry::After(Duration::from_secs(30)));
        assert_eq!(judged(error.clone(), 1), again(30, false));
        assert_eq!(judged(error, 99), again(60, false));
    }
}
