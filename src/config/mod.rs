//! What a site decides: one TOML file, read once, every problem named at once.

mod duration;
mod size;

pub use duration::Period;
pub use size::Size;
