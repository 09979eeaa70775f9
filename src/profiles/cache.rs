//! What was answered lately, known by HMAC and bounded.
//!
//! Pure: time is an argument.

use std::collections::{HashMap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use tandem_sdk::model::{Derive, IdKey, Identity, IdentityKind, Profile};
use uuid::Uuid;

use super::settings::CacheSettings;

/// A set of identities, without saying whose. Nobody without the deployment's id key can confirm a guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CacheKey(Uuid);

impl CacheKey {
    /// The key of these identities, in whatever order they come. Who vouches for an identity is part of it: what is known
    /// of a verified customer is not given for a claim.
    pub fn of(key: &IdKey, identities: &[Identity]) -> Self {
        let mut parts: Vec<[&str; 4]> = identities
            .iter()
            .map(|identity| {
                let verified = if identity.verified { "verified" } else { "claimed" };
                [word(&identity.kind), identity.value.reveal().unwrap_or_default(), &identity.source, verified]
            })
            .collect();
        parts.sort_unstable();
        parts.dedup();
        let derive = parts.iter().flatten().fold(Derive::entity("profile"), |derive, part| derive.part(part));
        CacheKey(derive.keyed(key))
    }
}

fn word(kind: &IdentityKind) -> &'static str {
    match kind {
        IdentityKind::Phone => "phone",
        IdentityKind::Email => "email",
        IdentityKind::Customer => "customer",
        IdentityKind::CommunicationUser => "communication_user",
    }
}

/// Answers that are still good. When it is full, the one that was put first goes first.
#[derive(Debug)]
pub struct Cache {
    entries: usize,
    found: SignedDuration,
    unknown: SignedDuration,
    kept: HashMap<CacheKey, Kept>,
    /// Every put in order, also those that were replaced since; their ordinal tells.
    order: VecDeque<(CacheKey, u64)>,
    next: u64,
}

#[derive(Debug)]
struct Kept {
    answer: Option<Profile>,
    until: Timestamp,
    ordinal: u64,
}

impl Cache {
    /// An empty cache.
    pub fn new(settings: &CacheSettings) -> Self {
        let signed = |duration| SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
        Cache {
            entries: settings.entries,
            found: signed(settings.found),
            unknown: signed(settings.unknown),
            kept: HashMap::new(),
            order: VecDeque::new(),
            next: 0,
        }
    }

    /// What was answered for this key: a profile, or `Some(None)` that nobody knows them. `None` when it has to be asked.
    pub fn get(&self, key: CacheKey, now: Timestamp) -> Option<Option<&Profile>> {
        self.kept.get(&key).filter(|kept| now < kept.until).map(|kept| kept.answer.as_ref())
    }

    /// Remembers an answer.
    pub fn put(&mut self, key: CacheKey, answer: Option<Profile>, now: Timestamp) {
        let lifetime = if answer.is_some() { self.found } else { self.unknown };
        if self.entries == 0 || lifetime.is_zero() {
            self.kept.remove(&key);
            return;
        }
        let until = now.checked_add(lifetime).unwrap_or(Timestamp::MAX);
        let ordinal = self.next;
        self.next += 1;
        self.kept.insert(key, Kept { answer, until, ordinal });
        self.order.push_back((key, ordinal));
        while self.kept.len() > self.entries {
            let Some((key, ordinal)) = self.order.pop_front() else { break };
            if self.kept.get(&key).is_some_and(|kept| kept.ordinal == ordinal) {
                self.kept.remove(&key);
            }
        }
        if self.order.len() > self.entries.saturating_mul(2) {
            let kept = &self.kept;
            self.order.retain(|(key, ordinal)| kept.get(key).is_some_and(|kept| kept.ordinal == *ordinal));
        }
    }

    /// Forgets everybody.
    pub fn clear(&mut self) {
        self.kept.clear();
        self.order.clear();
    }

    /// How many answers are remembered.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use std::time::Duration;

    use proptest::prelude::*;
    use tandem_sdk::model::Personal;

