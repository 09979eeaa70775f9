//! Silence is doubted: what timers call for.

use tandem_sdk::model::ClosingReason;

use super::ending::IDLE;
use super::placing::DEADLINE;
use super::turn::Turn;
use crate::interactions::Side;

impl Turn<'_> {
    /// A timer fired.
    pub(super) fn time_is_up(&mut self, name: &str) {
        if self.it.closed.is_some() {
            return;
        }
        match name {
            "profile" => self.decide_without_profile(DEADLINE),
            "overdue" => self.ask_after_placement(),
            "patience" => self.placement_lost("nobody came in time", "nobody", ClosingReason::Expired),
            "grace" => self.grace_is_over(),
            "hold" => self.release_due(),
            "voice" => self.release_held(|held| held.release.is_none()),
            "silence" => self.ask_after_silence(),
            IDLE => self.close_as_it_stands(),
            _ => {
                if let Some(generation) = name.strip_prefix("renew/").and_then(|rest| rest.parse().ok()) {
                    self.renew_connection(generation);
                }
            }
        }
    }

    /// Nobody confirmed the placement yet: ask the cloud, each time after twice as long.
    fn ask_after_placement(&mut self) {
        let Some(placement) = self.it.placement().cloned() else { return };
        if self.it.assignment.is_some() {
            return;
        }
        let settings = self.context.settings;
        let doubled = settings.overdue.saturating_mul(1_i32.checked_shl(placement.asked.min(16)).unwrap_or(i32::MAX));
        self.set_timer("overdue", doubled.min(settings.overdue_most));
        if placement.leg.is_some() {
            self.inquire();
        }
    }

    fn ask_after_silence(&mut self) {
        let silence = self.context.settings.silence;
        let quiet_for =
            self.it.heard.get(&Side::Agents).map_or(silence, |heard| self.context.now.duration_since(*heard));
        if quiet_for >= silence {
            self.inquire();
        }
        self.set_timer("silence", silence);
    }
}
