//! One cloud's part of an interaction. A leg is a lattice: the same facts in any order give the same leg.

use std::collections::BTreeMap;
use std::fmt::Display;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tandem_sdk::model::{Fact, FactKind, LegRef, Links, Party, PartyKey, Personal, Personals, Role};

/// Whose side of the conversation a leg is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Where the customer talks.
    Customer,
    /// Where agents work.
    Agents,
}

impl Side {
    /// The word used in lanes, timers and purposes.
    pub fn name(self) -> &'static str {
        match self {
            Side::Customer => "customer",
            Side::Agents => "agents",
        }
    }
}

/// How far a leg has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LegState {
    /// It exists.
    Initiated,
    /// It rings.
    Alerting,
    /// It waits.
    Queued,
    /// An agent is on it.
    Connected,
    /// An agent is on it and the customer waits.
    Held,
    /// It is over.
    Ended,
    /// It never worked.
    Failed,
}

impl LegState {
    /// The word that events use.
    pub fn name(self) -> &'static str {
        match self {
            LegState::Initiated => "initiated",
            LegState::Alerting => "alerting",
            LegState::Queued => "queued",
            LegState::Connected => "connected",
            LegState::Held => "held",
            LegState::Ended => "ended",
            LegState::Failed => "failed",
        }
    }

    /// Whether nothing more is to come.
    pub fn is_over(self) -> bool {
        matches!(self, LegState::Ended | LegState::Failed)
    }
}

/// A value with the time from which it holds. The later one wins; of two at one time the greater.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stamped {
    /// From when.
    pub at: Timestamp,
    /// The value.
    pub value: String,
}

fn keep_latest(slot: &mut Option<Stamped>, at: Timestamp, value: Option<&String>) {
    let Some(value) = value else { return };
    let candidate = Stamped { at, value: value.clone() };
    if slot.as_ref().is_none_or(|held| *held < candidate) {
        *slot = Some(candidate);
    }
}

/// Somebody on a leg.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Membership {
    /// Role, where the source says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Last time that they came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joined: Option<Timestamp>,
    /// Last time that they went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<Timestamp>,
    /// Native address.
    #[serde(default, skip_serializing_if = "Personal::is_none")]
    pub address: Personal,
    /// Display name.
    #[serde(default, skip_serializing_if = "Personal::is_none")]
    pub name: Personal,
}

impl Membership {
    /// Whether they are on the leg now. Who came and went at one moment is gone.
    pub fn is_present(&self) -> bool {
        self.joined.is_some_and(|joined| self.left.is_none_or(|left| joined > left))
    }
}

/// One cloud's part of an interaction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Leg {
    /// Which.
    pub leg: LegRef,
    /// Whose side.
    pub side: Side,
    /// The kinds of fact that were seen, each with the latest time that it happened.
    pub reached: BTreeMap<FactKind, Timestamp>,
    /// The agent that the source named last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<Stamped>,
    /// The queue that the source named last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<Stamped>,
    /// Why it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Stamped>,
    /// Other legs that it has to do with.
    #[serde(default, skip_serializing_if = "Links::is_empty")]
    pub links: Links,
    /// Who is or was on it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub members: BTreeMap<PartyKey, Membership>,
}

impl Leg {
    /// A leg of which nothing is known yet.
    pub fn new(leg: LegRef, side: Side) -> Self {
        Leg {
            leg,
            side,
            reached: BTreeMap::new(),
            agent: None,
            queue: None,
            reason: None,
            links: Links::default(),
            members: BTreeMap::new(),
        }
    }

    /// How far it has come.
    pub fn state(&self) -> LegState {
        let reached = |kind| self.reached.contains_key(&kind);
        if reached(FactKind::LegEnded) || reached(FactKind::LegCompleted) {
            LegState::Ended
        } else if reached(FactKind::LegFailed) {
            LegState::Failed
        } else if reached(FactKind::LegConnected) {
            match (self.reached.get(&FactKind::LegHeld), self.reached.get(&FactKind::LegResumed)) {
                (Some(held), resumed) if resumed.is_none_or(|resumed| held > resumed) => LegState::Held,
                _ => LegState::Connected,
            }
        } else if reached(FactKind::LegQueued) {
            LegState::Queued
        } else if reached(FactKind::LegAlerting) {
            LegState::Alerting
        } else {
            LegState::Initiated
        }
    }

    /// When it was over, the earliest that was told.
    pub fn over_at(&self) -> Option<Timestamp> {
        let ends = [FactKind::LegEnded, FactKind::LegCompleted, FactKind::LegFailed];
        ends.iter().filter_map(|kind| self.reached.get(kind)).min().copied()
    }

