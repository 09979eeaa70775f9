//! The lookup itself: the one place of this room that waits.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tandem_sdk::doors::Lookup;
use tandem_sdk::error::ErrorKind;
use tandem_sdk::model::{IdKey, Identity, InstanceName};
use tandem_sdk::problem::Problem;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

use super::answer::{Answer, Late, Missing};
use super::breaker::{Breaker, Passage};
use super::cache::{Cache, CacheKey};
use super::settings::Settings;

/// Knows who customers are. Clones share cache and breakers.
#[derive(Clone)]
pub struct Profiles(Arc<Room>);

struct Room {
    settings: Settings,
    doors: Vec<Door>,
    key: IdKey,
    cache: Mutex<Cache>,
    places: Arc<Semaphore>,
}

struct Door {
    name: InstanceName,
    lookup: Arc<dyn Lookup>,
    breaker: Mutex<Breaker>,
}

/// Stands where no door is being asked.
const NO_DOOR: usize = usize::MAX;

impl Profiles {
    /// Opens the room over every configured adapter that can be asked.
    ///
    /// # Errors
    /// Every value of the settings that is out of range, and every name in `ask` that is no such adapter.
    pub fn new(
        settings: Settings,
        mut doors: BTreeMap<InstanceName, Arc<dyn Lookup>>,
        key: IdKey,
    ) -> Result<Self, Vec<Problem>> {
        let mut problems = settings.problems();
        let mut ordered = Vec::new();
        let known: Vec<String> = doors.keys().map(ToString::to_string).collect();
        for name in &settings.ask {
            match doors.remove(name) {
                Some(lookup) => ordered.push((name.clone(), lookup)),
                None => {
                    let expected = format!("each once, of the adapters that know profiles: {}", known.join(", "));
                    problems.push(Problem::new("profiles.unknown_instance", "profiles.ask", name.0.clone(), expected));
                }
            }
        }
        if settings.ask.is_empty() {
            ordered.extend(doors);
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let doors = ordered.into_iter().map(|(name, lookup)| {
            let breaker = Mutex::new(Breaker::new(&settings.breaker));
            Door { name, lookup, breaker }
        });
        Ok(Profiles(Arc::new(Room {
            doors: doors.collect(),
            key,
            cache: Mutex::new(Cache::new(&settings.cache)),
            places: Arc::new(Semaphore::new(settings.in_flight)),
            settings,
        })))
    }

    /// Looks a customer up. The answer is there within the deadline, whatever the doors do. When the deadline was what
    /// ended the wait, the second value is the answer that is still to come; it goes on only while somebody awaits it.
    ///
    /// `now` is the time at the call; what happens later is reckoned from it.
    pub async fn lookup(&self, identities: &[Identity], now: Timestamp) -> (Answer, Option<Late>) {
        let room = &self.0;
        if room.doors.is_empty() {
            return (Answer::Missing(Missing::NotConfigured), None);
        }
        let identities = self.askable(identities);
        if identities.is_empty() {
            return (Answer::Missing(Missing::NoIdentity), None);
        }
        let key = CacheKey::of(&room.key, &identities);
        if let Some(answer) = room.cache().get(key, now) {
            return (answer.cloned().map_or(Answer::Unknown, Answer::Found), None);
        }
        let Ok(place) = Arc::clone(&room.places).try_acquire_owned() else {
            return (Answer::Missing(Missing::Unavailable), None);
        };
        let clock = Clock { now, started: Instant::now() };
        let asking = Arc::new(AtomicUsize::new(NO_DOOR));
        let mut walk = Box::pin(Arc::clone(room).walk(identities, key, clock, Arc::clone(&asking), place));
        if let Ok(answer) = timeout(room.settings.deadline, &mut walk).await {
            return (answer, None);
        }
        // The door that is being asked now is the one that was too slow.
        if let Some(slow) = room.doors.get(asking.swap(NO_DOOR, Ordering::Relaxed)) {
            slow.failed(clock.now());
        }
        let end = clock.started + room.settings.late;
        let late = async move { timeout_at(end, walk).await.unwrap_or(Answer::Missing(Missing::Unavailable)) };
        (Answer::Missing(Missing::Deadline), Some(Box::pin(late)))
    }

    /// Forgets everybody: an answer is found by all identities of a person together, and whoever erases them may name any.
    pub fn forget(&self) {
        self.0.cache().clear();
    }

    /// The doors that are left alone at present.
    pub fn barred(&self) -> Vec<InstanceName> {
        let barred = self.0.doors.iter().filter(|door| !door.breaker().is_closed());
        barred.map(|door| door.name.clone()).collect()
    }

    fn askable(&self, identities: &[Identity]) -> Vec<Identity> {
        let claims = self.0.settings.ask_about_claims;
        let has_value = |identity: &Identity| identity.value.reveal().is_some_and(|value| !value.is_empty());
        identities.iter().filter(|identity| (identity.verified || claims) && has_value(identity)).cloned().collect()
    }
}

impl fmt::Debug for Profiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let doors: Vec<&str> = self.0.doors.iter().map(|door| door.name.0.as_str()).collect();
        f.debug_struct("Profiles").field("doors", &doors).finish_non_exhaustive()
    }
}

