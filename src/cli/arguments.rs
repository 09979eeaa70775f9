//! What can be said on the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// The switch between a company's Azure and AWS contact centres.
#[derive(Debug, Parser)]
#[command(name = "tandem", version, about)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Run the hub.
    Serve(Serve),
    /// Look at config, rules and mappings, and name every problem at once.
    Check(Check),
}

#[derive(Debug, Args)]
pub(super) struct Configured {
    /// The config file.
    #[arg(long, default_value = "config/tandem.toml")]
    pub(super) config: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    pub(super) configured: Configured,
    /// The folder in which everything is kept; goes before the config.
    #[arg(long)]
    pub(super) data: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    pub(super) configured: Configured,
    /// Also knock on every door: can the cloud be reached, and what is missing there?
    #[arg(long)]
    pub(super) probe: bool,
}
