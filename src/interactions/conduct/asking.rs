//! What the clouds are asked where silence, an absence or an end is not simply believed.

use jiff::{SignedDuration, Timestamp};
use tandem_sdk::model::{Action, InstanceName, LegRef};
use tandem_sdk::secret::SecretRole;

use super::turn::{Owed, Turn};
use crate::interactions::{Leg, Note, Side, Stage, look_at, trace_from};

/// How far before the end of a leg its transcript is looked at. Connect writes a hand-over and the end that it brings one
/// after the other; a minute is more than its clocks are apart, and seldom more than one page.
const LOOK_BACK: SignedDuration = SignedDuration::from_mins(1);

impl Turn<'_> {
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

    /// Asks what became of every agents' leg that is not known to be over.
    pub(super) fn inquire(&mut self) {
        let open: Vec<_> =
            self.it.agents_legs().filter(|leg| !leg.state().is_over()).map(|leg| leg.leg.clone()).collect();
        for leg in open {
            let purpose = format!("inquire/{}", leg.native);
            if !self.is_asking(&purpose) {
                let instance = self.agents_instance(&leg);
                self.owe(Owed::new("ask", instance, purpose, Action::Inquire { leg }));
            }
        }
    }

    /// Asks both sides what was said and who came and went.
    fn recall(&mut self) {
        let conversation = self.it.conversation().map(|leg| leg.leg.clone());
        if let Some(leg) = conversation.filter(|_| !self.is_asking("recall/customer")) {
            let since = self.it.heard.get(&Side::Customer).copied();
            let token = self.hub_token();
            self.owe(
                Owed::new(
                    "recall/customer",
                    self.customer_instance(),
                    "recall/customer",
                    Action::Recall { leg, since },
                )
                .uses(SecretRole::UserToken, token),
            );
        }
        let since = self.it.heard.get(&Side::Agents).copied();
        let unheard = |leg: &&Leg| !leg.state().is_over() || !self.it.is_followed(leg);
        let legs: Vec<LegRef> = self.it.agents_legs().filter(unheard).map(|leg| leg.leg.clone()).collect();
        for leg in legs {
            self.recall_from(leg, since);
        }
    }

    /// A leg of which the hub heard only after it had been away, or by asking: what was said on it until then may have been
    /// told in vain.
    pub(super) fn catch_up(&mut self, leg: &LegRef) {
        if self.it.closed.is_none() && self.it.is_doubted() {
            self.recall_from(leg.clone(), None);
        }
    }

    /// Asks what was said on an agents' leg. One transcript is one leg's: who wants all of a chain asks for each.
    fn recall_from(&mut self, leg: LegRef, since: Option<Timestamp>) {
        let purpose = format!("recall/{}", leg.native);
        let Some((instance, connection)) = self.connection_to(&leg) else { return };
        // One that was owed before and not carried asks further back, and is carried after whatever happened since.
        if !self.is_asking(&purpose) {
            self.owe(
                Owed::new("recall/agents", instance, purpose, Action::Recall { leg, since })
                    .uses(SecretRole::ConnectionToken, connection),
            );
        }
    }

    /// Whether the cloud is asked before the end of the last leg is taken for the end of all.
    pub(super) fn asks_about_end(&mut self) -> bool {
        self.trace() || self.look()
    }

    /// Asks which legs follow, if there may be any of which nobody told.
    fn trace(&mut self) -> bool {
        let Some(leg) = self.it.may_have_successor().map(|leg| leg.leg.clone()) else { return false };
        let instance = self.agents_instance(&leg);
        self.owe(Owed::new("ask", instance, trace_from(&leg), Action::Trace { leg }));
        true
    }

    /// Looks into the transcript of the leg that ended last: whoever had it may have handed it over, and when there is
    /// much to tell, the news of that come after grace. Once for each leg. Connect takes this question four times as often
    /// as the one which legs follow.
    fn look(&mut self) -> bool {
        let Some(leg) = self.it.unlooked_leg() else { return false };
        let since = leg.over_at().map(|at| at.saturating_sub(LOOK_BACK).unwrap_or(at));
        let leg = leg.leg.clone();
        let Some((instance, connection)) = self.connection_to(&leg) else { return false };
        let purpose = look_at(&leg);
        self.owe(
            Owed::new("ask", instance, purpose, Action::Recall { leg, since })
                .uses(SecretRole::ConnectionToken, connection),
        );
        true
    }

    /// The cloud has told which legs follow, or cannot be asked.
    pub(super) fn traced(&mut self) {
        self.note(Note::Traced {});
        self.looked();
    }

    /// The cloud has told of an end, or cannot be asked. What it told is learned before the timer fires.
    pub(super) fn looked(&mut self) {
        if self.is_left_alone() && !self.it.timers.contains_key("grace") {
            self.set_timer("grace", SignedDuration::ZERO);
        }
    }

    /// Who carries what is asked of the chat that an agents' leg is part of, and the token that speaks there, while we
    /// are in it.
    fn connection_to(&self, leg: &LegRef) -> Option<(InstanceName, String)> {
        let placement = self.it.placement().filter(|placement| placement.stage == Stage::Entered)?;
        let its = self.it.leg(leg).and_then(|leg| self.it.placement_of(leg))?;
        let connection = self.secret(&format!("{}/connection", placement.generation));
        let is_ours = its.generation == placement.generation && self.it.secrets.contains(&connection);
        is_ours.then(|| (placement.target.instance.clone(), connection))
    }

    fn is_asking(&self, purpose: &str) -> bool {
        self.it.owed.values().any(|command| command.purpose.0 == purpose)
    }
}
