//! `tandem demo`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use super::arguments::Demo;
use crate::demo::{Limits, Options, Outcome, Shown, play};

/// People in a hurry, so that a play is short and messages overtake each other's answers.
const BREATH: Duration = Duration::from_millis(30);

/// Plays the journey.
#[expect(clippy::print_stderr, reason = "this is what the command line is for")]
pub(super) fn demo(arguments: Demo) -> ExitCode {
    let Ok(runtime) = tokio::runtime::Builder::new_multi_thread().enable_all().build() else {
        return ExitCode::FAILURE;
    };
    let keep = arguments.folder.is_some();
    let folder =
        arguments.folder.unwrap_or_else(|| std::env::temp_dir().join(format!("tandem-demo-{}", std::process::id())));
    let options = Options {
        folder: folder.clone(),
        mappings: found("mappings"),
        flow: found("config/aws/tandem-chat-flow.json"),
        shown: if arguments.json { Shown::Json } else { Shown::Timeline },
        limits: Limits::Documented,
        patience: arguments.patience.get(),
        breath: BREATH,
        once: arguments.once,
        seed: arguments.seed,
        rate: arguments.faults,
        listen: arguments.listen,
        journeys: usize::from(arguments.journeys),
        kills: arguments.kills,
    };
    let played = runtime.block_on(play(options));
    let code = match played {
        Ok(played) if played.outcome == Outcome::Completed => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    };
    if !keep && code == ExitCode::SUCCESS {
        // What a failed demo wrote is what somebody wants to look at.
        std::fs::remove_dir_all(&folder).unwrap_or_else(|error| eprintln!("{}: {error}", folder.display()));
    }
    code
}

/// A file of the repository: here, or where this program was built.
fn found(path: &str) -> PathBuf {
    let here = Path::new(path);
    let here = if here.exists() { here.to_owned() } else { Path::new(env!("CARGO_MANIFEST_DIR")).join(path) };
    std::path::absolute(&here).unwrap_or(here)
}
