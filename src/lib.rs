//! Tandem: the switch between a company's Azure and AWS contact centres. The rooms in walking order:
//!
//! * [`http`]: the front desk; [`intake`]: a platform speaks and we keep what it said;
//! * [`desk`]: the only writer: drain, take, commit once, answer; [`record`]: what it writes;
//! * [`interactions`]: what was said changes an interaction; [`routing`]: who should take it; [`content`]: what one side
//!   cannot carry becomes what it can. Pure, all three;
//! * [`profiles`]: who is this; [`dispatch`]: carries what is owed to the clouds; [`delivery`]: tells CDP and CRM;
//! * [`store`]: ordered keys, one atomic durable batch, the log, and the sealing of personal data;
//! * [`config`], [`registry`], [`app`], [`cli`]: what a site decides, and how the house is put together from it;
//!   [`clock`], [`shutdown`], [`telemetry`]: time, stopping, showing.
//!
//! ARCHITECTURE.md has the floor plan and one event's walk.

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod content;
pub mod delivery;
#[cfg(feature = "sim")]
pub mod demo;
pub mod desk;
pub mod dispatch;
pub mod http;
pub mod intake;
pub mod interactions;
pub mod profiles;
pub mod record;
pub mod registry;
pub mod replay;
pub mod routing;
pub mod shutdown;
pub mod store;
pub mod telemetry;
