//! What was said changes an interaction. Pure: no clock, no store, no network.
//!
//! * [`Interaction`]: one customer matter, folded from records.
//! * [`House`]: what belongs to no single interaction: agents' identities, the hub's own tokens, parked facts.
//! * [`conduct`]: given what changed, what is now owed.
//!
//! **Invariant:** everything that conduct does to an aggregate is a [`Step`], and recovery folds the same steps; so a
//! recovered aggregate equals the one that was lost.

mod chain;
pub mod conduct;
mod correlate;
mod dead;
mod fold;
mod house;
mod input;
mod interaction;
mod leg;
mod settings;
mod step;

use chain::{is_look, look_at, placement_in, trace_from};
pub use correlate::{Belongs, generation_for, relatives};
pub use dead::{DEAD_MOST, Dead, erased};
pub use fold::{Change, Known};
pub(crate) use house::asks_about_parked;
pub use house::{Agent, House, Parked};
pub use input::{ChatRequest, Input, Owner, Understood};
pub use interaction::{Assignment, Closed, Customer, Doubt, Held, Interaction, Placement, ProfileState, Stage, State};
pub use leg::{Leg, LegState, Membership, Side};
pub use settings::{Settings, Texts};
pub use step::{Note, Step};
