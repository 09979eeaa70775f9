//! The sessions that are open: one for each bot, alias, locale and session id.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::dialog::Remembered;
use super::errors::Refused;

/// Bot id, alias id, locale id, session id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    pub(super) bot: String,
    pub(super) alias: String,
    pub(super) locale: String,
    pub(super) session: String,
}

/// The sessions. Clones share them. When there are too many, those go first that were used longest ago.
#[derive(Clone)]
pub(super) struct Sessions {
    table: Arc<Mutex<HashMap<Key, Entry>>>,
    most: usize,
}

#[derive(Default)]
struct Entry {
    /// None until the first turn is over.
    remembered: Option<Remembered>,
    /// A request works on it.
    busy: bool,
    used_at: Timestamp,
    /// Real time.
    idle: Duration,
}

impl Entry {
    fn is_over(&self, now: Timestamp) -> bool {
        let idle = Duration::try_from(now.duration_since(self.used_at)).unwrap_or_default();
        !self.busy && idle >= self.idle
    }
}

/// A session that one request works on; another one for it is a conflict meanwhile. Dropped without [`Held::keep`], it
/// is as before.
pub(super) struct Held {
    sessions: Sessions,
    key: Key,
}

impl Sessions {
    pub(super) fn new(most: usize) -> Self {
        Self { table: Arc::default(), most: most.max(1) }
    }

    /// Takes a session for one request, and what is remembered of it; nothing is for one that is new or over.
    ///
    /// # Errors
    /// ConflictException while another request has it; ThrottlingException when there are too many, all in use.
    pub(super) fn hold(
        &self,
        key: &Key,
        idle: Duration,
        now: Timestamp,
    ) -> Result<(Held, Option<Remembered>), Refused> {
        let mut table = self.table();
        if !table.contains_key(key) && table.len() >= self.most {
            make_room(&mut table, self.most, now)?;
        }
        let entry = table.entry(key.clone()).or_default();
        if entry.busy {
            return Err(Refused::conflict());
        }
        if entry.remembered.is_some() && entry.is_over(now) {
            entry.remembered = None;
        }
        (entry.busy, entry.idle) = (true, idle);
        let remembered = entry.remembered.clone();
        Ok((Held { sessions: self.clone(), key: key.clone() }, remembered))
    }

    /// What is remembered of a session that is not over.
    pub(super) fn read(&self, key: &Key, now: Timestamp) -> Option<Remembered> {
        self.table().get(key).filter(|entry| !entry.is_over(now)).and_then(|entry| entry.remembered.clone())
    }

    /// The sessions that are not over, in the order of their keys.
    pub(super) fn list(&self, now: Timestamp) -> Vec<(Key, Remembered)> {
        let table = self.table();
        let open = table.iter().filter(|(_, entry)| !entry.is_over(now));
        let mut open: Vec<_> = open.filter_map(|(key, entry)| Some((key.clone(), entry.remembered.clone()?))).collect();
        drop(table);
        open.sort_by(|(one, _), (two, _)| one.cmp(two));
        open
    }

    fn table(&self) -> MutexGuard<'_, HashMap<Key, Entry>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// The turn is over and this is what is remembered from now on.
    pub(super) fn keep(self, remembered: Remembered, now: Timestamp) {
        if let Some(entry) = self.sessions.table().get_mut(&self.key) {
            (entry.remembered, entry.used_at) = (Some(remembered), now);
        }
    }

    /// The session is no more.
    pub(super) fn forget(self) {
        if let Some(entry) = self.sessions.table().get_mut(&self.key) {
            entry.remembered = None;
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut table = self.sessions.table();
        match table.get_mut(&self.key) {
            Some(entry) if entry.remembered.is_some() => entry.busy = false,
            _ => drop(table.remove(&self.key)),
        }
    }
}

/// Drops what is over; when nothing is, what was used longest ago.
fn make_room(table: &mut HashMap<Key, Entry>, most: usize, now: Timestamp) -> Result<(), Refused> {
    table.retain(|_, entry| !entry.is_over(now));
    if table.len() < most {
        return Ok(());
    }
    let idle = table.iter().filter(|(_, entry)| !entry.busy);
    let oldest = idle.min_by_key(|(_, entry)| entry.used_at).map(|(key, _)| key.clone());
    table.remove(&oldest.ok_or_else(Refused::throttled)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use super::*;

    const IDLE: Duration = Duration::from_secs(300);

    fn key(session: &str) -> Key {
        Key { bot: "b".to_owned(), alias: "a".to_owned(), locale: "en_US".to_owned(), session: session.to_owned() }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn keep(sessions: &Sessions, session: &str, now: i64) {
        sessions.hold(&key(session), IDLE, at(now)).unwrap().0.keep(Remembered::default(), at(now));
    }

    #[test]
    fn a_session_is_over_when_nobody_used_it_for_the_idle_time() {
        let sessions = Sessions::new(10);
        keep(&sessions, "one", 0);
        assert!(sessions.read(&key("one"), at(299)).is_some());
        assert!(sessions.read(&key("one"), at(300)).is_none());
        assert!(sessions.hold(&key("one"), IDLE, at(300)).unwrap().1.is_none());
    }

    #[test]
    fn the_session_that_was_used_longest_ago_makes_room_but_never_one_in_use() {
        let sessions = Sessions::new(2);
        keep(&sessions, "one", 0);
        keep(&sessions, "two", 1);
        let (held, _) = sessions.hold(&key("one"), IDLE, at(2)).unwrap();
        keep(&sessions, "three", 3);
        let names: Vec<String> = sessions.list(at(4)).into_iter().map(|(key, _)| key.session).collect();
        assert_eq!(names, ["one", "three"]);
        let (other, _) = sessions.hold(&key("three"), IDLE, at(5)).unwrap();
        assert_eq!(sessions.hold(&key("four"), IDLE, at(5)).err().unwrap().code, "ThrottlingException");
        drop((held, other));
        assert!(sessions.hold(&key("four"), IDLE, at(6)).is_ok());
    }

    #[test]
    fn a_request_that_fails_leaves_the_session_as_it_was() {
        let sessions = Sessions::new(2);
        let (held, before) = sessions.hold(&key("one"), IDLE, at(0)).unwrap();
        assert!(before.is_none());
        assert_eq!(sessions.hold(&key("one"), IDLE, at(0)).err().unwrap().code, "ConflictException");
        drop(held);
        assert!(sessions.list(at(0)).is_empty());
        keep(&sessions, "one", 1);
        drop(sessions.hold(&key("one"), IDLE, at(2)).unwrap());
        assert!(sessions.read(&key("one"), at(3)).is_some());
    }
}
