#![doc = include_str!("../README.md")]

mod ask;
mod exchange;
mod lookup;
mod pick;
mod probe;
mod settings;
#[cfg(feature = "sim")]
pub mod sim;
mod token;

pub use settings::{Asking, ClientAuth, IdentityRow, Method, OAuth, Response, Settings, Size};

use std::sync::Arc;

use tandem_sdk::doors::{Context, Doors, Kind};
use tandem_sdk::problem::Problem;

use lookup::Cdp;

/// The name of this kind.
pub const SYSTEM: &str = "cdp-http";

/// A CDP that tells profiles over HTTP.
pub const KIND: Kind = Kind { name: SYSTEM, build, read: None };

fn build(settings: toml::Table, context: &Context<'_>) -> Result<Doors, Vec<Problem>> {
    let checked = tandem_sdk::settings::read::<Settings>(settings)?.check(context.base)?;
    let cdp = Arc::new(Cdp::new(checked, context.http.clone()));
    Ok(Doors { lookup: Some(Arc::<Cdp>::clone(&cdp)), probe: Some(cdp), ..Doors::default() })
}