    use super::*;

    fn cache(entries: usize) -> Cache {
        Cache::new(&CacheSettings { entries, found: Duration::from_secs(60), unknown: Duration::from_secs(5) })
    }

    fn identity(kind: IdentityKind, value: &str, verified: bool) -> Identity {
        Identity { kind, value: Personal::new(value), source: "acs".to_owned(), verified }
    }

    fn key(value: &str) -> CacheKey {
        CacheKey::of(&IdKey::new(b"k"), &[identity(IdentityKind::Customer, value, true)])
    }

    fn profile(id: &str) -> Profile {
        Profile { id: Personal::new(id), ..Profile::default() }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_772_000_000 + second).unwrap()
    }

    #[test]
    fn an_answer_is_good_for_its_time() {
        let mut cache = cache(10);
        cache.put(key("known"), Some(profile("1")), at(0));
        cache.put(key("nobody"), None, at(0));
        let cases =
            [("known", 59, true), ("known", 60, false), ("nobody", 4, true), ("nobody", 5, false), ("new", 0, false)];
        for (who, second, remembered) in cases {
            assert_eq!(cache.get(key(who), at(second)).is_some(), remembered, "{who} at {second}");
        }
        assert_eq!(cache.get(key("nobody"), at(1)), Some(None));
    }

    #[test]
    fn when_full_the_oldest_goes_first_and_a_renewed_one_counts_as_new() {
        let mut cache = cache(2);
        cache.put(key("a"), Some(profile("a")), at(0));
        cache.put(key("b"), Some(profile("b")), at(1));
        cache.put(key("a"), Some(profile("a2")), at(2));
        cache.put(key("c"), Some(profile("c")), at(3));
        assert!(cache.get(key("b"), at(3)).is_none());
        assert_eq!(cache.get(key("a"), at(3)), Some(Some(&profile("a2"))));
        assert!(cache.get(key("c"), at(3)).is_some());
    }

    #[test]
    fn a_cache_without_room_remembers_nobody() {
        let mut cache = cache(0);
        cache.put(key("a"), Some(profile("a")), at(0));
        assert!(cache.is_empty());
    }

    #[test]
    fn everybody_can_be_forgotten() {
        let mut cache = cache(2);
        cache.put(key("a"), Some(profile("a")), at(0));
        cache.clear();
        assert!(cache.get(key("a"), at(0)).is_none());
    }

    #[test]
    fn the_key_is_of_the_set_and_of_who_vouches_for_it() {
        let id_key = IdKey::new(b"k");
        let phone = identity(IdentityKind::Phone, "+4315550100", true);
        let mail = identity(IdentityKind::Email, "a@example.com", true);
        let claimed = identity(IdentityKind::Phone, "+4315550100", false);
        let of = |identities: &[&Identity]| {
            CacheKey::of(&id_key, &identities.iter().map(|identity| (*identity).clone()).collect::<Vec<_>>())
        };
        assert_eq!(of(&[&phone, &mail]), of(&[&mail, &phone]));
        assert_eq!(of(&[&phone, &phone]), of(&[&phone]));
        assert_ne!(of(&[&phone]), of(&[&phone, &mail]));
        assert_ne!(of(&[&phone]), of(&[&claimed]));
        assert_ne!(of(&[&phone]), CacheKey::of(&IdKey::new(b"other"), std::slice::from_ref(&phone)));
    }

    proptest! {
        #[test]
        fn it_never_holds_more_than_it_may(puts in proptest::collection::vec((0_u8..12, any::<bool>(), 0_i64..100), 0..200)) {
            let mut cache = cache(5);
            for (who, known, second) in puts {
                let answer = known.then(|| profile("x"));
                cache.put(key(&who.to_string()), answer.clone(), at(second));
                prop_assert!(cache.len() <= 5 && cache.order.len() <= 10);
                prop_assert_eq!(cache.get(key(&who.to_string()), at(second)), Some(answer.as_ref()));
            }
        }
    }
}
