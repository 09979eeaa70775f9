//! Reads the log: pages of events, records of an interaction. Calls block, as the store's do.

use std::sync::Arc;

use bytes::Bytes;
use tandem_sdk::model::{CommandId, Event, InteractionId};

use super::cloud_event::{CloudEvent, Recorded, Source, name_of};
use super::cursor::Cursor;
use super::page::{Among, Item, Page, Sight, Wanted};
use crate::desk;
use crate::interactions::{Owner, Step};
use crate::record::{Opened, Record, RecordError};
use crate::store::{KeyError, Keys, Log, Store, StoreError};

/// Records read at once.
const RECORDS: usize = 64;
/// Bytes of records read at once, and the most that one page looks at before it ends.
const BYTES: usize = 4 * 1024 * 1024;
/// Records that one page looks at before it ends, found or not.
const LOOKED_AT: usize = 4096;

/// Reads what the desk recorded. Cheap to clone.
#[derive(Clone)]
pub struct Reader {
    pub(super) store: Arc<dyn Store>,
    pub(super) log: Log<dyn Store>,
    pub(super) keys: Arc<Keys>,
    source: Arc<Source>,
}

/// Why nothing could be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Retention dropped what the cursor points at.
    #[error("what comes after this cursor is no longer kept")]
    Gone {
        /// Before the first event that is still kept.
        first: Cursor,
    },
    /// The cursor lies behind everything that was ever recorded here.
    #[error("this cursor lies behind the last event; the log that it came from is not this one")]
    Ahead,
    /// A record.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Reader {
    /// A reader over a domain's store.
    pub fn new(store: Arc<dyn Store>, keys: Arc<Keys>, source: Source) -> Self {
        let log = Log::new(Arc::clone(&store));
        Reader { store, log, keys, source: Arc::new(source) }
    }

    /// Where its events come from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The events from a cursor on, or from the first that is kept.
    pub fn page(&self, from: Option<Cursor>, wanted: &Wanted, among: Option<&Among>) -> Result<Page, ReadError> {
        let end = self.log.next_seq()?;
        let mut reading = Reading { at: self.start(from, end)?, items: Vec::new(), looked: 0, bytes: 0 };
        while reading.at.seq < end {
            let entries = self.entries(reading.at.seq, among)?;
            let Some((first, _)) = entries.first() else {
                match among.map(|among| among.until.min(end)).filter(|until| reading.at.seq < *until) {
                    // Of the listed records none is left: what comes behind the list is searched.
                    Some(until) => reading.at = Cursor::before(until),
                    None => break,
                }
                continue;
            };
            if among.is_none_or(|among| reading.at.seq >= among.until) && *first != reading.at.seq {
                return Err(ReadError::Gone { first: Cursor::before(*first) });
            }
            for (seq, bytes) in entries {
                if !self.look(&mut reading, seq, &bytes, wanted)? {
                    return Ok(reading.ended(end));
                }
            }
        }
        Ok(reading.ended(end))
    }

    /// Where reading begins: at the cursor if it is good, else at the first event that is kept.
    pub fn begin(&self, from: Option<Cursor>) -> Result<Cursor, ReadError> {
        self.start(from, self.log.next_seq()?)
    }

    fn start(&self, from: Option<Cursor>, end: u64) -> Result<Cursor, ReadError> {
        let first = Cursor::before(self.log.first_seq()?);
        match from {
            None => Ok(first),
            Some(from) if from < first => Err(ReadError::Gone { first }),
            Some(from) if from.seq > end || (from.seq == end && from.ordinal > 0) => Err(ReadError::Ahead),
            Some(from) => Ok(from),
        }
    }

    /// The next records to look at: those of the list as far as it goes, all of them behind it.
    fn entries(&self, from: u64, among: Option<&Among>) -> Result<Vec<(u64, Bytes)>, ReadError> {
        match among {
            Some(among) if from < among.until => {
                let next = among.records.partition_point(|seq| *seq < from);
                match among.records.get(next).filter(|seq| **seq < among.until) {
                    Some(seq) => {
                        Ok(self.log.read(*seq, 1, BYTES)?.into_iter().filter(|(found, _)| found == seq).collect())
                    }
                    None => Ok(Vec::new()),
                }
            }
            _ => Ok(self.log.read(from, RECORDS, BYTES)?),
        }
    }

    /// Takes what is wanted of one record. Returns whether there is room for more.
    fn look(&self, reading: &mut Reading, seq: u64, bytes: &Bytes, wanted: &Wanted) -> Result<bool, ReadError> {
        let skipped = if reading.at.seq == seq { usize::from(reading.at.ordinal) } else { 0 };
        let record = Record::decode_plain(bytes)?;
        let is_theirs = wanted.interaction.is_none_or(|id| record.owner == Owner::Interaction(id));
        let total = events(&record).count();
        if is_theirs && total > skipped && events(&record).any(|event| is_wanted(event, wanted)) {
            let recorded = |erased| Recorded { seq, at: record.recorded_at, erased };
            let (events, recorded) = match wanted.sight {
                Sight::Redacted => (into_events(record.steps), recorded(false)),
                Sight::Text => {
                    let opened = Record::open(bytes, &self.keys)?;
                    (into_events(opened.record.steps), recorded(opened.erased))
                }
            };
            for (n, event) in events.into_iter().enumerate().skip(skipped) {
                if reading.items.len() >= wanted.most {
                    reading.at = Cursor { seq, ordinal: u16::try_from(n).unwrap_or(u16::MAX) };
                    return Ok(false);
                }
                if is_wanted(&event, wanted) {
                    let event = CloudEvent::new(&self.source, recorded, event, wanted.sight);
                    reading.items.push(Item { cursor: behind(seq, n, total), event });
                }
            }
        }
        reading.at = Cursor::before(seq.saturating_add(1));
        reading.looked = reading.looked.saturating_add(1);
        reading.bytes = reading.bytes.saturating_add(bytes.len());
        Ok(reading.items.len() < wanted.most && reading.looked < LOOKED_AT && reading.bytes < BYTES)
    }

    /// Dead commands behind an id and whose they are, in the order of their ids.
    pub fn dead_commands(
        &self,
        after: Option<CommandId>,
        most: usize,
    ) -> Result<Vec<(CommandId, InteractionId)>, ReadError> {
        Ok(desk::dead_commands(&*self.store, after, most)?)
    }

    /// Whose a dead command is; `None` when no such command is dead.
    pub fn owner_of_dead(&self, command: CommandId) -> Result<Option<InteractionId>, ReadError> {
        Ok(desk::owner_of_dead(&*self.store, command)?)
    }

    /// These records, as far as they are kept. What is sealed is opened only for [`Sight::Text`].
    pub fn records(&self, seqs: &[u64], sight: Sight) -> Result<Vec<Opened>, ReadError> {
        let mut found = Vec::with_capacity(seqs.len());
        for seq in seqs {
            found.extend(self.record(*seq, sight)?);
        }
        Ok(found)
    }

    /// One record, if it is kept.
    pub fn record(&self, seq: u64, sight: Sight) -> Result<Option<Opened>, ReadError> {
        let Some((found, bytes)) = self.log.read(seq, 1, BYTES)?.into_iter().next() else { return Ok(None) };
        if found != seq {
            return Ok(None);
        }
        Ok(Some(match sight {
            Sight::Text => Record::open(&bytes, &self.keys)?,
            Sight::Redacted => Opened { record: Record::decode_plain(&bytes)?, body: Vec::new(), erased: false },
        }))
    }
}

