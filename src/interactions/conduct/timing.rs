//! Silence is doubted: what timers call for.

use tandem_sdk::model::{Action, ClosingReason};

use super::ending::IDLE;
use super::placing::DEADLINE;
use super::turn::{Owed, Turn};
use crate::interactions::{Note, Side};

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

    /// Asks what became of every agents' leg that is not known to be over.
    pub(super) fn inquire(&mut self) {
        let open: Vec<_> =
            self.it.agents_legs().filter(|leg| !leg.state().is_over()).map(|leg| leg.leg.clone()).collect();
        for leg in open {
            let purpose = format!("inquire/{}", leg.native);
            let asking = self.it.owed.values().any(|command| command.purpose.0 == purpose);
            if !asking {
                let instance = self.agents_instance(&leg);
                self.owe(Owed::new("ask", instance, purpose, Action::Inquire { leg }));
            }
        }
    }

    /// After a restart: nothing that is open is believed until both sides were asked.
    pub(super) fn doubt_everything(&mut self) {
        if self.it.closed.is_some() {
            return;
        }
        // While the hub was away its clouds could not tell of a successor either.
        if self.it.agents_legs().next().is_some() {
            self.note(Note::Doubted {});
        }
        self.begin_anew();
        self.inquire();
        self.recall();
    }

    /// Asks both sides what was said and who came and went.
    fn recall(&mut self) {
        // One that was owed before and not carried asks further back, and is carried after whatever happened since.
        let is_asking = |purpose: &str| self.it.owed.values().any(|command| command.purpose.0 == purpose);
        let (of_customer, of_agents) = (is_asking("recall/customer"), is_asking("recall/agents"));
        let conversation = self.it.conversation().map(|leg| leg.leg.clone());
        if let Some(leg) = conversation.filter(|_| !of_customer) {
            let since = self.it.heard.get(&Side::Customer).copied();
            let token = self.hub_token();
            self.owe(
                Owed::new(
                    "recall/customer",
                    self.customer_instance(),
                    "recall/customer",
                    Action::Recall { leg, since },
                )
                .uses(tandem_sdk::secret::SecretRole::UserToken, token),
            );
        }
        let entered = self.it.placement().filter(|placement| placement.stage == crate::interactions::Stage::Entered);
        if let Some((placement, leg)) =
            entered.cloned().and_then(|placement| placement.leg.clone().map(|leg| (placement, leg)))
            && !of_agents
        {
            let since = self.it.heard.get(&Side::Agents).copied();
            let connection = self.secret(&format!("{}/connection", placement.generation));
            self.owe(
                Owed::new("recall/agents", placement.target.instance, "recall/agents", Action::Recall { leg, since })
                    .uses(tandem_sdk::secret::SecretRole::ConnectionToken, connection),
            );
        }
    }
}
