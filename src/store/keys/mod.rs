//! Data keys: one per subject, made when first needed, destroyed when the subject is erased.
//!
//! A key is made inside the batch of the commit that first uses it, so it is durable exactly when what it sealed is. Until that commit
//! has gone through, the key is *fresh*: remembered, written again by every batch that uses it, and kept out of the cache. The writer
//! calls [`Keys::settle`] after each commit and says how it went.
//!
//! Destroying deletes the wrapped key in the batch of the erasure; what it sealed stays where it is and can no longer be read by anybody.
//! A subject that comes back gets a new key under a new id. **Invariant:** a destroyed key is never handed out again.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use zeroize::Zeroizing;

use super::batch::{Batch, Expected};
use super::contract::Store;
use super::entropy::{Entropy, NoEntropy};
use super::error::StoreError;
use super::keyspace::Keyspace;
use super::lru::Lru;
use super::master::{MasterKeyId, MasterKeys};
use super::rows::data_key::{self, WrappedKey};
use super::seal::{self, Part, Place, SealError, SealFailed, Sealed};
use super::subject::{DataKey, KeyId, SubjectId};

#[cfg(test)]
mod tests;

/// Why a key cannot be had, or something cannot be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The store said no.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A data key was wrapped by a master key that is not configured.
    #[error("data keys are wrapped by master key {needed}, which is not configured")]
    UnknownMaster {
        /// The master key that is missing.
        needed: MasterKeyId,
    },
    /// A wrapped key is not what was written for this subject.
    #[error("the stored data key of subject {subject} is not what was written")]
    Tampered {
        /// The subject.
        subject: SubjectId,
    },
    /// Sealed bytes are malformed or not where they were put.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// No random bytes.
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
    /// More keys were made without settling than one batch can hold.
    #[error("{0} new data keys wait for their commit; settle it first")]
    Unsettled(usize),
    /// The house's own key is never destroyed.
    #[error("the house key cannot be destroyed")]
    HouseKey,
}

impl From<SealFailed> for KeyError {
    fn from(failed: SealFailed) -> KeyError {
        match failed {
            SealFailed::Seal(error) => KeyError::Seal(error),
            SealFailed::Entropy(error) => KeyError::Entropy(error),
        }
    }
}

/// Most keys that may wait for their commit: no batch holds more changes.
const MAX_FRESH: usize = Batch::MAX_CHANGES;

/// The data keys of a store.
pub struct Keys {
    store: Arc<dyn Store>,
    masters: MasterKeys,
    entropy: Arc<dyn Entropy>,
    known: Mutex<Known>,
}

struct Known {
    /// Durable keys, unwrapped.
    cache: Lru<SubjectId, DataKey>,
    /// Keys whose commit has not been settled, with their row.
    fresh: HashMap<SubjectId, (DataKey, Bytes)>,
    /// Subjects whose destruction has not been settled.
    going: HashSet<SubjectId>,
    /// What was made fresh, and what is going, in order.
    since: VecDeque<(SubjectId, Change)>,
    /// How many of them were settled and are not in `since` any more.
    settled: usize,
}

#[derive(Clone, Copy)]
enum Change {
    Made(KeyId),
    Destroyed,
}

/// A point to which new and destroyed keys can be taken back.
#[derive(Clone, Copy, Debug)]
pub struct Mark(usize);

impl Keys {
    /// Opens the keys of a store; `cached` unwrapped keys at most are kept in memory (about 200 bytes each). Fails with
    /// [`KeyError::UnknownMaster`] at once when the configured master keys are not those of this store.
    pub fn open(
        store: Arc<dyn Store>,
        masters: MasterKeys,
        entropy: Arc<dyn Entropy>,
        cached: usize,
    ) -> Result<Keys, KeyError> {
        let first = store.range(Keyspace::Keys, Bound::Unbounded, Bound::Unbounded, 1)?;
        if let [(key, row)] = first.as_slice() {
            let subject = data_key::decode(key).ok_or_else(|| malformed(key))?;
            masters.unwrap(subject, &WrappedKey::decode(row).ok_or_else(|| malformed(key))?)?;
        }
        let known = Known {
            cache: Lru::new(cached),
            fresh: HashMap::new(),
            going: HashSet::new(),
            since: VecDeque::new(),
            settled: 0,
        };
        Ok(Keys { store, masters, entropy, known: Mutex::new(known) })
    }

