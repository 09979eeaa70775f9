//! Faults drawn from a seed.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::SimError;

/// Sites with a counter of their own; what comes after shares one, so that a caller who invents site names cannot
/// fill the memory.
const MAX_SITES: usize = 4_096;
/// Scripted faults that may wait at one site.
const MAX_FORCED: usize = 1_000;

/// What can go wrong, without its particulars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// An event is delivered twice.
    Duplicate,
    /// An event is held until later ones have overtaken it.
    Reorder,
    /// A call or delivery takes longer.
    Delay,
    /// An event is never delivered. Only for what the vendor may lose.
    Drop,
    /// The vendor's answer to too many requests.
    Throttle,
    /// The vendor's answer when it fails.
    ServerError,
    /// The request is swallowed: no effect, no answer.
    Timeout,
    /// The effect happens and the answer is lost: the connection is closed.
    UnknownOutcome,
}

impl FaultKind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Duplicate,
        Self::Reorder,
        Self::Delay,
        Self::Drop,
        Self::Throttle,
        Self::ServerError,
        Self::Timeout,
        Self::UnknownOutcome,
    ];
    /// What can befall a call to an API.
    pub const CALLS: [Self; 5] = [Self::Delay, Self::Throttle, Self::ServerError, Self::Timeout, Self::UnknownOutcome];

    /// The name used in JSON and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::Reorder => "reorder",
            Self::Delay => "delay",
            Self::Drop => "drop",
            Self::Throttle => "throttle",
            Self::ServerError => "server_error",
            Self::Timeout => "timeout",
            Self::UnknownOutcome => "unknown_outcome",
        }
    }
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// See [`FaultKind::Duplicate`].
    Duplicate,
    /// See [`FaultKind::Reorder`].
    Reorder,
    /// See [`FaultKind::Delay`]; how long, in real time.
    Delay(Duration),
    /// See [`FaultKind::Drop`].
    Drop,
    /// See [`FaultKind::Throttle`].
    Throttle,
    /// See [`FaultKind::ServerError`].
    ServerError,
    /// See [`FaultKind::Timeout`].
    Timeout,
    /// See [`FaultKind::UnknownOutcome`].
    UnknownOutcome,
}

impl Fault {
    /// What it is without its particulars.
    #[must_use]
    pub fn kind(self) -> FaultKind {
        match self {
            Self::Duplicate => FaultKind::Duplicate,
            Self::Reorder => FaultKind::Reorder,
            Self::Delay(_) => FaultKind::Delay,
            Self::Drop => FaultKind::Drop,
            Self::Throttle => FaultKind::Throttle,
            Self::ServerError => FaultKind::ServerError,
            Self::Timeout => FaultKind::Timeout,
            Self::UnknownOutcome => FaultKind::UnknownOutcome,
        }
    }

    /// A fault of this kind; `delay` is used by [`FaultKind::Delay`] alone.
    #[must_use]
    pub fn of(kind: FaultKind, delay: Duration) -> Self {
        match kind {
            FaultKind::Duplicate => Self::Duplicate,
            FaultKind::Reorder => Self::Reorder,
            FaultKind::Delay => Self::Delay(delay),
            FaultKind::Drop => Self::Drop,
            FaultKind::Throttle => Self::Throttle,
            FaultKind::ServerError => Self::ServerError,
            FaultKind::Timeout => Self::Timeout,
            FaultKind::UnknownOutcome => Self::UnknownOutcome,
        }
    }
}

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

/// How often a kind was drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Draws that gave it.
    pub drawn: u64,
    /// Draws that allowed it.
    pub of: u64,
}

/// Draws faults. Clones share one source.
///
/// A draw depends on the seed, the site and how many draws that site has seen, so that what happens at one site does
/// not change what another one gets.
#[derive(Debug, Clone)]
pub struct Faults(Arc<Mutex<Source>>);

#[derive(Debug)]
struct Source {
    seed: u64,
    rates: Rates,
    ordinals: HashMap<String, u64>,
    forced: HashMap<String, VecDeque<Fault>>,
    histogram: BTreeMap<FaultKind, Count>,
}

impl Faults {
    /// Nothing goes wrong, unless forced.
    #[must_use]
    pub fn none() -> Self {
        Self::from_seed(0, Rates::uniform(0.0))
    }

    /// Faults at these rates, the same for the same seed.
    #[must_use]
    pub fn from_seed(seed: u64, rates: Rates) -> Self {
        Self(Arc::new(Mutex::new(Source {
            seed,
            rates,
            ordinals: HashMap::new(),
            forced: HashMap::new(),
            histogram: BTreeMap::new(),
        })))
    }

