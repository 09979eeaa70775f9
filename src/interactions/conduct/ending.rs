//! How an interaction ends: the last agents' leg ended and no successor came, or the customer left.

use tandem_sdk::model::{Action, ClosingReason, LegRef};
use tandem_sdk::secret::SecretRole;

use super::turn::{Owed, Turn, lane_to};
use crate::interactions::{Leg, Note, Side, Stage, Step};

impl Turn<'_> {
    /// An agents' leg ended: its agent goes, and a successor may come within grace.
    pub(super) fn agents_leg_ended(&mut self, leg: &LegRef) {
        if self.it.assignment.as_ref().is_some_and(|assignment| assignment.leg == *leg) {
            self.agent_out();
            self.falls_to_who_is_left();
        }
        let open = self.it.agents_legs().any(|leg| !leg.state().is_over());
        let of_placement = self.it.placement().is_some_and(|placement| placement.stage != Stage::Dispatching);
        if !open && of_placement && self.it.closed.is_none() {
            self.set_timer("grace", self.context.settings.grace);
        }
    }

    /// A leg that stands in for the one that ended: nothing is over.
    pub(super) fn successor_came(&mut self) {
        if self.it.timers.contains_key("grace") {
            self.cancel_timer("grace");
            self.relay_waiting();
        }
    }

    /// Nobody came within grace.
    pub(super) fn grace_is_over(&mut self) {
        if self.it.closed.is_some() || self.it.agents_legs().any(|leg| !leg.state().is_over()) {
            return;
        }
        if !self.it.served {
            self.placement_lost("it ended without an agent", "nobody", ClosingReason::Expired);
            return;
        }
        self.say_notice("closing");
        self.close(ClosingReason::Completed);
    }

    /// The customer left, or the conversation is gone.
    pub(super) fn customer_left(&mut self) {
        if self.it.closed.is_some() {
            return;
        }
        let reason = if self.it.served { ClosingReason::Completed } else { ClosingReason::Abandoned };
        self.close(reason);
    }

    /// Closes: agents' legs that still stand are ended, the agent's identity leaves, timers go.
    pub(super) fn close(&mut self, reason: ClosingReason) {
        if self.it.closed.is_some() {
            return;
        }
        let standing: Vec<(u32, LegRef)> = self
            .it
            .placements
            .iter()
            .filter(|placement| placement.stage != Stage::Over)
            .filter_map(|placement| {
                let leg = placement.leg.as_ref()?;
                let last = self.last_of_chain(leg)?;
                (!last.state().is_over()).then(|| (placement.generation, last.leg.clone()))
            })
            .collect();
        for (generation, leg) in standing {
            self.end_leg(generation, &leg);
        }
        self.agent_out();
        for name in self.it.timers.keys().cloned().collect::<Vec<_>>() {
            self.step(Step::Timer { name, due: None });
        }
        self.note(Note::Closed { reason });
        self.event(tandem_sdk::model::EventKind::InteractionClosed { reason }, self.context.now);
    }

    /// The leg at the end of the chain of transfers that began with `leg`.
    fn last_of_chain(&self, leg: &LegRef) -> Option<&Leg> {
        let mut last = self.it.leg(leg)?;
        for _ in 0..self.it.legs.len() {
            let Some(next) = self.it.agents_legs().find(|next| next.follows(last)) else { break };
            last = next;
        }
        Some(last)
    }

    /// Ends our part of an agents' leg.
    pub(super) fn end_leg(&mut self, generation: u32, leg: &LegRef) {
        let entered = self
            .it
            .placements
            .iter()
            .any(|placement| placement.generation == generation && placement.participant.is_some());
        let instance = self.agents_instance(leg);
        let mut owed = Owed::new(
            lane_to(Side::Agents, generation),
            instance,
            format!("end/{generation}"),
            Action::End { leg: leg.clone() },
        );
        let connection = self.secret(&format!("{generation}/connection"));
        if entered && self.it.secrets.contains(&connection) {
            owed = owed.uses(SecretRole::ConnectionToken, connection);
        }
        self.owe(owed);
    }

    /// Last of every turn: once closed and with nothing owed, the secrets go.
    pub(super) fn finish(&mut self) {
        if self.it.is_settled() && !self.it.secrets.is_empty() {
            let secrets = self.it.secrets.clone();
            self.step(Step::Forget { secrets });
        }
    }
}
