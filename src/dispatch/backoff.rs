//! When to try again: a pure schedule. Randomness is an argument, so the same attempt of the same command waits equally
//! long whenever it is computed.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::Period;

/// Exponential delays with a cap: `[dispatch.backoff]` in the config.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Backoff {
    /// Delay after the first failure.
    pub first: Period,
    /// What every further delay is multiplied with; 1 or more.
    pub factor: f64,
    /// Longest delay.
    pub cap: Period,
    /// Share of a delay that is left to chance, 0 to 1: with 0.5, a delay of 10 s is 5 s to 10 s. Spreads out those who
    /// failed together.
    pub jitter: f64,
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff { first: Period::millis(200), factor: 2.0, cap: Period::secs(30), jitter: 0.5 }
    }
}

impl Backoff {
    /// How long to wait after the `attempt`-th attempt failed (1, 2, …; 0 counts as 1). `jitter` is any number, drawn
    /// or derived by the caller; all 64 bits count.
    pub fn delay(&self, attempt: u32, jitter: u64) -> Duration {
        let cap = self.cap.get();
        let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let full = self.first.get().as_secs_f64() * self.factor.max(1.0).powi(exponent);
        // Past the cap the product may be infinite, or nobody's number at all when the first delay is zero.
        let full = if full.is_nan() { 0.0 } else { full.min(cap.as_secs_f64()) };
        let chance = jitter as f64 / u64::MAX as f64;
        let share = if self.jitter.is_nan() { 0.0 } else { self.jitter.clamp(0.0, 1.0) };
        Duration::try_from_secs_f64(full * (1.0 - share * chance)).map_or(cap, |delay| delay.min(cap))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn delays_double_up_to_the_cap() {
        let backoff = Backoff { first: Period::millis(200), factor: 2.0, cap: Period::secs(1), jitter: 0.0 };
        let millis = [0, 1, 2, 3, 4, 5, 99, u32::MAX].map(|attempt| backoff.delay(attempt, 7).as_millis());
        assert_eq!(millis, [200, 200, 400, 800, 1_000, 1_000, 1_000, 1_000]);
    }

    #[test]
    fn jitter_takes_its_share_and_no_more() {
        let backoff = Backoff { first: Period::secs(10), factor: 2.0, cap: Period::secs(60), jitter: 0.5 };
        assert_eq!(backoff.delay(1, 0), Duration::from_secs(10));
        assert_eq!(backoff.delay(1, u64::MAX / 2).as_millis(), 7_500);
        assert_eq!(backoff.delay(1, u64::MAX), Duration::from_secs(5));
    }

    proptest! {
        #[test]
        fn no_settings_make_a_delay_longer_than_the_cap(
            first in any::<u32>(), factor in any::<f64>(), cap in any::<u32>(), jitter in any::<f64>(),
            attempt in any::<u32>(), chance in any::<u64>()
        ) {
            let (first, cap) = (Period::millis(u64::from(first)), Period::millis(u64::from(cap)));
            let delay = Backoff { first, factor, cap, jitter }.delay(attempt, chance);
            prop_assert!(delay <= cap.get());
        }

        #[test]
        fn without_jitter_delays_never_shrink(attempt in 1_u32..200, factor in 1.0_f64..4.0) {
            let backoff = Backoff { factor, jitter: 0.0, ..Backoff::default() };
            prop_assert!(backoff.delay(attempt, 0) <= backoff.delay(attempt + 1, 0));
        }
    }
}
