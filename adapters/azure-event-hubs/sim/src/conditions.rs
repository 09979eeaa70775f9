//! What the service answers when it refuses, as conditions of AMQP.
//!
//! The names are those that its SDKs look for. Each error has an `info` map, which says where the error is from, because
//! the strictest client reads the third field of every error without asking whether it is there.

use fe2o3_amqp_types::definitions::{AmqpError, ConnectionError, Error, ErrorCondition, Fields, LinkError};
use fe2o3_amqp_types::primitives::{Symbol, Value};

pub(crate) fn not_found(what: &str) -> Error {
    with_info(AmqpError::NotFound, format!("{what} does not exist"))
}

pub(crate) fn out_of_range(what: String) -> Error {
    vendor("com.microsoft:argument-out-of-range", what)
}

pub(crate) fn argument_error(what: String) -> Error {
    vendor("com.microsoft:argument-error", what)
}

pub(crate) fn server_busy() -> Error {
    vendor("com.microsoft:server-busy", "the simulated namespace is busy; try again".to_owned())
}

pub(crate) fn unauthorized(what: String) -> Error {
    with_info(AmqpError::UnauthorizedAccess, what)
}

pub(crate) fn internal(what: &str) -> Error {
    with_info(AmqpError::InternalError, what.to_owned())
}

pub(crate) fn undecodable() -> Error {
    with_info(AmqpError::DecodeError, "the message cannot be read".to_owned())
}

pub(crate) fn not_allowed(what: &str) -> Error {
    with_info(AmqpError::NotAllowed, what.to_owned())
}

pub(crate) fn limit_exceeded(what: String) -> Error {
    with_info(AmqpError::ResourceLimitExceeded, what)
}

pub(crate) fn stolen(what: String) -> Error {
    with_info(LinkError::Stolen, what)
}

pub(crate) fn detach_forced(what: &str) -> Error {
    with_info(LinkError::DetachForced, what.to_owned())
}

pub(crate) fn connection_forced() -> Error {
    with_info(ConnectionError::ConnectionForced, "the simulator was told to close connections".to_owned())
}

fn vendor(condition: &str, description: String) -> Error {
    with_info(ErrorCondition::Custom(Symbol::from(condition)), description)
}

fn with_info(condition: impl Into<ErrorCondition>, description: String) -> Error {
    let mut info = Fields::new();
    info.insert(Symbol::from("origin"), Value::String("tandem-event-hubs-sim".to_owned()));
    Error::new(condition, description, info)
}
