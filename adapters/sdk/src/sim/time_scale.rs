//! Compressing a vendor's documented durations.

use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::SimError;

/// How many documented seconds pass in one real second.
///
/// The clock underneath stays the real one; only waits that a vendor documents (retry schedules, token lifetimes,
/// deadlines) are divided by the factor. `TimeScale::default()` changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct TimeScale(f64);

impl TimeScale {
    /// A factor, at least 1 and at most 100 000.
    ///
    /// # Errors
    /// [`SimError::Setting`] when the factor is outside these bounds or no number.
    pub fn new(factor: f64) -> Result<Self, SimError> {
        if (1.0..=100_000.0).contains(&factor) {
            Ok(Self(factor))
        } else {
            Err(SimError::Setting { key: "time_scale", problem: format!("{factor} is not between 1 and 100000") })
        }
    }

    /// The factor.
    #[must_use]
    pub fn factor(self) -> f64 {
        self.0
    }

    /// How long a documented duration takes here.
    #[must_use]
    pub fn real(self, documented: Duration) -> Duration {
        documented.div_f64(self.0)
    }

    /// What a real duration stands for.
    #[must_use]
    pub fn documented(self, real: Duration) -> Duration {
        Duration::try_from_secs_f64(real.as_secs_f64() * self.0).unwrap_or(Duration::MAX)
    }
}

impl Default for TimeScale {
    fn default() -> Self {
        Self(1.0)
    }
}

impl TryFrom<f64> for TimeScale {
    type Error = SimError;

    fn try_from(factor: f64) -> Result<Self, SimError> {
        Self::new(factor)
    }
}

impl From<TimeScale> for f64 {
    fn from(scale: TimeScale) -> Self {
        scale.0
    }
}

impl FromStr for TimeScale {
    type Err = SimError;

    fn from_str(text: &str) -> Result<Self, SimError> {
        let factor = text
            .parse()
            .map_err(|_| SimError::Setting { key: "time_scale", problem: format!("{text:?} is not a number") })?;
        Self::new(factor)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use super::*;

    #[test]
    fn five_minutes_at_sixty_take_five_seconds() {
        let scale = TimeScale::new(60.0).unwrap();
        assert_eq!(scale.real(Duration::from_secs(300)), Duration::from_secs(5));
        assert_eq!(scale.documented(Duration::from_secs(5)), Duration::from_secs(300));
    }

    #[test]
    fn factors_that_would_stop_or_stretch_time_are_refused() {
        for factor in [0.0, -1.0, 0.5, f64::NAN, f64::INFINITY] {
            assert!(TimeScale::new(factor).is_err(), "{factor}");
        }
        assert!("quick".parse::<TimeScale>().is_err());
        assert!(serde_json::from_str::<TimeScale>("0").is_err());
    }
}