    /// The subject's key; made in this batch when there is none. The batch must be committed for anything sealed under it to be readable.
    pub fn data_key(&self, subject: SubjectId, batch: &mut Batch) -> Result<DataKey, KeyError> {
        let mut known = self.known();
        if let Some((key, row)) = known.fresh.get(&subject) {
            // Which of the batches that use it goes through first is not known here, so each of them brings the key along.
            batch.put(Keyspace::Keys, data_key::encode(subject), row.clone());
            return Ok(key.clone());
        }
        if let Some(key) = self.existing(&mut known, subject)? {
            return Ok(key);
        }
        if known.fresh.len() >= MAX_FRESH {
            return Err(KeyError::Unsettled(known.fresh.len()));
        }
        let mut id = [0; 8];
        let mut bytes = Zeroizing::new([0; 32]);
        self.entropy.fill(&mut id)?;
        self.entropy.fill(bytes.as_mut_slice())?;
        let key = DataKey::new(KeyId(id), bytes);
        let row = Bytes::from(self.masters.wrap(subject, &key, self.entropy.as_ref())?.encode());
        if !known.going.contains(&subject) {
            // Never replace a key that somebody else made in the meantime: what it sealed would be lost.
            batch.require(Keyspace::Keys, data_key::encode(subject), Expected::Absent);
        }
        batch.put(Keyspace::Keys, data_key::encode(subject), row.clone());
        known.fresh.insert(subject, (key.clone(), row));
        known.since.push_back((subject, Change::Made(key.id())));
        Ok(key)
    }

    /// Seals a text for a subject at a place, behind what is in `out`; a key that has to be made goes into the batch.
    pub fn seal(
        &self,
        out: &mut Vec<u8>,
        subject: SubjectId,
        place: Place<'_>,
        text: &[u8],
        batch: &mut Batch,
    ) -> Result<(), KeyError> {
        let key = self.data_key(subject, batch)?;
        Ok(seal::seal(out, subject, &key, place, text, self.entropy.as_ref())?)
    }

    /// Opens one part at its place, or says that it is gone.
    pub fn open_part(&self, part: &Part<'_>, place: Place<'_>) -> Result<Sealed, KeyError> {
        let key = {
            let mut known = self.known();
            match known.fresh.get(&part.subject) {
                Some((key, _)) => Some(key.clone()),
                None => self.existing(&mut known, part.subject)?,
            }
        };
        match key {
            Some(key) if key.id() == part.key => Ok(Sealed::Text(part.open(&key, place)?)),
            // No key, or one made after this part's was destroyed.
            _ => Ok(Sealed::Gone),
        }
    }

    /// Opens all parts of a record's sealed bytes, in order.
    pub fn open_record(&self, seq: u64, sealed: &[u8]) -> Result<Vec<(SubjectId, Sealed)>, KeyError> {
        let parts = Part::all(sealed)?;
        let mut opened = Vec::with_capacity(parts.len());
        for (number, part) in parts.iter().enumerate() {
            let number = u16::try_from(number).map_err(|_| SealError::TooLarge)?;
            let place = Place::Record { seq, part: number };
            opened.push((part.subject, self.open_part(part, place)?));
        }
        Ok(opened)
    }

    /// Destroys the subject's key in this batch. From now on nothing of the subject opens; if the batch is not committed,
    /// [`settle`](Keys::settle) with `false` brings the key back.
    pub fn destroy(&self, subject: SubjectId, batch: &mut Batch) -> Result<(), KeyError> {
        if subject == SubjectId::HOUSE {
            return Err(KeyError::HouseKey);
        }
        let mut known = self.known();
        known.cache.remove(&subject);
        known.fresh.remove(&subject);
        if known.going.insert(subject) {
            known.since.push_back((subject, Change::Destroyed));
        }
        batch.delete(Keyspace::Keys, data_key::encode(subject));
        Ok(())
    }

