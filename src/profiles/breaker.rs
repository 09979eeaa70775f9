//! A circuit breaker: leaves a door alone that keeps failing, and lets one lookup try again later.
//!
//! Pure: time is an argument. One that goes backwards lengthens a wait at most until it has caught up.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

use super::settings::BreakerSettings;

/// The breaker of one door.
#[derive(Clone, Debug)]
pub struct Breaker {
    failures: u32,
    window: SignedDuration,
    open: SignedDuration,
    state: State,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// Lookups pass; these failures lie inside the window, oldest first.
    Closed { failed: VecDeque<Timestamp> },
    /// Nobody passes before this time.
    Open { until: Timestamp },
    /// One lookup is trying since this time. When it never reports back, another may try as if the breaker had opened then.
    Trying { since: Timestamp },
}

/// Whether a lookup may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// It may.
    Free,
    /// It may, and what comes of it decides whether others may.
    Trial,
    /// It may not.
    Barred,
}

impl Breaker {
    /// A closed breaker.
    pub fn new(settings: &BreakerSettings) -> Self {
        let signed = |duration| SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
        Breaker {
            failures: settings.failures.max(1),
            window: signed(settings.window),
            open: signed(settings.open),
            state: State::Closed { failed: VecDeque::new() },
        }
    }

    /// Asks for passage. Whoever passes reports with [`succeeded`](Self::succeeded) or [`failed`](Self::failed).
    pub fn pass(&mut self, now: Timestamp) -> Passage {
        let again = match self.state {
            State::Closed { .. } => return Passage::Free,
            State::Open { until } => until,
            State::Trying { since } => later(since, self.open),
        };
        if now < again {
            return Passage::Barred;
        }
        self.state = State::Trying { since: now };
        Passage::Trial
    }

    /// A lookup was answered: the door works.
    pub fn succeeded(&mut self) {
        match &self.state {
            // Failures inside the window keep counting: a door that answers every other time is not well.
            State::Closed { .. } => {}
            State::Trying { .. } => self.state = State::Closed { failed: VecDeque::new() },
            // Somebody who passed before it opened; the trial decides.
            State::Open { .. } => {}
        }
    }

    /// A lookup failed. Says whether that opened the breaker.
    pub fn failed(&mut self, now: Timestamp) -> bool {
        let opens = match &mut self.state {
            State::Open { .. } => false,
            State::Trying { .. } => true,
            State::Closed { failed } => {
                failed.push_back(now);
                while failed.front().is_some_and(|first| now.duration_since(*first) > self.window) {
                    failed.pop_front();
                }
                failed.len() >= usize::try_from(self.failures).unwrap_or(usize::MAX)
            }
        };
        if opens {
            self.state = State::Open { until: later(now, self.open) };
        }
        opens
    }

    /// Whether lookups pass freely.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed { .. })
    }
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Step {
        Pass(Passage),
        Succeeds,
        Fails,
    }
    use Passage::{Barred, Free, Trial};
    use Step::{Fails, Pass, Succeeds};

    fn breaker() -> Breaker {
        let (window, open) = (Duration::from_secs(30), Duration::from_secs(10));
        Breaker::new(&BreakerSettings { failures: 3, window, open })
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_772_000_000 + second).unwrap()
    }

    #[test]
    fn it_opens_tries_and_closes() {
        let cases: [(&str, &[(i64, Step)]); 9] = [
            ("two failures are borne", &[(0, Fails), (1, Fails), (2, Pass(Free))]),
            ("three open it", &[(0, Fails), (1, Fails), (2, Fails), (2, Pass(Barred)), (11, Pass(Barred))]),
            ("failures outside the window do not count", &[(0, Fails), (1, Fails), (31, Fails), (31, Pass(Free))]),
            (
                "an answer between failures does not forgive them",
                &[(0, Fails), (1, Succeeds), (2, Fails), (3, Fails), (3, Pass(Barred))],
            ),
            (
                "after the wait exactly one tries",
                &[(0, Fails), (0, Fails), (0, Fails), (10, Pass(Trial)), (10, Pass(Barred))],
            ),
            (
                "a trial that succeeds closes it and forgives",
                &[
                    (0, Fails),
                    (0, Fails),
                    (0, Fails),
                    (10, Pass(Trial)),
                    (11, Succeeds),
                    (11, Fails),
                    (11, Fails),
                    (11, Pass(Free)),
                ],
            ),
            (
                "a trial that fails opens it anew",
                &[
                    (0, Fails),
                    (0, Fails),
                    (0, Fails),
                    (10, Pass(Trial)),
                    (12, Fails),
                    (21, Pass(Barred)),
                    (22, Pass(Trial)),
                ],
            ),
            (
                "a trial that never reports back is replaced",
                &[(0, Fails), (0, Fails), (0, Fails), (10, Pass(Trial)), (19, Pass(Barred)), (20, Pass(Trial))],
            ),
            (
                "an old answer does not close what opened since",
                &[(0, Fails), (0, Fails), (0, Fails), (1, Succeeds), (1, Fails), (9, Pass(Barred)), (10, Pass(Trial))],
            ),
        ];
        for (what, steps) in cases {
            let mut breaker = breaker();
            for (second, step) in steps {
                match step {
                    Pass(expected) => assert_eq!(breaker.pass(at(*second)), *expected, "{what}, second {second}"),
                    Succeeds => breaker.succeeded(),
                    Fails => drop(breaker.failed(at(*second))),
                }
            }
        }
    }

    proptest! {
        #[test]
        fn it_is_never_open_for_ever_and_remembers_a_bounded_number_of_failures(
            steps in proptest::collection::vec((0_i64..100, 0_u8..3), 0..60)
        ) {
            let mut breaker = breaker();
            for (second, step) in &steps {
                match step {
                    0 => drop(breaker.pass(at(*second))),
                    1 => breaker.succeeded(),
                    _ => drop(breaker.failed(at(*second))),
                }
                if let State::Closed { failed } = &breaker.state {
                    prop_assert!(failed.len() < 3);
                }
            }
            prop_assert_ne!(breaker.pass(at(200)), Barred);
        }
    }
}
