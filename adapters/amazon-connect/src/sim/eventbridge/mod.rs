//! Contact events as an EventBridge rule sends them to an API destination.
//!
//! Best effort and in no order: an event can get lost, come twice or overtake another. There is no signature; what
//! authenticates the sender is what the connection adds.

mod authorization;
mod delivery;
mod detail;
mod envelope;

pub(super) use delivery::Destination;
pub(super) use detail::detail;
