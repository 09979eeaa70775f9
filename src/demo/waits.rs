//! How long each lane let somebody wait: from what was said on one side to its being heard on the other.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

/// Where to somebody spoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Towards {
    /// The agents hear the customer.
    Agents,
    /// The customer hears the agents and the hub.
    Customer,
}

/// Waits by lane: a journey, and a side.
#[derive(Default)]
pub(super) struct Waits(Mutex<BTreeMap<(usize, Towards), Vec<Duration>>>);

impl Waits {
    fn lanes(&self) -> MutexGuard<'_, BTreeMap<(usize, Towards), Vec<Duration>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note(&self, journey: usize, towards: Towards, wait: Duration) {
        self.lanes().entry((journey, towards)).or_default().push(wait);
    }

    /// For each side, in milliseconds: the wait in the middle of all, and of the longest of each lane the one in the
    /// middle and the longest.
    pub(super) fn told(&self) -> Value {
        let lanes = self.lanes();
        let side = |towards: Towards| {
            let of_side: Vec<&Vec<Duration>> =
                lanes.iter().filter(|((_, side), _)| *side == towards).map(|(_, waits)| waits).collect();
            let mut all: Vec<Duration> = of_side.iter().flat_map(|waits| waits.iter().copied()).collect();
            let mut longest: Vec<Duration> = of_side.iter().filter_map(|waits| waits.iter().max().copied()).collect();
            all.sort_unstable();
            longest.sort_unstable();
            let at = |sorted: &[Duration], n: usize| sorted.get(n).map_or(0, |wait| wait.as_millis() as u64);
            json!({
                "lanes": longest.len(),
                "middle": at(&all, all.len() / 2),
                "longest_of_a_lane": at(&longest, longest.len() / 2),
                "longest": at(&longest, longest.len().saturating_sub(1)),
            })
        };
        json!({ "agents": side(Towards::Agents), "customer": side(Towards::Customer) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_wait_is_that_of_the_lane_that_waited_longest() {
        let waits = Waits::default();
        for (journey, wait) in [(1, 10), (1, 30), (2, 20)] {
            waits.note(journey, Towards::Agents, Duration::from_millis(wait));
        }
        let told = waits.told();
        assert_eq!(told["agents"], json!({ "lanes": 2, "middle": 20, "longest_of_a_lane": 30, "longest": 30 }));
        assert_eq!(told["customer"]["lanes"], 0);
    }
}
