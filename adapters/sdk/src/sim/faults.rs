//! Faults drawn from a seed.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Fault, FaultKind, Rates};

/// Sites with a counter of their own; what comes after shares one, so that a caller who invents site names cannot
/// fill the memory.
const MAX_SITES: usize = 4_096;
/// Scripted faults that may wait at one site.
const MAX_FORCED: usize = 1_000;

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
}
