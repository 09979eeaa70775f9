//! Keeps inside the limits that the clouds document: a call that would go over one waits at home.
//!
//! Pure: `now` is an argument. **Invariant:** in no window of time more calls are admitted than the documented limit
//! allows, whatever order the clock is read in.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;
use tandem_sdk::doors::{Limit, Quota};
use tandem_sdk::model::InstanceName;

const SECOND: i128 = 1_000_000_000;

/// Longest time between two calls that a rate is taken to mean, so that a rate of nothing is one call a day.
const SLOWEST: i128 = 24 * 60 * 60 * SECOND;

/// Counts calls against documented limits, for every bucket of every adapter instance.
///
/// Buckets that nothing was taken from for long enough hold nothing worth remembering and are dropped. Where there is
/// no room for a further bucket, a call that needs one waits until one can be dropped: forgetting a bucket early would
/// break its limit.
#[derive(Debug)]
pub struct Governor {
    instances: BTreeMap<InstanceName, BTreeMap<String, Bucket>>,
    /// Buckets at most.
    room: usize,
    /// Buckets now.
    held: usize,
    /// When room is short: not worth looking for idle buckets before this.
    look_again: Nanos,
}

/// Looking for idle buckets walks over all of them: not more often than this.
const PAUSE_BETWEEN_LOOKS: i128 = SECOND / 10;

/// Who asks for room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Whether it asked before and waited: it is not put behind those who come after it.
    pub waited: bool,
    /// From then on it does not want to call any more.
    pub expires_at: Timestamp,
}

/// Nanoseconds since 1970.
type Nanos = i128;

#[derive(Debug, Default)]
struct Bucket {
    /// Nothing is admitted before this: the cloud said so.
    paused_until: Option<Nanos>,
    /// What was used, for every limit that is counted under this name; nearly always one.
    used: Vec<(Rule, Used)>,
    /// The last slot that was promised to anybody. Promises only spread out who comes again when: one that is not taken up
    /// costs its slot, and one that is taken up late is counted when the call is made.
    promised: Option<Nanos>,
    /// The last slot that was promised to somebody who had waited for one already.
    promised_again: Option<Nanos>,
}

/// A limit in whole nanoseconds, so that limits can be told apart exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// Calls this far apart, and `ahead` worth of them at once.
    Spaced { gap: Nanos, ahead: Nanos },
    /// So many in any window.
    Window { most: usize, per: Nanos },
}

impl From<Limit> for Rule {
    fn from(limit: Limit) -> Self {
        match limit {
            Limit::Bucket { rate, burst } => {
                let gap = gap(rate);
                Rule::Spaced { gap, ahead: (Nanos::from(burst.max(1)) - 1) * gap }
            }
            Limit::Window { calls, per } => {
                Rule::Window { most: usize::try_from(calls.max(1)).unwrap_or(usize::MAX), per: nanos(per) }
            }
        }
    }
}

impl Rule {
    /// Time between two calls when all the room is used.
    fn spacing(self) -> Nanos {
        match self {
            Rule::Spaced { gap, .. } => gap,
            Rule::Window { most, per } => per / Nanos::try_from(most).unwrap_or(Nanos::MAX).max(1),
        }
    }
}

#[derive(Debug)]
enum Used {
    /// A token bucket, told by the time at which it will be full again.
    FullAt(Nanos),
    /// The calls of the latest window, oldest first.
    Calls(VecDeque<Nanos>),
}

impl Governor {
    /// A governor that keeps at most `room` buckets.
    pub fn new(room: usize) -> Self {
        Governor { instances: BTreeMap::new(), room, held: 0, look_again: Nanos::MIN }
    }

    /// Takes one call from every quota, or from none. The error is when to come again: everybody is promised a time of
    /// their own, one behind the other, so that not all come for the same room. A quota that is named twice counts once.
    pub fn admit(
        &mut self,
        now: Timestamp,
        instance: &InstanceName,
        quotas: &[Quota],
        caller: Caller,
    ) -> Result<(), Timestamp> {
        let now = now.as_nanosecond();
        let buckets = self.instances.get(instance);
        let slot = |quota: &Quota| buckets?.get(&quota.bucket)?.slot(now, quota.limit.into(), caller.waited);
        let slots = quotas.iter().filter_map(|quota| Some((slot(quota)?, quota)));
        if let Some((slot, quota)) = slots.max_by_key(|(slot, _)| *slot) {
            if slot >= caller.expires_at.as_nanosecond() {
                // It will not come for it.
                return Err(caller.expires_at);
            }
            self.bucket(instance, &quota.bucket).promise(slot, caller.waited);
            return Err(at(slot));
        }
        self.make_room(now, instance, quotas.iter().map(|quota| quota.bucket.as_str()))?;
        for (n, quota) in quotas.iter().enumerate() {
            let twin = |other: &Quota| other.bucket == quota.bucket && Rule::from(other.limit) == quota.limit.into();
            if !quotas[..n].iter().any(twin) {
                self.bucket(instance, &quota.bucket).take(now, quota.limit.into());
            }
        }
        Ok(())
    }

