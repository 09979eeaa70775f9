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
    say_where_it_panics();
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

/// Has a panic say where it was and nothing else: what it would say may hold what a customer said.
pub fn say_where_it_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        let thread = std::thread::current().name().unwrap_or("a thread without a name").to_owned();
        if tracing::dispatcher::has_been_set() {
            tracing::error!(place, thread, "our own code panicked");
        } else {
            say(&format!("{thread} panicked at {place}"));
        }
    }));
}

#[expect(clippy::print_stderr, reason = "nobody else tells before there are log lines")]
fn say(line: &str) {
    eprintln!("{line}");
}
