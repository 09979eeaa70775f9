//! Effects that may happen once.

use std::collections::BTreeMap;

use super::super::ledgers::{Entries, Entry};
use super::{Findings, LostAnswers, Said};

/// Effects of ACS that a token protects, or that are there or not.
const OF_ACS: [&str; 3] = ["thread.created", "participant.added", "participant.removed"];
/// And those of Connect.
const OF_CONNECT: [&str; 5] =
    ["contact.started", "streaming.started", "participant.connected", "participant.disconnected", "contact.stopped"];

/// Nothing that a token or nature protects happened twice.
pub(super) fn none_twice(acs: &[Entry], connect: &[Entry], findings: &mut Findings) {
    for (effects, entries) in [(&OF_ACS[..], acs), (&OF_CONNECT[..], connect)] {
        for effect in effects {
            no_key_twice(effect, entries.iter().filter(|entry| entry.effect == *effect), findings);
        }
    }
    let by_us = |entry: &&Entry| entry.effect == "message.sent" && entry.text("participantRole") == "CUSTOMER";
    no_key_twice("message.sent", connect.iter().filter(by_us), findings);
}

fn no_key_twice<'a>(effect: &str, entries: impl Iterator<Item = &'a Entry>, findings: &mut Findings) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in entries {
        *counts.entry(&entry.key).or_default() += 1;
    }
    for (key, count) in counts.into_iter().filter(|(_, count)| *count > 1) {
        findings.complain(format!("{effect} {key} happened {count} times"));
    }
}

/// Calls whose answer a seed took away.
pub(super) fn lost_answers(acs: &[Entry]) -> LostAnswers<'_> {
    let mut lost = LostAnswers::new();
    for entry in acs.iter().filter(|entry| entry.effect == "call.faulted") {
        if matches!(entry.text("fault"), "unknown_outcome" | "timeout") {
            *lost.entry(&entry.key).or_default() += 1;
        }
    }
    lost
}

/// Every contact of the chat that an agent had is over; the customer's leaving reached it.
pub(super) fn agents_side_ended(journey: &Said, connect: &Entries, findings: &mut Findings) {
    let of_chat = |effect: &'static str| {
        connect.about(&journey.contact).filter(move |entry| entry.effect == effect && is_of(journey, entry))
    };
    let assigned: Vec<&str> = of_chat("contact.assigned").map(|entry| entry.key.as_str()).collect();
    if assigned.len() != 2 {
        findings.complain(format!("journey {}: {} contacts had an agent", journey.journey, assigned.len()));
    }
    for contact in assigned {
        if !of_chat("contact.ended").any(|entry| entry.key == contact) {
            findings.complain(format!("journey {}: contact {contact} never ended", journey.journey));
        }
    }
    let by_us = of_chat("participant.disconnected").count() + of_chat("contact.stopped").count();
    if journey.customer_leaves && by_us != 1 {
        findings.complain(format!("journey {}: the customer's leaving ended {by_us} chats", journey.journey));
    }
}

fn is_of(journey: &Said, entry: &Entry) -> bool {
    entry.text("initialContactId") == journey.contact
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::forge::{complaints, entry, sent};

    #[test]
    fn an_effect_that_happens_twice_is_a_complaint() {
        for effect in ["contact.started", "streaming.started", "contact.stopped", "participant.disconnected"] {
            let twice = || entry(effect, "a", Value::Null);
            assert_eq!(complaints(|_, connect| connect.extend([twice(), twice()])).len(), 1, "{effect}");
        }
        let twice = || entry("thread.created", "a", Value::Null);
        assert_eq!(complaints(|acs, _| acs.extend([twice(), twice()])).len(), 1);
        assert_eq!(complaints(|_, connect| connect.extend([sent("hm"), sent("hm")])).len(), 1);
    }

    #[test]
    fn a_contact_that_goes_on_is_a_complaint() {
        assert_eq!(complaints(|_, connect| drop(connect.pop())).len(), 1);
        let another = entry("contact.assigned", "c3", json!({ "initialContactId": "c" }));
        assert_eq!(complaints(|_, connect| connect.push(another)).len(), 2);
    }
}
