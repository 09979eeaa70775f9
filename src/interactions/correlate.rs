//! Which interaction does a fact belong to?

use tandem_sdk::model::{Fact, FactKind, InteractionId, LegId, Role};

use super::fold::Known;
use super::interaction::Interaction;
use super::leg::Side;

/// Where a fact belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Belongs {
    /// To this interaction.
    To(InteractionId),
    /// To a new one, which its leg opens as its `generation`-th.
    New {
        /// Which time.
        generation: u32,
        /// The one before it on the same leg.
        continued_from: Option<InteractionId>,
    },
}

/// Files a fact on a leg whose latest interaction is known: what the customer writes after its end opens the next
/// generation; everything else stays with it. No tolerance for clocks that differ: after the end it would swallow what
/// the customer wrote because the hub told them to, and before the end it would make a new conversation of every "thank
/// you" that is on its way when the old one closes.
pub fn generation_for(latest: &Interaction, fact: &Fact, known: Known) -> Belongs {
    let is_after = latest.closed.is_some_and(|closed| fact.occurred_at > closed.at);
    if is_after && fact.kind == FactKind::MessagePosted && is_customers(latest, fact, known) {
        Belongs::New { generation: latest.generation.saturating_add(1), continued_from: Some(latest.id) }
    } else {
        Belongs::To(latest.id)
    }
}

/// Whether the customer says it where they talk. The hub's own last words, and an agent's, may be carried long after
/// the end.
fn is_customers(latest: &Interaction, fact: &Fact, known: Known) -> bool {
    let is_their_side = latest.leg(&fact.leg).is_some_and(|leg| leg.side == Side::Customer);
    let author = fact.author.as_ref().and_then(|author| author.key);
    is_their_side && author.is_none_or(|party| latest.role_of(party, known) == Role::Customer)
}

/// The legs by which a fact about an unknown leg may be known: the chain that its cloud names.
pub fn relatives(fact: &Fact) -> Vec<LegId> {
    let links = &fact.links;
    let mut natives: Vec<&String> = [&links.previous, &links.initial].into_iter().flatten().collect();
    natives.dedup();
    natives
        .into_iter()
        .filter(|native| **native != fact.leg.native)
        .map(|native| fact.leg.sibling(native).id())
        .collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use jiff::Timestamp;
    use tandem_sdk::model::{Channel, ClosingReason, IdKey, LegRef, Party, PartyKey, SubjectId};

    use super::*;
    use crate::interactions::{Closed, Leg};

    fn leg() -> LegRef {
        LegRef { system: "s".into(), account: "a".into(), kind: "thread".into(), native: "t1".into() }
    }

    fn second(n: i64) -> Timestamp {
        Timestamp::from_second(n).unwrap()
    }

    fn party(address: &str) -> PartyKey {
        PartyKey::of(&IdKey::new(b"an id key of a test house, 32 byte"), "s", address)
    }

    fn closed_at(n: i64) -> Interaction {
        let id = leg().id().opens(1);
        let mut it = Interaction::open(id, SubjectId(id.0), 1, Channel::Chat, second(0));
        it.legs.push(Leg::new(leg(), Side::Customer));
        it.agent_parties.push(party("agent"));
        it.closed = Some(Closed { at: second(n), reason: ClosingReason::Completed });
        it
    }

    fn filed(kind: FactKind, at: i64, author: Option<&str>) -> Belongs {
        let mut fact = Fact::new(kind, leg(), second(at), "m");
        fact.author = author.map(|address| Party { key: Some(party(address)), ..Party::default() });
        generation_for(&closed_at(100), &fact, Known { hub: Some(party("hub")) })
    }

    #[test]
    fn what_the_customer_writes_after_the_end_opens_the_next_generation_and_nothing_else_does() {
        let old = closed_at(100).id;
        let new = Belongs::New { generation: 2, continued_from: Some(old) };
        for (kind, at, author, expected) in [
            (FactKind::MessagePosted, 100, Some("customer"), Belongs::To(old)),
            (FactKind::MessagePosted, 101, Some("customer"), new),
            (FactKind::MessagePosted, 101, None, new),
            (FactKind::MessagePosted, 500, Some("hub"), Belongs::To(old)),
            (FactKind::MessagePosted, 500, Some("agent"), Belongs::To(old)),
            (FactKind::MessageEdited, 500, Some("customer"), Belongs::To(old)),
            (FactKind::LegCompleted, 500, None, Belongs::To(old)),
        ] {
            assert_eq!(filed(kind, at, author), expected, "{kind:?} at {at} by {author:?}");
        }
    }

    #[test]
    fn what_is_said_on_an_agents_leg_after_the_end_opens_nothing() {
        let mut latest = closed_at(100);
        latest.legs[0].side = Side::Agents;
        let posted = Fact::new(FactKind::MessagePosted, leg(), second(500), "m");
        assert_eq!(generation_for(&latest, &posted, Known::default()), Belongs::To(latest.id));
    }

    #[test]
    fn a_leg_belongs_with_its_chain_and_not_with_what_it_is_only_related_to() {
        let mut fact = Fact::new(FactKind::LegInitiated, leg(), second(1), "i");
        fact.links.related = Some("t0".into());
        assert_eq!(relatives(&fact), []);
        fact.links.previous = Some("t0".into());
        fact.links.initial = Some("t0".into());
        assert_eq!(relatives(&fact), [leg().sibling("t0").id()]);
    }
}
