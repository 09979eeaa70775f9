//! A batch: changes that become true together, and the conditions under which they may.

use std::borrow::Borrow;

use bytes::Bytes;

use super::error::StoreError;
use super::keyspace::Keyspace;

/// One change of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The key has this value afterwards.
    Put {
        /// Where.
        keyspace: Keyspace,
        /// The key.
        key: Vec<u8>,
        /// The value; may be empty.
        value: Bytes,
    },
    /// The key does not exist afterwards; deleting what is not there is fine.
    Delete {
        /// Where.
        keyspace: Keyspace,
        /// The key.
        key: Vec<u8>,
    },
}

impl Change {
    /// Where, and which key.
    pub fn place(&self) -> (Keyspace, &[u8]) {
        match self {
            Change::Put { keyspace, key, .. } | Change::Delete { keyspace, key } => (*keyspace, key),
        }
    }
}

/// What must be found at a key for a batch to be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The key does not exist.
    Absent,
    /// The key exists, with whatever value.
    Present,
    /// The key exists with exactly this value.
    Value(Bytes),
}

impl Expected {
    /// Whether what was found is what was expected.
    pub fn is_met_by(&self, found: Option<&[u8]>) -> bool {
        match self {
            Expected::Absent => found.is_none(),
            Expected::Present => found.is_some(),
            Expected::Value(value) => found == Some(value.as_ref()),
        }
    }
}

/// A condition on one key, checked in the same step that writes the batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// Where.
    pub keyspace: Keyspace,
    /// The key.
    pub key: Vec<u8>,
    /// What must be there.
    pub expected: Expected,
}

/// Changes in order and the conditions for them. Of several changes to one key the last one counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    changes: Vec<Change>,
    requirements: Vec<Requirement>,
}

impl Batch {
    /// Longest key in bytes.
    pub const MAX_KEY: usize = 1024;
    /// Longest value in bytes: a frame of the largest size.
    pub const MAX_VALUE: usize = super::frame::MAX_FRAME;
    /// Most changes in one batch.
    pub const MAX_CHANGES: usize = 100_000;

    /// An empty batch; committing it changes nothing and is no error.
    pub fn new() -> Batch {
        Batch::default()
    }

    /// The key has this value when the batch is committed.
    pub fn put(&mut self, keyspace: Keyspace, key: impl Into<Vec<u8>>, value: impl Into<Bytes>) -> &mut Batch {
        self.changes.push(Change::Put { keyspace, key: key.into(), value: value.into() });
        self
    }

    /// The key is gone when the batch is committed.
    pub fn delete(&mut self, keyspace: Keyspace, key: impl Into<Vec<u8>>) -> &mut Batch {
        self.changes.push(Change::Delete { keyspace, key: key.into() });
        self
    }

    /// The batch is refused with [`StoreError::Unmet`] unless this holds when it is committed. Conditions are checked in the order
    /// in which they were added, all against the state before the batch.
    pub fn require(&mut self, keyspace: Keyspace, key: impl Into<Vec<u8>>, expected: Expected) -> &mut Batch {
        self.requirements.push(Requirement { keyspace, key: key.into(), expected });
        self
    }

    /// Adds the changes and conditions of another batch behind these.
    pub fn append(&mut self, mut other: Batch) -> &mut Batch {
        self.changes.append(&mut other.changes);
        self.requirements.append(&mut other.requirements);
        self
    }

    /// The changes, in order.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The conditions, in order.
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    /// The same batch, its changes sorted by place, of several to one key the last alone.
    pub(super) fn in_order(self) -> Batch {
        Batch { changes: last_of_each(self.changes), requirements: self.requirements }
    }

    /// Whether nothing would change and nothing is required.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.requirements.is_empty()
    }

    /// Refuses what an engine would cut off or choke on.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let refuse = |what, length, limit| Err(StoreError::TooLarge { what, length, limit });
        if self.changes.len() > Self::MAX_CHANGES {
            return refuse("batch", self.changes.len(), Self::MAX_CHANGES);
        }
        for change in &self.changes {
            let (keyspace, key) = change.place();
            if key.is_empty() {
                return Err(StoreError::EmptyKey(keyspace));
            }
            if key.len() > Self::MAX_KEY {
                return refuse("key", key.len(), Self::MAX_KEY);
            }
            if keyspace.is_bucketed() && keyspace.bucket_of(key).is_none() {
                return Err(StoreError::NoBucket(keyspace));
            }
            if let Change::Put { value, .. } = change
                && value.len() > Self::MAX_VALUE
            {
                return refuse("value", value.len(), Self::MAX_VALUE);
            }
        }
        Ok(())
    }

    /// The changes that count, the last one of each key, sorted by place.
    pub(super) fn effective(&self) -> Vec<&Change> {
        last_of_each(self.changes.iter().collect())
    }
}

/// Of several changes to one key the last, sorted by place.
fn last_of_each<C: Borrow<Change>>(mut changes: Vec<C>) -> Vec<C> {
    // A stable sort keeps the order of changes to one key, so the last of a run of equals is the one that counts.
    changes.sort_by(|a, b| a.borrow().place().cmp(&b.borrow().place()));
    let mut kept: Vec<C> = Vec::with_capacity(changes.len());
    for change in changes {
        match kept.last_mut() {
            Some(last) if Borrow::<Change>::borrow(last).place() == change.borrow().place() => *last = change,
            _ => kept.push(change),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use super::*;

    #[test]
    fn the_last_change_of_a_key_counts() {
        let mut batch = Batch::new();
        batch.put(Keyspace::Meta, "a", "1").delete(Keyspace::Meta, "a").put(Keyspace::Refs, "a", "2");
        batch.put(Keyspace::Meta, "b", "1").put(Keyspace::Meta, "b", "3");

        let effective = batch.effective();

        assert_eq!(effective.len(), 3);
        assert!(effective.contains(&&Change::Delete { keyspace: Keyspace::Meta, key: b"a".to_vec() }));
        assert!(effective.contains(&&Change::Put {
            keyspace: Keyspace::Meta,
            key: b"b".to_vec(),
            value: Bytes::from("3")
        }));
    }

    #[test]
    fn what_an_engine_would_cut_off_is_refused() {
        let mut batch = Batch::new();
        batch.put(Keyspace::Meta, vec![0; Batch::MAX_KEY], Bytes::new());
        batch.check().unwrap();

        batch.put(Keyspace::Meta, vec![0; Batch::MAX_KEY + 1], Bytes::new());
        assert!(matches!(batch.check(), Err(StoreError::TooLarge { what: "key", .. })));

        let mut short = Batch::new();
        short.put(Keyspace::Dedupe, [1, 2, 3], Bytes::new());
        assert!(matches!(short.check(), Err(StoreError::NoBucket(Keyspace::Dedupe))));
    }
}
