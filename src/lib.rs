//! Tandem.

/// What one side cannot carry is turned into what it can.
pub mod content;
/// Who is this? Ordered CDP lookups with a deadline, a cache and a circuit breaker.
pub mod profiles;
/// Who should take it? Ordered rules over interaction, profile and time name a target.
pub mod routing;
/// What was said changes an interaction. Pure.
pub mod interactions;
/// Ordered keys, one atomic durable batch, the log, and the sealing of personal data.
pub mod store;
/// What a site decides: one TOML file, read once, every problem named at once.
pub mod config;
/// The clock, as an argument.
pub mod clock;
/// The only writer: drain, take, commit once, answer.
pub mod desk;
/// Everything that was kept, understood and decided again, and compared with what was recorded.
pub mod replay;
/// Log records: what the desk writes.
pub mod record;
/// Tasks and how they end; the only place that starts one.
pub mod shutdown;
/// Log lines and numbers for those who run it, with nothing personal in them.
pub mod telemetry;
/// Carries what is owed to the clouds.
pub mod dispatch;
/// Consumers follow: what was recorded, as events and as people read it.
pub mod delivery;
/// A platform speaks and we keep what it said.
pub mod intake;
/// The composition root: config → adapters → rooms → tasks.
pub mod app;
/// Arguments in, exit codes out.
pub mod cli;
/// The front desk.
pub mod http;
/// The adapter kinds that are compiled in.
pub mod registry;
/// The journey, played over sockets and judged by ledgers.
#[cfg(feature = "sim")]
pub mod demo;
