//! SIGKILL at random moments, while the simulators live on and the journeys are under way.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;

use super::process::until;
use super::stage::Stage;

/// Every so often the hub dies while it is still starting: reading its log, asking after what was open.
const ONE_IN: u64 = 5;
/// The longest that a hub lives after it is ready, in milliseconds.
const LONGEST_LIFE: u64 = 3_000;

/// How often the hub is to be killed, and was; how many journeys are still under way.
pub(super) struct Killing {
    pub(super) wanted: usize,
    done: AtomicUsize,
    under_way: AtomicUsize,
    /// No more kills will come.
    is_over: AtomicBool,
}

impl Killing {
    pub(super) fn new(wanted: usize, journeys: usize) -> Self {
        Killing {
            wanted,
            done: AtomicUsize::new(0),
            under_way: AtomicUsize::new(journeys),
            is_over: AtomicBool::new(false),
        }
    }

    /// A journey has come to its end.
    pub(super) fn journey_ended(&self) {
        self.under_way.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn done(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }

    /// People take their time, so that the kills spread over the whole journey: before act `act` of `acts` a journey waits
    /// for its share of them. Every other journey goes to its end a little before the last kills.
    pub(super) async fn pause(&self, journey: usize, act: usize, acts: usize) {
        let share = if act == acts {
            self.wanted.saturating_sub(if journey % 2 == 1 { 3 } else { 0 })
        } else {
            (self.wanted * act / acts).saturating_sub(journey % 3)
        };
        while self.done() < share && !self.is_over.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    }
}

impl Stage {
    /// Kills the hub at moments drawn from the seed, as long as a journey is under way.
    pub(super) async fn kill_now_and_then(&self, seed: u64) {
        let ready = || async { self.is_ready().await };
        for kill in 0..self.killing.wanted {
            let drawn = tandem_sdk::model::Derive::entity("kill").number(seed).number(kill as u64).uuid();
            let drawn = drawn.as_u64_pair().1;
            if !drawn.is_multiple_of(ONE_IN) && !until(self.patience, ready).await {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20 + (drawn / ONE_IN) % LONGEST_LIFE)).await;
            if self.killing.under_way.load(Ordering::Relaxed) == 0 {
                break;
            }
            if self.hub.lock().await.kill_and_start_again().await.is_err() {
                break;
            }
            let done = self.killing.done.fetch_add(1, Ordering::Relaxed) + 1;
            self.report.step(0, "demo", "killed the hub and started it again", &json!(done));
        }
        // Nobody waits for kills that will not come.
        self.killing.is_over.store(true, Ordering::Relaxed);
    }
}
