//! What the tokens of one connection allow.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use crate::address::is_within;
use crate::settings::Right;

/// What a good token allows.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) rights: Vec<Right>,
    pub(crate) until: Timestamp,
}

/// The grants of one connection by path.
pub(crate) struct Grants {
    by_path: Mutex<HashMap<String, Grant>>,
    most: usize,
}

impl Grants {
    pub(crate) fn new(most: usize) -> Self {
        Grants { by_path: Mutex::default(), most }
    }

    /// Keeps a grant for a path and what lies below it. False: there are too many.
    pub(crate) fn keep(&self, path: &str, grant: Grant, now: Timestamp) -> bool {
        let mut by_path = self.by_path.lock().unwrap_or_else(PoisonError::into_inner);
        by_path.retain(|_, grant| now < grant.until);
        let path = path.to_ascii_lowercase();
        if by_path.len() >= self.most && !by_path.contains_key(&path) {
            return false;
        }
        by_path.insert(path, grant);
        true
    }

    /// Until when one of these rights is granted for a path; none: it is not.
    pub(crate) fn allow(&self, path: &str, rights: &[Right], now: Timestamp) -> Option<Timestamp> {
        let by_path = self.by_path.lock().unwrap_or_else(PoisonError::into_inner);
        let good = by_path.iter().filter(|(above, grant)| {
            now < grant.until
                && is_within(path, above)
                && grant.rights.iter().any(|right| *right == Right::Manage || rights.contains(right))
        });
        good.map(|(_, grant)| grant.until).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(rights: &[Right], until: i64) -> Grant {
        Grant { rights: rights.to_vec(), until: Timestamp::constant(until, 0) }
    }

    #[test]
    fn a_grant_covers_what_lies_below_its_path_until_it_ends() {
        let (grants, now) = (Grants::new(2), Timestamp::constant(100, 0));
        assert!(grants.keep("Events", grant(&[Right::Listen], 200), now));
        let read = "events/ConsumerGroups/$Default/Partitions/0";
        assert!(grants.allow(read, &[Right::Listen], now).is_some());
        assert!(grants.allow(read, &[Right::Send], now).is_none());
        assert!(grants.allow("others", &[Right::Listen], now).is_none());
        assert!(grants.allow(read, &[Right::Listen], Timestamp::constant(200, 0)).is_none());
        assert!(grants.keep("more", grant(&[Right::Manage], 200), now));
        assert!(grants.allow("more", &[Right::Send], now).is_some());
        assert!(!grants.keep("too many", grant(&[], 200), now));
    }
}
