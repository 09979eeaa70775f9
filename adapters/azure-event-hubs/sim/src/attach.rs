//! What a client wants with a link, and whether it may.

use std::sync::Arc;

use fe2o3_amqp_types::definitions::{Error, Role};
use fe2o3_amqp_types::messaging::TargetArchetype;
use fe2o3_amqp_types::performatives::Attach;
use fe2o3_amqp_types::primitives::{Symbol, Value};
use jiff::Timestamp;

use crate::address::{Node, path};
use crate::conditions;
use crate::namespace::{Hub, Namespace};
use crate::open_connection::OpenConnection;
use crate::partition::Partition;
use crate::selector::{self, Start};
use crate::settings::Right;

/// A node that answers requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Service {
    Cbs,
    Management,
}

/// A link that makes sense.
pub(crate) enum Wanted {
    /// The client sends requests.
    Requests(Service),
    /// The client receives replies; `to` is its own address.
    Replies { service: Service, to: String },
    /// The client sends events.
    Send(SendWish),
    /// The client reads events.
    Read(ReadWish),
}

/// Sending to a hub, or to one of its partitions.
pub(crate) struct SendWish {
    pub(crate) name: String,
    pub(crate) hub: String,
    pub(crate) partition: Option<Arc<Partition>>,
    /// What a token has to be for.
    pub(crate) path: String,
    /// Until when a token allows it.
    pub(crate) until: Timestamp,
}

/// Reading a partition in a consumer group.
pub(crate) struct ReadWish {
    /// What the reader is called, by itself or by its link.
    pub(crate) name: String,
    pub(crate) hub: String,
    pub(crate) group: String,
    pub(crate) partition: Arc<Partition>,
    pub(crate) start: Start,
    pub(crate) epoch: Option<i64>,
    /// Until when a token allows it.
    pub(crate) until: Timestamp,
}

/// Looks at an attach.
///
/// # Errors
/// The condition with which the link is refused.
pub(crate) fn wanted(attach: &Attach, namespace: &Namespace, connection: &OpenConnection) -> Result<Wanted, Error> {
    let target = attach.target.as_deref().and_then(|target| match target {
        TargetArchetype::Target(target) => target.address.clone(),
    });
    let source = attach.source.as_deref().and_then(|source| source.address.clone());
    let is_sender = attach.role == Role::Sender;
    let address = if is_sender { target.clone() } else { source }.unwrap_or_default();
    if !namespace.is_host(&address) {
        return Err(conditions::not_found(&address));
    }
    let until = |right: Right| {
        let until = connection.grants.allow(path(&address), &[right], Timestamp::now());
        until.ok_or_else(|| {
            conditions::unauthorized(format!("no token of this connection allows {right:?} on {address}"))
        })
    };
    match (Node::of(&address), is_sender) {
        (Some(Node::Cbs), true) => Ok(Wanted::Requests(Service::Cbs)),
        (Some(Node::Management), true) => Ok(Wanted::Requests(Service::Management)),
        (Some(Node::Cbs), false) => Ok(Wanted::Replies { service: Service::Cbs, to: target.unwrap_or_default() }),
        (Some(Node::Management), false) => {
            Ok(Wanted::Replies { service: Service::Management, to: target.unwrap_or_default() })
        }
        (Some(Node::Hub { hub }), true) => {
            let until = until(Right::Send)?;
            let hub = find(namespace, &hub)?.name.clone();
            Ok(Wanted::Send(SendWish {
                name: attach.name.clone(),
                hub,
                partition: None,
                path: path(&address).to_owned(),
                until,
            }))
        }
        (Some(Node::Partition { hub, partition }), true) => {
            let until = until(Right::Send)?;
            let hub = find(namespace, &hub)?;
            let partition = Some(partition_of(hub, &partition)?);
            let path = path(&address).to_owned();
            Ok(Wanted::Send(SendWish { name: attach.name.clone(), hub: hub.name.clone(), partition, path, until }))
        }
        (Some(Node::Read { hub, group, partition }), false) => {
            let until = until(Right::Listen)?;
            let hub = find(namespace, &hub)?;
            let group = hub.group(&group).ok_or_else(|| conditions::not_found(&format!("{}|{group}", hub.name)))?;
            let filter = attach.source.as_deref().and_then(|source| source.filter.as_ref());
            Ok(Wanted::Read(ReadWish {
                name: name_of(attach),
                group: group.to_owned(),
                partition: partition_of(hub, &partition)?,
                start: selector::start_of(filter).map_err(conditions::argument_error)?,
                epoch: epoch_of(attach)?,
                hub: hub.name.clone(),
                until,
            }))
        }
        (Some(_), _) => Err(conditions::not_allowed("this node cannot be used in this direction")),
        (None, _) => Err(conditions::not_found(&address)),
    }
}

fn find<'n>(namespace: &'n Namespace, hub: &str) -> Result<&'n Hub, Error> {
    namespace.hub(hub).ok_or_else(|| conditions::not_found(hub))
}

fn partition_of(hub: &Hub, id: &str) -> Result<Arc<Partition>, Error> {
    let known = hub.partitions.len();
    let wrong = || conditions::out_of_range(format!("{} has no partition '{id}'; it has {known}", hub.name));
    hub.partition(id).cloned().ok_or_else(wrong)
}

fn property<'a>(attach: &'a Attach, name: &str) -> Option<&'a Value> {
    attach.properties.as_ref()?.get(&Symbol::from(name))
}

/// The reader's name for itself. One SDK spells the property wrongly.
fn name_of(attach: &Attach) -> String {
    let names = ["com.microsoft:receiver-name", "com.microsoft.com:receiver-name"];
    match names.iter().find_map(|name| property(attach, name)) {
        Some(Value::String(name)) => name.clone(),
        Some(Value::Symbol(name)) => name.as_str().to_owned(),
        _ => attach.name.clone(),
    }
}

fn epoch_of(attach: &Attach) -> Result<Option<i64>, Error> {
    match property(attach, "com.microsoft:epoch") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Long(epoch)) => Ok(Some(*epoch)),
        Some(Value::Int(epoch)) => Ok(Some(i64::from(*epoch))),
        Some(_) => Err(conditions::argument_error("the epoch is no long".to_owned())),
    }
}
