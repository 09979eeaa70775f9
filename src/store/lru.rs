//! A map that forgets what was not used for longest.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// At most `capacity` entries; the least recently used goes first.
pub(super) struct Lru<K, V> {
    capacity: usize,
    clock: u64,
    entries: HashMap<K, (u64, V)>,
    by_use: BTreeMap<u64, K>,
}

impl<K: Copy + Eq + Hash, V> Lru<K, V> {
    /// An empty one; a capacity of 0 keeps nothing.
    pub(super) fn new(capacity: usize) -> Lru<K, V> {
        Lru { capacity, clock: 0, entries: HashMap::new(), by_use: BTreeMap::new() }
    }

    pub(super) fn get(&mut self, key: &K) -> Option<&V> {
        let (used, value) = self.entries.get_mut(key)?;
        self.clock += 1;
        self.by_use.remove(used);
        self.by_use.insert(self.clock, *key);
        *used = self.clock;
        Some(value)
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        if self.capacity == 0 {
            return;
        }
        self.remove(&key);
        if self.entries.len() == self.capacity
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            self.entries.remove(&oldest);
        }
        self.clock += 1;
        self.by_use.insert(self.clock, key);
        self.entries.insert(key, (self.clock, value));
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        let (used, value) = self.entries.remove(key)?;
        self.by_use.remove(&used);
        Some(value)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_goes_first() {
        let mut lru = Lru::new(2);
        lru.insert(1, "a");
        lru.insert(2, "b");
        assert_eq!(lru.get(&1), Some(&"a"));
        lru.insert(3, "c");
        assert_eq!(lru.get(&1), Some(&"a"));
        assert_eq!(lru.get(&2), None);
        assert_eq!(lru.get(&3), Some(&"c"));
        assert_eq!(lru.remove(&1), Some("a"));
        assert_eq!(lru.remove(&1), None);
        assert_eq!(lru.len(), 1);
    }

    proptest::proptest! {
        #[test]
        fn it_never_grows_past_its_capacity(capacity in 0usize..5, uses in proptest::collection::vec((0u8..10, proptest::bool::ANY), 0..100)) {
            let mut lru = Lru::new(capacity);
            for (key, insert) in uses {
                if insert {
                    lru.insert(key, key);
                } else if let Some(found) = lru.get(&key) {
                    assert_eq!(*found, key);
                }
                assert!(lru.len() <= capacity);
                assert_eq!(lru.entries.len(), lru.by_use.len());
            }
        }
    }
}
