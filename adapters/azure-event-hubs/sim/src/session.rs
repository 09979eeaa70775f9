//! One session: its links are looked at, accepted or refused, and each gets a task.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fe2o3_amqp::acceptor::{
    LinkAcceptor, LinkEndpoint, ListenerSessionHandle, SupportedReceiverSettleModes, SupportedSenderSettleModes,
};
use fe2o3_amqp_types::definitions::{Error, ReceiverSettleMode, Role, SenderSettleMode};
use fe2o3_amqp_types::messaging::Body;
use fe2o3_amqp_types::performatives::Attach;
use fe2o3_amqp_types::primitives::Value;
use serde_json::{Map, json};
use tandem_sdk::sim::{Fault, FaultKind};
use tokio::task::JoinSet;

use crate::attach::{self, Wanted};
use crate::conditions;
use crate::namespace::Namespace;
use crate::open_connection::OpenConnection;
use crate::request_response::{self, Replies};
use crate::{consumer, producer};

/// How long a refused sender is listened to. It has credit already when it is told, and some clients wait for ever for
/// the outcome of a transfer that crossed the detach, or tell nobody why it was refused.
const LAST_TRANSFER: Duration = Duration::from_millis(300);

/// Where a link lives.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) namespace: Arc<Namespace>,
    pub(crate) connection: Arc<OpenConnection>,
    pub(crate) replies: Arc<Replies>,
}

/// Serves a session until it ends.
pub(crate) async fn serve(
    mut session: ListenerSessionHandle,
    connection: Arc<OpenConnection>,
    namespace: Arc<Namespace>,
) {
    let place = Place { namespace, connection, replies: Arc::default() };
    let mut links = JoinSet::new();
    loop {
        tokio::select! {
            attach = session.next_incoming_attach() => {
                let Some(attach) = attach else { break };
                accept(attach, &mut session, &place, &mut links).await;
            }
            Some(_) = links.join_next() => {}
        }
    }
    drop(tokio::time::timeout(LAST_TRANSFER, session.on_end()).await);
}

async fn accept(attach: Attach, session: &mut ListenerSessionHandle, place: &Place, links: &mut JoinSet<()>) {
    let (connection, namespace) = (&place.connection, &place.namespace);
    let is_full = connection.links.fetch_add(1, Ordering::Relaxed) >= namespace.settings.bounds.links;
    let held = Held(Arc::clone(connection));
    let wanted = if is_full {
        Err(conditions::limit_exceeded("this connection has too many links".to_owned()))
    } else {
        attach::wanted(&attach, namespace, connection).and_then(|wanted| spared(wanted, namespace))
    };
    // What is delivered is longer than what was sent, by the annotations of the service.
    let longest = if attach.role == Role::Sender { namespace.settings.bounds.message_bytes } else { 0 };
    let acceptor = LinkAcceptor::builder()
        .supported_sender_settle_modes(SupportedSenderSettleModes::All)
        .fallback_sender_settle_mode(SenderSettleMode::Mixed)
        // A receiver that settles second is never told by this acceptor that it may forget a delivery.
        .supported_receiver_settle_modes(SupportedReceiverSettleModes::First)
        .fallback_receiver_settle_mode(ReceiverSettleMode::First)
        .max_message_size(longest)
        .verify_incoming_source(false)
        .verify_incoming_target(false)
        .build();
    let name = attach.name.clone();
    let link = match acceptor.accept_incoming_attach(attach, session).await {
        Ok(link) => link,
        Err(error) => return tracing::debug!(%error, "a link was not attached"),
    };
    let place = place.clone();
    links.spawn(async move {
        let _held = held;
        match (wanted, link) {
            (Ok(Wanted::Requests(service)), LinkEndpoint::Receiver(receiver)) => {
                request_response::take(service, receiver, &place).await;
            }
            (Ok(Wanted::Replies { service, to }), LinkEndpoint::Sender(sender)) => {
                request_response::give(service, &to, sender, &place).await;
            }
            (Ok(Wanted::Send(wish)), LinkEndpoint::Receiver(receiver)) => {
                producer::serve(wish, receiver, &place).await;
            }
            (Ok(Wanted::Read(wish)), LinkEndpoint::Sender(sender)) => consumer::serve(wish, sender, &place).await,
            (Ok(_), link) => refuse(link, conditions::not_allowed("the node does not do this"), &name, &place).await,
            (Err(error), link) => refuse(link, error, &name, &place).await,
        }
    });
}

/// Draws what befalls an attach.
fn spared(wanted: Wanted, namespace: &Namespace) -> Result<Wanted, Error> {
    let hub = match &wanted {
        Wanted::Send(wish) => &wish.hub,
        Wanted::Read(wish) => &wish.hub,
        _ => return Ok(wanted),
    };
    match namespace.faults.draw(&format!("attach {hub}"), &[FaultKind::Throttle, FaultKind::ServerError]) {
        Some(Fault::Throttle) => Err(conditions::server_busy()),
        Some(_) => Err(conditions::internal("the simulated namespace failed")),
        None => Ok(wanted),
    }
}

/// Closes a link that was attached only to be refused, as the protocol wants it.
pub(crate) async fn refuse(link: LinkEndpoint, error: Error, name: &str, place: &Place) {
    let mut detail = Map::new();
    detail.insert("condition".to_owned(), json!(format!("{:?}", error.condition)));
    detail.insert("description".to_owned(), json!(error.description));
    place.namespace.enter("link.refused", name, place.connection.id, detail);
    let closed = match link {
        LinkEndpoint::Sender(sender) => sender.close_with_error(error).await,
        LinkEndpoint::Receiver(mut receiver) => {
            if let Ok(Ok(delivery)) = tokio::time::timeout(LAST_TRANSFER, receiver.recv::<Body<Value>>()).await {
                tokio::time::sleep(place.namespace.settle_delay()).await;
                drop(receiver.reject(&delivery, error.clone()).await);
            }
            receiver.close_with_error(error).await
        }
    };
    if let Err(error) = closed {
        tracing::debug!(%error, "a refused link did not close");
    }
}

/// One link of a connection, counted.
struct Held(Arc<OpenConnection>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.links.fetch_sub(1, Ordering::Relaxed);
    }
}
