//! The kit that every adapter is put through. An adapter's `tests/conformance.rs` describes itself as a [`Subject`] and
//! asks for [`failures`].
//!
//! What cannot hold at a vendor is waived, with the reason. A waived check runs all the same: one that holds after all is
//! a stale waiver, and fails.

mod decode;
mod mutate;
mod receive;
mod subject;
mod verdict;

pub use subject::{Credential, Delivery, Sample, Subject, Understood, Waiver};
pub use verdict::{Check, Failure, failures};
