//! Values that belong to a person. They are never printed, and they leave a record before it is written in plain.

use std::fmt::{self, Display};

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
    /// Calls `visit` for every personal value with its stable name, for instance `message.text`. Most values are absent and
    /// nobody asks for their names, so a name is put together by whoever writes it out.
    fn each_personal(&mut self, visit: &mut dyn FnMut(&dyn Display, &mut Personal));

    /// Takes every personal value out, as pairs of name and value.
    fn detach(&mut self) -> Vec<(String, String)> {
        let mut taken = Vec::new();
        self.each_personal(&mut |name, value| {
            if let Some(value) = value.take() {
                taken.push((name.to_string(), value));
            }
        });
        taken
    }

    /// Does something with this without its personal values, and with those values by their names; then they are back.
    fn detached<T>(&mut self, work: impl FnOnce(&Self, &[(String, String)]) -> T) -> T
    where
        Self: Sized,
    {
        let (mut present, mut taken) = (Vec::new(), Vec::new());
        self.each_personal(&mut |name, value| {
            let found = value.take();
            present.push(found.is_some());
            taken.extend(found.map(|found| (name.to_string(), found)));
        });
        let done = work(self, &taken);
        let (mut present, mut values) = (present.into_iter(), taken.into_iter());
        self.each_personal(&mut |_, value| {
            if present.next() == Some(true) {
                *value = Personal(values.next().map(|(_, value)| value));
            }
        });
        done
    }

    /// Puts values back where [`detach`](Self::detach) found them. Names that no longer exist are left out.
    fn attach(&mut self, values: Vec<(String, String)>) {
        let mut values: std::collections::BTreeMap<String, String> = values.into_iter().collect();
        self.each_personal(&mut |name, value| {
            if let Some(found) = values.remove(&name.to_string()) {
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

    #[test]
    fn personal_values_are_out_while_something_is_done_and_back_after_it() {
        struct Pair(Personal, Personal, Personal);
        impl Personals for Pair {
            fn each_personal(&mut self, visit: &mut dyn FnMut(&dyn Display, &mut Personal)) {
                visit(&"a", &mut self.0);
                visit(&format_args!("b.{}", 1), &mut self.1);
                visit(&"c", &mut self.2);
            }
        }
        let mut pair = Pair("one".into(), Personal::NONE, "three".into());
        let names = pair.detached(|pair, taken| {
            assert!(pair.0.is_none() && pair.1.is_none() && pair.2.is_none());
            taken.to_vec()
        });
        assert_eq!(names, [("a".to_owned(), "one".to_owned()), ("c".to_owned(), "three".to_owned())]);
        assert_eq!((pair.0.reveal(), pair.1.reveal(), pair.2.reveal()), (Some("one"), None, Some("three")));
    }
}
