//! Durations as people write them: `"30s"`, `"300ms"`, `"5m"`, `"1h 30m"`.

use std::fmt;
use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

/// A length of time, not negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Period(Duration);

impl Period {
    /// No time at all.
    pub const ZERO: Period = Period(Duration::ZERO);

    /// So many milliseconds.
    pub const fn millis(millis: u64) -> Self {
        Period(Duration::from_millis(millis))
    }

    /// So many seconds.
    pub const fn secs(secs: u64) -> Self {
        Period(Duration::from_secs(secs))
    }

    /// The duration.
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl TryFrom<String> for Period {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let wrong =
            || format!("invalid value: string \"{text}\", expected a duration such as \"300ms\", \"30s\" or \"5m\"");
        let signed: SignedDuration = text.trim().parse().map_err(|_| wrong())?;
        Duration::try_from(signed).map(Period).map_err(|_| wrong())
    }
}

impl From<Period> for String {
    fn from(period: Period) -> Self {
        period.to_string()
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Longer than 292 billion years is longest.
        write!(f, "{:#}", SignedDuration::try_from(self.0).unwrap_or(SignedDuration::MAX))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Period, String> {
        Period::try_from(text.to_owned())
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        let rows =
            [("30s", 30_000), ("300ms", 300), ("5m", 300_000), ("1h 30m", 5_400_000), ("0s", 0), ("1.5s", 1_500)];
        for (text, millis) in rows {
            assert_eq!(read(text).unwrap(), Period::millis(millis), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_with_examples() {
        for text in ["", "30", "s", "-5s", "5 parsecs", "1e9s", "99999999999999999999s"] {
            let refused = read(text).unwrap_err();
            assert!(refused.ends_with("expected a duration such as \"300ms\", \"30s\" or \"5m\""), "{text}: {refused}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(nanos in any::<u64>()) {
            let period = Period(Duration::from_nanos(nanos));
            prop_assert_eq!(read(&period.to_string()).unwrap(), period);
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,20}|[0-9smhdPT .:-]{0,20}") {
            if let Ok(period) = read(&text) {
                prop_assert_eq!(read(&period.to_string()), Ok(period));
            }
        }
    }
}
