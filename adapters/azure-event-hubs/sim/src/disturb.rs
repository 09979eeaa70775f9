//! What goes wrong because somebody says so.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::json;
use tandem_sdk::sim::Fault;

use crate::namespace::Namespace;

/// Longest refusal and silence, in milliseconds.
const LONGEST_MS: u64 = 600_000;

/// One thing that goes wrong: now, or with the next so many things of its kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case", deny_unknown_fields)]
pub enum Disturbance {
    /// Resets every socket.
    Cut,
    /// Closes every connection with `amqp:connection:forced`.
    ForceClose,
    /// Detaches the links of one hub, or of all hubs, with `amqp:link:detach-forced`.
    Detach {
        /// Which hub; none: all.
        #[serde(default)]
        hub: Option<String>,
    },
    /// Stores the next transfers, and detaches their links before they are settled.
    DetachInFlight {
        /// To which hub.
        hub: String,
        /// How many transfers.
        #[serde(default = "once")]
        times: usize,
    },
    /// Rejects the next transfers with `com.microsoft:server-busy`.
    Busy {
        /// To which hub.
        hub: String,
        /// How many transfers.
        #[serde(default = "once")]
        times: usize,
    },
    /// Answers the next questions for properties with 503.
    Unavailable {
        /// Of which hub.
        hub: String,
        /// How many questions.
        #[serde(default = "once")]
        times: usize,
    },
    /// Stores the next transfers and never settles them.
    Hang {
        /// To which hub.
        hub: String,
        /// How many transfers.
        #[serde(default = "once")]
        times: usize,
    },
    /// Neither stores nor settles the next transfers.
    Swallow {
        /// To which hub.
        hub: String,
        /// How many transfers.
        #[serde(default = "once")]
        times: usize,
    },
    /// Lets nobody connect. Who is connected stays.
    Refuse {
        /// For how many milliseconds, at most 600 000.
        for_ms: u64,
    },
    /// Lets nothing come or go over the connections that there are, while their sockets stay open.
    Freeze {
        /// For how many milliseconds, at most 600 000.
        for_ms: u64,
    },
}

/// Does it.
///
/// # Errors
/// Why it cannot be done.
pub(crate) fn disturb(namespace: &Namespace, wish: &Disturbance) -> Result<(), String> {
    let until = |for_ms: u64| Instant::now() + Duration::from_millis(for_ms.min(LONGEST_MS));
    match wish {
        Disturbance::Cut => namespace.connected().iter().for_each(|connection| connection.cut.notify_one()),
        Disturbance::ForceClose => namespace.connected().iter().for_each(|connection| connection.force.notify_one()),
        // Without any link nobody listens.
        Disturbance::Detach { hub } => drop(namespace.detach.send(hub.clone())),
        Disturbance::DetachInFlight { hub, times } => force(namespace, "settle", hub, Fault::Drop, *times)?,
        Disturbance::Busy { hub, times } => force(namespace, "send", hub, Fault::Throttle, *times)?,
        Disturbance::Unavailable { hub, times } => force(namespace, "management", hub, Fault::ServerError, *times)?,
        Disturbance::Hang { hub, times } => force(namespace, "settle", hub, Fault::Timeout, *times)?,
        Disturbance::Swallow { hub, times } => force(namespace, "send", hub, Fault::Timeout, *times)?,
        Disturbance::Refuse { for_ms } => drop(namespace.refuse_until.send_replace(Some(until(*for_ms)))),
        Disturbance::Freeze { for_ms } => {
            namespace.connected().iter().for_each(|connection| connection.freeze(until(*for_ms)));
        }
    }
    namespace.ledger.enter("namespace.disturbed", "", json!(wish));
    Ok(())
}

fn force(namespace: &Namespace, what: &str, hub: &str, fault: Fault, times: usize) -> Result<(), String> {
    let hub = namespace.hub(hub).ok_or_else(|| format!("there is no hub {hub}"))?;
    let site = format!("{what} {}", hub.name);
    for _ in 0..times {
        if !namespace.faults.force(&site, fault) {
            return Err("too many forced faults wait already".to_owned());
        }
    }
    Ok(())
}

fn once() -> usize {
    1
}