    /// Learns that the cloud wants no call of this bucket before `until`: a 429. When the pause is over, a token bucket
    /// starts empty: a cloud that just said "too many" has no burst to give.
    pub fn penalise(&mut self, now: Timestamp, instance: &InstanceName, bucket: &str, until: Timestamp) {
        if self.make_room(now.as_nanosecond(), instance, [bucket].into_iter()).is_err() {
            // Without room the pause cannot be kept; the next call to go over the limit will say so again.
            return;
        }
        let until = until.as_nanosecond();
        let bucket = self.bucket(instance, bucket);
        bucket.paused_until = Some(bucket.paused_until.map_or(until, |paused| paused.max(until)));
    }

    /// How many buckets are kept.
    pub fn held(&self) -> usize {
        self.held
    }

    fn bucket(&mut self, instance: &InstanceName, name: &str) -> &mut Bucket {
        if !self.instances.contains_key(instance) {
            self.instances.insert(instance.clone(), BTreeMap::new());
        }
        let buckets = self.instances.entry(instance.clone()).or_default();
        if !buckets.contains_key(name) {
            self.held += 1;
        }
        buckets.entry(name.to_owned()).or_default()
    }

    /// Makes room for those of these buckets that are not known yet, by dropping idle ones; or says when that may work.
    fn make_room<'a>(
        &mut self,
        now: Nanos,
        instance: &InstanceName,
        names: impl Iterator<Item = &'a str>,
    ) -> Result<(), Timestamp> {
        let names: BTreeSet<&str> = names.collect();
        if self.has_room(instance, &names) {
            return Ok(());
        }
        if now >= self.look_again {
            let next = self.drop_idle(now);
            // Looking costs a walk over all buckets: not for every single call, and not twice for the same answer.
            let soon = now + PAUSE_BETWEEN_LOOKS;
            let enough = self.has_room(instance, &names);
            self.look_again = if enough { soon } else { soon.max(next) };
            if enough {
                return Ok(());
            }
        }
        Err(at(self.look_again))
    }

    fn has_room(&self, instance: &InstanceName, names: &BTreeSet<&str>) -> bool {
        let known = self.instances.get(instance);
        let fresh = names.iter().filter(|name| known.is_none_or(|buckets| !buckets.contains_key(**name)));
        let fresh = fresh.count();
        fresh == 0 || self.held + fresh <= self.room
    }

    /// Drops what is idle, and says when the next bucket will be.
    fn drop_idle(&mut self, now: Nanos) -> Nanos {
        let mut next = Nanos::MAX;
        for buckets in self.instances.values_mut() {
            buckets.retain(|_, bucket| {
                let idle_at = bucket.idle_at();
                if idle_at > now {
                    next = next.min(idle_at);
                }
                idle_at > now
            });
        }
        self.instances.retain(|_, buckets| !buckets.is_empty());
        self.held = self.instances.values().map(BTreeMap::len).sum();
        next
    }
}

impl Bucket {
    /// When this limit has room, if that is not now for certain.
    fn earliest(&self, rule: Rule) -> Option<Nanos> {
        let used = self.used.iter().find(|(counted, _)| *counted == rule).map(|(_, used)| used);
        let room = used.and_then(|used| match (used, rule) {
            (Used::FullAt(full), Rule::Spaced { ahead, .. }) => Some(full - ahead),
            (Used::Calls(calls), Rule::Window { most, per }) => {
                calls.len().checked_sub(most).and_then(|n| calls.get(n)).map(|first| first + per)
            }
            // A rule is kept with use of its own kind.
            _ => None,
        });
        room.max(self.paused_until)
    }

    /// When a call may come again for which there is no room now; `None` when there is.
    fn slot(&self, now: Nanos, rule: Rule, waited: bool) -> Option<Nanos> {
        let earliest = self.earliest(rule).filter(|earliest| *earliest > now);
        let last = if waited { self.promised_again } else { self.promised };
        // Room that is there belongs to those who were promised it before.
        let comes = earliest.or_else(|| last.filter(|last| !waited && *last > now))?;
        Some(last.map_or(comes, |last| comes.max(last + rule.spacing())))
    }

