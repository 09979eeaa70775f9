//! `dedupe`: an envelope has been taken.
//!
//! ```text
//! key:   0   4  UTC day: days since 1970-01-01, big-endian
//!        4   16 digest of the envelope's dedupe key, made by its writer
//! value: 0   8  sequence number of the record that took the envelope, big-endian
//! ```
//!
//! Bucket: the day, of the record and not of the envelope, so that a stale clock elsewhere cannot write into a day that is gone. Each day
//! is a keyspace of its own in the embedded engine, and retention removes it as a whole: no deletes are written, no tables
//! rewritten, and the space comes back at once. The other layout, one keyspace with the day as a prefix, would need either a delete
//! per key (as many writes as the traffic itself) or dropping tables by range, which leaves behind those that span midnight.
//! A look-up asks each of the last [`DAYS_KEPT`] + 1 days that has any key, newest first, because nearly all duplicates are retries of the
//! last minutes; for a new envelope all of them say no, from their filters.

use std::fmt;
use std::ops::{Bound, RangeInclusive};

use crate::store::contract::Store;
use crate::store::error::StoreError;
use crate::store::keyspace::{Bucket, Keyspace};

pub(in crate::store) const DESCRIPTION: &str = "Envelopes already taken: UTC day (4 bytes, days since 1970, big-endian) and a 16-byte digest of the dedupe key. Value: \
     sequence number of the record that took it (8 bytes, big-endian). Written by the desk with the record. Lives 8 days; whole days are dropped.";

/// Days for which an envelope is remembered after the day it came.
pub const DAYS_KEPT: u32 = 8;

/// A UTC day: days since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub u32);

impl Day {
    /// The day of an instant. Before 1970 it is the first day.
    pub fn of(at: jiff::Timestamp) -> Day {
        Day(u32::try_from(at.as_second().div_euclid(86_400)).unwrap_or(0))
    }

    /// The bucket of this day.
    pub fn bucket(self) -> Bucket {
        Bucket(u64::from(self.0))
    }

    /// The days in which an envelope that arrives today may have been taken before. Everything below its start may be dropped.
    pub fn remembered(self) -> RangeInclusive<u32> {
        self.0.saturating_sub(DAYS_KEPT)..=self.0
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_second(i64::from(self.0) * 86_400) {
            Ok(start) => write!(f, "{}", start.strftime("%Y-%m-%d")),
            Err(_) => write!(f, "day {}", self.0),
        }
    }
}

/// One envelope on one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DedupeKey {
    /// The day of the record that took it.
    pub day: Day,
    /// Digest of the envelope's dedupe key.
    pub digest: [u8; 16],
}

impl DedupeKey {
    /// The key's bytes.
    pub fn encode(self) -> [u8; 20] {
        let mut key = [0; 20];
        key[..4].copy_from_slice(&self.day.0.to_be_bytes());
        key[4..].copy_from_slice(&self.digest);
        key
    }

    /// Reads a key; `None` when it is not 20 bytes long.
    pub fn decode(key: &[u8]) -> Option<DedupeKey> {
        let (day, digest) = key.split_first_chunk()?;
        Some(DedupeKey { day: Day(u32::from_be_bytes(*day)), digest: digest.try_into().ok()? })
    }
}

impl fmt::Display for DedupeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/", self.day)?;
        super::write_id(f, &self.digest)
    }
}

/// The days of those remembered in which any envelope was taken, the latest first. Today is always one of them.
pub fn days_with_any(store: &(impl Store + ?Sized), today: Day) -> Result<Vec<Day>, StoreError> {
    let mut days = vec![today];
    for day in today.remembered().rev().map(Day).filter(|day| *day != today) {
        let (first, next) = (day.0.to_be_bytes(), day.0.saturating_add(1).to_be_bytes());
        if !store.range(Keyspace::Dedupe, Bound::Included(&first), Bound::Excluded(&next), 1)?.is_empty() {
            days.push(day);
        }
    }
    Ok(days)
}

/// The record that took this envelope on one of these days, if any.
pub fn taken_by(store: &(impl Store + ?Sized), digest: [u8; 16], days: &[Day]) -> Result<Option<u64>, StoreError> {
    for day in days {
        let key = DedupeKey { day: *day, digest };
        if let Some(value) = store.get(Keyspace::Dedupe, &key.encode())? {
            return match value.as_ref().try_into() {
                Ok(seq) => Ok(Some(u64::from_be_bytes(seq))),
                Err(_) => Err(StoreError::damaged(format!("dedupe row {key} has a value of {} bytes", value.len()))),
            };
        }
    }
    Ok(None)
}

pub(in crate::store) fn bucket_of_key(key: &[u8]) -> Option<Bucket> {
    key.first_chunk().map(|day| Day(u32::from_be_bytes(*day)).bucket())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use super::*;
    use crate::store::{Batch, Memory};

    #[test]
    fn a_day_begins_at_midnight_utc() {
        let day = |text: &str| Day::of(text.parse().unwrap());
        assert_eq!(day("1970-01-01T23:59:59.999Z"), Day(0));
        assert_eq!(day("1970-01-02T00:00:00Z"), Day(1));
        assert_eq!(day("1969-12-31T23:00:00Z"), Day(0));
        assert_eq!(day("2025-11-21T12:00:00Z").to_string(), "2025-11-21");
        assert!(!Day(u32::MAX).to_string().is_empty());
    }

    #[test]
    fn an_envelope_is_remembered_for_eight_days_and_no_longer() {
        let store = Memory::new();
        let key = DedupeKey { day: Day(100), digest: [7; 16] };
        let mut batch = Batch::new();
        batch.put(Keyspace::Dedupe, key.encode(), 42u64.to_be_bytes().to_vec());
        store.commit(&batch).unwrap();

        let days = |today: u32| days_with_any(&store, Day(today)).unwrap();
        let taken_by = |digest: u8, today: u32| taken_by(&store, [digest; 16], &days(today)).unwrap();
        assert_eq!(taken_by(7, 100), Some(42));
        assert_eq!(taken_by(7, 108), Some(42));
        assert_eq!(taken_by(7, 109), None);
        assert_eq!(taken_by(8, 100), None);
        assert_eq!(taken_by(7, 99), None);
        assert_eq!((days(100), days(108), days(109)), (vec![Day(100)], vec![Day(108), Day(100)], vec![Day(109)]));
    }

    proptest::proptest! {
        #[test]
        fn keys_read_back_and_keep_their_order(a: (u32, [u8; 16]), b: (u32, [u8; 16])) {
            let [a, b] = [a, b].map(|(day, digest)| DedupeKey { day: Day(day), digest });
            assert_eq!(DedupeKey::decode(&a.encode()), Some(a));
            assert_eq!(a.encode().cmp(&b.encode()), a.cmp(&b));
            assert_eq!(bucket_of_key(&a.encode()), Some(a.day.bucket()));
        }
    }
}
