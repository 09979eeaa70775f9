//! Secrets that must be kept for a while: participant tokens, connection tokens, unsubscribe addresses.
//!
//! Records name a secret; the value is here alone, sealed under its owner's key, and deleted when it has served. Erasing the owner makes it
//! unreadable like everything else of theirs. Nothing prints a value.

use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::batch::Batch;
use super::contract::Store;
use super::error::StoreError;
use super::keys::{KeyError, Keys};
use super::keyspace::Keyspace;
use super::rows::secret::{SecretKey, SecretRow};
use super::seal::{Part, Place, Sealed};
use super::subject::SubjectId;

/// Names a secret: 1 to 200 bytes of printable ASCII, such as `leg/0197…/participant-token`. Not secret itself, not personal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretName(String);

impl SecretName {
    /// Checks a name.
    pub fn new(name: &str) -> Option<SecretName> {
        let is_printable = name.bytes().all(|byte| (0x20..0x7f).contains(&byte));
        ((1..=200).contains(&name.len()) && is_printable).then(|| SecretName(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A secret's value. Wiped when dropped, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// The value, for the one line that needs it.
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("secret")
    }
}

/// The secrets of a store.
pub struct Vault {
    store: Arc<dyn Store>,
    keys: Arc<Keys>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault")
    }
}

impl Vault {
    /// The vault of a store, sealed under these keys (which must be of the same store).
    pub fn new(store: Arc<dyn Store>, keys: Arc<Keys>) -> Vault {
        Vault { store, keys }
    }

    /// Keeps a secret, in place of an earlier one of that name, when the batch is committed. `owner` is the subject it belongs to, or
    /// [`SubjectId::HOUSE`]. From `expires_at` on it is not given out and [`expire`](Vault::expire) deletes it; without, somebody has to.
    pub fn put(
        &self,
        name: &SecretName,
        owner: SubjectId,
        value: &[u8],
        expires_at: Option<jiff::Timestamp>,
        batch: &mut Batch,
    ) -> Result<(), KeyError> {
        self.forget_expiry(name, batch)?;
        let key = SecretKey::Secret(name.clone()).encode();
        let mut sealed = Vec::new();
        self.keys.seal(&mut sealed, owner, Place::Row { keyspace: Keyspace::Vault, key: &key }, value, batch)?;
        let expires_at = expires_at.map_or(u64::MAX, millisecond);
        if expires_at != u64::MAX {
            batch.put(Keyspace::Vault, SecretKey::Expiry(expires_at, name.clone()).encode(), Vec::new());
        }
        batch.put(Keyspace::Vault, key, SecretRow { expires_at, sealed: &sealed }.encode());
        Ok(())
    }

    /// A secret; `None` when there is none of that name, its time is over or its owner was erased.
    pub fn get(&self, name: &SecretName, now: jiff::Timestamp) -> Result<Option<SecretBytes>, KeyError> {
        Ok(self.find(name, now)?.map(|(secret, _)| secret))
    }

    /// A secret as [`get`](Vault::get) gives it, and until when it is given out, where that was said.
    pub fn find(
        &self,
        name: &SecretName,
        now: jiff::Timestamp,
    ) -> Result<Option<(SecretBytes, Option<jiff::Timestamp>)>, KeyError> {
        let key = SecretKey::Secret(name.clone()).encode();
        let Some(value) = self.store.get(Keyspace::Vault, &key)? else { return Ok(None) };
        let row = SecretRow::decode(&value).ok_or_else(|| malformed(name))?;
        if row.expires_at <= millisecond(now) {
            return Ok(None);
        }
        let (part, _) = Part::split(row.sealed)?;
        match self.keys.open_part(&part, Place::Row { keyspace: Keyspace::Vault, key: &key })? {
            Sealed::Text(text) => Ok(Some((SecretBytes(text), moment(row.expires_at)))),
            Sealed::Gone => Ok(None),
        }
    }

    /// Deletes a secret when the batch is committed; one that is not there is fine.
    pub fn delete(&self, name: &SecretName, batch: &mut Batch) -> Result<(), KeyError> {
        self.forget_expiry(name, batch)?;
        batch.delete(Keyspace::Vault, SecretKey::Secret(name.clone()).encode());
        Ok(())
    }

    /// Deletes in this batch up to `limit` secrets whose time is over. Returns how many entries it looked at; fewer than `limit`
    /// means that nothing is left to do.
    pub fn expire(&self, now: jiff::Timestamp, limit: usize, batch: &mut Batch) -> Result<usize, KeyError> {
        let end = [b"e".as_slice(), &millisecond(now).saturating_add(1).to_be_bytes()].concat();
        let due = self.store.range(Keyspace::Vault, Bound::Included(b"e"), Bound::Excluded(&end), limit)?;
        for (key, _) in &due {
            batch.delete(Keyspace::Vault, key.as_ref());
            let Some(SecretKey::Expiry(at, name)) = SecretKey::decode(key) else { continue };
            let secret = SecretKey::Secret(name).encode();
            let row = self.store.get(Keyspace::Vault, &secret)?;
            if row.as_deref().and_then(SecretRow::decode).is_some_and(|row| row.expires_at == at) {
                batch.delete(Keyspace::Vault, secret);
            }
        }
        Ok(due.len())
    }

