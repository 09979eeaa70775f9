//! `tandem check`.

use std::process::ExitCode;
use std::sync::Arc;

use super::arguments::Check;
use super::serve::refuse;
use crate::app;
use crate::clock::SystemClock;
use crate::config::Config;

/// Names every problem of config, rules and mappings; with `--probe` also knocks on every door.
#[expect(clippy::print_stdout, reason = "this is what the command line is for")]
pub(super) fn check(arguments: &Check) -> ExitCode {
    let app = match Config::load(&arguments.configured.config)
        .and_then(|loaded| app::build(loaded, None, Arc::new(SystemClock)))
    {
        Ok(app) => app,
        Err(problems) => return refuse(&problems),
    };
    println!("{}: no problems", arguments.configured.config.display());
    if !arguments.probe {
        return ExitCode::SUCCESS;
    }
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return ExitCode::FAILURE;
    };
    let mut all_well = true;
    for (instance, doors) in app.doors() {
        let Some(probe) = &doors.probe else { continue };
        for finding in runtime.block_on(probe.probe()) {
            all_well &= finding.ok;
            println!("{instance}: {} {}", if finding.ok { "ok" } else { "MISSING" }, finding.line);
        }
    }
    if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
