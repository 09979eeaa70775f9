//! What can be said on the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use tandem_sdk::model::IdentityKind;

use crate::store::Keyspace;

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
    /// Read vendor payloads into facts: one CloudEvent a line. Signatures are not checked.
    Normalize(Normalize),
    /// Look at what a hub that does not run has kept. Nothing sealed is opened.
    Store {
        /// What to do.
        #[command(subcommand)]
        deed: StoreDeed,
    },
    /// Tell the story of one interaction, from the data directory of a hub that does not run.
    Explain(Explain),
    /// Destroy a person's data keys, in the data directory of a hub that does not run.
    Erase(Erase),
    /// Understand and decide everything again that a hub has kept, and name what comes out otherwise.
    Replay(Replay),
    /// Run a simulator of a cloud on its own.
    #[cfg(feature = "sim")]
    Sim(Sim),
    /// Play the journey: simulators, hub, a customer and agents.
    #[cfg(feature = "sim")]
    Demo(Demo),
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
    /// Stop when stdin ends, as it does when the process that started this one is gone.
    #[arg(long, hide = true)]
    pub(super) while_stdin: bool,
}

#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    pub(super) configured: Configured,
    /// Also knock on every door: can the cloud be reached, and what is missing there?
    #[arg(long)]
    pub(super) probe: bool,
}

/// What a hub has kept, and with which config.
#[derive(Debug, Args)]
pub(super) struct Kept {
    #[command(flatten)]
    pub(super) configured: Configured,
    /// The folder in which everything is kept; goes before the config.
    #[arg(long)]
    pub(super) data: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Normalize {
    /// The adapter kind, for instance `azure-communication`.
    pub(super) adapter: String,
    /// Files with a payload, several, or an array of them; standard input without any.
    pub(super) files: Vec<PathBuf>,
    /// The folder of the mappings.
    #[arg(long, default_value = "mappings")]
    pub(super) mappings: PathBuf,
    /// The resource or instance, where the payload does not say.
    #[arg(long, default_value = "unknown")]
    pub(super) account: String,
}

#[derive(Debug, Subcommand)]
pub(super) enum StoreDeed {
    /// Show one row.
    Get {
        #[command(flatten)]
        kept: Kept,
        /// Where it stands; `tandem store scan` lists them.
        keyspace: Keyspace,
        /// Its key as `scan` shows it.
        key: String,
    },
    /// Show rows in the order of their keys, one a line; without a keyspace, what there is.
    Scan {
        #[command(flatten)]
        kept: Kept,
        /// Where.
        keyspace: Option<Keyspace>,
        /// Begin behind this key.
        #[arg(long)]
        after: Option<String>,
        /// Rows at most.
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Write the plain part of every record of the log, one a line.
    Export {
        #[command(flatten)]
        kept: Kept,
    },
}

#[derive(Debug, Args)]
pub(super) struct Replay {
    #[command(flatten)]
    pub(super) kept: Kept,
    /// Print one JSON object.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Explain {
    #[command(flatten)]
    pub(super) kept: Kept,
    /// Also show names, addresses and what was said.
    #[arg(long)]
    pub(super) text: bool,
    /// The interaction.
    pub(super) interaction: uuid::Uuid,
}

#[derive(Debug, Args)]
#[group(id = "whose", required = true, multiple = false, args = ["interaction", "identity"])]
pub(super) struct Erase {
    #[command(flatten)]
    pub(super) kept: Kept,
    /// The customer of this interaction.
    #[arg(long)]
    pub(super) interaction: Option<uuid::Uuid>,
    /// Who is recognised so, for instance `phone=+4930123456`.
    #[arg(long, value_parser = super::erase::identity)]
    pub(super) identity: Option<(IdentityKind, String)>,
}

/// The clouds that can be simulated.
#[cfg(feature = "sim")]
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum Cloud {
    /// Azure Communication Services and Event Grid.
    #[cfg(feature = "azure-communication")]
    Acs,
    /// Amazon Connect, EventBridge and SNS.
    #[cfg(feature = "amazon-connect")]
    Connect,
    /// The runtime of Amazon Lex.
    #[cfg(feature = "amazon-lex")]
    Lex,
    /// A CDP with OAuth.
    #[cfg(feature = "cdp-http")]
    Cdp,
}

#[cfg(feature = "sim")]
#[derive(Debug, Args)]
pub(super) struct Sim {
    /// Which cloud.
    pub(super) cloud: Cloud,
    /// The simulator's settings, TOML. `tandem demo --folder DIR` writes one for each cloud.
    #[arg(long)]
    pub(super) settings: PathBuf,
    /// Stop when stdin ends, as it does when the process that started this one is gone.
    #[arg(long, hide = true)]
    pub(super) while_stdin: bool,
}

#[cfg(feature = "sim")]
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Stop after the play instead of staying up.
    #[arg(long)]
    pub(super) once: bool,
    /// Print one JSON object a step and a last one with the outcome.
    #[arg(long)]
    pub(super) json: bool,
    /// Let things go wrong, drawn from this seed: duplicates, reordering, delays, losses, throttling, errors, lost answers.
    /// With an even seed messages wait for stragglers, and all have to arrive in order.
    #[arg(long)]
    pub(super) seed: Option<u64>,
    /// How often each fault befalls a call, where there is a seed.
    #[arg(long, default_value_t = 0.02)]
    pub(super) faults: f64,
    /// Where the hub listens; a free port without it.
    #[arg(long)]
    pub(super) listen: Option<std::net::SocketAddr>,
    /// Journeys at once.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(super) journeys: u16,
    /// Kill the hub this many times while the journeys are on.
    #[arg(long, default_value_t = 0)]
    pub(super) kills: usize,
    /// How long anything may take before the play is given up.
    #[arg(long, default_value = "90s", value_parser = period)]
    pub(super) patience: crate::config::Period,
    /// Write everything here and keep it; without it a temporary folder that goes when the play was complete.
    #[arg(long)]
    pub(super) folder: Option<PathBuf>,
}

#[cfg(feature = "sim")]
fn period(text: &str) -> Result<crate::config::Period, String> {
    crate::config::Period::try_from(text.to_owned())
}
