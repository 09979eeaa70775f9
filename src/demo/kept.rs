//! What the clouds were told is kept: every delivery that a simulator saw acknowledged is one envelope in the hub's log.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tandem_sdk::model::Derive;

use super::ledgers::Entry;
use crate::interactions::Input;
use crate::record::Record;
use crate::store::{Embedded, FIRST_SEQ, Log, Settings};

/// Records read at once, and their bytes.
const PAGE: usize = 1000;
const BYTES: usize = 16 * 1024 * 1024;

/// How many envelope records of a log have each dedupe key. Nobody else may have the data open.
pub(super) fn envelopes(data: &Path) -> Result<BTreeMap<String, usize>, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("the hub's log cannot be read: {error}");
    let log = Log::new(Arc::new(Embedded::open(data, Settings::default()).map_err(|error| wrong(&error))?));
    let mut counts = BTreeMap::new();
    let mut seq = FIRST_SEQ;
    loop {
        let entries = log.read(seq, PAGE, BYTES).map_err(|error| wrong(&error))?;
        let Some((last, _)) = entries.last() else { return Ok(counts) };
        seq = last.saturating_add(1);
        for (_, bytes) in &entries {
            if let Input::Envelope { dedupe, .. } = Record::decode_plain(bytes).map_err(|error| wrong(&error))?.input {
                for key in dedupe {
                    *counts.entry(key).or_default() += 1;
                }
            }
        }
    }
}

/// Acknowledged events that are not in the log exactly once, as complaints; and how many were looked at.
pub(super) fn not_kept_once(ledger: &[Entry], envelopes: &BTreeMap<String, usize>) -> (Vec<String>, usize) {
    let mut complaints = Vec::new();
    let mut keys: Vec<String> = ledger.iter().flat_map(acknowledged).collect();
    // A delivery that was doubled is acknowledged twice.
    keys.sort_unstable();
    keys.dedup();
    for key in &keys {
        match envelopes.get(key).copied().unwrap_or(0) {
            1 => {}
            0 => complaints.push(format!("{key} was acknowledged and is not in the log")),
            times => complaints.push(format!("{key} was acknowledged and is in the log {times} times")),
        }
    }
    (complaints, keys.len())
}

/// The dedupe keys of the events of an acknowledged delivery.
fn acknowledged(entry: &Entry) -> Vec<String> {
    if entry.effect != "delivery.acknowledged" {
        return Vec::new();
    }
    let of = &entry.detail["of"];
    match entry.text("site") {
        "eventbridge" => vec![format!("eventbridge/{}", entry.key.to_ascii_lowercase())],
        // What asks for a confirmation is no event.
        "sns" if of["type"] == "SubscriptionConfirmation" => Vec::new(),
        "sns" => vec![format!("sns/{}", entry.key)],
        _ => {
            let topic = of["topic"].as_str().unwrap_or_default();
            let ids = of["ids"].as_array().into_iter().flatten().filter_map(|id| id.as_str());
            ids.map(|id| format!("event/{}", Derive::entity("event_grid").part(topic).part(id).uuid())).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn delivered(site: &str, key: &str, of: &Value) -> Entry {
        let detail = json!({ "site": site, "of": of });
        Entry {
            seq: 1,
            at: jiff::Timestamp::UNIX_EPOCH,
            effect: "delivery.acknowledged".into(),
            key: key.into(),
            detail,
        }
    }

    #[test]
    fn an_acknowledged_event_that_is_missing_or_doubled_in_the_log_is_a_complaint() {
        let grid = json!({ "topic": "/t", "ids": ["1", "2"] });
        let named = |id: &str| format!("event/{}", Derive::entity("event_grid").part("/t").part(id).uuid());
        let ledger = [
            delivered("eventbridge", "AB", &json!({})),
            delivered("eventbridge", "AB", &json!({})),
            delivered("sns", "m", &json!({ "type": "MESSAGE" })),
            delivered("sns", "s", &json!({ "type": "SubscriptionConfirmation" })),
            delivered("event-grid tandem", "1", &grid),
        ];
        let all = [("eventbridge/ab".to_owned(), 1), ("sns/m".to_owned(), 1), (named("1"), 1), (named("2"), 1)];
        let kept: BTreeMap<String, usize> = all.into();
        assert_eq!(not_kept_once(&ledger, &kept), (vec![], 4));
        for key in kept.keys() {
            let (mut lost, mut doubled) = (kept.clone(), kept.clone());
            lost.remove(key);
            doubled.insert(key.clone(), 2);
            assert_eq!(not_kept_once(&ledger, &lost).0.len(), 1, "{key}");
            assert_eq!(not_kept_once(&ledger, &doubled).0.len(), 1, "{key}");
        }
    }
}
