//! Which agents' legs belong together, and which of them still stand: a cloud forgets to say that a leg ended.

use std::sync::Arc;

use jiff::Timestamp;
use tandem_sdk::model::{Action, Command, FactKind, LegRef, Purpose};

use super::interaction::{Doubt, Interaction, Placement, Stage};
use super::leg::{Leg, LegState};

/// The placement that a purpose such as `enter/2` is about.
pub(super) fn placement_in(purpose: &Purpose) -> Option<u32> {
    purpose.0.split_once('/').and_then(|(_, rest)| rest.parse().ok())
}

/// What the question which legs follow this one is for.
pub(super) fn trace_from(leg: &LegRef) -> String {
    format!("trace/{}", leg.native)
}

/// What the look into the transcript of a leg that ended is for.
pub(super) fn look_at(leg: &LegRef) -> String {
    format!("{LOOK}{}", leg.native)
}

/// With what the purpose of every such look begins.
const LOOK: &str = "look/";

/// Whether a command looks into the transcript of a leg that ended.
pub(super) fn is_look(command: &Command) -> bool {
    command.purpose.0.starts_with(LOOK)
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
            !leg.state().is_over() && (is_assigned || !is_given_up() && !self.is_followed(leg))
        })
    }

    /// Whether another agents' leg came after this one.
    pub fn is_followed(&self, leg: &Leg) -> bool {
        self.agents_legs().any(|next| next.succeeds(leg))
    }

    /// An agents' leg that may have a successor of which nobody told: it was handed over and nothing follows it, or the
    /// hub was away. After the cloud was asked only one that it was not asked about.
    pub fn may_have_successor(&self) -> Option<&Leg> {
        let handed_over = |leg: &&Leg| leg.reached.contains_key(&FactKind::LegTransferred) && !self.is_followed(leg);
        let mut candidates = self.agents_legs().filter(handed_over);
        match self.doubt {
            Doubt::Away => self.agents_legs().last(),
            Doubt::Asked => candidates.find(|leg| !self.was_owed(&trace_from(&leg.leg))),
            Doubt::None => candidates.last(),
        }
    }

    /// The leg with which the standing placement ended, unless the cloud was asked about its end already.
    pub fn unlooked_leg(&self) -> Option<&Leg> {
        let standing = self.placement()?.generation;
        let is_its = |leg: &&Leg| self.placement_of(leg).is_some_and(|placement| placement.generation == standing);
        let is_last = |leg: &&Leg| leg.state().is_over() && !self.is_followed(leg);
        let ended = self.agents_legs().filter(is_its).filter(is_last).last()?;
        let was_asked_about = self.was_owed(&trace_from(&ended.leg)) || self.was_owed(&look_at(&ended.leg));
        (!was_asked_about).then_some(ended)
    }

    /// Whether anything was ever owed for this purpose.
    fn was_owed(&self, purpose: &str) -> bool {
        self.generations.contains_key(purpose)
    }

    /// Whether the hub may have missed what its clouds told: it was away, or had to ask which legs follow.
    pub fn is_doubted(&self) -> bool {
        self.doubt != Doubt::None
    }

    /// Whether the last agents' leg is over and a successor may still come: grace runs, or the cloud is being asked.
    pub fn is_between_legs(&self) -> bool {
        let asks = |command: &Arc<Command>| matches!(command.action, Action::Trace { .. }) || is_look(command);
        let is_asked = || self.owed.values().any(asks);
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
