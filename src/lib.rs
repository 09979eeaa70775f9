//! Tandem.

/// What one side cannot carry is turned into what it can.
pub mod content;
/// Who is this? Ordered CDP lookups with a deadline, a cache and a circuit breaker.
pub mod profiles;
/// Who should take it? Ordered rules over interaction, profile and time name a target.
pub mod routing;
/// What a site decides: one TOML file, read once, every problem named at once.
pub mod config;
/// Tasks and how they end; the only place that starts one.
pub mod shutdown;
/// Log lines and numbers for those who run it, with nothing personal in them.
pub mod telemetry;
