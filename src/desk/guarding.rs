//! Inputs that go wrong: nothing of them stays, and what can never be taken is not tried again as it is.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tandem_sdk::doors::Decoded;
use tandem_sdk::error::{AdapterError, ErrorKind};

use super::answer::{DeskError, Done};
use super::run::Writer;
use super::work::{Incoming, Pending, Work};
use crate::record::RecordError;

/// What becomes of an input that failed.
pub(super) enum Failed {
    /// Its sender is told.
    Answer(DeskError),
    /// This is taken in its place.
    Instead(Box<Work>),
}

/// What is taken in place of an input that can never be taken. Nothing in place of what is in its place.
fn instead_of(work: &Work) -> Option<Box<Work>> {
    match work {
        Work::Envelope(incoming) if !matches!(incoming.decoded, Decoded::Malformed { .. }) => {
            let (instance, envelope, mapping) =
                (incoming.instance.clone(), incoming.envelope.clone(), incoming.mapping.clone());
            let decoded = Decoded::Malformed { problem: "the desk cannot take it".to_owned() };
            Some(Box::new(Work::Envelope(Box::new(Incoming { instance, envelope, decoded, mapping }))))
        }
        Work::Outcome { command, result: Ok(_), secrets, repeated } => {
            let error = AdapterError::new(ErrorKind::Unexpected, "outcome", "the desk cannot take it");
            Some(Box::new(Work::Outcome {
                command: *command,
                result: Err(error.perhaps_done()),
                secrets: secrets.clone(),
                repeated: *repeated,
            }))
        }
        _ => None,
    }
}

impl Writer {
    /// Runs work whose entries and rows go when it fails; what it did in memory goes when the store is read back.
    pub(super) fn guarded<T>(
        &mut self,
        pending: &mut Pending,
        work: impl FnOnce(&mut Self, &mut Pending) -> Result<T, RecordError>,
    ) -> Result<T, Option<RecordError>> {
        let entries = pending.entries.len();
        let mut rows = std::mem::take(&mut pending.rows);
        let keys = self.keys.mark();
        let done = catch_unwind(AssertUnwindSafe(|| work(self, pending)));
        if self.shelf.misses_any() {
            // Whoever works on an interaction puts it back; where that failed, the store has it.
            self.stuck = true;
        }
        if let Ok(Ok(done)) = done {
            rows.append(std::mem::take(&mut pending.rows));
            pending.rows = rows;
            return Ok(done);
        }
        pending.entries.truncate(entries);
        pending.rows = rows;
        self.keys.rewind(keys);
        Err(done.ok().and_then(Result::err))
    }

    /// Takes one input. What can never be taken (it makes our own code panic, or its record is too large) is not tried
    /// again as it is: an envelope goes into quarantine, an outcome becomes that of a dead command.
    pub(super) fn take_guarded(&mut self, pending: &mut Pending, work: Work) -> Result<Done, Failed> {
        let instead = instead_of(&work);
        match self.guarded(pending, |writer, pending| writer.take(pending, work)) {
            Ok(done) => Ok(done),
            Err(Some(error)) if error.is_transient() => {
                tracing::error!(%error, "an input could not be taken now");
                Err(Failed::Answer(DeskError::Unavailable))
            }
            Err(error) => {
                let error = error.map_or_else(|| "it made the desk panic".to_owned(), |error| error.to_string());
                tracing::error!(error, "an input can never be taken");
                Err(instead.map_or(Failed::Answer(DeskError::Unavailable), Failed::Instead))
            }
        }
    }
}
