//! One webhook: verify, split, decode, keep, reply.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method};
use tandem_sdk::doors::{Decode, Kept, Receive, Received, Refusal, Reply, Request};
use tandem_sdk::model::InstanceName;

use super::keys::{Fetch, Keys};
use crate::clock::Clock;
use crate::desk::{Desk, DeskError, Incoming, Priority, Work};

/// How often a door may ask for a document during one request.
const DOCUMENTS_PER_REQUEST: usize = 2;

/// Takes webhooks.
#[derive(Clone)]
pub struct Intake(Arc<Room>);

struct Room {
    desk: Desk,
    doors: BTreeMap<InstanceName, Door>,
    keys: Keys,
    clock: Arc<dyn Clock>,
}

/// The doors through which one instance is spoken to.
#[derive(Clone)]
pub struct Door {
    /// Verifies and splits.
    pub receive: Arc<dyn Receive>,
    /// Understands.
    pub decode: Arc<dyn Decode>,
}

/// What the sender gets.
#[derive(Debug)]
pub enum Answered {
    /// Everything is durable: the door's own reply.
    Kept(Reply),
    /// 401, or 404 for a door that is not there.
    Refused(Refusal),
    /// 404: no such instance.
    NoSuchInstance,
    /// 503 with Retry-After: a key that cannot be had, or a desk that cannot take it now.
    NotNow(&'static str),
}

impl Intake {
    /// Opens the room over these instances.
    pub fn new(desk: Desk, doors: BTreeMap<InstanceName, Door>, keys: Keys, clock: Arc<dyn Clock>) -> Self {
        Intake(Arc::new(Room { desk, doors, keys, clock }))
    }

    /// Every door with the largest body that its vendor may send: instance, door, bytes.
    pub fn doors(&self) -> Vec<(InstanceName, &'static str, usize)> {
        let of_instance = |(name, door): (&InstanceName, &Door)| {
            door.receive.doors().into_iter().map(|(door, most)| (name.clone(), door, most)).collect::<Vec<_>>()
        };
        self.0.doors.iter().flat_map(of_instance).collect()
    }

    /// The largest body of a door; `None` when there is none of that name.
    pub fn body_cap(&self, instance: &InstanceName, door: &str) -> Option<usize> {
        let of_instance = self.0.doors.get(instance)?.receive.doors();
        of_instance.into_iter().find(|(name, _)| *name == door).map(|(_, most)| most)
    }

    /// Takes one request.
    pub async fn receive(
        &self,
        instance: &InstanceName,
        door: &str,
        method: &Method,
        query: &str,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Answered {
        let Some(doors) = self.0.doors.get(instance) else { return Answered::NoSuchInstance };
        for _ in 0..=DOCUMENTS_PER_REQUEST {
            let ring = self.0.keys.ring();
            let now = self.0.clock.now();
            let request = Request { door, method, query, headers, body, now, keys: &ring };
            let url = match doors.receive.receive(&request) {
                Received::Kept(kept) => return self.keep(instance, doors, kept).await,
                Received::Refused(refusal) => return Answered::Refused(refusal),
                Received::NeedKey(url) => url,
            };
            if !doors.receive.may_fetch(&url) {
                return Answered::Refused(Refusal::NotAuthentic("its key is not where keys may be".to_owned()));
            }
            match self.0.keys.fetch(&url, &ring).await {
                Fetch::Fetched => {}
                // The key may be newer than the document: a 401 would make its sender drop what it has for good.
                Fetch::NoHelp => return Answered::NotNow("the key that verifies the sender is not known yet"),
                Fetch::Failed => return Answered::NotNow("the key that verifies the sender cannot be fetched"),
            }
        }
        Answered::NotNow("the key that verifies the sender keeps changing")
    }

    async fn keep(&self, instance: &InstanceName, doors: &Door, kept: Kept) -> Answered {
        let Kept { envelopes, confirm, reply } = kept;
        let mut works: Vec<Work> = Vec::with_capacity(envelopes.len().saturating_add(confirm.len()));
        for envelope in envelopes {
            let decoded = doors.decode.decode(&envelope);
            let mapping = doors.decode.version().to_owned();
            works.push(Work::Envelope(Box::new(Incoming { instance: instance.clone(), envelope, decoded, mapping })));
        }
        for (topic, address) in confirm {
            works.push(Work::Confirm { instance: instance.clone(), topic, address });
        }
        if works.is_empty() {
            return Answered::Kept(reply);
        }
        match self.0.desk.submit_all(Priority::Webhook, works).await {
            Ok(_) => Answered::Kept(reply),
            Err(DeskError::Full) => Answered::NotNow("the desk has more to do than it can keep up with"),
            Err(DeskError::Unavailable) => Answered::NotNow("the store cannot write at the moment"),
            Err(DeskError::Closed) => Answered::NotNow("the hub is stopping"),
        }
    }
}
