//! What a replay found.

use serde::Serialize;

/// Differences that are kept one by one; more are only counted.
const MOST: usize = 1000;

/// Where something came out otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Room {
    /// What an envelope says.
    Decode,
    /// What follows from it.
    Conduct,
}

/// One difference. Holds no personal value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The record.
    pub seq: u64,
    /// Where.
    pub room: Room,
    /// What was recorded.
    pub recorded: String,
    /// What comes out now.
    pub now: String,
}

/// What was replayed, and how it went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// Records looked at.
    pub records: u64,
    /// Envelopes understood again.
    pub decoded: u64,
    /// Turns taken again.
    pub turns: u64,
    /// Records that were not replayed since what they held was erased, or since the log no longer has their beginning.
    pub passed_over: u64,
    /// Differences, of which at most 1000 are in `differences`.
    pub different: u64,
    /// The first of them, in the order of the log; those of facts that nobody recorded come last.
    pub differences: Vec<Difference>,
}

impl Replayed {
    pub(super) fn differs(&mut self, seq: u64, room: Room, recorded: impl Into<String>, now: impl Into<String>) {
        self.different = self.different.saturating_add(1);
        if self.differences.len() < MOST {
            self.differences.push(Difference { seq, room, recorded: recorded.into(), now: now.into() });
        }
    }
}