struct Reading {
    at: Cursor,
    items: Vec<Item>,
    looked: usize,
    bytes: usize,
}

impl Reading {
    fn ended(self, end: u64) -> Page {
        Page { items: self.items, next: self.at, at_end: self.at.seq >= end }
    }
}

fn events(record: &Record) -> impl Iterator<Item = &Event> {
    record.steps.iter().filter_map(|step| if let Step::Event(event) = step { Some(&**event) } else { None })
}

fn into_events(steps: Vec<Step>) -> Vec<Event> {
    steps.into_iter().filter_map(|step| if let Step::Event(event) = step { Some(*event) } else { None }).collect()
}

fn is_wanted(event: &Event, wanted: &Wanted) -> bool {
    wanted.prefix.as_deref().is_none_or(|prefix| name_of(event).starts_with(prefix))
}

/// Behind the `n`-th of the events of a record.
fn behind(seq: u64, n: usize, total: usize) -> Cursor {
    match u16::try_from(n.saturating_add(1)) {
        Ok(ordinal) if usize::from(ordinal) < total => Cursor { seq, ordinal },
        _ => Cursor::before(seq.saturating_add(1)),
    }
}

impl From<KeyError> for ReadError {
    fn from(error: KeyError) -> Self {
        ReadError::Record(error.into())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use tandem_sdk::model::{EventId, EventKind, SubjectId};
    use zeroize::Zeroizing;

    use super::*;
    use crate::interactions::Input;
    use crate::store::rows::log_entry::{LogKey, SEQS_PER_BUCKET};
    use crate::store::{Batch, Keyspace, MasterKey, MasterKeys, Memory, SeededEntropy};

    /// A log of which the first stretch was dropped; every record has two events.
    fn reader(seqs: impl Iterator<Item = u64>) -> Reader {
        let store: Arc<dyn Store> = Arc::new(Memory::new());
        let masters = MasterKeys::new(MasterKey::new(Zeroizing::new([7; 32])), vec![]);
        let keys = Keys::open(Arc::clone(&store), masters, Arc::new(SeededEntropy::new(1)), 10).unwrap();
        let mut batch = Batch::new();
        for seq in seqs {
            let entry = record(seq).encode(b"", &keys, &mut Batch::new()).unwrap();
            batch.put(Keyspace::Log, LogKey(seq).encode(), entry);
        }
        store.commit(&batch).unwrap();
        Reader::new(store, Arc::new(keys), Source::new("tandem", "main".into()))
    }

    fn record(seq: u64) -> Record {
        let id = InteractionId(uuid::Uuid::from_u128(u128::from(seq % 2)));
        let event = |ordinal| {
            let kind = EventKind::OfferIssued { queue: "q".into() };
            let sequence = seq.saturating_mul(2).saturating_add(u64::from(ordinal));
            let id_of_event = EventId::of(&"main".into(), seq, ordinal);
            Step::Event(Box::new(Event {
                id: id_of_event,
                interaction: id,
                sequence,
                time: jiff::Timestamp::MIN,
                kind,
            }))
        };
        Record {
            seq,
            recorded_at: jiff::Timestamp::MIN,
            epoch: 1,
            owner: Owner::Interaction(id),
            subject: SubjectId(id.0),
            opens: None,
            input: Input::Learned {},
            facts: Vec::new(),
            steps: vec![event(0), event(1)],
            rules: String::new(),
        }
    }

    fn wanted(most: usize) -> Wanted {
        Wanted { interaction: None, prefix: None, sight: Sight::Redacted, most }
    }

    #[test]
    fn a_cursor_before_retention_says_where_to_begin_again() {
        let reader = reader(SEQS_PER_BUCKET..SEQS_PER_BUCKET + 3);
        let first = Cursor::before(SEQS_PER_BUCKET);
        for from in [Cursor::START, Cursor { seq: SEQS_PER_BUCKET - 1, ordinal: 1 }] {
            let gone = reader.page(Some(from), &wanted(10), None);
            assert!(matches!(gone, Err(ReadError::Gone { first: found }) if found == first), "{gone:?}");
        }
        assert_eq!(reader.page(None, &wanted(10), None).unwrap().items.len(), 6);
        assert_eq!(reader.page(Some(first), &wanted(10), None).unwrap().items.len(), 6);
    }

    #[test]
    fn a_cursor_at_the_end_is_good_and_one_behind_it_is_not() {
        let reader = reader(1..4);
        let page = reader.page(None, &wanted(10), None).unwrap();
        assert_eq!((page.next, page.at_end), (Cursor::before(4), true));
        assert!(reader.page(Some(page.next), &wanted(10), None).unwrap().items.is_empty());
        for behind in [Cursor { seq: 4, ordinal: 1 }, Cursor::before(5)] {
            assert!(matches!(reader.page(Some(behind), &wanted(10), None), Err(ReadError::Ahead)));
        }
    }

    #[test]
    fn a_list_of_records_finds_what_a_search_finds() {
        let reader = reader(1..200);
        let one = Wanted { interaction: Some(InteractionId(uuid::Uuid::from_u128(1))), ..wanted(1000) };
        let searched = reader.page(None, &one, None).unwrap();
        assert_eq!(searched.items.len(), 200);
        for until in [1, 2, 100, 200] {
            let among = Among { records: (1..200).filter(|seq| seq % 2 == 1).collect(), until };
            assert_eq!(reader.page(None, &one, Some(&among)).unwrap(), searched, "{until}");
        }
    }

    #[test]
    fn looking_ends_after_so_many_records_although_nothing_was_found() {
        let most = u64::try_from(LOOKED_AT).unwrap();
        let reader = reader(1..most + 10);
        let none = Wanted { prefix: Some("tandem.nothing".into()), ..wanted(10) };
        let page = reader.page(None, &none, None).unwrap();
        assert_eq!((page.items.len(), page.at_end, page.next), (0, false, Cursor::before(most + 1)));
        assert!(reader.page(Some(page.next), &none, None).unwrap().at_end);
    }
}
