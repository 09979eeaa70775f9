//! Documented rate limits, in sliding windows of real time.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::answer::Refusal;
use super::settings::LimitMode;

/// Windows kept before idle ones are cleared out.
const MAX_WINDOWS: usize = 100_000;
const LONGEST: Duration = Duration::from_secs(60);

/// So many calls in so many seconds, counted under a key.
#[derive(Debug, Clone)]
pub(super) struct Limit {
    key: String,
    calls: usize,
    per: Duration,
}

impl Limit {
    fn new(key: String, calls: usize, seconds: u64) -> Self {
        Self { key, calls, per: Duration::from_secs(seconds) }
    }

    /// Creating identities and issuing tokens: 1000 each in 30 s per resource. Revoking and deleting: 500.
    pub(super) fn identity(operation: &str, calls: usize) -> [Self; 1] {
        [Self::new(format!("identity {operation}"), calls, 30)]
    }

    /// 10 threads in 10 s per user, 3000 in a minute per resource.
    pub(super) fn create_thread(user: &str) -> [Self; 2] {
        [Self::new(format!("create {user}"), 10, 10), Self::new("create".to_owned(), 3_000, 60)]
    }

    /// Sending, changing and deleting messages: per thread 10 in 10 s and 30 in a minute.
    pub(super) fn messages(thread: &str) -> [Self; 2] {
        [Self::new(format!("messages 10 {thread}"), 10, 10), Self::new(format!("messages 60 {thread}"), 30, 60)]
    }

    /// Listing messages, each page: per user and thread 50 in 10 s and 200 in a minute.
    pub(super) fn list(user: &str, thread: &str) -> [Self; 2] {
        [Self::new(format!("list 10 {user} {thread}"), 50, 10), Self::new(format!("list 60 {user} {thread}"), 200, 60)]
    }

    /// 5 typing notifications in 10 s per user.
    pub(super) fn typing(user: &str) -> [Self; 1] {
        [Self::new(format!("typing {user}"), 5, 10)]
    }
}

/// Counts calls.
pub(super) struct Limits {
    mode: LimitMode,
    windows: Mutex<HashMap<String, VecDeque<Instant>>>,
}

impl Limits {
    pub(super) fn new(mode: LimitMode) -> Self {
        Self { mode, windows: Mutex::new(HashMap::new()) }
    }

    /// Counts a call under all of these limits, or refuses it with 429 and counts it under none.
    pub(super) fn spend(&self, limits: &[Limit], now: Instant) -> Result<(), Refusal> {
        let factor = match self.mode {
            LimitMode::Off => return Ok(()),
            LimitMode::Documented => 1.0,
            LimitMode::Raised(factor) => factor.max(0.0),
        };
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= MAX_WINDOWS {
            windows.retain(|_, calls| calls.back().is_some_and(|last| now.duration_since(*last) < LONGEST));
        }
        for limit in limits {
            let calls = windows.entry(limit.key.clone()).or_default();
            while calls.front().is_some_and(|first| now.duration_since(*first) >= limit.per) {
                calls.pop_front();
            }
            if calls.len() >= (limit.calls as f64 * factor) as usize {
                let free = calls.front().map_or(limit.per, |first| limit.per - now.duration_since(*first));
                return Err(Refusal::too_many(free.as_secs() + 1));
            }
        }
        for limit in limits {
            windows.entry(limit.key.clone()).or_default().push_back(now);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use super::*;

    fn accepted(limits: &Limits, at: Instant, calls: usize) -> usize {
        (0..calls).filter(|_| limits.spend(&Limit::messages("t"), at).is_ok()).count()
    }

    #[test]
    fn a_thread_takes_ten_messages_in_ten_seconds_and_thirty_in_a_minute() {
        let limits = Limits::new(LimitMode::Documented);
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(accepted(&limits, start, 20), 10);
        assert_eq!(limits.spend(&Limit::messages("t"), after(4)).unwrap_err().retry_after, Some(7));
        assert_eq!(accepted(&limits, after(10), 20), 10);
        assert_eq!(accepted(&limits, after(20), 20), 10);
        assert_eq!(accepted(&limits, after(30), 20), 0);
        assert_eq!(limits.spend(&Limit::messages("t"), after(30)).unwrap_err().retry_after, Some(31));
        assert_eq!(accepted(&limits, after(60), 20), 10);
        assert!(limits.spend(&Limit::messages("another"), after(30)).is_ok());
    }

    #[test]
    fn limits_are_raised_or_off() {
        let raised = Limits::new(LimitMode::Raised(2.5));
        assert_eq!(accepted(&raised, Instant::now(), 100), 25);
        let off = Limits::new(LimitMode::Off);
        assert_eq!(accepted(&off, Instant::now(), 100), 100);
    }
}
