//! The judge: looks at the simulators' ledgers alone. Every message once, in order; no token or natural effect twice.

use std::collections::BTreeMap;

use super::ledgers::Entry;

/// What a journey said, in order, each text with a mark of its own in it.
pub(super) struct Said {
    pub(super) journey: usize,
    pub(super) thread: String,
    pub(super) by_customer: Vec<String>,
    pub(super) by_agents: Vec<String>,
}

/// What the judge found.
#[derive(Default)]
pub(super) struct Findings {
    /// What is not as it must be.
    pub(super) complaints: Vec<String>,
    /// Messages that nothing protects and that were written twice.
    pub(super) doubled: usize,
    /// Messages that went out marked late.
    pub(super) late: usize,
}

/// Words that the hub puts before a message that is older than one relayed before it.
const LATE: &str = "(sent earlier)";

/// Judges. `faults`: whether a read-back effect may have been doubled at all.
pub(super) fn judge(said: &[Said], acs: &[Entry], connect: &[Entry], faults: bool) -> Findings {
    let mut findings = Findings::default();
    for (effect, entries) in [
        ("contact.started", connect),
        ("streaming.started", connect),
        ("thread.created", acs),
        ("participant.added", acs),
    ] {
        once_for_each_key(effect, entries, &mut findings);
    }
    let by_us = |entry: &&Entry| entry.effect == "message.sent" && entry.text("participantRole") == "CUSTOMER";
    let sent: Vec<&Entry> = connect.iter().filter(by_us).collect();
    no_key_twice("message.sent", sent.iter().copied(), &mut findings);
    for journey in said {
        let at_agents: Vec<&str> = sent.iter().map(|entry| entry.text("content")).collect();
        in_order(journey.journey, "agents", &journey.by_customer, &at_agents, 1, &mut findings);
        let in_thread = |entry: &&Entry| entry.effect == "message.posted" && entry.text("threadId") == journey.thread;
        let at_customer: Vec<&str> = acs.iter().filter(in_thread).map(|entry| entry.text("content")).collect();
        let most = if faults { 2 } else { 1 };
        in_order(journey.journey, "customer", &journey.by_agents, &at_customer, most, &mut findings);
    }
    findings
}

fn once_for_each_key(effect: &str, entries: &[Entry], findings: &mut Findings) {
    no_key_twice(effect, entries.iter().filter(|entry| entry.effect == effect), findings);
}

fn no_key_twice<'a>(effect: &str, entries: impl Iterator<Item = &'a Entry>, findings: &mut Findings) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in entries {
        *counts.entry(&entry.key).or_default() += 1;
    }
    for (key, count) in counts.into_iter().filter(|(_, count)| *count > 1) {
        findings.complaints.push(format!("{effect} {key} happened {count} times"));
    }
}

fn in_order(journey: usize, side: &str, expected: &[String], heard: &[&str], most: usize, findings: &mut Findings) {
    let mut last = None;
    for text in expected {
        let places: Vec<usize> = (0..heard.len()).filter(|n| heard[*n].contains(text.as_str())).collect();
        let Some(first) = places.first().copied() else {
            findings.complaints.push(format!("journey {journey}: {side} never heard {text:?}"));
            continue;
        };
        if places.len() > most {
            findings.complaints.push(format!("journey {journey}: {side} heard {text:?} {} times", places.len()));
        }
        findings.doubled += places.len() - 1;
        let is_late = heard[first].starts_with(LATE);
        findings.late += usize::from(is_late);
        if !is_late && last.is_some_and(|last| first < last) {
            findings
                .complaints
                .push(format!("journey {journey}: {side} heard {text:?} out of order and not marked late"));
        }
        if !is_late {
            last = Some(first);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(seq: u64, effect: &str, key: &str, detail: serde_json::Value) -> Entry {
        Entry { seq, effect: effect.into(), key: key.into(), detail }
    }

    fn heard(texts: &[&str]) -> Vec<Entry> {
        let says = |(n, text): (usize, &&str)| {
            let detail = json!({ "participantRole": "CUSTOMER", "content": text });
            entry(n as u64, "message.sent", &format!("k{n}"), detail)
        };
        texts.iter().enumerate().map(says).collect()
    }

    fn complaints(texts: &[&str]) -> Vec<String> {
        let said =
            Said { journey: 0, thread: "t".into(), by_customer: vec!["one".into(), "two".into()], by_agents: vec![] };
        judge(&[said], &[], &heard(texts), false).complaints
    }

    #[test]
    fn what_is_missing_doubled_or_out_of_order_is_a_complaint() {
        assert_eq!(complaints(&["one", "two"]), Vec::<String>::new());
        assert_eq!(complaints(&["two", "(sent earlier) one"]), Vec::<String>::new());
        assert_eq!(complaints(&["two", "one"]).len(), 1);
        assert_eq!(complaints(&["one", "one", "two"]).len(), 1);
        assert_eq!(complaints(&["one"]).len(), 1);
    }

    #[test]
    fn an_effect_with_a_token_that_happens_twice_is_a_complaint() {
        let twice = [entry(1, "contact.started", "a", json!({})), entry(2, "contact.started", "a", json!({}))];
        assert_eq!(judge(&[], &[], &twice, true).complaints.len(), 1);
    }
}
