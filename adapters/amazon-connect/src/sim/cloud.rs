//! What the routes share: the instance behind a lock, and the ways out of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde_json::json;
use tandem_sdk::sim::Ledger;
use tandem_sdk::sim::sigv4::Expected;
use tokio::sync::{Notify, mpsc};

use super::eventbridge::Destination;
use super::ids::Ids;
use super::instance::{Emission, Instance};
use super::sns::Publisher;

/// Emissions that may wait to be pushed. At half of it calls are refused; the other half is for the agents' desktops and
/// for what happens by itself. More get lost, and the ledger says so.
pub(super) const MAX_WAITING: usize = 65_536;

/// The simulated cloud.
pub(super) struct Cloud {
    instance: Mutex<Instance>,
    /// For ids of events, which the instance does not know.
    ids: Mutex<Ids>,
    pub(super) access_key_id: String,
    pub(super) secret_access_key: String,
    pub(super) region: String,
    pub(super) ledger: Ledger,
    pub(super) destination: Option<Destination>,
    pub(super) publisher: Option<Publisher>,
    outbox: mpsc::Sender<Emission>,
    /// Something may have come to be due earlier than it was.
    rescheduled: Notify,
}

/// What a [`Cloud`] is made of beside its instance.
pub(super) struct Parts {
    pub(super) access_key_id: String,
    pub(super) secret_access_key: String,
    pub(super) ledger: Ledger,
    pub(super) destination: Option<Destination>,
    pub(super) publisher: Option<Publisher>,
    pub(super) outbox: mpsc::Sender<Emission>,
    pub(super) ids: Ids,
}

impl Cloud {
    pub(super) fn new(instance: Instance, parts: Parts) -> Self {
        Self {
            region: instance.facts.region.clone(),
            instance: Mutex::new(instance),
            ids: Mutex::new(parts.ids),
            access_key_id: parts.access_key_id,
            secret_access_key: parts.secret_access_key,
            ledger: parts.ledger,
            destination: parts.destination,
            publisher: parts.publisher,
            outbox: parts.outbox,
            rescheduled: Notify::new(),
        }
    }

    /// Does something with the instance; what it emits leaves in the order in which it happened.
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Instance, Timestamp) -> T) -> T {
        let mut instance = self.instance();
        let answer = act(&mut instance, Timestamp::now());
        for emission in instance.take_emitted() {
            match emission {
                Emission::Effect { effect, key, detail } => self.ledger.enter(effect, &key, detail),
                pushed => self.hand_over(pushed),
            }
        }
        drop(instance);
        self.rescheduled.notify_one();
        answer
    }

    /// Whose signature the Connect API and SNS accept.
    pub(super) fn expected<'a>(&'a self, service: &'a str) -> Expected<'a> {
        Expected {
            access_key_id: &self.access_key_id,
            secret_access_key: &self.secret_access_key,
            region: &self.region,
            service,
        }
    }

    /// Asks the endpoint once to confirm what it has not confirmed yet.
    pub(super) async fn ask_to_confirm(&self) {
        if let Some(publisher) = &self.publisher {
            publisher.ask_to_confirm().await;
        }
    }

    /// Asks the endpoint until it has confirmed every topic.
    pub(super) async fn subscribe(&self) {
        if let Some(publisher) = &self.publisher {
            publisher.subscribe().await;
        }
    }

    /// Whether so much waits to be pushed that no call is taken.
    pub(super) fn is_full(&self) -> bool {
        self.outbox.capacity() < MAX_WAITING / 2
    }

    fn hand_over(&self, emission: Emission) {
        if self.outbox.try_send(emission).is_err() {
            self.ledger.enter("delivery.overflowed", "", json!({ "bound": MAX_WAITING }));
        }
    }

    fn instance(&self) -> MutexGuard<'_, Instance> {
        // A panic in one request must not end the simulation for all others.
        self.instance.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Pushes what the instance emitted, in order. Signing takes milliseconds, so it is not done under the lock.
    pub(super) async fn push(self: Arc<Self>, mut inbox: mpsc::Receiver<Emission>) {
        let facts = self.instance().facts.clone();
        while let Some(emission) = inbox.recv().await {
            match emission {
                Emission::ContactEvent { kind, contact_id, at, detail } => {
                    let Some(destination) = &self.destination else { continue };
                    let id = self.ids.lock().unwrap_or_else(PoisonError::into_inner).uuid();
                    destination.push(&facts, id, kind, &contact_id, at, &detail).await;
                }
                Emission::ChatItem { topics, item } => {
                    let Some(publisher) = &self.publisher else { continue };
                    for topic in &topics {
                        publisher.publish(topic, &item).await;
                    }
                }
                // Entered at once, under the lock.
                Emission::Effect { .. } => {}
            }
        }
    }

    /// Lets what is due happen, for ever.
    pub(super) async fn keep_time(self: Arc<Self>) {
        loop {
            let next = self.instance().next_due();
            let now = Timestamp::now();
            match next {
                Some(at) if at <= now => self.with(Instance::tick),
                Some(at) => {
                    let wait = at.duration_since(now).unsigned_abs();
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        () = self.rescheduled.notified() => {}
                    }
                }
                None => self.rescheduled.notified().await,
            }
        }
    }
}
