//! One row: how a value of the payload becomes the value of a field.

use std::borrow::Cow;

use super::expression::Expression;
use super::path::{Path, Scope};
use super::step::Step;
use super::target::{Finished, Holds};
use super::value::Value;

/// A compiled row.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) source: Source,
    pub(super) steps: Vec<Step>,
    /// Vendor word → house word.
    pub(super) values: Vec<(String, String)>,
    /// The house word for every other vendor word.
    pub(super) otherwise: Option<String>,
    pub(super) default: Option<String>,
    pub(super) required: bool,
    /// Whether an empty text is a value. It is one for what somebody said, and an absence everywhere else.
    pub(super) keeps_empty: bool,
    pub(super) holds: Holds,
}

/// Where a row takes its value from.
#[derive(Debug)]
pub(super) enum Source {
    /// The first of these that gives something usable.
    Paths(Vec<Path>),
    /// Always this.
    Fixed(String),
    /// This expression.
    Computed(Expression),
}

impl Row {
    /// The value for the field, or nothing.
    pub(super) fn evaluate<'t>(&'t self, scope: Scope<'t>) -> Option<Finished<'t>> {
        let found = match &self.source {
            Source::Paths(paths) => paths.iter().find_map(|path| self.finish(Value::Json(path.find(scope)?))),
            Source::Fixed(text) => Some(Finished::Text(Cow::Borrowed(text))),
            Source::Computed(expression) => expression.evaluate(scope.body.top()).and_then(|value| self.finish(value)),
        };
        found.or_else(|| self.default.as_deref().map(|text| Finished::Text(Cow::Borrowed(text))))
    }

    /// Takes the steps and looks the word up.
    fn finish<'t>(&'t self, value: Value<'t>) -> Option<Finished<'t>> {
        let value = self.steps.iter().try_fold(value, |value, step| step.take(value))?;
        let (words, open) = match &self.holds {
            Holds::Time => return value.time().map(Finished::Time),
            Holds::Text => (None, true),
            Holds::Word { words, open } => (Some(words), *open),
        };
        let text = value.text().filter(|text| self.keeps_empty || !text.is_empty())?;
        if let Some((_, word)) = self.values.iter().find(|(vendor, _)| vendor.eq_ignore_ascii_case(&text)) {
            return Some(Finished::Text(Cow::Borrowed(word)));
        }
        if let Some(word) = &self.otherwise {
            return Some(Finished::Text(Cow::Borrowed(word)));
        }
        match words {
            Some(words) if !words.contains(&text.as_ref()) => open.then_some(Finished::Unknown(text)),
            _ => Some(Finished::Text(text)),
        }
    }

    /// Where the value was looked for, for people.
    pub(super) fn looked_at(&self) -> String {
        match &self.source {
            Source::Paths(paths) => paths.iter().map(|path| path.written.as_str()).collect::<Vec<_>>().join(", "),
            Source::Fixed(_) => "a fixed value".to_owned(),
            Source::Computed(_) => "an expression".to_owned(),
        }
    }
}
