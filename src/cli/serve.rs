//! `tandem serve`.

use std::process::ExitCode;
use std::sync::Arc;

use tandem_sdk::problem::Problem;

use super::arguments::Serve;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::shutdown::{Tasks, signals};
use crate::{app, telemetry};

/// Runs the hub until it is asked to stop.
pub(super) fn serve(arguments: &Serve) -> ExitCode {
    let loaded = match Config::load(&arguments.configured.config) {
        Ok(loaded) => loaded,
        Err(problems) => return refuse(&problems),
    };
    #[expect(clippy::disallowed_methods, reason = "the variable goes before the config, and is read once, here")]
    let filter = std::env::var("TANDEM_LOG").ok();
    if let Err(error) = telemetry::start(&loaded.config.telemetry, filter.as_deref()) {
        return refuse(&[Problem::new("config.telemetry", "telemetry.filter", error.to_string(), "a tracing filter")]);
    }
    let app = match app::build(loaded, arguments.data.clone(), Arc::new(SystemClock)) {
        Ok(app) => app,
        Err(problems) => return refuse(&problems),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "no runtime");
            return ExitCode::FAILURE;
        }
    };
    let ending = runtime.block_on(async {
        let tasks = Tasks::new();
        let signals = signals().unwrap_or_else(|error| {
            tracing::warn!(%error, "no signals here; the hub stops when its desk does");
            tokio::sync::mpsc::channel(1).1
        });
        if arguments.while_stdin {
            let parent = tasks.clone();
            tasks.passing("parent", async move {
                super::parent::while_stdin(true).await;
                parent.stop();
            });
        }
        app.run(tasks, signals, |address| tracing::info!(%address, "listening")).await
    });
    match ending {
        Ok(ending) => {
            if let Some(failure) = &ending.failure {
                tracing::error!(failure, "stopped");
            } else {
                tracing::info!(unfinished = ?ending.unfinished, "stopped");
            }
            ExitCode::from(ending.exit_code())
        }
        Err(error) => {
            tracing::error!(%error, "the hub could not run");
            ExitCode::FAILURE
        }
    }
}

/// Says every problem, one a line.
#[expect(clippy::print_stderr, reason = "this is what the command line is for")]
pub(super) fn refuse(problems: &[Problem]) -> ExitCode {
    for problem in problems {
        eprintln!("{problem}");
    }
    ExitCode::FAILURE
}
