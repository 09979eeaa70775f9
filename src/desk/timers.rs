//! Timers by due time. Memory only; the aggregates hold them, so a restart finds them again.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::interactions::Owner;

/// The timers.
#[derive(Default)]
pub(super) struct Timers {
    due: BTreeSet<(Timestamp, Owner, String)>,
    set: BTreeMap<(Owner, String), Timestamp>,
}

impl Timers {
    pub(super) fn set(&mut self, owner: Owner, name: &str, due: Option<Timestamp>) {
        let key = (owner, name.to_owned());
        if let Some(before) = self.set.remove(&key) {
            self.due.remove(&(before, owner, name.to_owned()));
        }
        if let Some(due) = due {
            self.due.insert((due, owner, name.to_owned()));
            self.set.insert(key, due);
        }
    }

    pub(super) fn next(&self) -> Option<Timestamp> {
        self.due.first().map(|(due, _, _)| *due)
    }

    pub(super) fn take_due(&mut self, now: Timestamp) -> Option<(Timestamp, Owner, String)> {
        let first = self.due.first().filter(|(due, _, _)| *due <= now)?.clone();
        self.set(first.1, &first.2, None);
        Some(first)
    }

    pub(super) fn clear(&mut self) {
        self.due.clear();
        self.set.clear();
    }
}
