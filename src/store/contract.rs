//! What an engine offers. Every engine passes the same suite, `conformance.rs`.

use std::ops::Bound;

use bytes::Bytes;

use super::batch::Batch;
use super::error::StoreError;
use super::keyspace::{Bucket, Keyspace};

/// Ordered keys in a few keyspaces, and one atomic durable batch.
///
/// Reads see every batch whose `commit` has returned. There are no transactions across reads: whoever needs to write only if
/// something is still so says it with [`Batch::require`]. Calls block; whoever is async calls from a thread that may.
pub trait Store: Send + Sync {
    /// The value of a key.
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>, StoreError>;

    /// Whether the key exists, without fetching its value where the engine can.
    fn contains(&self, keyspace: Keyspace, key: &[u8]) -> Result<bool, StoreError> {
        Ok(self.get(keyspace, key)?.is_some())
    }

    /// Up to `limit` pairs between the bounds, in the order of their keys. Bounds that exclude everything give nothing.
    fn range(
        &self,
        keyspace: Keyspace,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, StoreError>;

    /// The pair with the highest key.
    fn last(&self, keyspace: Keyspace) -> Result<Option<(Bytes, Bytes)>, StoreError>;

    /// Makes the changes of the batch true together, if all its requirements hold. When it returns `Ok` they survive a power cut; when
    /// it returns an error other than [`StoreError::Unavailable`] nothing changed.
    fn commit(&self, batch: &Batch) -> Result<(), StoreError>;

    /// Forgets all keys of a bucketed keyspace in buckets below `bucket`, in time that does not depend on how many there are. Returns
    /// how many buckets went.
    fn drop_before(&self, keyspace: Keyspace, bucket: Bucket) -> Result<u64, StoreError>;

    /// Makes deletions physical: when it returns `Ok`, no value of the keyspace that was deleted or replaced before stands in any file of
    /// the store. For erasures, with [`Keyspace::Keys`] and [`Keyspace::Vault`]; commits and reads wait meanwhile, for about as long as a restart
    /// takes.
    fn scrub(&self, keyspace: Keyspace) -> Result<(), StoreError>;
}

/// Whether two bounds leave room for any key; engines panic or misbehave on some that do not.
pub(super) fn is_empty_range(from: Bound<&[u8]>, to: Bound<&[u8]>) -> bool {
    match (from, to) {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(from), Bound::Included(to)) => from > to,
        (Bound::Included(from) | Bound::Excluded(from), Bound::Included(to) | Bound::Excluded(to)) => from >= to,
    }
}
