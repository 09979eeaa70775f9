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
    assert_eq!([admit(0, soon), admit(0, soon)], [Err(ms(1_500)); 2], "they will not come for a slot after their time");
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
    assert_eq!(governor.admit(ms(3), &InstanceName::from("two"), &[wide], FIRST), Ok(()), "instances share nothing");
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
