//! Bounded lanes into the desk, with shares: outcomes and timers before webhooks, but never only those.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Which lane an input takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// Questions about the state, claims: no commit waits for them.
    Control,
    /// Outcomes of commands.
    Outcome,
    /// Webhooks and callers.
    Webhook,
}

/// How many inputs may wait in each lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Capacities {
    /// Questions about the state, claims.
    pub control: usize,
    /// Outcomes. At least as many as commands that are in flight at once.
    pub outcomes: usize,
    /// Webhooks and callers.
    pub webhooks: usize,
}

impl Default for Capacities {
    fn default() -> Self {
        Capacities { control: 1024, outcomes: 4096, webhooks: 4096 }
    }
}

/// Of every batch at least this share is for the lane below.
const SHARE: usize = 4;

struct Queues<T> {
    control: VecDeque<T>,
    outcomes: VecDeque<T>,
    webhooks: VecDeque<T>,
    closed: bool,
    /// Somebody rang since the last take.
    rung: bool,
}

/// The lanes.
pub(super) struct Lanes<T> {
    queues: Mutex<Queues<T>>,
    arrived: Condvar,
    capacities: Capacities,
}

/// What taking from the lanes gave.
pub(super) enum Taken<T> {
    /// These, in the order in which they are to be worked on. Empty when the time was up or somebody rang.
    Some(Vec<T>),
    /// The lanes are closed and empty.
    Closed,
}

impl<T> Lanes<T> {
    pub(super) fn new(capacities: Capacities) -> Self {
        let queues = Queues {
            control: VecDeque::new(),
            outcomes: VecDeque::new(),
            webhooks: VecDeque::new(),
            closed: false,
            rung: false,
        };
        Lanes { queues: Mutex::new(queues), arrived: Condvar::new(), capacities }
    }

    fn lock(&self) -> MutexGuard<'_, Queues<T>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts one in, or gives it back when its lane is full or closed (`true`).
    pub(super) fn put(&self, priority: Priority, item: T) -> Result<(), (T, bool)> {
        self.put_all(priority, vec![item]).map_err(|(mut items, closed)| (items.remove(0), closed))
    }

    /// Puts several in, one behind the other, or gives all of them back. What is more than a lane can ever hold goes into
    /// an empty one.
    pub(super) fn put_all(&self, priority: Priority, items: Vec<T>) -> Result<(), (Vec<T>, bool)> {
        let mut queues = self.lock();
        if queues.closed {
            return Err((items, true));
        }
        let (queue, capacity) = match priority {
            Priority::Control => (&mut queues.control, self.capacities.control),
            Priority::Outcome => (&mut queues.outcomes, self.capacities.outcomes),
            Priority::Webhook => (&mut queues.webhooks, self.capacities.webhooks),
        };
        let is_full = queue.len().saturating_add(items.len()) > capacity;
        if is_full && (!queue.is_empty() || capacity == 0) {
            return Err((items, false));
        }
        queue.extend(items);
        drop(queues);
        self.arrived.notify_one();
        Ok(())
    }

    /// Lets whoever waits for the first come back at once.
    pub(super) fn ring(&self) {
        self.lock().rung = true;
        self.arrived.notify_one();
    }

    /// Takes what waits, up to `most`; waits up to `patience` for the first, or for a ring.
    pub(super) fn take(&self, most: usize, patience: Duration) -> Taken<T> {
        let mut queues = self.lock();
        let is_empty = |queues: &mut Queues<T>| {
            queues.control.is_empty()
                && queues.outcomes.is_empty()
                && queues.webhooks.is_empty()
                && !queues.closed
                && !queues.rung
        };
        if is_empty(&mut queues) {
            queues =
                self.arrived.wait_timeout_while(queues, patience, is_empty).unwrap_or_else(PoisonError::into_inner).0;
        }
        queues.rung = false;
        if queues.closed && queues.control.is_empty() && queues.outcomes.is_empty() && queues.webhooks.is_empty() {
            return Taken::Closed;
        }
        let mut taken: Vec<T> = Vec::new();
        let control = queues.control.len().min(most);
        taken.extend(queues.control.drain(..control));
        let room = most.saturating_sub(taken.len());
        let for_webhooks = (room / SHARE).min(queues.webhooks.len());
        let outcomes = queues.outcomes.len().min(room.saturating_sub(for_webhooks));
        taken.extend(queues.outcomes.drain(..outcomes));
        let webhooks = queues.webhooks.len().min(most.saturating_sub(taken.len()));
        taken.extend(queues.webhooks.drain(..webhooks));
        Taken::Some(taken)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Lets nothing more in. What waits is still taken.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(lanes: &Lanes<&'static str>, most: usize) -> Vec<&'static str> {
        match lanes.take(most, Duration::ZERO) {
            Taken::Some(items) => items,
            Taken::Closed => vec!["closed"],
        }
    }

    #[test]
    fn outcomes_go_first_and_webhooks_keep_their_share() {
        let lanes = Lanes::new(Capacities::default());
        for _ in 0..20 {
            assert!(lanes.put(Priority::Webhook, "w").is_ok());
            assert!(lanes.put(Priority::Outcome, "o").is_ok());
        }
        assert_eq!(taken(&lanes, 8), ["o", "o", "o", "o", "o", "o", "w", "w"]);
    }

    #[test]
    fn a_full_lane_gives_the_item_back() {
        let lanes = Lanes::new(Capacities { webhooks: 1, ..Capacities::default() });
        assert!(lanes.put(Priority::Webhook, "a").is_ok());
        assert_eq!(lanes.put(Priority::Webhook, "b"), Err(("b", false)));
        assert!(lanes.put(Priority::Outcome, "c").is_ok());
    }

    #[test]
    fn what_belongs_together_goes_in_together_or_not_at_all() {
        let lanes = Lanes::new(Capacities { webhooks: 2, ..Capacities::default() });
        assert!(
            lanes.put_all(Priority::Webhook, vec!["a", "b", "c"]).is_ok(),
            "an empty lane takes more than it holds"
        );
        assert_eq!(lanes.put_all(Priority::Webhook, vec!["d"]), Err((vec!["d"], false)));
        assert_eq!(taken(&lanes, 2), ["a", "b"]);
        assert_eq!(lanes.put_all(Priority::Webhook, vec!["d", "e"]), Err((vec!["d", "e"], false)));
        assert!(lanes.put(Priority::Webhook, "d").is_ok());
        assert_eq!(taken(&lanes, 8), ["c", "d"]);
    }

    #[test]
    fn a_ring_is_heard_once_also_by_whoever_comes_later() {
        let lanes: Lanes<()> = Lanes::new(Capacities::default());
        lanes.ring();
        assert!(matches!(lanes.take(1, Duration::from_secs(3600)), Taken::Some(items) if items.is_empty()));
        let begun = std::time::Instant::now();
        assert!(matches!(lanes.take(1, Duration::from_millis(5)), Taken::Some(items) if items.is_empty()));
        assert!(begun.elapsed() >= Duration::from_millis(5));
    }

    #[test]
    fn closed_lanes_are_emptied_first() {
        let lanes = Lanes::new(Capacities::default());
        assert!(lanes.put(Priority::Webhook, "a").is_ok());
        lanes.close();
        assert_eq!(lanes.put(Priority::Webhook, "b"), Err(("b", true)));
        assert_eq!(taken(&lanes, 8), ["a"]);
        assert_eq!(taken(&lanes, 8), ["closed"]);
    }
}
