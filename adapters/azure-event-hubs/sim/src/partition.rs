//! One partition: a log of events that forgets its beginning.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fe2o3_amqp::link::delivery::Sendable;
use fe2o3_amqp_types::messaging::Body;
use fe2o3_amqp_types::primitives::{Timestamp, Value};
use tokio::sync::watch;

use crate::event::{self, AmqpMessage};
use crate::readers::Readers;
use crate::selector::Start;

/// What an event takes in the log beside its body, in bytes: offsets are positions, no numbers of events.
const OVERHEAD: i64 = 40;

/// An event that was stored.
pub(crate) struct Stored {
    pub(crate) sequence: i64,
    pub(crate) offset: i64,
    /// Milliseconds since 1970; never falls in one partition.
    pub(crate) enqueued: i64,
    /// The event with the service's annotations, as it is delivered.
    pub(crate) delivery: Sendable<Body<Value>>,
}

pub(crate) struct Partition {
    pub(crate) id: String,
    log: Mutex<Log>,
    grown: watch::Sender<i64>,
    readers: Mutex<HashMap<String, Readers>>,
}

struct Log {
    events: VecDeque<Arc<Stored>>,
    next_sequence: i64,
    next_offset: i64,
    retention: usize,
}

/// What `$management` tells of a partition.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) begin: i64,
    pub(crate) last: i64,
    pub(crate) last_offset: i64,
    pub(crate) last_enqueued: i64,
    pub(crate) is_empty: bool,
}

impl Partition {
    pub(crate) fn new(id: String, retention: usize) -> Self {
        let log = Log { events: VecDeque::new(), next_sequence: 0, next_offset: 0, retention: retention.max(1) };
        let (grown, _) = watch::channel(0);
        Partition { id, log: Mutex::new(log), grown, readers: Mutex::default() }
    }

    /// Stores events one after the other, with nothing between them.
    pub(crate) fn append(&self, events: Vec<AmqpMessage>, now: i64) -> Vec<Arc<Stored>> {
        let mut log = self.log();
        let stored: Vec<_> = events.into_iter().map(|event| log.append(event, now)).collect();
        let next = log.next_sequence;
        drop(log);
        self.grown.send_replace(next);
        stored
    }

    /// At most `limit` events from a sequence number on; what was forgotten is passed over.
    pub(crate) fn read(&self, from: i64, limit: usize) -> Vec<Arc<Stored>> {
        let log = self.log();
        let start = log.events.partition_point(|event| event.sequence < from);
        log.events.iter().skip(start).take(limit).cloned().collect()
    }

    /// The sequence number of the first event that a reader gets.
    ///
    /// # Errors
    /// What the client is told when it starts after everything that there is.
    pub(crate) fn first_of(&self, start: Start) -> Result<i64, String> {
        self.log().first_of(start)
    }

    /// Tells whenever events were stored.
    pub(crate) fn growth(&self) -> watch::Receiver<i64> {
        self.grown.subscribe()
    }

    pub(crate) fn standing(&self) -> Standing {
        let log = self.log();
        let last = log.events.back();
        Standing {
            begin: log.events.front().map_or(log.next_sequence, |event| event.sequence),
            last: log.next_sequence - 1,
            last_offset: last.map_or(-1, |event| event.offset),
            last_enqueued: last.map_or(0, |event| event.enqueued),
            is_empty: log.events.is_empty(),
        }
    }

