//! A client that sends: its events are stored, and then it is told so.

use std::time::Duration;

use fe2o3_amqp::Receiver;
use fe2o3_amqp::acceptor::LinkEndpoint;
use fe2o3_amqp::link::RecvError;
use fe2o3_amqp::link::delivery::Delivery;
use fe2o3_amqp_types::definitions::Error;
use fe2o3_amqp_types::messaging::Body;
use fe2o3_amqp_types::primitives::Value;
use jiff::Timestamp;
use tandem_sdk::sim::{Fault, FaultKind};

use crate::attach::SendWish;
use crate::conditions;
use crate::event::{self, Sent};
use crate::request_response::expired;
use crate::session::{Place, refuse};
use crate::settings::Right;

/// What can befall a transfer before anything is stored.
const BEFORE: [FaultKind; 4] = [FaultKind::Delay, FaultKind::Throttle, FaultKind::ServerError, FaultKind::Timeout];
/// What can befall it afterwards.
const AFTER: [FaultKind; 4] = [FaultKind::Delay, FaultKind::Drop, FaultKind::Timeout, FaultKind::UnknownOutcome];

/// Serves a sender until its link ends.
pub(crate) async fn serve(wish: SendWish, mut receiver: Receiver, place: &Place) {
    let (mut orders, mut until) = (place.namespace.detach.subscribe(), wish.until);
    loop {
        let left = Duration::try_from(until - Timestamp::now()).unwrap_or_default();
        let error = tokio::select! {
            received = receiver.recv::<Body<Value>>() => match received {
                Ok(delivery) => match take(delivery, receiver, &wish, place).await {
                    Some(again) => {
                        receiver = again;
                        continue;
                    }
                    None => return,
                },
                Err(RecvError::MessageDecode(error)) => {
                    drop(receiver.reject(error.info, conditions::undecodable()).await);
                    continue;
                }
                // Detached, gone, or too large a message: the library has said so already.
                Err(_) => return drop(receiver.close().await),
            },
            Ok(hub) = orders.recv() => {
                if hub.is_some_and(|hub| !hub.eq_ignore_ascii_case(&wish.hub)) {
                    continue;
                }
                conditions::detach_forced("the simulator was told to detach links")
            }
            // A token that was put meanwhile lets the link live on.
            () = tokio::time::sleep(left) => match allowed_until(&wish, place) {
                Some(later) => {
                    until = later;
                    continue;
                }
                None => expired(),
            },
        };
        return refuse(LinkEndpoint::Receiver(receiver), error, &wish.name, place).await;
    }
}

fn allowed_until(wish: &SendWish, place: &Place) -> Option<Timestamp> {
    place.connection.grants.allow(&wish.path, &[Right::Send], Timestamp::now())
}

/// Takes one transfer in; gives the link back unless it has ended.
async fn take(delivery: Delivery<Body<Value>>, receiver: Receiver, wish: &SendWish, place: &Place) -> Option<Receiver> {
    let namespace = &place.namespace;
    let site = |what: &str| format!("{what} {}", wish.hub);
    match namespace.faults.draw(&site("send"), &BEFORE) {
        Some(Fault::Delay(delay)) => tokio::time::sleep(delay).await,
        Some(Fault::Throttle) => {
            reject(&delivery, &receiver, conditions::server_busy(), place).await;
            return Some(receiver);
        }
        Some(Fault::ServerError) => {
            reject(&delivery, &receiver, conditions::internal("the simulated namespace failed"), place).await;
            return Some(receiver);
        }
        // Neither stored nor settled.
        Some(_) => return Some(receiver),
        None => {}
    }
    let format = delivery.message_format().unwrap_or_default();
    let (info, envelope) = delivery.into_parts();
    match event::unpack(format, envelope) {
        Ok(sent) => store(sent, wish, place),
        Err(error) => {
            tokio::time::sleep(namespace.settle_delay()).await;
            drop(receiver.reject(info, error).await);
            return Some(receiver);
        }
    }
    match namespace.faults.draw(&site("settle"), &AFTER) {
        Some(Fault::Delay(delay)) => tokio::time::sleep(delay).await,
        Some(Fault::Drop) => {
            drop(receiver.close_with_error(conditions::detach_forced("detached with a transfer in flight")).await);
            return None;
        }
        // Stored, and never settled.
        Some(Fault::Timeout) => return Some(receiver),
        Some(Fault::UnknownOutcome) => {
            place.connection.cut.notify_one();
            return Some(receiver);
        }
        Some(_) | None => {}
    }
    tokio::time::sleep(namespace.settle_delay()).await;
    // A link that is gone is noticed at the next receive, which also answers its detach.
    drop(receiver.accept(info).await);
    Some(receiver)
}

fn store(sent: Sent, wish: &SendWish, place: &Place) {
    let Some(hub) = place.namespace.hub(&wish.hub) else { return };
    let partition = wish.partition.as_ref().unwrap_or_else(|| hub.choose(sent.key.as_deref()));
    place.namespace.store(hub, partition, sent.events);
}

async fn reject(delivery: &Delivery<Body<Value>>, receiver: &Receiver, error: Error, place: &Place) {
    tokio::time::sleep(place.namespace.settle_delay()).await;
    drop(receiver.reject(delivery, error).await);
}
