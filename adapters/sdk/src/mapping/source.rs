//! A mapping file while it is read: where things stand, and what is wrong with them.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::problem::Problem;

/// A value of a mapping file, with its place.
pub(super) type Entry<'i> = Spanned<DeValue<'i>>;

/// A mapping file while it is read.
#[derive(Debug)]
pub(super) struct Source<'i> {
    name: String,
    text: &'i str,
    /// Everything that is wrong so far.
    pub(super) problems: Vec<Problem>,
}

impl<'i> Source<'i> {
    /// The file `name` with this text.
    pub(super) fn new(name: String, text: &'i str) -> Self {
        Source { name, text, problems: Vec::new() }
    }

    /// Parses the text as TOML.
    pub(super) fn parse(&mut self) -> Option<DeTable<'i>> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in &errors {
            let at = error.span().unwrap_or(0..0);
            self.problem(at, "mapping.syntax", "", error.message().to_owned(), "a TOML document");
        }
        errors.is_empty().then(|| table.into_inner())
    }

    /// Notes a problem.
    pub(super) fn problem(
        &mut self,
        at: Range<usize>,
        code: &'static str,
        key: &str,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) {
        let line = self.text.bytes().take(at.start).filter(|byte| *byte == b'\n').count() + 1;
        self.problems.push(Problem::new(code, key, found, expected).in_file(self.name.as_str()).at_line(line));
    }

    /// The text at `key`, or a problem.
    pub(super) fn text<'v>(&mut self, key: &str, value: &'v Entry<'i>) -> Option<&'v str> {
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.wrong_type(key, value, "a text");
        }
        text
    }

    /// One text or several, each with its place.
    pub(super) fn texts<'v>(&mut self, key: &str, value: &'v Entry<'i>) -> Vec<(&'v str, Range<usize>)> {
        match value.get_ref() {
            DeValue::Array(items) if !items.is_empty() => {
                items.iter().filter_map(|item| self.text(key, item).map(|text| (text, item.span()))).collect()
            }
            DeValue::String(text) => vec![(text.as_ref(), value.span())],
            _ => {
                self.wrong_type(key, value, "a text, or a list of texts");
                Vec::new()
            }
        }
    }

    /// The table at `key`, or a problem.
    pub(super) fn table<'v>(&mut self, key: &str, value: &'v Entry<'i>) -> Option<&'v DeTable<'i>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.wrong_type(key, value, "a table");
        }
        table
    }

    /// Notes that a value is of the wrong kind.
    pub(super) fn wrong_type(&mut self, key: &str, value: &Entry<'_>, expected: &str) {
        let found = value.get_ref().type_str();
        self.problem(value.span(), "mapping.wrong_type", key, format!("a {found}"), expected);
    }

    /// Notes every key of the table that is not among `known`.
    pub(super) fn only(&mut self, under: &str, table: &DeTable<'i>, known: &[&str]) {
        for key in table.keys().filter(|key| !known.contains(&key.get_ref().as_ref())) {
            let name = if under.is_empty() { key.get_ref().to_string() } else { format!("{under}.{}", key.get_ref()) };
            self.problem(
                key.span(),
                "mapping.unknown_key",
                &name,
                format!("`{}`", key.get_ref()),
                format!("one of {}", known.join(", ")),
            );
        }
    }
}