    /// Who reads, by consumer group.
    pub(crate) fn readers(&self) -> MutexGuard<'_, HashMap<String, Readers>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    fn append(&mut self, mut event: AmqpMessage, now: i64) -> Arc<Stored> {
        let (sequence, offset) = (self.next_sequence, self.next_offset);
        let enqueued = self.events.back().map_or(now, |last| last.enqueued.max(now));
        let length = i64::try_from(event::body_bytes(&event).len()).unwrap_or(i64::MAX / 2);
        self.next_sequence += 1;
        self.next_offset = self.next_offset.saturating_add(OVERHEAD).saturating_add(length);
        // A receiver looks for its own delivery annotations; what a sender told the service is not passed on.
        event.delivery_annotations = None;
        event::annotate(&mut event, "x-opt-sequence-number", Value::Long(sequence));
        event::annotate(&mut event, "x-opt-offset", Value::String(offset.to_string()));
        event::annotate(&mut event, "x-opt-enqueued-time", Value::Timestamp(Timestamp::from_milliseconds(enqueued)));
        let delivery = Sendable::builder().message(event).build();
        let stored = Arc::new(Stored { sequence, offset, enqueued, delivery });
        self.events.push_back(Arc::clone(&stored));
        while self.events.len() > self.retention {
            self.events.pop_front();
        }
        stored
    }

    fn first_of(&self, start: Start) -> Result<i64, String> {
        let (last, last_offset) = (self.next_sequence - 1, self.events.back().map_or(-1, |event| event.offset));
        let after = |is_before: &dyn Fn(&Stored) -> bool| {
            let place = self.events.partition_point(|event| is_before(event));
            self.events.get(place).map_or(self.next_sequence, |event| event.sequence)
        };
        match start {
            Start::Earliest => Ok(after(&|_| false)),
            Start::Latest => Ok(self.next_sequence),
            Start::Offset { at, .. } if at > last_offset => {
                Err(format!("offset '{at}' lies after the last one, which is '{last_offset}'"))
            }
            Start::Sequence { at, inclusive } if at > last.saturating_add(i64::from(inclusive)) => {
                Err(format!("sequence number '{at}' lies after the last one, which is '{last}'"))
            }
            Start::Offset { at, inclusive } => {
                Ok(after(&|event| event.offset < at || (!inclusive && event.offset == at)))
            }
            Start::Sequence { at, inclusive } => {
                Ok(after(&|event| event.sequence < at || (!inclusive && event.sequence == at)))
            }
            Start::Enqueued { at, inclusive } => {
                Ok(after(&|event| event.enqueued < at || (!inclusive && event.enqueued == at)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use fe2o3_amqp_types::messaging::{Data, Message};
    use fe2o3_amqp_types::primitives::Binary;

    use super::*;

    fn event(text: &str) -> AmqpMessage {
        let data = Data(Binary::from(text.as_bytes().to_vec()));
        Message::builder().body(Body::Data(vec![data].into())).build()
    }

    /// Three are kept of five: sequence numbers 2 to 4, offsets 82, 123 and 164, enqueued at 1002 to 1004.
    fn partition() -> Partition {
        let partition = Partition::new("0".to_owned(), 3);
        for number in 0..5 {
            partition.append(vec![event("x")], 1_000 + number);
        }
        partition
    }

    #[test]
    fn the_beginning_moves_and_what_was_before_it_starts_there() {
        let partition = partition();
        let wanted = Standing { begin: 2, last: 4, last_offset: 164, last_enqueued: 1_004, is_empty: false };
        assert_eq!(partition.standing(), wanted);
        for (start, first) in [
            (Start::Earliest, 2),
            (Start::Latest, 5),
            (Start::Offset { at: 41, inclusive: true }, 2),
            (Start::Offset { at: 82, inclusive: true }, 2),
            (Start::Offset { at: 82, inclusive: false }, 3),
            (Start::Offset { at: 164, inclusive: false }, 5),
            (Start::Sequence { at: 0, inclusive: false }, 2),
            (Start::Sequence { at: 3, inclusive: true }, 3),
            (Start::Sequence { at: 3, inclusive: false }, 4),
            (Start::Sequence { at: 5, inclusive: true }, 5),
            (Start::Enqueued { at: 1_003, inclusive: false }, 4),
            (Start::Enqueued { at: 1_003, inclusive: true }, 3),
            (Start::Enqueued { at: 9_999, inclusive: false }, 5),
        ] {
            assert_eq!(partition.first_of(start), Ok(first), "{start:?}");
        }
    }

    #[test]
    fn a_start_after_the_end_is_refused() {
        let partition = partition();
        for start in [
            Start::Offset { at: 165, inclusive: true },
            Start::Sequence { at: 5, inclusive: false },
            Start::Sequence { at: 6, inclusive: true },
        ] {
            assert!(partition.first_of(start).is_err(), "{start:?}");
        }
        let fresh = Partition::new("0".to_owned(), 3);
        assert_eq!(fresh.first_of(Start::Sequence { at: -1, inclusive: false }), Ok(0));
    }

    #[test]
    fn a_reader_that_fell_behind_goes_on_with_what_is_kept() {
        let read = partition().read(0, 2);
        assert_eq!(read.iter().map(|stored| stored.sequence).collect::<Vec<_>>(), [2, 3]);
    }

    #[test]
    fn time_does_not_fall_when_the_clock_does() {
        let partition = Partition::new("0".to_owned(), 3);
        partition.append(vec![event("x")], 10);
        assert_eq!(partition.append(vec![event("y")], 5).first().unwrap().enqueued, 10);
    }
}
