//! The simulator on its own: `tandem-event-hubs-sim --settings FILE --while-stdin`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tandem_event_hubs_sim::{Settings, run};
use tokio::io::AsyncReadExt as _;

/// Plays an Event Hubs namespace on loopback.
#[derive(Parser)]
struct Arguments {
    /// What it is told: TOML, as `Settings` of this crate describes it.
    #[arg(long)]
    settings: PathBuf,
    /// End when standard input ends, which it does when whoever started this is gone.
    #[arg(long)]
    while_stdin: bool,
}

#[tokio::main]
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "whoever started it waits for these lines")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let read = std::fs::read_to_string(&arguments.settings).map_err(|error| error.to_string());
    let settings = read.and_then(|text| toml::from_str::<Settings>(&text).map_err(|error| error.to_string()));
    let started = match settings {
        Ok(settings) => run(settings).await.map_err(|error| error.to_string()),
        Err(why) => Err(why),
    };
    match started {
        Ok(running) => {
            println!("control {}", running.control);
            println!("listening {}", running.endpoint);
            until_the_end(arguments.while_stdin).await;
            running.stop().await;
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{}: {why}", arguments.settings.display());
            ExitCode::FAILURE
        }
    }
}

async fn until_the_end(is_attached: bool) {
    let parent_is_gone = async {
        let (mut stdin, mut ignored) = (tokio::io::stdin(), [0_u8; 64]);
        while stdin.read(&mut ignored).await.is_ok_and(|read| read > 0) {}
    };
    tokio::select! {
        ended = tokio::signal::ctrl_c() => drop(ended),
        () = parent_is_gone, if is_attached => {}
    }
}
