//! `tandem erase`: destroys a person's data keys in the data directory of a hub that does not run.

use std::process::ExitCode;
use std::sync::Arc;

use serde::Serialize;
use tandem_sdk::model::{Identity, IdentityKind, InteractionId, SubjectId};
use tandem_sdk::problem::Problem;

use super::arguments::Erase;
use super::offline;
use super::paper::{Paper, Stop};
use crate::desk::{self, Whose};
use crate::store::Keyspace;

/// What was erased.
#[derive(Serialize)]
struct Erased {
    /// Whose keys are gone.
    erased: Vec<SubjectId>,
}

/// Erases, and says whose keys are gone. Erasing again finds the same subjects and does no harm.
pub(super) fn erase(arguments: &Erase) -> ExitCode {
    let mut paper = Paper::new();
    let done = erased(arguments).and_then(|erased| paper.json(&erased));
    paper.end(done)
}

fn erased(arguments: &Erase) -> Result<Erased, Stop> {
    let whose = whose(arguments)?;
    let rest = offline::open(&arguments.kept)?;
    let store = Arc::clone(&rest.store);
    let (desk, thread) = desk::open(rest.setup, rest.rules, rest.store, rest.keys, rest.clock)
        .map_err(|error| offline::wrong(&error))?;
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.map_err(|error| offline::wrong(&error))?;
    let erased = runtime.block_on(async {
        let subjects = desk.subjects_of(whose).await?;
        if !subjects.is_empty() {
            desk.erase(subjects.clone()).await?;
        }
        Ok(subjects)
    });
    desk.close();
    let fenced = thread.join().unwrap_or(true);
    let subjects = erased.map_err(|error: desk::DeskError| offline::wrong(&error))?;
    if fenced {
        return Err(offline::wrong(&"another hub took over this data directory"));
    }
    if subjects.is_empty() {
        let expected = "somebody of whom the hub has kept something";
        return Err(Stop::wrong(
            Problem::new("erase.nobody", "", "nobody is known so", expected).in_file("command line"),
        ));
    }
    // A key that was deleted stands in older files until they are rewritten.
    for keyspace in [Keyspace::Keys, Keyspace::Vault] {
        store.scrub(keyspace).map_err(|error| offline::wrong(&error))?;
    }
    Ok(Erased { erased: subjects })
}

fn whose(arguments: &Erase) -> Result<Whose, Stop> {
    match (&arguments.interaction, &arguments.identity) {
        (Some(id), _) => Ok(Whose::Interaction(InteractionId(*id))),
        (None, Some((kind, value))) => Ok(Whose::Identity(Identity {
            kind: kind.clone(),
            value: value.as_str().into(),
            source: "erasure".to_owned(),
            verified: true,
        })),
        (None, None) => Err(Stop::wrong(
            Problem::new("erase.nobody", "", "nobody is named", "--interaction ID or --identity kind=value")
                .in_file("command line"),
        )),
    }
}

/// Reads `phone=+49…`.
pub(super) fn identity(text: &str) -> Result<(IdentityKind, String), String> {
    let wanted = "kind=value, the kind one of customer, phone, email, communication_user";
    let (kind, value) = text.split_once('=').ok_or(wanted)?;
    let kind = serde_json::from_value(kind.into()).map_err(|_| wanted)?;
    if value.is_empty() { Err(wanted.to_owned()) } else { Ok((kind, value.to_owned())) }
}
