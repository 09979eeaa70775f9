//! Which agents' legs belong together, and which of them still stand: a cloud forgets to say that a leg ended.

use jiff::Timestamp;
use tandem_sdk::model::{Action, FactKind, LegRef, Purpose};

use super::interaction::{Doubt, Interaction, Placement, Stage};
use super::leg::{Leg, LegState};

/// The placement that a purpose such as `enter/2` is about.
pub(super) fn placement_in(purpose: &Purpose) -> Option<u32> {
    purpose.0.split_once('/').and_then(|(_, rest)| rest.parse().ok())
}

impl Leg {
    /// When an agent was connected to it, the last time that the cloud said so.
    pub fn connected_at(&self) -> Option<Timestamp> {
        self.reached.get(&FactKind::LegConnected).copied()
    }

    /// Whether it came after another leg of its chain: it names it as the one before, or was connected later.
    pub fn succeeds(&self, other: &Leg) -> bool {
        let connected_later = || other.connected_at().is_some() && self.connected_at() > other.connected_at();
        self.follows(other) || self.leg != other.leg && self.is_in_chain_of(other) && connected_later()
    }

    /// Whether both began with the same leg.
    fn is_in_chain_of(&self, other: &Leg) -> bool {
        self.leg.system == other.leg.system && self.leg.account == other.leg.account && self.first() == other.first()
    }

    /// Native id of the leg with which its chain began.
    fn first(&self) -> &str {
        self.links.initial.as_deref().unwrap_or(&self.leg.native)
    }
}

impl Interaction {
    /// The placement whose leg, or whose leg's successor, a leg is.
    pub fn placement_of(&self, leg: &Leg) -> Option<&Placement> {
        self.placements.iter().rev().find(|placement| {
            placement.leg.as_ref().is_some_and(|placed| {
                let links = [&leg.links.initial, &leg.links.previous];
                let is_linked = links.iter().any(|link| link.as_ref() == Some(&placed.native));
                *placed == leg.leg || placed.system == leg.leg.system && placed.account == leg.leg.account && is_linked
            })
        })
    }

    /// The agents' legs on which something can still happen: not over, not followed by another, not given up. The leg
    /// of whoever has the interaction stands until the cloud says that it ended.
    pub fn open_legs(&self) -> impl Iterator<Item = &Leg> {
        self.agents_legs().filter(|leg| {
            let is_assigned = self.assignment.as_ref().is_some_and(|has| has.leg == leg.leg);
            let is_given_up = || self.placement_of(leg).is_some_and(|placement| placement.stage == Stage::Over);
            let is_followed = || self.agents_legs().any(|next| next.succeeds(leg));
            !leg.state().is_over() && (is_assigned || !is_given_up() && !is_followed())
        })
    }

    /// Whether an agents' leg is over and may have a successor of which nobody told: it was handed over and nothing
    /// follows it, or the hub was away.
    pub fn may_have_successor(&self) -> bool {
        let is_followed = |leg: &Leg| self.agents_legs().any(|next| next.succeeds(leg));
        let handed_over = |leg: &Leg| leg.reached.contains_key(&FactKind::LegTransferred) && !is_followed(leg);
        match self.doubt {
            Doubt::Asked => false,
            Doubt::Away => true,
            Doubt::None => self.agents_legs().any(handed_over),
        }
    }

    /// Whether the last agents' leg is over and a successor may still come: grace runs, or the cloud is being asked.
    pub fn is_between_legs(&self) -> bool {
        let is_asked = || self.owed.values().any(|command| matches!(command.action, Action::Trace { .. }));
        self.timers.contains_key("grace") || is_asked()
    }

    /// Whether something can still happen on a leg.
    pub fn is_open(&self, leg: &LegRef) -> bool {
        self.open_legs().any(|open| open.leg == *leg)
    }

    /// An open leg with an agent on it, the last that was connected.
    pub fn attended_leg(&self) -> Option<&Leg> {
        self.open_legs()
            .filter(|leg| leg.agent.is_some() && matches!(leg.state(), LegState::Connected | LegState::Held))
            .max_by_key(|leg| leg.connected_at())
    }
}