/// The time, reckoned from one reading of the wall clock.
#[derive(Clone, Copy)]
struct Clock {
    now: Timestamp,
    started: Instant,
}

impl Clock {
    fn now(self) -> Timestamp {
        let elapsed = SignedDuration::try_from(self.started.elapsed()).unwrap_or(SignedDuration::MAX);
        self.now.checked_add(elapsed).unwrap_or(Timestamp::MAX)
    }
}

impl Room {
    /// Asks door after door. `asking` says which one, until somebody else has told its breaker that it is too slow.
    async fn walk(
        self: Arc<Self>,
        identities: Vec<Identity>,
        key: CacheKey,
        clock: Clock,
        asking: Arc<AtomicUsize>,
        _place: OwnedSemaphorePermit,
    ) -> Answer {
        let mut missing = None;
        for (place, door) in self.doors.iter().enumerate() {
            if door.breaker().pass(clock.now()) == Passage::Barred {
                missing = missing.or(Some(Missing::BreakerOpen));
                continue;
            }
            asking.store(place, Ordering::Relaxed);
            let result = door.lookup.lookup(&identities).await;
            let in_time = asking.swap(NO_DOOR, Ordering::Relaxed) == place;
            match result {
                Ok(Some(profile)) => {
                    door.answered(in_time);
                    self.cache().put(key, Some(profile.clone()), clock.now());
                    return Answer::Found(profile);
                }
                Ok(None) => door.answered(in_time),
                // The door works; it does not know them, or not by these identities.
                Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::Unsupported) => {
                    door.answered(in_time);
                }
                Err(error) => {
                    tracing::warn!(adapter.name = %door.name, %error, "profile lookup failed");
                    missing = Some(Missing::Unavailable);
                    if in_time {
                        door.failed(clock.now());
                    }
                }
            }
        }
        missing.map_or_else(
            || {
                self.cache().put(key, None, clock.now());
                Answer::Unknown
            },
            Answer::Missing,
        )
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        // Every change of the cache is whole, so a panic elsewhere does not spoil it.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Door {
    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answered(&self, in_time: bool) {
        if in_time {
            self.breaker().succeeded();
        }
    }

