//! What the simulator knows while it runs.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Map, Value as Json, json};
use tandem_sdk::sim::{Faults, Ledger};
use tokio::sync::{broadcast, watch};

use crate::address::host;
use crate::error::Error;
use crate::event::{self, AmqpMessage};
use crate::jwt::Issuer;
use crate::open_connection::OpenConnection;
use crate::partition::Partition;
use crate::partition_key::partition_of;
use crate::settings::{DEFAULT_GROUP, Settings};

/// Orders to links that may wait to be read; a link that misses one was busy and is asked again by whoever wants it.
const ORDERS: usize = 64;

/// One hub.
pub(crate) struct Hub {
    pub(crate) name: String,
    pub(crate) created_at: Timestamp,
    pub(crate) partitions: Vec<Arc<Partition>>,
    groups: Vec<String>,
    round: AtomicUsize,
}

/// The simulated namespace.
pub(crate) struct Namespace {
    pub(crate) settings: Settings,
    pub(crate) issuer: Option<Issuer>,
    pub(crate) hubs: Vec<Hub>,
    pub(crate) ledger: Ledger,
    pub(crate) faults: Faults,
    /// Links of the hub named here, or of all, are detached.
    pub(crate) detach: broadcast::Sender<Option<String>>,
    /// Nobody may connect until then.
    pub(crate) refuse_until: watch::Sender<Option<Instant>>,
    connections: Mutex<HashMap<u64, Arc<OpenConnection>>>,
    next_id: AtomicU64,
}

impl Namespace {
    pub(crate) fn new(settings: Settings, ledger: Ledger, faults: Faults) -> Result<Self, Error> {
        let issuer = settings.jwt.as_ref().map(Issuer::new).transpose()?;
        let created_at = Timestamp::now();
        let hubs = settings.hubs.iter().map(|hub| Hub {
            name: hub.name.clone(),
            created_at,
            partitions: (0..hub.partitions).map(|id| Arc::new(Partition::new(id.to_string(), hub.retention))).collect(),
            groups: std::iter::once(DEFAULT_GROUP.to_owned()).chain(hub.consumer_groups.iter().cloned()).collect(),
            round: AtomicUsize::new(0),
        });
        let hubs = hubs.collect();
        let (detach, _) = broadcast::channel(ORDERS);
        let (refuse_until, _) = watch::channel(None);
        let connections = Mutex::default();
        let next_id = AtomicU64::new(1);
        Ok(Namespace { settings, issuer, hubs, ledger, faults, detach, refuse_until, connections, next_id })
    }

    pub(crate) fn hub(&self, name: &str) -> Option<&Hub> {
        self.hubs.iter().find(|hub| hub.name.eq_ignore_ascii_case(name))
    }

    /// Whether a URL's host is this namespace. Relative addresses are.
    pub(crate) fn is_host(&self, url: &str) -> bool {
        let (host, ours) = (host(url), self.settings.namespace.as_str());
        let whole = format!("{ours}.servicebus.windows.net");
        ["", "localhost", "127.0.0.1", "[::1]", ours, &whole].iter().any(|name| host.eq_ignore_ascii_case(name))
    }

    /// A number that nothing else here has.
    pub(crate) fn new_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Stores events of one key in one partition, all or none, and enters them into the ledger.
    pub(crate) fn store(&self, hub: &Hub, partition: &Partition, events: Vec<AmqpMessage>) {
        for stored in partition.append(events, Timestamp::now().as_millisecond()) {
            let event = &stored.delivery.message;
            let mut detail = json!({"hub": hub.name, "partition": partition.id, "sequence": stored.sequence,
                                    "offset": stored.offset.to_string(), "enqueued_ms": stored.enqueued});
            if let Json::Object(detail) = &mut detail {
                detail.append(&mut event::told(event, self.settings.bounds.ledger_body_bytes));
            }
            let place = || format!("{}/{}/{}", hub.name, partition.id, stored.sequence);
            self.ledger.enter("event.stored", &event::message_id(event).unwrap_or_else(place), detail);
        }
    }

    /// Enters what happened to a link.
    pub(crate) fn enter(&self, effect: &str, key: &str, connection: u64, mut detail: Map<String, Json>) {
        detail.insert("connection".to_owned(), json!(connection));
        self.ledger.enter(effect, key, Json::Object(detail));
    }

    /// Takes a connection in. None: there are too many.
    pub(crate) fn connect(&self) -> Option<Arc<OpenConnection>> {
        let mut connections = self.connections();
        if connections.len() >= self.settings.bounds.connections {
            return None;
        }
        let connection = Arc::new(OpenConnection::new(self.new_id(), self.settings.bounds.grants));
        connections.insert(connection.id, Arc::clone(&connection));
        Some(connection)
    }

    pub(crate) fn disconnect(&self, connection: &OpenConnection) {
        self.connections().remove(&connection.id);
    }

    /// All that are connected now.
    pub(crate) fn connected(&self) -> Vec<Arc<OpenConnection>> {
        self.connections().values().cloned().collect()
    }

    /// How long every answer to a delivery waits.
    pub(crate) fn settle_delay(&self) -> Duration {
        Duration::from_millis(self.settings.settle_delay_ms.min(60_000))
    }

    fn connections(&self) -> MutexGuard<'_, HashMap<u64, Arc<OpenConnection>>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hub {
    pub(crate) fn partition(&self, id: &str) -> Option<&Arc<Partition>> {
        self.partitions.iter().find(|partition| partition.id == id)
    }

    /// The consumer group as this hub spells it.
    pub(crate) fn group(&self, name: &str) -> Option<&str> {
        self.groups.iter().find(|group| group.eq_ignore_ascii_case(name)).map(String::as_str)
    }

    pub(crate) fn groups(&self) -> &[String] {
        &self.groups
    }

    /// Where an event goes that was sent to the hub: by its key, or to the next partition in turn.
    pub(crate) fn choose(&self, key: Option<&str>) -> &Arc<Partition> {
        let count = self.partitions.len();
        let place = match key {
            Some(key) => partition_of(key, count),
            None => self.round.fetch_add(1, Ordering::Relaxed) % count,
        };
        &self.partitions[place]
    }
}
