//! What every simulator of a cloud shares.
//!
//! A simulator is a real TLS server on loopback that speaks a vendor's protocol. This kit gives it a certificate
//! authority made at run time ([`Authority`]), a server ([`serve`]), faults drawn from a seed ([`Faults`],
//! [`fault_layer`]), a ledger of the effects that it suffered ([`Ledger`]), a way to post events with the vendor's
//! retry schedule ([`Deliverer`]) and a factor that compresses documented durations ([`TimeScale`]).
//! [`sigv4`] checks how AWS's clients sign. [`control_routes`] lets a judge read the ledger from outside.
//!
//! Everything is kept in memory and bounded; nothing here listens anywhere but on loopback.

mod authority;
mod control;
mod deliverer;
mod error;
mod fault;
mod fault_layer;
mod faults;
mod ledger;
mod rates;
mod rsa_identity;
#[cfg(test)]
mod scenes;
mod schedule;
mod served;
pub mod sigv4;
mod time_scale;

pub use authority::Authority;
pub use control::control_routes;
pub use deliverer::{Deliverer, Delivery, DeliveryBounds, Exchange};
pub use error::SimError;
pub use fault::{Fault, FaultKind};
pub use fault_layer::{FaultLayer, WhatWasCalled, fault_layer, sever};
pub use faults::{Count, Faults};
pub use ledger::{Entry, Ledger};
pub use rates::Rates;
pub use rsa_identity::RsaIdentity;
pub use schedule::{Schedule, Verdict};
pub use served::{Bound, Served, serve};
pub use time_scale::TimeScale;
