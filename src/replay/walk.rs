//! The walk along the log.

use std::collections::BTreeMap;
use std::sync::Arc;

use tandem_sdk::doors::Decode;
use tandem_sdk::model::InstanceName;

use super::facts::Facts;
use super::report::Replayed;
use super::turns::Turns;
use crate::desk::Setup;
use crate::record::{Record, RecordError};
use crate::routing::Rules;
use crate::store::{FIRST_SEQ, KeyError, Keys, Log, Store};

/// Records read at once.
const RECORDS: usize = 1000;
/// Bytes of records read at once.
const BYTES: usize = 4 * 1024 * 1024;

/// With what it is understood and decided again.
pub struct Today<'a> {
    /// What a desk would be given.
    pub setup: &'a Setup,
    /// The rules.
    pub rules: &'a Rules,
    /// Who understands the envelopes of each instance.
    pub decode: &'a BTreeMap<InstanceName, Arc<dyn Decode>>,
}

/// Replays the log from its first record. Every interaction of the log stays in memory until the end, a few kilobytes
/// each.
pub fn replay<S: Store + ?Sized>(store: &Arc<S>, keys: &Keys, today: &Today<'_>) -> Result<Replayed, RecordError> {
    let log = Log::new(Arc::clone(store));
    let (mut facts, mut turns, mut report) = (Facts::default(), Turns::default(), Replayed::default());
    let mut seq = FIRST_SEQ;
    loop {
        let entries = log.read(seq, RECORDS, BYTES).map_err(KeyError::from)?;
        let Some((last, _)) = entries.last() else { break };
        seq = last.saturating_add(1);
        for (_, bytes) in &entries {
            let opened = Record::open(bytes, keys)?;
            report.records = report.records.saturating_add(1);
            facts.compare(&opened, today, &mut report);
            turns.compare(&opened, today, &mut report);
        }
    }
    facts.end(&mut report);
    Ok(report)
}
