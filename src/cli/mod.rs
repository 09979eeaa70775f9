//! The command line: arguments in, exit codes out.
//!
//! 0: done. 1: failed. 64: the command line itself is wrong.

mod arguments;
mod check;
#[cfg(feature = "sim")]
mod demo;
mod erase;
mod explain;
mod normalize;
mod offline;
mod paper;
mod parent;
mod replay;
mod serve;
#[cfg(feature = "sim")]
mod sim;
mod store;

use std::process::ExitCode;

use clap::Parser as _;

use arguments::{Arguments, Verb};

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let is_usage = error.use_stderr();
            return match error.print() {
                Ok(()) if !is_usage => ExitCode::SUCCESS,
                _ => ExitCode::from(64),
            };
        }
    };
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        tracing::debug!("a provider was installed before");
    }
    match arguments.verb {
        Verb::Serve(serve) => serve::serve(&serve),
        Verb::Check(check) => check::check(&check),
        Verb::Normalize(normalize) => normalize::normalize(&normalize),
        Verb::Store { deed } => store::store(&deed),
        Verb::Explain(explain) => explain::explain(&explain),
        Verb::Erase(erase) => erase::erase(&erase),
        Verb::Replay(replay) => replay::replay(&replay),
        #[cfg(feature = "sim")]
        Verb::Sim(sim) => sim::sim(&sim),
        #[cfg(feature = "sim")]
        Verb::Demo(demo) => demo::demo(demo),
    }
}
