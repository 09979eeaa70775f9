//! `[profiles]` in the config.

use std::time::Duration;

use serde::Deserialize;
use tandem_sdk::model::InstanceName;
use tandem_sdk::problem::Problem;

/// How customers are looked up. Every key may be left out.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The adapter instances to ask, in this order. Empty (the default) asks every instance that can be asked, in the order
    /// of their names.
    pub ask: Vec<InstanceName>,
    /// How long a decision waits for a profile, all doors together. Default `"300ms"`.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub deadline: Duration,
    /// How long a late answer is waited for, from the beginning of the lookup. Default `"10s"`.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub late: Duration,
    /// Most lookups at once, late ones included; what comes on top is answered as unavailable. Default 256.
    pub in_flight: usize,
    /// Whether to ask about identities that a client merely claims. What is found is then the profile of whoever they
    /// claim to be. Default false.
    pub ask_about_claims: bool,
    /// What is remembered.
    pub cache: CacheSettings,
    /// When a door is left alone.
    pub breaker: BreakerSettings,
}

/// `[profiles.cache]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CacheSettings {
    /// Most people remembered; 0 remembers nobody. Default 10 000.
    pub entries: usize,
    /// How long a profile is good. Default `"5m"`.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub found: Duration,
    /// How long it is remembered that nobody knows them. Default `"30s"`.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub unknown: Duration,
}

/// `[profiles.breaker]`: one breaker for each door.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BreakerSettings {
    /// Failures inside the window that open it. An answer that misses the deadline is a failure. Default 5.
    pub failures: u32,
    /// The window. Default `"30s"`.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub window: Duration,
    /// How long it stays open before one lookup may try again. Default `"10s"`.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub open: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            ask: Vec::new(),
            deadline: Duration::from_millis(300),
            late: Duration::from_secs(10),
            in_flight: 256,
            ask_about_claims: false,
            cache: CacheSettings::default(),
            breaker: BreakerSettings::default(),
        }
    }
}

impl Default for CacheSettings {
    fn default() -> Self {
        CacheSettings { entries: 10_000, found: Duration::from_secs(300), unknown: Duration::from_secs(30) }
    }
}

impl Default for BreakerSettings {
    fn default() -> Self {
        BreakerSettings { failures: 5, window: Duration::from_secs(30), open: Duration::from_secs(10) }
    }
}

impl Settings {
    /// What is wrong with the values, each with its key under `profiles`.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut check = |fine: bool, key: &str, found: String, expected: &str| {
            if !fine {
                problems.push(Problem::new("profiles.out_of_range", format!("profiles.{key}"), found, expected));
            }
        };
        let in_range = |duration: Duration, shortest: u64, longest: u64| {
            (Duration::from_millis(shortest)..=Duration::from_millis(longest)).contains(&duration)
        };
        let shown = |duration: Duration| format!("{duration:?}");
        check(in_range(self.deadline, 1, 5_000), "deadline", shown(self.deadline), "from 1ms to 5s");
        check(in_range(self.late, 1, 60_000), "late", shown(self.late), "from 1ms to 1m");
        check(self.late >= self.deadline, "late", shown(self.late), "not shorter than the deadline");
        check((1..=100_000).contains(&self.in_flight), "in_flight", self.in_flight.to_string(), "from 1 to 100000");
        let CacheSettings { entries, found, unknown } = self.cache;
        check(entries <= 10_000_000, "cache.entries", entries.to_string(), "at most 10000000");
        check(in_range(found, 0, 86_400_000), "cache.found", shown(found), "at most 24h");
        check(in_range(unknown, 0, 86_400_000), "cache.unknown", shown(unknown), "at most 24h");
        let BreakerSettings { failures, window, open } = self.breaker;
        check((1..=1_000).contains(&failures), "breaker.failures", failures.to_string(), "from 1 to 1000");
        check(in_range(window, 100, 3_600_000), "breaker.window", shown(window), "from 100ms to 1h");
        check(in_range(open, 100, 3_600_000), "breaker.open", shown(open), "from 100ms to 1h");
        problems
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use super::*;

    #[test]
    fn what_is_left_out_has_a_default_that_is_in_range() {
        let settings: Settings = toml::from_str("").unwrap();
        assert_eq!(settings, Settings::default());
        assert!(settings.problems().is_empty());
    }

    #[test]
    fn durations_are_written_as_people_say_them() {
        let settings: Settings = toml::from_str("deadline = '250ms'\n[breaker]\nopen = '1m 30s'").unwrap();
        assert_eq!(settings.deadline, Duration::from_millis(250));
        assert_eq!(settings.breaker.open, Duration::from_secs(90));
    }

    #[test]
    fn an_unknown_key_is_refused() {
        assert!(toml::from_str::<Settings>("dead_line = '250ms'").is_err());
        assert!(toml::from_str::<Settings>("[cache]\nsize = 3").is_err());
    }

    #[test]
    fn every_value_out_of_range_is_named() {
        let settings: Settings = toml::from_str("deadline = '0s'\nin_flight = 0\n[breaker]\nfailures = 0").unwrap();
        let keys: Vec<String> = settings.problems().into_iter().map(|problem| problem.key).collect();
        assert_eq!(keys, ["profiles.deadline", "profiles.in_flight", "profiles.breaker.failures"]);
    }
}