    /// Takes in what a fact says about the leg itself and about who is on it.
    pub fn absorb(&mut self, fact: &Fact) {
        let at = fact.occurred_at;
        let seen = self.reached.entry(fact.kind).or_insert(at);
        *seen = (*seen).max(at);
        keep_latest(&mut self.agent, at, fact.agent.as_ref());
        keep_latest(&mut self.queue, at, fact.queue.as_ref());
        keep_latest(&mut self.reason, at, fact.reason.as_ref());
        for (slot, value) in [
            (&mut self.links.initial, &fact.links.initial),
            (&mut self.links.previous, &fact.links.previous),
            (&mut self.links.related, &fact.links.related),
        ] {
            *slot = slot.take().max(value.clone());
        }
        for member in &fact.members {
            self.admit(member, at);
        }
        if let Some(party) = &fact.participant {
            match fact.kind {
                FactKind::ParticipantJoined => self.admit(party, at),
                FactKind::ParticipantLeft => self.dismiss(party, at),
                _ => {}
            }
        }
    }

    fn admit(&mut self, party: &Party, at: Timestamp) {
        let Some(key) = party.key else { return };
        let member = self.members.entry(key).or_default();
        if member.joined.is_none_or(|joined| joined <= at) {
            member.name = if party.name.is_none() { member.name.clone() } else { party.name.clone() };
            member.address = party.address.clone();
        }
        member.joined = member.joined.max(Some(at));
        member.role = member.role.max(party.role);
    }

    fn dismiss(&mut self, party: &Party, at: Timestamp) {
        let Some(key) = party.key else { return };
        let member = self.members.entry(key).or_default();
        member.left = member.left.max(Some(at));
        member.role = member.role.max(party.role);
        if member.address.is_none() {
            member.address = party.address.clone();
        }
    }

    /// Whether somebody is on it now; `None` when the source never told who is.
    pub fn has(&self, party: PartyKey) -> Option<bool> {
        if self.members.is_empty() {
            return None;
        }
        Some(self.members.get(&party).is_some_and(Membership::is_present))
    }

    /// Whether this leg follows another in one chain of the same cloud.
    pub fn follows(&self, other: &Leg) -> bool {
        self.leg.system == other.leg.system
            && self.leg.account == other.leg.account
            && self.leg.native != other.leg.native
            && self.links.previous.as_deref() == Some(other.leg.native.as_str())
    }
}

impl Personals for Leg {
    fn each_personal(&mut self, visit: &mut dyn FnMut(&dyn Display, &mut Personal)) {
        for (key, member) in &mut self.members {
            visit(&format_args!("members.{key}.address"), &mut member.address);
            visit(&format_args!("members.{key}.name"), &mut member.name);
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use proptest::prelude::*;

    use super::*;

    fn contact() -> LegRef {
        LegRef { system: "s".into(), account: "a".into(), kind: "contact".into(), native: "c1".into() }
    }

    fn fact(kind: FactKind, at: i64) -> Fact {
        Fact::new(kind, contact(), Timestamp::from_second(at).unwrap(), format!("{kind:?}/{at}"))
    }

    fn any_facts() -> impl Strategy<Value = Vec<Fact>> {
        let one = (0..FactKind::ALL.len(), 0_i64..50, proptest::option::of("[ab]"), proptest::option::of("[xy]"));
        prop::collection::vec(one, 1..12).prop_map(|rows| {
            rows.into_iter()
                .map(|(kind, at, agent, queue)| {
                    let mut fact = fact(FactKind::ALL[kind], at);
                    fact.agent = agent;
                    fact.queue = queue;
                    fact
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn the_same_facts_in_any_order_give_the_same_leg((facts, shuffled) in any_facts().prop_flat_map(|facts| {
            (Just(facts.clone()), Just(facts).prop_shuffle())
        })) {
            let fold = |facts: &[Fact]| {
                let mut leg = Leg::new(contact(), Side::Agents);
                facts.iter().for_each(|fact| leg.absorb(fact));
                leg
            };
            prop_assert_eq!(fold(&facts), fold(&shuffled));
        }
    }

    #[test]
    fn an_older_fact_fills_a_gap_and_moves_nothing_back() {
        let mut leg = Leg::new(contact(), Side::Agents);
        leg.absorb(&fact(FactKind::LegConnected, 20));
        leg.absorb(&fact(FactKind::LegQueued, 10));
        assert_eq!(leg.state(), LegState::Connected);
        assert_eq!(leg.reached.len(), 2);
    }

    #[test]
    fn a_hold_ends_with_a_later_resume() {
        let mut leg = Leg::new(contact(), Side::Agents);
        leg.absorb(&fact(FactKind::LegConnected, 1));
        leg.absorb(&fact(FactKind::LegHeld, 5));
        assert_eq!(leg.state(), LegState::Held);
        leg.absorb(&fact(FactKind::LegResumed, 6));
        assert_eq!(leg.state(), LegState::Connected);
    }
}
