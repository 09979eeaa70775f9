//! Which interaction does a fact belong to?

use jiff::{SignedDuration, Timestamp};
use tandem_sdk::model::{Fact, FactKind, InteractionId, LegId};

use super::interaction::Interaction;

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

/// Files a fact on a leg whose latest interaction is known: a message written after its end plus grace opens the next
/// generation; everything else stays with it.
pub fn generation_for(latest: &Interaction, fact: &Fact, grace: SignedDuration) -> Belongs {
    let Some(closed) = latest.closed else { return Belongs::To(latest.id) };
    let reopens_after = closed.at.saturating_add(grace).unwrap_or(Timestamp::MAX);
    if fact.kind == FactKind::MessagePosted && fact.occurred_at > reopens_after {
        Belongs::New { generation: latest.generation.saturating_add(1), continued_from: Some(latest.id) }
    } else {
        Belongs::To(latest.id)
    }
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
    use tandem_sdk::model::{Channel, ClosingReason, LegRef, SubjectId};

    use super::*;
    use crate::interactions::Closed;

    fn leg() -> LegRef {
        LegRef { system: "s".into(), account: "a".into(), kind: "thread".into(), native: "t1".into() }
    }

    fn second(n: i64) -> Timestamp {
        Timestamp::from_second(n).unwrap()
    }

    fn closed_at(n: i64) -> Interaction {
        let id = leg().id().opens(1);
        let mut it = Interaction::open(id, SubjectId(id.0), 1, Channel::Chat, second(0));
        it.closed = Some(Closed { at: second(n), reason: ClosingReason::Completed });
        it
    }

    #[test]
    fn a_message_after_the_end_and_grace_opens_the_next_generation() {
        let latest = closed_at(100);
        let grace = SignedDuration::from_secs(20);
        let posted = |at| Fact::new(FactKind::MessagePosted, leg(), second(at), "m");

        assert_eq!(generation_for(&latest, &posted(120), grace), Belongs::To(latest.id));
        assert_eq!(
            generation_for(&latest, &posted(121), grace),
            Belongs::New { generation: 2, continued_from: Some(latest.id) }
        );
    }

    #[test]
    fn what_is_no_message_never_reopens() {
        let latest = closed_at(100);
        let ended = Fact::new(FactKind::LegCompleted, leg(), second(500), "c");
        assert_eq!(generation_for(&latest, &ended, SignedDuration::ZERO), Belongs::To(latest.id));
    }
}
