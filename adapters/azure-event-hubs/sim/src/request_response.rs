//! Nodes that answer: a link of requests, a link of replies, and what brings them together.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fe2o3_amqp::link::RecvError;
use fe2o3_amqp::{Receiver, Sender};
use fe2o3_amqp_types::definitions::Error;
use fe2o3_amqp_types::messaging::{ApplicationProperties, Body, Message, Properties};
use fe2o3_amqp_types::primitives::{OrderedMap, SimpleValue, Value};
use tokio::sync::mpsc;

use crate::attach::Service;
use crate::event::AmqpMessage;
use crate::session::Place;
use crate::{cbs, conditions, management};

/// Replies that may wait for a client's credit.
const WAITING: usize = 100;
/// How often and how long a reply waits for its link, which a client may attach after it has asked.
const LOOKS: u32 = 50;
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// The reply links of one session.
///
/// A request names the address that it wants the reply at. Not every client attaches its reply link with that address as
/// the target; for those the last reply link of the same node is right.
#[derive(Default)]
pub(crate) struct Replies(Mutex<Links>);

#[derive(Default)]
struct Links {
    by_address: HashMap<(Service, String), mpsc::Sender<AmqpMessage>>,
    last: HashMap<Service, mpsc::Sender<AmqpMessage>>,
}

/// What a node answers.
pub(crate) struct Reply {
    pub(crate) status: i32,
    pub(crate) description: String,
    /// The condition that fits the status, for clients that look at it.
    pub(crate) condition: Option<&'static str>,
    pub(crate) body: Body<Value>,
}

impl Reply {
    pub(crate) fn refusal(status: i32, description: impl Into<String>, condition: &'static str) -> Self {
        Reply { status, description: description.into(), condition: Some(condition), body: Body::Empty }
    }
}

/// Takes requests until their link ends.
pub(crate) async fn take(service: Service, mut receiver: Receiver, place: &Place) {
    loop {
        let delivery = match receiver.recv::<Body<Value>>().await {
            Ok(delivery) => delivery,
            Err(RecvError::MessageDecode(error)) => {
                drop(receiver.reject(error.info, conditions::undecodable()).await);
                continue;
            }
            Err(_) => return close(receiver.close().await),
        };
        tokio::time::sleep(place.namespace.settle_delay()).await;
        if receiver.accept(&delivery).await.is_err() {
            return close(receiver.close().await);
        }
        let request = delivery.into_message();
        let reply = match service {
            Service::Cbs => Some(cbs::answer(&request, place)),
            Service::Management => management::answer(&request, place).await,
        };
        if let Some(reply) = reply {
            place.replies.send(service, &request, reply).await;
        }
    }
}

/// Gives replies until their link ends.
pub(crate) async fn give(service: Service, to: &str, mut sender: Sender, place: &Place) {
    let (replies, mut waiting) = mpsc::channel(WAITING);
    place.replies.add(service, to, &replies);
    loop {
        let ended = tokio::select! {
            reply = waiting.recv() => match reply {
                Some(reply) => sender.send_batchable(reply).await.is_err(),
                None => true,
            },
            _ = sender.on_detach() => true,
        };
        if ended {
            break;
        }
    }
    place.replies.remove(service, to, &replies);
    close(sender.close().await);
}

fn close(closed: Result<(), impl std::fmt::Display>) {
    if let Err(error) = closed {
        tracing::debug!(%error, "a link did not close");
    }
}

impl Replies {
    fn add(&self, service: Service, to: &str, link: &mpsc::Sender<AmqpMessage>) {
        let mut links = self.links();
        links.by_address.insert((service, to.to_owned()), link.clone());
        links.last.insert(service, link.clone());
    }

    fn remove(&self, service: Service, to: &str, link: &mpsc::Sender<AmqpMessage>) {
        let mut links = self.links();
        let key = (service, to.to_owned());
        if links.by_address.get(&key).is_some_and(|known| known.same_channel(link)) {
            links.by_address.remove(&key);
        }
        if links.last.get(&service).is_some_and(|known| known.same_channel(link)) {
            links.last.remove(&service);
        }
    }

    fn find(&self, service: Service, to: &str) -> Option<mpsc::Sender<AmqpMessage>> {
        let links = self.links();
        links.by_address.get(&(service, to.to_owned())).or_else(|| links.last.get(&service)).cloned()
    }

    async fn send(&self, service: Service, request: &AmqpMessage, reply: Reply) {
        let properties = request.properties.as_ref();
        let to = properties.and_then(|properties| properties.reply_to.clone()).unwrap_or_default();
        let message = message(reply, properties);
        for _ in 0..LOOKS {
            if let Some(link) = self.find(service, &to) {
                // A client that takes no replies loses the newest.
                drop(link.try_send(message));
                return;
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
        tracing::debug!("a reply has no link to go over");
    }

    fn links(&self) -> MutexGuard<'_, Links> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn message(reply: Reply, asked: Option<&Properties>) -> AmqpMessage {
    let mut told = OrderedMap::new();
    told.insert("status-code".to_owned(), SimpleValue::Int(reply.status));
    told.insert("status-description".to_owned(), SimpleValue::String(reply.description));
    if let Some(condition) = reply.condition {
        told.insert("error-condition".to_owned(), SimpleValue::Symbol(condition.into()));
    }
    let correlation_id = asked.and_then(|asked| asked.message_id.clone());
    let properties = Properties { correlation_id, ..Properties::default() };
    Message::builder()
        .properties(properties)
        .application_properties(ApplicationProperties(told))
        .body(reply.body)
        .build()
}

/// The text of an application property.
pub(crate) fn property<'a>(request: &'a AmqpMessage, name: &str) -> Option<&'a str> {
    match request.application_properties.as_ref()?.0.get(name)? {
        SimpleValue::String(text) => Some(text),
        SimpleValue::Symbol(text) => Some(text.as_str()),
        _ => None,
    }
}

/// What a link is told when its token has ended.
pub(crate) fn expired() -> Error {
    conditions::unauthorized("the token of this link has expired".to_owned())
}
