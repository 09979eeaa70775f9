//! A rules file as its author wrote it: every value with the line that it stands on.

use std::ops::Range;

use tandem_sdk::problem::Problem;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A file that is being read, and what was found wrong with it so far.
pub(super) struct Reading<'t> {
    file: &'t str,
    text: &'t str,
    pub(super) problems: Vec<Problem>,
}

/// One table of the file.
#[derive(Clone, Copy)]
pub(super) struct Section<'r, 't> {
    pub(super) key: &'r str,
    pub(super) line: usize,
    pub(super) table: &'r DeTable<'t>,
}

/// A value and the line that it stands on.
#[derive(Clone, Debug)]
pub(super) struct Lined<T> {
    pub(super) value: T,
    pub(super) line: usize,
}

impl<'t> Reading<'t> {
    pub(super) fn new(file: &'t str, text: &'t str) -> Self {
        Reading { file, text, problems: Vec::new() }
    }

    /// The whole document. What is no TOML is a problem, and the rest is read all the same.
    pub(super) fn document(&mut self) -> DeTable<'t> {
        let (document, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            let line = error.span().map_or(1, |span| self.line(&span));
            self.problem("rules.syntax", line, "", error.message().to_owned(), "a TOML document");
        }
        document.into_inner()
    }

    /// Notes a problem.
    pub(super) fn problem(
        &mut self,
        code: &'static str,
        line: usize,
        key: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) {
        self.problems.push(Problem::new(code, key, found, expected).in_file(self.file).at_line(line));
    }

    /// The line of a place in the text, counted from 1.
    pub(super) fn line(&self, span: &Range<usize>) -> usize {
        let upto = span.start.min(self.text.len());
        self.text.as_bytes()[..upto].iter().filter(|byte| **byte == b'\n').count() + 1
    }

    /// Notes every key of a table that nobody knows.
    pub(super) fn refuse_unknown(&mut self, section: Section<'_, 't>, known: &[&str]) {
        for key in section.table.keys().filter(|key| !known.contains(&key.get_ref().as_ref())) {
            let line = self.line(&key.span());
            let path = dotted(section.key, key.get_ref());
            self.problem("rules.unknown_key", line, path, "an unknown key", format!("one of {}", known.join(", ")));
        }
    }

    /// A text that has to be there and not be empty.
    pub(super) fn text(&mut self, section: Section<'_, 't>, key: &str) -> Option<Lined<String>> {
        let found = self.optional_text(section, key);
        if found.is_none() && !section.table.contains_key(key) {
            self.problem("rules.missing_key", section.line, dotted(section.key, key), "nothing", "a text");
        }
        found
    }

    /// A text that may be left out, but not be empty.
    pub(super) fn optional_text(&mut self, section: Section<'_, 't>, key: &str) -> Option<Lined<String>> {
        let value = section.table.get(key)?;
        let line = self.line(&value.span());
        match value.get_ref().as_str() {
            Some(text) if !text.trim().is_empty() => Some(Lined { value: text.to_owned(), line }),
            found => {
                let found = found.map_or(value.get_ref().type_str(), |_| "an empty text");
                self.problem("rules.wrong_type", line, dotted(section.key, key), found, "a text");
                None
            }
        }
    }

    /// A whole number from 1 that may be left out.
    pub(super) fn optional_number(&mut self, section: Section<'_, 't>, key: &str) -> Option<u32> {
        let value = section.table.get(key)?;
        let number = value.get_ref().as_integer().and_then(|int| u32::from_str_radix(int.as_str(), int.radix()).ok());
        if number.is_some_and(|number| number > 0) {
            return number;
        }
        let line = self.line(&value.span());
        let found = value.get_ref().as_integer().map_or(value.get_ref().type_str().to_owned(), ToString::to_string);
        self.problem("rules.wrong_type", line, dotted(section.key, key), found, "a whole number from 1 to 4294967295");
        None
    }

    /// A value as a table, or a problem.
    pub(super) fn section<'r>(&mut self, key: &'r str, value: &'r Spanned<DeValue<'t>>) -> Option<Section<'r, 't>> {
        let line = self.line(&value.span());
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.problem("rules.wrong_type", line, key, value.get_ref().type_str(), "a table");
        }
        table.map(|table| Section { key, line, table })
    }
}

/// `section.key`, or `key` at the top.
pub(super) fn dotted(section: &str, key: &str) -> String {
    if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") }
}