    /// Where new and destroyed keys stand, for [`rewind`](Keys::rewind).
    pub fn mark(&self) -> Mark {
        let known = self.known();
        Mark(known.settled.saturating_add(known.since.len()))
    }

    /// What went into a batch since the mark was taken out of it again: the keys made since then will not be durable, and
    /// those destroyed stay.
    pub fn rewind(&self, mark: Mark) {
        let known = &mut *self.known();
        let from = mark.0.saturating_sub(known.settled).min(known.since.len());
        for (subject, change) in known.since.drain(from..) {
            match change {
                Change::Made(_) => {
                    known.fresh.remove(&subject);
                }
                Change::Destroyed => {
                    known.going.remove(&subject);
                }
            }
        }
    }

    /// Says whether the batches that used new keys or destroyed some were committed, all of them. After an error whose outcome is unknown
    /// say `false`: the store is asked again.
    pub fn settle(&self, committed: bool) {
        if committed {
            return self.settle_to(self.mark());
        }
        let known = &mut *self.known();
        known.fresh.clear();
        known.going.clear();
        known.settled = known.settled.saturating_add(known.since.len());
        known.since.clear();
    }

    /// Says that the batches that used new keys or destroyed some before the mark was taken were committed.
    pub fn settle_to(&self, mark: Mark) {
        let known = &mut *self.known();
        let settled = mark.0.saturating_sub(known.settled).min(known.since.len());
        for (subject, change) in known.since.drain(..settled) {
            match change {
                // A later batch may have destroyed it and made another.
                Change::Made(id) => {
                    if known.fresh.get(&subject).is_some_and(|(key, _)| key.id() == id)
                        && let Some((key, _)) = known.fresh.remove(&subject)
                    {
                        known.cache.insert(subject, key);
                    }
                }
                Change::Destroyed => {
                    known.going.remove(&subject);
                }
            }
        }
        known.settled = known.settled.saturating_add(settled);
    }

    /// Wraps up to `limit` keys, from `from` on, under the current master key in this batch, where another wraps them now. Returns where to
    /// go on, or `None` when the last key has been seen. A key destroyed in between makes the batch fail rather than come back.
    pub fn rewrap(&self, from: SubjectId, limit: usize, batch: &mut Batch) -> Result<Option<SubjectId>, KeyError> {
        let start = data_key::encode(from);
        let rows =
            self.store.range(Keyspace::Keys, Bound::Included(&start), Bound::Unbounded, limit.saturating_add(1))?;
        for (key, value) in rows.iter().take(limit) {
            let subject = data_key::decode(key).ok_or_else(|| malformed(key))?;
            let row = WrappedKey::decode(value).ok_or_else(|| malformed(key))?;
            if row.master == self.masters.current() {
                continue;
            }
            let again = self.masters.wrap(subject, &self.masters.unwrap(subject, &row)?, self.entropy.as_ref())?;
            batch.require(Keyspace::Keys, key.as_ref(), Expected::Value(value.clone()));
            batch.put(Keyspace::Keys, key.as_ref(), again.encode());
        }
        Ok(rows.get(limit).and_then(|(key, _)| data_key::decode(key)))
    }

    /// A durable key, from memory or the store.
    fn existing(&self, known: &mut Known, subject: SubjectId) -> Result<Option<DataKey>, KeyError> {
        if known.going.contains(&subject) {
            return Ok(None);
        }
        if let Some(key) = known.cache.get(&subject) {
            return Ok(Some(key.clone()));
        }
        // The lock is held while the store is read, so that a key destroyed meanwhile cannot enter the cache behind its destruction.
        let Some(row) = self.store.get(Keyspace::Keys, &data_key::encode(subject))? else { return Ok(None) };
        let row = WrappedKey::decode(&row).ok_or(KeyError::Tampered { subject })?;
        let key = self.masters.unwrap(subject, &row)?;
        known.cache.insert(subject, key.clone());
        Ok(Some(key))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        write!(f, "Keys({} cached, {} fresh, {:?})", known.cache.len(), known.fresh.len(), self.masters)
    }
}

fn malformed(key: &[u8]) -> KeyError {
    KeyError::Store(StoreError::damaged(format!("row {} of keys is malformed", hex::encode(key))))
}
