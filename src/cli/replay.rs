//! `tandem replay`: does what was recorded still come out?

use std::process::ExitCode;

use super::arguments::Replay;
use super::offline;
use super::paper::{Paper, Stop};
use crate::replay::{Replayed, Today, replay as walk};

/// Replays the log of a hub that does not run and names every difference; with any, the exit code is 1.
pub(super) fn replay(arguments: &Replay) -> ExitCode {
    let mut paper = Paper::new();
    let mut is_different = false;
    let told = run(arguments).and_then(|replayed| {
        is_different = replayed.different > 0;
        tell(&replayed, arguments.json, &mut paper)
    });
    match paper.end(told) {
        code if code == ExitCode::SUCCESS && is_different => ExitCode::FAILURE,
        code => code,
    }
}

fn run(arguments: &Replay) -> Result<Replayed, Stop> {
    let rest = offline::open(&arguments.kept)?;
    let today = Today { setup: &rest.setup, rules: &rest.rules, decode: &rest.decode };
    walk(&rest.store, &rest.keys, &today).map_err(|error| offline::wrong(&error))
}

fn tell(replayed: &Replayed, as_json: bool, paper: &mut Paper) -> Result<(), Stop> {
    if as_json {
        return paper.json(replayed);
    }
    for difference in &replayed.differences {
        paper.line(&format!("record {}, {:?}", difference.seq, difference.room).to_lowercase())?;
        paper.line(&format!("  recorded  {}", difference.recorded))?;
        paper.line(&format!("  now       {}", difference.now))?;
    }
    paper.line(&format!(
        "{} records: {} envelopes understood again, {} turns taken again, {} passed over, {} different",
        replayed.records, replayed.decoded, replayed.turns, replayed.passed_over, replayed.different
    ))
}