    /// Deletes the expiry entry of what is stored under the name now.
    fn forget_expiry(&self, name: &SecretName, batch: &mut Batch) -> Result<(), KeyError> {
        let row = self.store.get(Keyspace::Vault, &SecretKey::Secret(name.clone()).encode())?;
        if let Some(row) = row.as_deref().and_then(SecretRow::decode)
            && row.expires_at != u64::MAX
        {
            batch.delete(Keyspace::Vault, SecretKey::Expiry(row.expires_at, name.clone()).encode());
        }
        Ok(())
    }
}

fn millisecond(at: jiff::Timestamp) -> u64 {
    u64::try_from(at.as_millisecond()).unwrap_or(0)
}

fn moment(millisecond: u64) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_millisecond(i64::try_from(millisecond).ok()?).ok()
}

fn malformed(name: &SecretName) -> KeyError {
    KeyError::Store(StoreError::damaged(format!("secret {name} is malformed")))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use super::*;
    use crate::store::{MasterKey, MasterKeys, Memory, SeededEntropy};

    const ANN: SubjectId = SubjectId([1; 16]);

    fn vault() -> Vault {
        let store: Arc<dyn Store> = Arc::new(Memory::new());
        let masters = MasterKeys::new(MasterKey::new(Zeroizing::new([1; 32])), vec![]);
        let keys = Keys::open(Arc::clone(&store), masters, Arc::new(SeededEntropy::new(1)), 10).unwrap();
        Vault::new(store, Arc::new(keys))
    }

    fn commit(vault: &Vault, fill: impl FnOnce(&mut Batch)) {
        let mut batch = Batch::new();
        fill(&mut batch);
        vault.store.commit(&batch).unwrap();
        vault.keys.settle(true);
    }

    fn name(text: &str) -> SecretName {
        SecretName::new(text).unwrap()
    }

    fn at(second: i64) -> jiff::Timestamp {
        jiff::Timestamp::from_second(second).unwrap()
    }

    fn rows(vault: &Vault) -> usize {
        vault.store.range(Keyspace::Vault, Bound::Unbounded, Bound::Unbounded, 100).unwrap().len()
    }

    #[test]
    fn a_secret_is_given_back_until_it_is_deleted() {
        let vault = vault();
        commit(&vault, |batch| vault.put(&name("a"), ANN, b"token-1", None, batch).unwrap());
        commit(&vault, |batch| vault.put(&name("b"), SubjectId::HOUSE, b"token-2", Some(at(50)), batch).unwrap());
        assert_eq!(vault.get(&name("a"), at(10)).unwrap().unwrap().reveal(), b"token-1");
        assert_eq!(vault.get(&name("b"), at(10)).unwrap().unwrap().reveal(), b"token-2");
        assert_eq!(vault.get(&name("c"), at(10)).unwrap(), None);

        commit(&vault, |batch| vault.delete(&name("a"), batch).unwrap());
        commit(&vault, |batch| vault.delete(&name("b"), batch).unwrap());
        assert_eq!(vault.get(&name("a"), at(10)).unwrap(), None);
        assert_eq!(rows(&vault), 0);
    }

    #[test]
    fn a_secret_is_not_given_out_past_its_time_and_then_deleted() {
        let vault = vault();
        commit(&vault, |batch| vault.put(&name("a"), ANN, b"x", Some(at(100)), batch).unwrap());
        commit(&vault, |batch| vault.put(&name("b"), ANN, b"y", Some(at(200)), batch).unwrap());
        let (_, until) = vault.find(&name("a"), at(99)).unwrap().unwrap();
        assert_eq!(until, Some(at(100)));
        assert!(vault.get(&name("a"), at(100)).unwrap().is_none());

        commit(&vault, |batch| assert_eq!(vault.expire(at(100), 10, batch).unwrap(), 1));
        assert_eq!(rows(&vault), 2);
        assert!(vault.get(&name("b"), at(100)).unwrap().is_some());
    }

    #[test]
    fn a_secret_written_again_lives_to_its_new_time() {
        let vault = vault();
        commit(&vault, |batch| vault.put(&name("a"), ANN, b"x", Some(at(100)), batch).unwrap());
        commit(&vault, |batch| {
            // Twice in one batch leaves a stale expiry entry behind; it must not take the secret with it.
            vault.put(&name("a"), ANN, b"y", Some(at(150)), batch).unwrap();
            vault.put(&name("a"), ANN, b"z", Some(at(300)), batch).unwrap();
        });
        commit(&vault, |batch| assert_eq!(vault.expire(at(200), 10, batch).unwrap(), 1));
        assert_eq!(vault.get(&name("a"), at(200)).unwrap().unwrap().reveal(), b"z");
        assert_eq!(rows(&vault), 2);
    }

    #[test]
    fn a_destroyed_owner_takes_the_secret_along() {
        let vault = vault();
        commit(&vault, |batch| vault.put(&name("a"), ANN, b"x", None, batch).unwrap());
        commit(&vault, |batch| vault.keys.destroy(ANN, batch).unwrap());
        assert_eq!(vault.get(&name("a"), at(1)).unwrap(), None);
    }

    #[test]
    fn nothing_of_a_secret_is_printed_or_stored_in_plain() {
        let vault = vault();
        commit(&vault, |batch| vault.put(&name("a"), ANN, b"canary-token", None, batch).unwrap());
        let given = vault.get(&name("a"), at(1)).unwrap().unwrap();
        assert_eq!(format!("{given:?}"), "secret");
        assert!(!format!("{vault:?}").contains("canary"));
        for keyspace in Keyspace::ALL {
            for (key, value) in vault.store.range(keyspace, Bound::Unbounded, Bound::Unbounded, 100).unwrap() {
                let holds = |bytes: &[u8]| bytes.windows(6).any(|window| window == b"canary");
                assert!(!holds(&key) && !holds(&value), "{keyspace}");
            }
        }
    }
}
