//! What is checked, what failed, and which waivers are stale.

use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::subject::Subject;
use super::{decode, receive};

/// One check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// An authentic delivery is kept, every envelope with a dedupe key and the way its sender was verified.
    Kept,
    /// The same request gives the same envelopes, so that a second delivery is a duplicate.
    Duplicate,
    /// A body of which one byte was changed is not authentic.
    TamperedBody,
    /// A credential of which one byte was changed is not authentic, and neither is none at all.
    TamperedCredential,
    /// A delivery that arrives eight days late is not authentic.
    Stale,
    /// A door that is not there is said not to be there.
    UnknownDoor,
    /// Damaged and hostile bodies never panic.
    DamagedDelivery,
    /// The credential is nowhere in what is kept.
    CredentialStripped,
    /// A sample is understood as its adapter says.
    Understood,
    /// The facts of a sample have a native id, a time and a key, and come out the same every time.
    Facts,
    /// Unknown fields change nothing.
    UnknownField,
    /// Damaged and hostile events never panic; what is cut off is malformed.
    DamagedEvent,
    /// Twins give equal facts.
    Twins,
}

/// A check that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The check.
    pub check: Check,
    /// The delivery or sample.
    pub name: String,
    /// What went wrong.
    pub what: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} of {}: {}", self.check, self.name, self.what)
    }
}

/// What one check of one delivery or sample came to.
pub(super) struct Verdict {
    pub(super) check: Check,
    pub(super) name: String,
    pub(super) result: Result<(), String>,
}

/// Runs one check; a panic is a failure.
pub(super) fn verdict(check: Check, name: &str, run: impl FnOnce() -> Result<(), String>) -> Verdict {
    let result = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err("it panicked".to_owned()));
    Verdict { check, name: name.to_owned(), result }
}

/// Runs every check. Empty when the adapter conforms and no waiver is stale.
pub fn failures(subject: &Subject<'_>) -> Vec<Failure> {
    let mut verdicts = receive::verdicts(subject);
    verdicts.extend(decode::verdicts(subject));
    let mut used = BTreeSet::new();
    let mut failures = Vec::new();
    for Verdict { check, name, result } in verdicts {
        let waiver = subject.waivers.iter().position(|waiver| waiver.check == check && waiver.name == name);
        used.extend(waiver);
        match (result, waiver) {
            (Ok(()), None) | (Err(_), Some(_)) => {}
            (Ok(()), Some(_)) => failures.push(Failure { check, name, what: "holds although it is waived".to_owned() }),
            (Err(what), None) => failures.push(Failure { check, name, what }),
        }
    }
    for (n, waiver) in subject.waivers.iter().enumerate().filter(|(n, _)| !used.contains(n)) {
        let what = format!("waiver {n} is for nothing that was checked");
        failures.push(Failure { check: waiver.check, name: waiver.name.to_owned(), what });
    }
    failures
}
