//! How often each kind of fault is drawn.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{FaultKind, SimError};

/// How often each kind befalls a draw that allows it: probabilities from 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rates {
    /// Probability of [`FaultKind::Duplicate`].
    pub duplicate: f64,
    /// Probability of [`FaultKind::Reorder`].
    pub reorder: f64,
    /// Probability of [`FaultKind::Delay`].
    pub delay: f64,
    /// Probability of [`FaultKind::Drop`].
    pub drop: f64,
    /// Probability of [`FaultKind::Throttle`].
    pub throttle: f64,
    /// Probability of [`FaultKind::ServerError`].
    pub server_error: f64,
    /// Probability of [`FaultKind::Timeout`].
    pub timeout: f64,
    /// Probability of [`FaultKind::UnknownOutcome`].
    pub unknown_outcome: f64,
    /// Shortest delay, in real milliseconds; also how long a reordered event is held at least.
    pub delay_min_ms: u64,
    /// Longest delay, in real milliseconds.
    pub delay_max_ms: u64,
}

impl Rates {
    /// The same probability for every kind, delays from 20 to 300 ms.
    #[must_use]
    pub fn uniform(probability: f64) -> Self {
        Self {
            duplicate: probability,
            reorder: probability,
            delay: probability,
            drop: probability,
            throttle: probability,
            server_error: probability,
            timeout: probability,
            unknown_outcome: probability,
            delay_min_ms: 20,
            delay_max_ms: 300,
        }
    }

    /// The probability of one kind.
    #[must_use]
    pub fn of(&self, kind: FaultKind) -> f64 {
        match kind {
            FaultKind::Duplicate => self.duplicate,
            FaultKind::Reorder => self.reorder,
            FaultKind::Delay => self.delay,
            FaultKind::Drop => self.drop,
            FaultKind::Throttle => self.throttle,
            FaultKind::ServerError => self.server_error,
            FaultKind::Timeout => self.timeout,
            FaultKind::UnknownOutcome => self.unknown_outcome,
        }
    }

    fn slot(&mut self, name: &str) -> Option<&mut f64> {
        Some(match name {
            "duplicate" => &mut self.duplicate,
            "reorder" => &mut self.reorder,
            "delay" => &mut self.delay,
            "drop" => &mut self.drop,
            "throttle" => &mut self.throttle,
            "server_error" => &mut self.server_error,
            "timeout" => &mut self.timeout,
            "unknown_outcome" => &mut self.unknown_outcome,
            _ => return None,
        })
    }
}

impl Default for Rates {
    /// 2 % of each.
    fn default() -> Self {
        Self::uniform(0.02)
    }
}

impl FromStr for Rates {
    type Err = SimError;

    /// `0.02` for every kind, or `all=0.02,drop=0,delay_min_ms=10,delay_max_ms=200`; what is not named is 2 %.
    fn from_str(text: &str) -> Result<Self, SimError> {
        let wrong = |problem: String| SimError::Setting { key: "rates", problem };
        let probability = |value: &str| {
            let number: f64 = value.parse().map_err(|_| wrong(format!("{value:?} is not a number")))?;
            if (0.0..=1.0).contains(&number) {
                Ok(number)
            } else {
                Err(wrong(format!("{value} is not between 0 and 1")))
            }
        };
        if !text.contains('=') {
            return probability(text.trim()).map(Self::uniform);
        }
        let mut rates = Self::default();
        for part in text.split(',').filter(|part| !part.trim().is_empty()) {
            let (name, value) =
                part.trim().split_once('=').ok_or_else(|| wrong(format!("{part:?} is not name=value")))?;
            match name {
                "all" => {
                    let (min, max) = (rates.delay_min_ms, rates.delay_max_ms);
                    rates = Self { delay_min_ms: min, delay_max_ms: max, ..Self::uniform(probability(value)?) };
                }
                "delay_min_ms" | "delay_max_ms" => {
                    let millis = value.parse().map_err(|_| wrong(format!("{value:?} is not a number of ms")))?;
                    if name == "delay_min_ms" {
                        rates.delay_min_ms = millis;
                    } else {
                        rates.delay_max_ms = millis;
                    }
                }
                kind => match rates.slot(kind) {
                    Some(slot) => *slot = probability(value)?,
                    None => return Err(wrong(format!("{kind:?} is no kind of fault"))),
                },
            }
        }
        Ok(rates)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use super::*;

    #[test]
    fn rates_are_read_from_a_command_line() {
        assert_eq!("0.1".parse::<Rates>().unwrap(), Rates::uniform(0.1));
        let rates: Rates = "all=0.5,drop=0,delay_max_ms=40".parse().unwrap();
        assert_eq!((rates.drop, rates.timeout, rates.delay_max_ms), (0.0, 0.5, 40));
        for wrong in ["2", "all=x", "explode=0.1", "drop", "drop=-1", "drop=NaN"] {
            assert!(wrong.parse::<Rates>().is_err(), "{wrong}");
        }
    }
}