    fn promise(&mut self, slot: Nanos, waited: bool) {
        if waited {
            self.promised_again = Some(slot);
        }
        self.promised = self.promised.max(Some(slot));
    }

    /// Counts one call.
    fn take(&mut self, now: Nanos, rule: Rule) {
        let known = self.used.iter().position(|(counted, _)| *counted == rule);
        let n = known.unwrap_or_else(|| {
            let nothing = match rule {
                Rule::Spaced { .. } => Used::FullAt(now),
                Rule::Window { .. } => Used::Calls(VecDeque::new()),
            };
            self.used.push((rule, nothing));
            self.used.len() - 1
        });
        match (&mut self.used[n].1, rule) {
            (Used::FullAt(full), Rule::Spaced { gap, ahead }) => {
                let emptied = self.paused_until.map_or(now, |until| until + ahead);
                *full = (*full).max(now).max(emptied) + gap;
            }
            (Used::Calls(calls), Rule::Window { per, .. }) => {
                // A clock that went back must not make a call look older than the one before it.
                let latest = calls.back().map_or(now, |latest| now.max(*latest));
                while calls.front().is_some_and(|first| first + per <= latest) {
                    calls.pop_front();
                }
                calls.push_back(latest);
            }
            _ => {}
        }
    }

    /// When nothing of it is worth remembering any more.
    fn idle_at(&self) -> Nanos {
        let used = self.used.iter().map(|(rule, used)| match (used, rule) {
            (Used::FullAt(full), _) => *full,
            (Used::Calls(calls), Rule::Window { per, .. }) => calls.back().map_or(Nanos::MIN, |last| last + per),
            (Used::Calls(_), Rule::Spaced { .. }) => Nanos::MIN,
        });
        used.chain(self.paused_until).chain(self.promised).max().unwrap_or(Nanos::MIN)
    }
}

/// Time between two calls at this rate, rounded up: rounding down would admit more than the rate.
fn gap(rate: f64) -> Nanos {
    if rate.is_nan() || rate <= 0.0 {
        return SLOWEST;
    }
    let gap = (SECOND as f64 / rate).ceil();
    if gap >= SLOWEST as f64 { SLOWEST } else { (gap as Nanos).max(1) }
}

fn nanos(length: std::time::Duration) -> Nanos {
    Nanos::try_from(length.as_nanos()).unwrap_or(SLOWEST)
}

