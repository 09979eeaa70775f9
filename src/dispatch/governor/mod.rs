//! Keeps inside the limits that the clouds document: a call that would go over one waits at home.
//!
//! Pure: `now` is an argument. **Invariant:** in no window of time more calls are admitted than the documented limit
//! allows, whatever order the clock is read in.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;
use tandem_sdk::doors::{Limit, Quota};
use tandem_sdk::model::InstanceName;

#[cfg(test)]
mod tests;

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
