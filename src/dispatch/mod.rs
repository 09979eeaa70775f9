//! Carries what is owed to the clouds.
//!
//! Claims commands from the desk, keeps within the documented limits of each cloud, hands each to its adapter, and gives
//! the outcome back to the desk as one more input. Only here is anything tried again.
//!
//! **Invariant:** a command whose repetition nothing protects is looked for before it is sent again.

mod attempt;
mod backoff;
mod carrying;
mod governor;

pub use backoff::Backoff;
pub use carrying::Dispatcher;
pub use governor::{Caller, Governor};