fn at(nanos: Nanos) -> Timestamp {
    Timestamp::from_nanosecond(nanos).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const START: i64 = 1_700_000_000_000;

    fn ms(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(START + ms).unwrap_or(Timestamp::MAX)
    }

    fn bucket(name: &str, rate: f64, burst: u32) -> Quota {
        Quota { bucket: name.to_owned(), limit: Limit::Bucket { rate, burst } }
    }

    fn window(name: &str, calls: u32, per: u64) -> Quota {
        Quota { bucket: name.to_owned(), limit: Limit::Window { calls, per: Duration::from_millis(per) } }
    }

    const FIRST: Caller = Caller { waited: false, expires_at: Timestamp::MAX };
    const AGAIN: Caller = Caller { waited: true, expires_at: Timestamp::MAX };

    fn one() -> InstanceName {
        InstanceName::from("one")
    }

    #[test]
    fn a_token_bucket_gives_its_burst_and_then_its_rate() {
        let mut governor = Governor::new(10);
        let quota = [bucket("a", 2.0, 3)];
        let mut admit = |now, caller| governor.admit(ms(now), &one(), &quota, caller);
        let [a, b, c, d] = [0; 4].map(|now| admit(now, FIRST));
        assert_eq!([a, b, c, d], [Ok(()), Ok(()), Ok(()), Err(ms(500))]);
        assert_eq!([admit(499, AGAIN), admit(500, AGAIN), admit(501, FIRST)], [Err(ms(500)), Ok(()), Err(ms(1_000))]);
        let [a, b, c, d] = [2_500; 4].map(|now| admit(now, FIRST));
        assert_eq!([a, b, c, d], [Ok(()), Ok(()), Ok(()), Err(ms(3_000))]);
    }

    #[test]
    fn a_window_gives_its_calls_in_any_window() {
        let mut governor = Governor::new(10);
        let quota = [window("a", 2, 1_000)];
        let mut admit = |now, caller| governor.admit(ms(now), &one(), &quota, caller);
        assert_eq!([admit(0, FIRST), admit(900, FIRST), admit(950, FIRST)], [Ok(()), Ok(()), Err(ms(1_000))]);
        assert_eq!([admit(1_000, AGAIN), admit(1_001, FIRST), admit(1_900, AGAIN)], [Ok(()), Err(ms(1_900)), Ok(())]);
    }

    /// Heads that all come at once, and each again when it was told to, a little late; who is named never comes again. Says
    /// how often anybody asked, and in which order they were admitted when.
    fn queue(limit: Limit, heads: usize, gone: &[usize], late: i64) -> (usize, Vec<(usize, Timestamp)>) {
        let quota = [Quota { bucket: "a".to_owned(), limit }];
        let mut governor = Governor::new(10);
        let mut due: BTreeSet<(Timestamp, usize)> = (0..heads).map(|n| (ms(0), n)).collect();
        let (mut asked, mut admitted, mut waited) = (0, Vec::new(), BTreeSet::new());
        while let Some((now, n)) = due.pop_first() {
            asked += 1;
            let caller = if waited.insert(n) { FIRST } else { AGAIN };
            match governor.admit(now, &one(), &quota, caller) {
                Ok(()) => admitted.push((n, now)),
                Err(_) if gone.contains(&n) => {}
                Err(until) => {
                    due.insert((until + jiff::SignedDuration::from_millis(late), n));
                }
            }
        }
        (asked, admitted)
    }

    #[test]
    fn heads_that_find_no_room_come_again_one_after_the_other_in_their_order() {
        let limits = [
            Limit::Bucket { rate: 10.0, burst: 1 },
            Limit::Bucket { rate: 10.0, burst: 15 },
            Limit::Window { calls: 10, per: Duration::from_secs(1) },
        ];
        for limit in limits {
            for late in [0, 3] {
                let (asked, admitted) = queue(limit, 1_000, &[], late);
                assert!(admitted.iter().map(|(n, _)| *n).eq(0..1_000), "{limit:?}");
                assert!(asked <= 4_000, "{limit:?}: asked {asked} times");
                let (last, most) = (admitted[999].1, ms(100_000 + 3_000));
                assert!(last <= most, "{limit:?}: the last one went at {last}");
            }
        }
    }

    #[test]
    fn a_slot_that_nobody_comes_for_holds_up_nobody() {
        let (_, admitted) = queue(Limit::Bucket { rate: 10.0, burst: 1 }, 10, &[1, 2, 3], 0);
        assert_eq!(admitted[1..3], [(4, ms(400)), (5, ms(500))]);

        let mut governor = Governor::new(10);
        let quota = [bucket("a", 1.0, 1)];
        let mut admit = |now, caller| governor.admit(ms(now), &one(), &quota, caller);
        let soon = Caller { waited: false, expires_at: ms(1_500) };
        assert_eq!([admit(0, FIRST), admit(0, soon)], [Ok(()), Err(ms(1_000))]);
        assert_eq!(
            [admit(0, soon), admit(0, soon)],
            [Err(ms(1_500)); 2],
            "they will not come for a slot after their time"
        );
        assert_eq!([admit(0, FIRST), admit(1_200, FIRST)], [Err(ms(2_000)), Err(ms(3_000))]);
        assert_eq!([admit(2_000, AGAIN), admit(3_100, FIRST)], [Ok(()), Ok(())]);
    }

    #[test]
    fn all_quotas_are_taken_or_none() {
        let mut governor = Governor::new(10);
        let (wide, narrow) = (window("wide", 2, 1_000), window("narrow", 1, 5_000));
        assert_eq!(governor.admit(ms(0), &one(), &[wide.clone(), narrow.clone(), narrow.clone()], FIRST), Ok(()));
        assert_eq!(governor.admit(ms(1), &one(), &[wide.clone(), narrow], FIRST), Err(ms(5_000)));
        assert_eq!(
            governor.admit(ms(2), &one(), std::slice::from_ref(&wide), FIRST),
            Ok(()),
            "the refused call took nothing"
        );
        assert_eq!(
            governor.admit(ms(3), &InstanceName::from("two"), &[wide], FIRST),
            Ok(()),
            "instances share nothing"
        );
    }

    #[test]
    fn a_pause_holds_and_a_bucket_is_empty_after_it() {
        let mut governor = Governor::new(10);
        let quota = [bucket("a", 1.0, 5)];
        governor.penalise(ms(0), &one(), "a", ms(3_000));
        governor.penalise(ms(0), &one(), "a", ms(2_000));
        let mut admit = |now, caller| governor.admit(ms(now), &one(), &quota, caller);
        assert_eq!(
            [admit(0, FIRST), admit(2_999, AGAIN), admit(3_000, AGAIN), admit(3_000, AGAIN)],
            [Err(ms(3_000)), Err(ms(3_000)), Ok(()), Err(ms(4_000))]
        );
    }

    #[test]
    fn buckets_are_bounded_and_none_is_forgotten_early() {
        let mut governor = Governor::new(2);
        let quota = |name: &str, per| [window(name, 1, per)];
        assert_eq!(governor.admit(ms(0), &one(), &quota("a", 1_000), AGAIN), Ok(()));
        assert_eq!(governor.admit(ms(0), &one(), &quota("b", 3_000), AGAIN), Ok(()));
        assert_eq!(governor.admit(ms(0), &one(), &quota("c", 500), AGAIN), Err(ms(1_000)), "no room before a is idle");
        assert_eq!(governor.admit(ms(0), &one(), &quota("a", 1_000), AGAIN), Err(ms(1_000)), "a is still known");
        assert_eq!(governor.admit(ms(1_000), &one(), &quota("c", 500), AGAIN), Ok(()));
        assert_eq!(governor.admit(ms(1_000), &one(), &quota("b", 3_000), AGAIN), Err(ms(3_000)), "b is still known");
        assert_eq!(governor.held(), 2);
    }

    #[test]
    fn limits_that_make_no_sense_are_taken_for_the_strictest_that_do() {
        let mut governor = Governor::new(10);
        for (n, rate) in [0.0, -1.0, f64::NAN, f64::NEG_INFINITY].into_iter().enumerate() {
            let quota = [bucket(&n.to_string(), rate, 0)];
            assert_eq!(governor.admit(ms(0), &one(), &quota, FIRST), Ok(()));
            assert_eq!(governor.admit(ms(1), &one(), &quota, FIRST), Err(ms(24 * 60 * 60 * 1_000)), "{rate}");
        }
        let fast = [bucket("fast", f64::INFINITY, 1)];
        assert_eq!(governor.admit(ms(0), &one(), &fast, FIRST), Ok(()));
    }

    /// Admitted times in nanoseconds, for calls at these distances; every second refusal is waited for.
    fn admitted(limit: Limit, steps: &[u32]) -> Result<Vec<i128>, TestCaseError> {
        let quota = [Quota { bucket: "a".to_owned(), limit }];
        let mut governor = Governor::new(1);
        let (mut now, mut times) = (ms(0).as_nanosecond(), Vec::new());
        for (n, step) in steps.iter().enumerate() {
            now += i128::from(*step) * 1_000;
            if let Err(earliest) = governor.admit(at(now), &one(), &quota, FIRST) {
                prop_assert!(earliest > at(now));
                if n % 2 == 0 {
                    continue;
                }
                now = earliest.as_nanosecond();
                prop_assert_eq!(governor.admit(earliest, &one(), &quota, AGAIN), Ok(()));
            }
            times.push(now);
        }
        Ok(times)
    }

    proptest! {
        #[test]
        fn no_window_has_more_calls_than_the_documented_rate(
            rate in 0.1_f64..50.0, burst in 1_u32..20, steps in prop::collection::vec(0_u32..400_000, 0..150)
        ) {
            let times = admitted(Limit::Bucket { rate, burst }, &steps)?;
            for (i, first) in times.iter().enumerate() {
                for (j, last) in times.iter().enumerate().skip(i) {
                    let allowed = f64::from(burst) + rate * ((last - first) as f64 / SECOND as f64);
                    prop_assert!((j - i + 1) as f64 <= allowed + 1e-6, "{} calls where {allowed} are allowed", j - i + 1);
                }
            }
        }

        #[test]
        fn no_window_has_more_calls_than_documented(
            most in 1_u32..10, per in 1_u64..2_000, steps in prop::collection::vec(0_u32..400_000, 0..150)
        ) {
            let times = admitted(Limit::Window { calls: most, per: Duration::from_millis(per) }, &steps)?;
            for (i, first) in times.iter().enumerate() {
                let end = first + i128::from(per) * 1_000_000;
                let calls = times[i..].iter().filter(|time| **time < end).count();
                prop_assert!(calls <= most as usize, "{calls} calls where {most} are allowed");
            }
        }

        #[test]
        fn a_clock_that_jumps_back_earns_nothing(jumps in prop::collection::vec(-5_000_i64..2_000, 1..80)) {
            let mut governor = Governor::new(1);
            let quota = [window("a", 2, 1_000)];
            let (mut now, mut latest, mut calls) = (0, 0, 0);
            for jump in jumps {
                now = (now + jump).max(0);
                latest = latest.max(now);
                calls += i64::from(governor.admit(ms(now), &one(), &quota, AGAIN).is_ok());
            }
            prop_assert!(calls <= 2 * (latest / 1_000 + 1), "{calls} calls up to {latest} ms");
        }
    }
}
