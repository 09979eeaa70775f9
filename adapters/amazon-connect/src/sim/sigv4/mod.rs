//! Verifies AWS Signature Version 4 as a service does: from the request that arrived.

mod canonical;
mod claim;
mod verify;

pub(super) use canonical::Arrived;
#[cfg(test)]
pub(super) use verify::tests::authorization;
pub(super) use verify::{Expected, Refusal, verify};
