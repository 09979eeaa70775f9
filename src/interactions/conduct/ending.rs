//! How an interaction ends: the last agents' leg ended and no successor came, or the customer left.

use jiff::SignedDuration;
use tandem_sdk::model::{Action, ClosingReason, LegRef};
use tandem_sdk::secret::SecretRole;

use super::turn::{Owed, Turn, lane_to};
use crate::interactions::{Leg, Note, Placement, Side, Stage, Step};

impl Turn<'_> {
    /// An agents' leg ended: its agent goes, and a successor may come within grace.
    pub(super) fn agents_leg_ended(&mut self, leg: &LegRef) {
        if self.it.assignment.as_ref().is_some_and(|assignment| assignment.leg == *leg) {
            self.agent_gone();
        }
        if self.it.closed.is_some() || self.it.open_legs().next().is_some() {
            return;
        }
        // Nobody is left who could still get a voice.
        self.release_held(|held| held.to == Side::Customer);
        if self.it.placement().is_some_and(|placement| placement.stage != Stage::Dispatching) {
            self.set_timer("grace", self.context.settings.grace);
        }
    }

    /// A leg that stands in for the one that ended: nothing is over.
    pub(super) fn successor_came(&mut self) {
        if self.it.is_between_legs() {
            self.cancel_timer("grace");
            self.relay_waiting();
            self.watch();
        }
    }

    /// Nobody has it: the cloud is asked after a while, and the customer's patience ends.
    pub(super) fn watch(&mut self) {
        if self.it.closed.is_none() && self.it.placement().is_some() {
            self.set_timer("overdue", self.context.settings.overdue);
            self.set_timer("patience", self.context.settings.patience);
        }
    }

    /// Nobody came within grace.
    pub(super) fn grace_is_over(&mut self) {
        if self.it.closed.is_some() || self.it.open_legs().next().is_some() || self.trace() {
            return;
        }
        if !self.it.served {
            self.placement_lost("it ended without an agent", "nobody", ClosingReason::Expired);
            return;
        }
        self.say_notice("closing");
        self.close(ClosingReason::Completed);
    }

    /// Asks which legs follow the last one, if there may be any of which nobody told.
    fn trace(&mut self) -> bool {
        let last = self.it.agents_legs().last().map(|leg| leg.leg.clone()).filter(|_| self.it.may_have_successor());
        let Some(leg) = last else { return false };
        let instance = self.agents_instance(&leg);
        self.owe(Owed::new("ask", instance, format!("trace/{}", leg.native), Action::Trace { leg }));
        true
    }

    /// The cloud has told which legs follow, or cannot be asked. What it told is learned before the timer fires.
    pub(super) fn traced(&mut self) {
        self.note(Note::Traced {});
        if self.it.closed.is_none() && self.it.open_legs().next().is_none() {
            self.set_timer("grace", SignedDuration::ZERO);
        }
    }

    /// A leg of the chain that turned up when all was over: nobody would ever talk to whoever takes it.
    pub(super) fn came_too_late(&mut self, leg: &LegRef) {
        let its = self.it.leg(leg).and_then(|leg| self.it.placement_of(leg)).map(|placement| placement.generation);
        if let Some(generation) = its {
            self.end_leg(generation, leg);
        }
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
        // What was held goes before its voice does.
        self.release_held(|_| true);
        for placement in self.it.placements.clone() {
            self.end_legs_of(&placement);
        }
        self.agent_out();
        for name in self.it.timers.keys().cloned().collect::<Vec<_>>() {
            self.step(Step::Timer { name, due: None });
        }
        self.note(Note::Closed { reason });
        self.event(tandem_sdk::model::EventKind::InteractionClosed { reason }, self.context.now);
    }

    /// Ends every leg of a placement that is not known to be over, unless the placement was given up and so was told to end.
    /// A leg that nobody ties to any placement is the last one's.
    pub(super) fn end_legs_of(&mut self, placement: &Placement) {
        if placement.stage == Stage::Over {
            return;
        }
        let last = self.it.placements.last().map(|placement| placement.generation);
        let is_its = |leg: &&Leg| {
            let generation = self.it.placement_of(leg).map(|placement| placement.generation).or(last);
            !leg.state().is_over() && generation == Some(placement.generation)
        };
        let legs: Vec<LegRef> = self.it.agents_legs().filter(is_its).map(|leg| leg.leg.clone()).collect();
        for leg in legs {
            self.end_leg(placement.generation, &leg);
        }
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
