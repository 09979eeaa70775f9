//! Recovery: states as they were written down, then the log from there. Nothing is decoded, nothing is decided.

use std::sync::Arc;

use jiff::Timestamp;
use tandem_sdk::model::{Command, Fact, InteractionId};

use super::persist;
use super::run::Writer;
use super::work::begin;
use crate::interactions::{Change, Input, Interaction, Known, Owner};
use crate::record::{Record, RecordError};
use crate::store::rows::meta::{MetaKey, MetaName};
use crate::store::{FIRST_SEQ, KeyError, Keyspace, Store};

/// Interactions read at once.
const PAGE: usize = 1000;
/// Records read at once.
const RECORDS: usize = 1000;
/// Bytes of records read at once.
const BYTES: usize = 4 * 1024 * 1024;

/// Brings the writer to the end of the log. What this life of the desk knows of its commands it keeps.
pub(super) fn recover(writer: &mut Writer, is_first: bool) -> Result<(), RecordError> {
    writer.shelf = super::shelf::Shelf::default();
    writer.told.clear();
    writer.legs.clear();
    writer.timers.clear();
    writer.house = persist::get_house(&*writer.store, &writer.keys)?;
    writer.house_dirty = None;
    let mut from = None;
    loop {
        let (page, next) = persist::open_interactions(from.as_deref(), PAGE, &*writer.store, &writer.keys)?;
        page.into_iter().for_each(|it| writer.shelf.put_clean(Box::new(it)));
        match next {
            Some(next) => from = Some(next),
            None => break,
        }
    }
    let mut seq = watermark(&*writer.store)?;
    loop {
        let entries = writer.log.read(seq, RECORDS, BYTES).map_err(KeyError::from)?;
        let Some((last, _)) = entries.last() else { break };
        let next = last.saturating_add(1);
        for (_, bytes) in &entries {
            fold(writer, bytes)?;
        }
        seq = next;
    }
    writer.next_seq = writer.log.next_seq().map_err(KeyError::from)?;
    // Not before everything was read: should that fail, what is in flight must not be forgotten.
    let before = std::mem::take(&mut writer.outbox);
    put_on_the_shelves(writer);
    if !is_first {
        writer.outbox.inherit(before);
    }
    Ok(())
}

/// The first record that may not be written down yet.
pub(super) fn watermark(store: &dyn Store) -> Result<u64, RecordError> {
    let Some(name) = MetaName::new("desk") else { return Ok(FIRST_SEQ) };
    let row = store.get(Keyspace::Meta, &MetaKey::Watermark(name).encode()).map_err(KeyError::from)?;
    let written = row.and_then(|row| row.as_ref().try_into().ok()).map_or(FIRST_SEQ, u64::from_be_bytes);
    Ok(written.max(FIRST_SEQ))
}

fn fold(writer: &mut Writer, bytes: &[u8]) -> Result<(), RecordError> {
    let (record, _) = Record::decode(bytes, &writer.keys)?;
    writer.now = writer.now.max(record.recorded_at);
    match record.owner {
        Owner::Nobody => {}
        Owner::House => {
            if record.seq > writer.house.last_seq {
                fold_house(&mut writer.house, &record);
                writer.house_dirty.get_or_insert(record.seq);
            }
        }
        Owner::Interaction(id) => {
            let known = writer.setup.known();
            let before = match writer.shelf.get(id) {
                Some(it) if it.last_seq >= record.seq => return Ok(()),
                Some(_) => writer.load(id)?.map(|it| *it),
                None => persist::get_interaction(id, &*writer.store, &writer.keys)?,
            };
            if let Some(it) = fold_interaction(before, id, &record, known) {
                writer.shelf.put_dirty(Box::new(it), record.seq);
            }
        }
    }
    Ok(())
}

/// Folds a record of the house.
pub(crate) fn fold_house(house: &mut crate::interactions::House, record: &Record) {
    house.fold_input(&record.input);
    for step in &record.steps {
        house.fold_step(step, record.recorded_at);
    }
    house.last_seq = record.seq;
}

/// Folds a record into the interaction that it belongs to; `None` when it was folded before.
pub(crate) fn fold_interaction(
    before: Option<Interaction>,
    id: InteractionId,
    record: &Record,
    known: Known,
) -> Option<Interaction> {
    let mut it = fold_given(before, id, record, known)?.it;
    for step in &record.steps {
        it.fold_step(step, record.recorded_at);
    }
    stamp(&mut it, record.seq, record.recorded_at, is_nothing_new(&record.input, &record.facts));
    Some(it)
}

/// An interaction that was given a record's input and facts, before anybody thought about what follows.
pub(crate) struct Given {
    pub(crate) it: Interaction,
    /// The command that the input settled.
    pub(crate) settled: Option<Arc<Command>>,
    /// What the facts changed.
    pub(crate) changes: Vec<Change>,
}

/// Folds a record's input and facts, not its steps; `None` when it was folded before.
pub(crate) fn fold_given(
    before: Option<Interaction>,
    id: InteractionId,
    record: &Record,
    known: Known,
) -> Option<Given> {
    let mut it = match (before, &record.opens) {
        (Some(it), _) if it.last_seq >= record.seq => return None,
        (Some(it), _) => it,
        (None, Some(opening)) => begin(id, record.subject, opening, record.recorded_at),
        // A record that neither opens nor finds its interaction cannot come from this desk.
        (None, None) => return None,
    };
    let settled = it.fold_input(&record.input);
    let changes = record.facts.iter().flat_map(|fact| it.fold_fact(fact, known, record.recorded_at)).collect();
    Some(Given { it, settled, changes })
}

/// Whether an envelope told nothing that was not known: it is kept, and nothing follows.
pub(crate) fn is_nothing_new(input: &Input, facts: &[Fact]) -> bool {
    facts.is_empty() && matches!(input, Input::Envelope { .. })
}

/// Last of every record of an interaction.
pub(super) fn stamp(it: &mut Interaction, seq: u64, now: Timestamp, nothing_new: bool) {
    it.last_seq = seq;
    it.changed_at = now;
    if !nothing_new {
        it.records.push(seq);
    }
}

/// Commands and timers of everything that is open.
fn put_on_the_shelves(writer: &mut Writer) {
    let now = writer.now;
    let mut owed: Vec<_> = writer.house.owed.values().map(|command| (Owner::House, Arc::clone(command))).collect();
    for (name, due) in &writer.house.timers {
        writer.timers.set(Owner::House, name, Some(*due));
    }
    for it in writer.shelf.iter() {
        let owner = Owner::Interaction(it.id);
        owed.extend(it.owed.values().map(|command| (owner, Arc::clone(command))));
        for (name, due) in &it.timers {
            writer.timers.set(owner, name, Some(*due));
        }
    }
    // Lanes keep the order in which their commands were owed.
    owed.sort_by_key(|(_, command)| command.order);
    for (owner, command) in owed {
        writer.outbox.push(command, owner, now, true);
    }
    let durable = writer.outbox.complete();
    writer.outbox.is_durable(durable);
}
