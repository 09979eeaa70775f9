//! When a vendor tries a delivery again, and when it gives up.

use std::time::Duration;

/// What a vendor makes of a subscriber's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Delivered.
    Delivered,
    /// Tried again after the schedule's wait, but not before this documented duration.
    TryAgain {
        /// The shortest documented wait for this status.
        at_least: Duration,
    },
    /// Given up at once.
    Final,
}

/// A vendor's retry schedule. All durations are the documented ones; [`TimeScale`](super::TimeScale) compresses them.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// The wait before the second attempt, the third and so on; the last one repeats. Empty: no second attempt.
    pub waits: Vec<Duration>,
    /// How much longer a wait may become by chance: 0.1 is up to 10 %.
    pub jitter: f64,
    /// Attempts in all, the first one included.
    pub max_attempts: u32,
    /// How old a delivery may become before it is given up.
    pub time_to_live: Duration,
    /// How long a subscriber may take to answer.
    pub answer_within: Duration,
    /// What the vendor makes of a status.
    pub verdict: fn(u16) -> Verdict,
}

impl Schedule {
    /// The documented wait after `attempts` attempts failed; `chance` is from 0 to below 1. None: given up.
    #[must_use]
    pub fn wait_after(&self, attempts: u32, chance: f64) -> Option<Duration> {
        if attempts >= self.max_attempts {
            return None;
        }
        let index = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
        let wait = self.waits.get(index).or(self.waits.last())?;
        Some(wait.mul_f64(1.0 + self.jitter.clamp(0.0, 10.0) * chance))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(waits: &[u64], max_attempts: u32) -> Schedule {
        Schedule {
            waits: waits.iter().copied().map(Duration::from_secs).collect(),
            jitter: 0.5,
            max_attempts,
            time_to_live: Duration::from_secs(86_400),
            answer_within: Duration::from_secs(30),
            verdict: |_| Verdict::Final,
        }
    }

    #[test]
    fn waits_follow_the_list_and_the_last_one_repeats_until_the_attempts_are_used_up() {
        let schedule = schedule(&[10, 30], 5);
        let waits: Vec<_> =
            (1..=5).map(|attempts| schedule.wait_after(attempts, 0.0).map(|wait| wait.as_secs())).collect();
        assert_eq!(waits, [Some(10), Some(30), Some(30), Some(30), None]);
    }

    #[test]
    fn chance_only_makes_a_wait_longer() {
        assert_eq!(schedule(&[10], 5).wait_after(1, 0.5), Some(Duration::from_millis(12_500)));
    }

    #[test]
    fn an_empty_list_means_one_attempt() {
        assert_eq!(schedule(&[], 5).wait_after(1, 0.0), None);
    }
}
