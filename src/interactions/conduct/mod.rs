//! Conduct: given what changed, what is now owed. Pure; every page is one part of the journey.

mod asking;
mod assigning;
mod ending;
mod opening;
mod placing;
mod relaying;
mod settling;
mod timing;
mod turn;

pub(crate) use opening::channel_of;
pub use placing::INTERACTION_ATTRIBUTE;
pub use turn::{Cloud, Context, Turn, agent_secret, hub_secret, order};
