//! Opening what a hub that does not run has kept.

use std::sync::Arc;

use tandem_sdk::problem::Problem;

use super::arguments::Kept;
use super::paper::Stop;
use crate::app::{self, AtRest};
use crate::clock::SystemClock;
use crate::config::Config;

/// Opens the data directory with the config's keys.
pub(super) fn open(kept: &Kept) -> Result<AtRest, Stop> {
    let loaded = Config::load(&kept.configured.config).map_err(Stop::Problems)?;
    let app = app::build(loaded, kept.data.clone(), Arc::new(SystemClock)).map_err(Stop::Problems)?;
    app.at_rest().map_err(|error| wrong(&error))
}

/// What could not be read.
pub(super) fn wrong(error: &dyn std::fmt::Display) -> Stop {
    let expected = "the data directory and the keys of a hub that does not run";
    Stop::wrong(Problem::new("store.unreadable", "", error.to_string(), expected).in_file("data"))
}
