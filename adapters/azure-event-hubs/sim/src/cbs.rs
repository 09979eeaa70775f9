//! `$cbs`: tokens are put here before links are attached.

use fe2o3_amqp_types::messaging::Body;
use fe2o3_amqp_types::primitives::Value;
use jiff::Timestamp;
use serde_json::{Map, json};

use crate::address::{self, Node};
use crate::event::AmqpMessage;
use crate::grants::Grant;
use crate::request_response::{Reply, property};
use crate::sas;
use crate::session::Place;

/// What the service says of a good token.
const ACCEPTED: i32 = 202;

/// Answers a put-token.
pub(crate) fn answer(request: &AmqpMessage, place: &Place) -> Reply {
    let name = property(request, "name").unwrap_or_default().to_owned();
    let (reply, effect) = match take(request, &name, place) {
        Ok(()) => {
            let description = "Accepted".to_owned();
            (Reply { status: ACCEPTED, description, condition: None, body: Body::Empty }, "token.granted")
        }
        Err(reply) => (*reply, "token.refused"),
    };
    let mut detail = Map::new();
    detail.insert("status".to_owned(), json!(reply.status));
    detail.insert("description".to_owned(), json!(reply.description));
    place.namespace.enter(effect, &name, place.connection.id, detail);
    reply
}

fn take(request: &AmqpMessage, name: &str, place: &Place) -> Result<(), Box<Reply>> {
    // Without a condition: the SDK for Python forgets the status of a reply that has one.
    let refusal = |status, description| Box::new(Reply { status, description, condition: None, body: Body::Empty });
    let unauthorized = |why: String| refusal(401, why);
    let (namespace, now) = (&place.namespace, Timestamp::now());
    if property(request, "operation") != Some("put-token") {
        return Err(refusal(400, "the only operation is put-token".to_owned()));
    }
    if !namespace.is_host(name) {
        return Err(unauthorized(format!("{name} is not of this namespace")));
    }
    let grant = verify(request, name, place, now).map_err(unauthorized)?;
    if let Some(hub) = hub_of(name).filter(|hub| namespace.hub(hub).is_none()) {
        return Err(refusal(404, format!("there is no hub {hub}")));
    }
    if place.connection.grants.keep(address::path(name), grant, now) {
        Ok(())
    } else {
        Err(refusal(403, "this connection holds too many tokens".to_owned()))
    }
}

fn verify(request: &AmqpMessage, name: &str, place: &Place, now: Timestamp) -> Result<Grant, String> {
    let token = match &request.body {
        Body::Value(value) => match &value.0 {
            Value::String(token) => token.as_str(),
            _ => return Err("the token is no string".to_owned()),
        },
        _ => return Err("the body is no value".to_owned()),
    };
    let namespace = &place.namespace;
    match property(request, "type") {
        Some("servicebus.windows.net:sastoken") => sas::verify(token, name, &namespace.settings.rules, now),
        Some("jwt") => namespace.issuer.as_ref().ok_or("no identity provider is trusted here")?.verify(token),
        _ => Err("the type of the token is not known".to_owned()),
    }
}

/// The hub that a resource lies in; none for the namespace itself.
fn hub_of(name: &str) -> Option<String> {
    match Node::of(name)? {
        Node::Hub { hub } | Node::Partition { hub, .. } | Node::Read { hub, .. } => Some(hub),
        Node::Management => address::path(name).split_once('/').map(|(hub, _)| hub.to_owned()),
        Node::Cbs => None,
    }
}
