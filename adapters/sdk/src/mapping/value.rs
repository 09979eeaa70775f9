//! What a row works on between a path and a field.

use std::borrow::Cow;

use jiff::Timestamp;

use super::tape::Node;

/// A value on its way from the payload to a field.
#[derive(Clone, Debug)]
pub(super) enum Value<'t> {
    /// As it stands in the payload.
    Json(Node<'t>),
    /// Text that a step made.
    Text(Cow<'t, str>),
    /// A time that a step made.
    Time(Timestamp),
}

impl<'t> Value<'t> {
    /// The text, if it is one. Numbers are no text: the step `string` makes them one.
    pub(super) fn text(self) -> Option<Cow<'t, str>> {
        match self {
            Value::Json(node) => node.text().map(Cow::Borrowed),
            Value::Text(text) => Some(text),
            Value::Time(_) => None,
        }
    }

    /// The time, if it is one.
    pub(super) fn time(self) -> Option<Timestamp> {
        match self {
            Value::Time(time) => Some(time),
            Value::Json(_) | Value::Text(_) => None,
        }
    }
}

/// What is known of a value when a mapping is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    /// Something in the payload; a text counts as text.
    Json,
    /// Text.
    Text,
    /// A time.
    Time,
    /// Only known when it is there: what an expression gives.
    Any,
}

impl Type {
    /// For people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Type::Json => "a value of the payload",
            Type::Text => "text",
            Type::Time => "a time",
            Type::Any => "anything",
        }
    }
}
