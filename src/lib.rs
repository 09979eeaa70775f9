//! Tandem.

/// What one side cannot carry is turned into what it can.
pub mod content;
/// What a site decides: one TOML file, read once, every problem named at once.
pub mod config;