    /// What befalls the next thing at `site`, at most one of the kinds in `allowed`. A forced fault comes first and
    /// does not look at `allowed`.
    #[must_use]
    pub fn draw(&self, site: &str, allowed: &[FaultKind]) -> Option<Fault> {
        let mut source = self.source();
        let ordinal = source.next_ordinal(site);
        for kind in allowed {
            source.histogram.entry(*kind).or_default().of += 1;
        }
        let scripted = source.forced.get_mut(site).and_then(VecDeque::pop_front);
        let fault = scripted.or_else(|| source.chance(site, ordinal, allowed));
        if let Some(fault) = fault {
            source.histogram.entry(fault.kind()).or_default().drawn += 1;
        }
        fault
    }

    /// How often each kind was drawn, of how many draws that allowed it.
    #[must_use]
    pub fn histogram(&self) -> BTreeMap<FaultKind, Count> {
        self.source().histogram.clone()
    }

    /// The next draw at `site` gets this fault; several wait in order. False when too many wait already.
    pub fn force(&self, site: &str, fault: Fault) -> bool {
        let mut source = self.source();
        if !source.forced.contains_key(site) && source.forced.len() >= MAX_SITES {
            return false;
        }
        let waiting = source.forced.entry(site.to_owned()).or_default();
        if waiting.len() >= MAX_FORCED {
            return false;
        }
        waiting.push_back(fault);
        true
    }

    /// A number from 0 to below 1 that depends on the seed and the label alone: for jitter.
    #[must_use]
    pub fn fraction(&self, label: &str) -> f64 {
        let seed = self.source().seed;
        unit(&hash(seed, label, u64::MAX)[..8])
    }

    /// The shortest and the longest delay.
    #[must_use]
    pub fn delays(&self) -> (Duration, Duration) {
        let source = self.source();
        let shortest = Duration::from_millis(source.rates.delay_min_ms);
        (shortest, Duration::from_millis(source.rates.delay_max_ms).max(shortest))
    }

    fn source(&self) -> MutexGuard<'_, Source> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source {
    fn next_ordinal(&mut self, site: &str) -> u64 {
        let known = self.ordinals.contains_key(site) || self.ordinals.len() < MAX_SITES;
        let ordinal = self.ordinals.entry(if known { site.to_owned() } else { String::new() }).or_default();
        *ordinal += 1;
        *ordinal
    }

    fn chance(&self, site: &str, ordinal: u64, allowed: &[FaultKind]) -> Option<Fault> {
        let digest = hash(self.seed, site, ordinal);
        let mut left = unit(&digest[..8]);
        for kind in allowed {
            let rate = self.rates.of(*kind);
            if left < rate {
                let (min, max) = (self.rates.delay_min_ms, self.rates.delay_max_ms.max(self.rates.delay_min_ms));
                let span = (max - min) as f64 * unit(&digest[8..16]);
                return Some(Fault::of(*kind, Duration::from_millis(min + span as u64)));
            }
            left -= rate;
        }
        None
    }
}

fn hash(seed: u64, site: &str, ordinal: u64) -> [u8; 32] {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    context.update(&seed.to_be_bytes());
    context.update(&(site.len() as u64).to_be_bytes());
    context.update(site.as_bytes());
    context.update(&ordinal.to_be_bytes());
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

/// Eight bytes as a number from 0 to below 1.
fn unit(bytes: &[u8]) -> f64 {
    let number = bytes.iter().fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    (number >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use super::*;

    fn draws(faults: &Faults, site: &str, count: usize) -> Vec<Option<Fault>> {
        (0..count).map(|_| faults.draw(site, &FaultKind::ALL)).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_faults_whatever_other_sites_do() {
        let one = Faults::from_seed(7, Rates::default());
        let two = Faults::from_seed(7, Rates::default());
        draws(&two, "elsewhere", 100);
        assert_eq!(draws(&one, "here", 500), draws(&two, "here", 500));
        assert_ne!(draws(&Faults::from_seed(8, Rates::default()), "here", 500), draws(&one, "here", 500));
    }

    #[test]
    fn every_kind_comes_about_as_often_as_its_rate_says() {
        let faults = Faults::from_seed(1, Rates::default());
        draws(&faults, "here", 20_000);
        for kind in FaultKind::ALL {
            let count = faults.histogram()[&kind];
            assert_eq!(count.of, 20_000);
            assert!((300..=500).contains(&count.drawn), "{kind:?} {count:?}");
        }
    }

    #[test]
    fn a_kind_that_is_not_allowed_is_not_drawn() {
        let faults = Faults::from_seed(1, Rates::uniform(1.0));
        assert_eq!(faults.draw("here", &[FaultKind::Throttle]), Some(Fault::Throttle));
        assert_eq!(faults.draw("here", &[]), None);
    }

    #[test]
    fn a_forced_fault_is_the_next_one_there_and_nowhere_else() {
        let faults = Faults::none();
        assert!(faults.force("here", Fault::Timeout));
        assert_eq!(faults.draw("there", &FaultKind::ALL), None);
        assert_eq!(faults.draw("here", &[]), Some(Fault::Timeout));
        assert_eq!(faults.draw("here", &FaultKind::ALL), None);
    }

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
