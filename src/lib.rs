//! Tandem.

/// What one side cannot carry is turned into what it can.
pub mod content;
