//! Verifies AWS Signature Version 4 as a service does: from the request that arrived.
//!
//! Every service but S3 is meant: paths are signed encoded twice. Long-lived keys alone; a security token counts as one
//! more signed header.

mod canonical;
mod claim;
mod verify;

pub use canonical::Arrived;
pub use verify::{Expected, Refusal, authorization, verify};
