//! What the hub tells those who run it: log lines on stderr, numbers under `GET /metrics`.
//!
//! **Invariant:** nothing personal and no secret. Our own lines hold ids, counts and codes; those of other crates are cut
//! off below `info`, whatever the filter says, because their debug lines hold headers and bodies.

mod logging;
mod metrics;

pub use logging::{Format, Settings, TelemetryError, start};
pub use metrics::{ByCommand, ByDoor, ByInstance, Metrics, OPEN_METRICS, OfDesk};
