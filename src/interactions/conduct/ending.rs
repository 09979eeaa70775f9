//! How an interaction ends: the last agents' leg ended and no successor came, or the customer left.

use tandem_sdk::model::{Action, ClosingReason, LegRef};
use tandem_sdk::secret::SecretRole;

use super::turn::{Owed, Turn, lane_to};
use crate::interactions::{Leg, Note, Placement, ProfileState, Side, Stage, Step};

/// The timer of a chat in which the customer wrote nothing yet.
pub(super) const IDLE: &str = "idle";

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
        if self.is_left_alone() {
            self.set_timer("grace", self.context.settings.grace);
        }
    }

    /// Whether no agents' leg stands, and none is on its way because the interaction was placed anew.
    pub(super) fn is_left_alone(&self) -> bool {
        let is_on_its_way = self.it.placement().is_some_and(|placement| placement.stage == Stage::Dispatching);
        self.it.closed.is_none() && !is_on_its_way && self.it.open_legs().next().is_none()
    }

    /// A leg that stands in for the one that ended: nothing is over. One that we did not place is watched from the
    /// start.
    pub(super) fn successor_came(&mut self) {
        let stands_in = self.it.is_between_legs();
        if stands_in {
            self.cancel_timer("grace");
            self.relay_waiting();
        }
        if stands_in || self.it.placement().is_none() {
            self.watch();
        }
    }

    /// Nobody has it: the cloud is asked after a while, and the customer's patience ends. Of what we did not place only
    /// the end is asked for.
    pub(super) fn watch(&mut self) {
        if self.it.closed.is_some() {
            return;
        }
        if self.it.placement().is_none() {
            return self.set_timer("silence", self.context.settings.silence);
        }
        self.set_timer("overdue", self.context.settings.overdue);
        self.set_timer("patience", self.context.settings.patience);
    }

    /// After an absence grace begins anew, and what was left alone or unwatched before there was a timer for it gets
    /// one.
    pub(super) fn begin_anew(&mut self) {
        let is_forgotten = self.it.agents_legs().next().is_some() && !self.it.is_between_legs();
        if self.it.timers.contains_key("grace") || is_forgotten && self.is_left_alone() {
            self.set_timer("grace", self.context.settings.grace);
        }
        let is_watched = self.it.placement().is_some() || self.it.timers.contains_key("silence");
        if !is_watched && self.it.open_legs().next().is_some() {
            self.watch();
        }
    }

    /// Nobody came within grace, as far as anybody told.
    pub(super) fn grace_is_over(&mut self) {
        if !self.is_left_alone() || self.asks_about_end() {
            return;
        }
        if !self.it.served && self.it.placement().is_some() {
            self.placement_lost("it ended without an agent", "nobody", ClosingReason::Expired);
            return;
        }
        self.say_notice("closing");
        self.close_as_it_stands();
    }

    /// A leg of the chain that turned up when all was over: nobody would ever talk to whoever takes it.
    pub(super) fn came_too_late(&mut self, leg: &LegRef) {
        let its = self.it.leg(leg).and_then(|leg| self.it.placement_of(leg)).map(|placement| placement.generation);
        if let Some(generation) = its {
            self.end_leg(generation, leg);
        }
    }

    /// Closes because the customer left, or because nobody is there any more: completed if an agent ever was.
    pub(super) fn close_as_it_stands(&mut self) {
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
        // What no agent heard, none will.
        let unheard = self.it.waiting.iter().filter(|held| held.told == 0).count();
        for _ in 0..unheard {
            self.undelivered("wait", "it ended before anybody heard it");
        }
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

    /// Last of every turn: what nothing happens in does not stay open for ever; once closed and with nothing owed, the
    /// secrets go.
    pub(super) fn finish(&mut self) {
        let has_begun =
            self.it.profile != ProfileState::NotAsked || self.it.legs.iter().any(|leg| leg.side == Side::Agents);
        if self.it.closed.is_none() && !has_begun && !self.it.timers.contains_key(IDLE) {
            self.set_timer(IDLE, self.context.settings.idle);
        }
        if self.it.is_settled() && !self.it.secrets.is_empty() {
            let secrets = self.it.secrets.clone();
            self.step(Step::Forget { secrets });
        }
    }
}
