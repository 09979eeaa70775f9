//! Who was in the customer's thread, and under which identity.

use std::collections::{BTreeMap, BTreeSet};

use super::super::ledgers::{Entries, Entry};
use super::super::town::HUB_USER;
use super::{Findings, LostAnswers, Said, Terms};

/// Where identities are made.
const IDENTITIES: &str = "/identities";

/// Ada came, and went before Grace came; Grace is gone too; nobody else was there.
pub(super) fn judge(journey: &Said, acs: &Entries, findings: &mut Findings) {
    let n = journey.journey;
    let prefix = format!("{}/", journey.thread);
    let moves: Vec<(&Entry, &str)> = acs
        .about(&journey.thread)
        .filter_map(|entry| entry.key.strip_prefix(&prefix).map(|who| (entry, who)))
        .collect();
    let place =
        |effect: &str, who: &str| moves.iter().position(|(entry, moved)| entry.effect == effect && *moved == who);
    let named = |name: &str| {
        let is_meant =
            |(entry, _): &&(&Entry, &str)| entry.effect == "participant.added" && entry.text("displayName") == name;
        moves.iter().find(is_meant).map(|(_, who)| *who)
    };
    let mut stays = Vec::new();
    for name in [format!("Ada Agent {n}"), format!("Grace Agent {n}")] {
        let Some(who) = named(&name) else {
            findings.complain(format!("journey {n}: {name} never came into the chat"));
            continue;
        };
        match (place("participant.added", who), place("participant.removed", who)) {
            (Some(came), Some(went)) if came < went => stays.push((came, went)),
            _ => findings.complain(format!("journey {n}: {name} never left the chat")),
        }
    }
    if let [(_, ada_went), (grace_came, _)] = stays[..]
        && grace_came < ada_went
    {
        findings.complain(format!("journey {n}: Grace came into the chat before Ada had left it"));
    }
    let were_there: BTreeSet<&str> =
        moves.iter().filter(|(entry, _)| entry.effect == "participant.added").map(|(_, who)| *who).collect();
    // The hub, the customer and two agents.
    if were_there.len() != 4 {
        findings.complain(format!("journey {n}: {} were in the chat", were_there.len()));
    }
}

/// Everybody has one identity; one more was made only where a seed or a kill took the answer away.
pub(super) fn one_identity_each(acs: &[Entry], terms: Terms, lost: &LostAnswers<'_>, findings: &mut Findings) {
    let mut by_name: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut used = BTreeSet::new();
    for entry in acs.iter().filter(|entry| entry.effect == "participant.added") {
        let who = entry.key.rsplit_once('/').map_or("", |(_, who)| who);
        if who.ends_with(HUB_USER) {
            continue;
        }
        used.insert(who);
        if entry.text("displayName").contains(" Agent ") {
            by_name.entry(entry.text("displayName")).or_default().insert(who);
        }
    }
    for (name, identities) in by_name.into_iter().filter(|(_, identities)| identities.len() > 1) {
        findings.complain(format!("{name} has {} identities", identities.len()));
    }
    let made = acs.iter().filter(|entry| entry.effect == "identity.created").count();
    let forgiven = lost.get(IDENTITIES).copied().unwrap_or(0) + terms.killed;
    if made > used.len() + forgiven {
        findings.complain(format!("{made} identities were made for {} people", used.len()));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::forge::{complaints, entry, moved};
    use super::*;

    #[test]
    fn agents_come_one_after_the_other_and_go() {
        let left = |who: &str| moved("participant.removed", who, "");
        let without = |acs: &mut Vec<Entry>, who: &str| acs.retain(|entry| entry.key != format!("t/{who}"));
        assert_eq!(complaints(|acs, _| drop(acs.pop())).len(), 1, "Grace stays");
        assert_eq!(complaints(|acs, _| without(acs, "grace")).len(), 3, "Grace never comes");
        assert_eq!(complaints(|acs, _| acs.push(moved("participant.added", "x", "X"))).len(), 1, "a stranger");
        let too_late = |acs: &mut Vec<Entry>| {
            acs.retain(|entry| entry.effect != "participant.removed" || entry.key != "t/ada");
            acs.push(left("ada"));
        };
        assert_eq!(complaints(|acs, _| too_late(acs)).len(), 1, "Ada stays while Grace is there");
        assert_eq!(complaints(|acs, _| acs.push(moved("participant.added", "ada", "Ada Agent 0"))).len(), 1, "again");
    }

    #[test]
    fn an_identity_that_nobody_needed_is_a_complaint_unless_an_answer_was_lost() {
        let one_more = || entry("identity.created", "nobody", Value::Null);
        assert_eq!(complaints(|acs, _| acs.push(one_more())).len(), 1);
        let lost = entry("call.faulted", IDENTITIES, json!({ "fault": "unknown_outcome" }));
        assert_eq!(complaints(|acs, _| acs.extend([one_more(), lost])).len(), 0);
        let throttled = entry("call.faulted", IDENTITIES, json!({ "fault": "throttle" }));
        assert_eq!(complaints(|acs, _| acs.extend([one_more(), throttled])).len(), 1);
    }
}
