//! Values that belong to a person. They are never printed, and they leave a record before it is written in plain.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A personal value: message text, a name, an address, an attribute. May be absent, also because its subject was
/// erased.
///
/// `Debug` never shows the value. A type that holds such values implements [`Personals`], so that the store can take
/// them out of the plain part of a record and seal them.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Personal(Option<String>);

impl Personal {
    /// A personal value that is absent.
    pub const NONE: Personal = Personal(None);

    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Personal(Some(value.into()))
    }

    /// The value, for those who carry it to where it belongs.
    pub fn reveal(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// Whether nothing is there.
    pub fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// Takes the value out and leaves nothing.
    pub fn take(&mut self) -> Option<String> {
        self.0.take()
    }
}

impl From<Option<String>> for Personal {
    fn from(value: Option<String>) -> Self {
        Personal(value)
    }
}

impl From<String> for Personal {
    fn from(value: String) -> Self {
        Personal(Some(value))
    }
}

impl From<&str> for Personal {
    fn from(value: &str) -> Self {
        Personal(Some(value.to_owned()))
    }
}

impl fmt::Debug for Personal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(value) => write!(f, "personal({} bytes)", value.len()),
            None => f.write_str("none"),
        }
    }
}

/// A type that holds personal values and can show each of them, under a name that never changes, in a fixed order.
pub trait Personals {
    /// Calls `visit` for every personal value with its stable name, for instance `message.text`.
    fn each_personal(&mut self, visit: &mut dyn FnMut(&str, &mut Personal));

    /// Takes every personal value out, as pairs of name and value.
    fn detach(&mut self) -> Vec<(String, String)> {
        let mut taken = Vec::new();
        self.each_personal(&mut |name, value| {
            if let Some(value) = value.take() {
                taken.push((name.to_owned(), value));
            }
        });
        taken
    }

    /// Puts values back where [`detach`](Self::detach) found them. Names that no longer exist are left out.
    fn attach(&mut self, values: Vec<(String, String)>) {
        let mut values: std::collections::BTreeMap<String, String> = values.into_iter().collect();
        self.each_personal(&mut |name, value| {
            if let Some(found) = values.remove(name) {
                *value = Personal::new(found);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_personal_value_never_shows_in_debug_output() {
        assert_eq!(format!("{:?}", Personal::new("+1 555 0100")), "personal(11 bytes)");
    }
}