    fn failed(&self, now: Timestamp) {
        if self.breaker().failed(now) {
            tracing::warn!(adapter.name = %self.name, "profile lookups fail too often; it is left alone for a while");
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use std::collections::VecDeque;

    use tandem_sdk::doors::Answer as Asked;
    use tandem_sdk::error::AdapterError;
    use tandem_sdk::model::{IdentityKind, Personal, Profile};
    use tokio::sync::Notify;

    use super::*;

    /// A door that does what its script says, and counts.
    #[derive(Default)]
    struct Scripted {
        script: Mutex<VecDeque<Move>>,
        asked: AtomicUsize,
        release: Notify,
    }

    enum Move {
        Gives(Result<Option<&'static str>, ErrorKind>),
        /// Waits until the test releases it.
        Waits(Result<Option<&'static str>, ErrorKind>),
    }
    use Move::{Gives, Waits};

    impl Scripted {
        fn new(script: Vec<Move>) -> Arc<Self> {
            Arc::new(Scripted { script: Mutex::new(script.into()), ..Scripted::default() })
        }
        fn asked(&self) -> usize {
            self.asked.load(Ordering::Relaxed)
        }
    }

    impl Lookup for Scripted {
        fn lookup<'a>(&'a self, _: &'a [Identity]) -> Asked<'a, Result<Option<Profile>, AdapterError>> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let next = self.script.lock().unwrap().pop_front();
            Box::pin(async move {
                let result = match next {
                    Some(Gives(result)) => result,
                    Some(Waits(result)) => {
                        self.release.notified().await;
                        result
                    }
                    None => std::future::pending().await,
                };
                result.map(|id| id.map(profile)).map_err(|kind| AdapterError::new(kind, "GET profile", "scripted"))
            })
        }
    }

    fn profile(id: &str) -> Profile {
        Profile { id: Personal::new(id), ..Profile::default() }
    }

    fn found(id: &str) -> Answer {
        Answer::Found(profile(id))
    }

    fn anna() -> Vec<Identity> {
        let value = Personal::new("C-1001");
        vec![Identity { kind: IdentityKind::Customer, value, source: "caller".to_owned(), verified: true }]
    }

    fn now() -> Timestamp {
        "2026-03-02T09:00:00Z".parse().unwrap()
    }

    fn settings(toml: &str) -> Settings {
        toml::from_str(toml).unwrap()
    }

    fn room(settings_: &str, doors: &[&Arc<Scripted>]) -> Profiles {
        let doors = doors.iter().enumerate().map(|(place, door)| {
            let door: Arc<dyn Lookup> = Arc::<Scripted>::clone(door);
            (InstanceName(format!("cdp-{place}")), door)
        });
        Profiles::new(settings(settings_), doors.collect(), IdKey::new(b"k")).unwrap()
    }

    #[tokio::test]
    async fn doors_are_asked_in_order_until_one_knows() {
        let (first, second) = (Scripted::new(vec![Gives(Ok(None))]), Scripted::new(vec![Gives(Ok(Some("7")))]));
        let third = Scripted::new(vec![]);
        let profiles = room("deadline = '5s'", &[&first, &second, &third]);
        let (answer, late) = profiles.lookup(&anna(), now()).await;
        assert_eq!((answer, late.is_none()), (found("7"), true));
        assert_eq!((first.asked(), second.asked(), third.asked()), (1, 1, 0));
    }

    #[tokio::test]
    async fn an_answer_is_remembered_and_so_is_that_nobody_knows_them() {
        let door = Scripted::new(vec![Gives(Ok(Some("7"))), Gives(Ok(Some("8")))]);
        let profiles = room("deadline = '5s'", &[&door]);
        for expected in ["7", "7"] {
            assert_eq!(profiles.lookup(&anna(), now()).await.0, found(expected));
        }
        profiles.forget();
        assert_eq!(profiles.lookup(&anna(), now()).await.0, found("8"));
        assert_eq!(door.asked(), 2);

        let door = Scripted::new(vec![Gives(Ok(None)), Gives(Err(ErrorKind::NotFound))]);
        let profiles = room("deadline = '5s'", &[&door]);
        for second in [0, 29, 31] {
            let now = now() + SignedDuration::from_secs(second);
            assert_eq!(profiles.lookup(&anna(), now).await.0, Answer::Unknown);
        }
        assert_eq!(door.asked(), 2);
    }

    #[tokio::test]
    async fn what_failed_is_not_remembered_and_not_called_unknown() {
        let broken = Scripted::new(vec![Gives(Err(ErrorKind::Unavailable)), Gives(Ok(Some("7")))]);
        let empty = Scripted::new(vec![Gives(Ok(None))]);
        let profiles = room("deadline = '5s'", &[&broken, &empty]);
        assert_eq!(profiles.lookup(&anna(), now()).await.0, Answer::Missing(Missing::Unavailable));
        assert_eq!(profiles.lookup(&anna(), now()).await.0, found("7"));
    }

    #[tokio::test]
    async fn a_slow_door_misses_the_deadline_and_its_answer_still_arrives() {
        let door = Scripted::new(vec![Waits(Ok(Some("7")))]);
        let profiles = room("deadline = '20ms'\nlate = '60s'", &[&door]);
        let (answer, late) = profiles.lookup(&anna(), now()).await;
        assert_eq!(answer, Answer::Missing(Missing::Deadline));
        door.release.notify_one();
        assert_eq!(late.unwrap().await, found("7"));
        assert_eq!(profiles.lookup(&anna(), now()).await.0, found("7"));
        assert_eq!(door.asked(), 1);
    }

    #[tokio::test]
    async fn a_door_that_hangs_gives_up_its_place_in_the_end() {
        let door = Scripted::new(vec![]);
        let profiles = room("deadline = '10ms'\nlate = '30ms'\nin_flight = 1", &[&door]);
        let (_, late) = profiles.lookup(&anna(), now()).await;
        assert_eq!(profiles.lookup(&anna(), now()).await.0, Answer::Missing(Missing::Unavailable));
        assert_eq!(late.unwrap().await, Answer::Missing(Missing::Unavailable));
        assert_eq!(profiles.lookup(&anna(), now()).await.0, Answer::Missing(Missing::Deadline));
    }

    #[tokio::test]
    async fn slowness_opens_the_breaker_and_a_trial_closes_it() {
        let door = Scripted::new(vec![Waits(Ok(Some("late"))), Waits(Ok(None)), Gives(Ok(Some("7")))]);
        let profiles = room("deadline = '10ms'\n[breaker]\nfailures = 2\nopen = '10s'\n[cache]\nentries = 0", &[&door]);
        for _ in 0..2 {
            assert_eq!(profiles.lookup(&anna(), now()).await.0, Answer::Missing(Missing::Deadline));
        }
        assert_eq!(profiles.lookup(&anna(), now()).await.0, Answer::Missing(Missing::BreakerOpen));
        assert_eq!(profiles.barred(), [InstanceName::from("cdp-0")]);
        let later = now() + SignedDuration::from_secs(11);
        assert_eq!(profiles.lookup(&anna(), later).await.0, found("7"));
        assert!(profiles.barred().is_empty());
        assert_eq!(door.asked(), 3);
    }

    #[tokio::test]
    async fn a_late_answer_does_not_count_twice_at_the_breaker() {
        let door = Scripted::new(vec![Waits(Err(ErrorKind::Unavailable)), Gives(Ok(Some("7")))]);
        let profiles = room("deadline = '10ms'\nlate = '60s'\n[breaker]\nfailures = 2", &[&door]);
        let (_, late) = profiles.lookup(&anna(), now()).await;
        door.release.notify_one();
        assert_eq!(late.unwrap().await, Answer::Missing(Missing::Unavailable));
        assert!(profiles.barred().is_empty());
    }

    #[tokio::test]
    async fn nobody_is_asked_without_a_door_or_a_verified_identity() {
        assert_eq!(room("", &[]).lookup(&anna(), now()).await.0, Answer::Missing(Missing::NotConfigured));
        let mut claimed = anna();
        claimed[0].verified = false;
        let door = Scripted::new(vec![Gives(Ok(Some("7")))]);
        assert_eq!(room("", &[&door]).lookup(&claimed, now()).await.0, Answer::Missing(Missing::NoIdentity));
        assert_eq!(door.asked(), 0);
        let profiles = room("deadline = '5s'\nask_about_claims = true", &[&door]);
        assert_eq!(profiles.lookup(&claimed, now()).await.0, found("7"));
    }

    #[test]
    fn an_adapter_that_cannot_be_asked_is_a_problem() {
        let problems = Profiles::new(settings("ask = ['crm']"), BTreeMap::new(), IdKey::new(b"k")).unwrap_err();
        assert_eq!((problems[0].code, problems[0].found.as_str()), ("profiles.unknown_instance", "crm"));
    }
}
