//! What a desk that does not run would know, read from its store. Nothing is written.

use std::sync::Arc;

use tandem_sdk::model::InteractionId;

use super::{persist, recover};
use crate::interactions::{House, Interaction, Known, Owner};
use crate::record::{Record, RecordError};
use crate::store::{KeyError, Keys, Log, Store};

/// Records read at once.
const RECORDS: usize = 1000;
/// Bytes of records read at once.
const BYTES: usize = 4 * 1024 * 1024;

/// An interaction as its desk left it: as it was written down, and the records since then folded into it.
pub fn interaction_at_rest(
    id: InteractionId,
    known: Known,
    store: &Arc<dyn Store>,
    keys: &Keys,
) -> Result<Option<Interaction>, RecordError> {
    let mut found = persist::get_interaction(id, &**store, keys)?;
    let log = Log::new(Arc::clone(store));
    let mut seq = recover::watermark(&**store)?;
    loop {
        let entries = log.read(seq, RECORDS, BYTES).map_err(KeyError::from)?;
        let Some((last, _)) = entries.last() else { return Ok(found) };
        seq = last.saturating_add(1);
        for (_, bytes) in &entries {
            if Record::decode_plain(bytes)?.owner != Owner::Interaction(id) {
                continue;
            }
            let (record, _) = Record::decode(bytes, keys)?;
            if let Some(folded) = recover::fold_interaction(found.clone(), id, &record, known) {
                found = Some(folded);
            }
        }
    }
}

/// The house as its desk left it.
pub fn house_at_rest(store: &Arc<dyn Store>, keys: &Keys) -> Result<House, RecordError> {
    let mut house = persist::get_house(&**store, keys)?;
    let log = Log::new(Arc::clone(store));
    let mut seq = recover::watermark(&**store)?;
    loop {
        let entries = log.read(seq, RECORDS, BYTES).map_err(KeyError::from)?;
        let Some((last, _)) = entries.last() else { return Ok(house) };
        seq = last.saturating_add(1);
        for (at, bytes) in &entries {
            if *at > house.last_seq && Record::decode_plain(bytes)?.owner == Owner::House {
                recover::fold_house(&mut house, &Record::decode(bytes, keys)?.0);
            }
        }
    }
}
