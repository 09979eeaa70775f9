//! What a verb says, line by line, to whoever still reads it.

use std::io::{self, StdoutLock, Write};
use std::process::ExitCode;

use serde::Serialize;
use tandem_sdk::problem::Problem;

use super::serve::refuse;

/// Standard output, locked for one verb.
pub(super) struct Paper(io::BufWriter<StdoutLock<'static>>);

/// Why a verb stopped.
pub(super) enum Stop {
    /// Nobody reads on, as behind `| head`.
    Unread(io::Error),
    /// Something is wrong.
    Problems(Vec<Problem>),
}

impl Paper {
    /// Locks standard output.
    pub(super) fn new() -> Self {
        Paper(io::BufWriter::new(io::stdout().lock()))
    }

    /// Writes one line.
    pub(super) fn line(&mut self, line: &str) -> Result<(), Stop> {
        writeln!(self.0, "{line}").map_err(Stop::Unread)
    }

    /// Writes one JSON document on one line.
    pub(super) fn json<T: Serialize>(&mut self, document: &T) -> Result<(), Stop> {
        serde_json::to_writer(&mut self.0, document).map_err(|error| Stop::Unread(error.into()))?;
        self.line("")
    }

    /// Ends the verb: what was written goes out, what is wrong is said.
    pub(super) fn end(mut self, outcome: Result<(), Stop>) -> ExitCode {
        let written = self.0.flush();
        drop(self);
        match (outcome, written) {
            (Err(Stop::Problems(problems)), _) => refuse(&problems),
            (Ok(()), Ok(())) => ExitCode::SUCCESS,
            (Err(Stop::Unread(error)), _) | (Ok(()), Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                ExitCode::SUCCESS
            }
            (Err(Stop::Unread(error)), _) | (Ok(()), Err(error)) => {
                refuse(&[Problem::new("cli.output", "", error.to_string(), "an output that can be written to")
                    .in_file("stdout")])
            }
        }
    }
}

impl Stop {
    /// One thing that is wrong.
    pub(super) fn wrong(problem: Problem) -> Self {
        Stop::Problems(vec![problem])
    }
}
