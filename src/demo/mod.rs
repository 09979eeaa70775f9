//! `tandem demo`: the journey, played. Writes a config, starts the simulators and the same `serve` as separate processes
//! over sockets, plays customers and agents, and judges by the simulators' ledgers.

mod journey;
mod judge;
mod kept;
mod killing;
mod ledgers;
mod people;
mod play;
mod process;
mod report;
mod stage;
mod town;
mod waits;

pub use play::{Options, Outcome, Played, play};
pub use report::Shown;
pub use town::Limits;
