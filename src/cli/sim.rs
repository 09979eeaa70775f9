//! `tandem sim`: a simulator on its own.

use std::path::Path;
use std::process::ExitCode;

use serde::de::DeserializeOwned;
use tandem_sdk::problem::Problem;

use super::arguments::{Cloud, Sim};
use super::parent::while_stdin;
use super::serve::refuse;

/// Runs a simulator until it is told to stop.
pub(super) fn sim(arguments: &Sim) -> ExitCode {
    let Ok(runtime) = tokio::runtime::Builder::new_multi_thread().enable_all().build() else {
        return ExitCode::FAILURE;
    };
    runtime.block_on(async {
        match arguments.cloud {
            #[cfg(feature = "azure-communication")]
            Cloud::Acs => {
                run(arguments, tandem_azure_communication::sim::run, |running| running.endpoint.clone()).await
            }
            #[cfg(feature = "amazon-connect")]
            Cloud::Connect => run(arguments, tandem_amazon_connect::sim::run, |running| running.endpoint.clone()).await,
            #[cfg(feature = "amazon-lex")]
            Cloud::Lex => run(arguments, tandem_amazon_lex::sim::run, |running| running.endpoint.clone()).await,
            #[cfg(feature = "cdp-http")]
            Cloud::Cdp => run(arguments, tandem_cdp_http::sim::run, |running| running.profile_url()).await,
        }
    })
}

#[expect(clippy::print_stdout, reason = "whoever started it waits for this line")]
async fn run<S, R, F, E>(arguments: &Sim, start: impl FnOnce(S) -> F, endpoint: impl FnOnce(&R) -> String) -> ExitCode
where
    S: DeserializeOwned,
    F: Future<Output = Result<R, E>>,
    E: std::fmt::Display,
{
    let settings = match read(&arguments.settings) {
        Ok(settings) => settings,
        Err(problem) => return refuse(&[*problem]),
    };
    match start(settings).await {
        Ok(running) => {
            println!("listening {}", endpoint(&running));
            while_stdin(arguments.while_stdin).await;
            ExitCode::SUCCESS
        }
        Err(error) => {
            let file = arguments.settings.display().to_string();
            refuse(&[Problem::new("sim.settings", "", error.to_string(), "settings that work").in_file(file)])
        }
    }
}

fn read<S: DeserializeOwned>(path: &Path) -> Result<S, Box<Problem>> {
    let file = path.display().to_string();
    let wrong =
        |found: String| Box::new(Problem::new("sim.settings", "", found, "a readable TOML file").in_file(&file));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    toml::from_str(&text).map_err(|error| wrong(error.message().to_owned()))
}
