//! Reads one row of `[fields]` and checks its types on both ends.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::expression::Expression;
use super::path::{Inner, Path};
use super::row::{Row, Source as From};
use super::source::{Entry, Source};
use super::step::Step;
use super::target::Holds;
use super::value::Type;

/// How the paths of a file are read.
#[derive(Debug)]
pub(super) struct Paths<'s> {
    pub(super) fold: bool,
    /// Whether relative paths begin somewhere else than at the top.
    pub(super) rooted: bool,
    pub(super) inner: &'s mut Inner,
}

impl Paths<'_> {
    /// Reads a path, or several.
    pub(super) fn read<'i>(&mut self, file: &mut Source<'i>, key: &str, value: &Entry<'i>) -> Vec<Path> {
        let mut paths = Vec::new();
        for (written, at) in file.texts(key, value) {
            match Path::parse(written, self.fold, self.inner) {
                Ok(path) if self.rooted && path.opens_text() && !written.starts_with("$.") => {
                    let found = format!("`{written}` under a root");
                    file.problem(at, "mapping.bad_path", key, found, "a path with json() that begins with `$.`");
                }
                Ok(path) => paths.push(path),
                Err(found) => file.problem(at, "mapping.bad_path", key, found, "keys joined by dots"),
            }
        }
        paths
    }
}

/// What a row is for.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) holds: Holds,
    pub(super) required: bool,
    pub(super) keeps_empty: bool,
}

/// Reads the row at `key`; nothing if anything about it is wrong, which is then noted in `file`.
pub(super) fn read_row<'i>(
    file: &mut Source<'i>,
    paths: &mut Paths<'_>,
    key: &str,
    value: &Entry<'i>,
    wanted: Wanted,
) -> Option<Row> {
    let before = file.problems.len();
    let Wanted { holds, required, keeps_empty } = wanted;
    let mut row = Row {
        source: From::Paths(Vec::new()),
        steps: Vec::new(),
        values: Vec::new(),
        otherwise: None,
        default: None,
        required,
        keeps_empty,
        holds,
    };
    match value.get_ref() {
        DeValue::String(_) => row.source = From::Paths(paths.read(file, key, value)),
        DeValue::Table(table) => read_parts(file, paths, key, (table, value.span()), &mut row),
        _ => file.wrong_type(key, value, "a path, or a table with from, is or cel"),
    }
    check_types(file, key, value.span(), &row);
    (file.problems.len() == before).then_some(row)
}

fn read_parts<'i>(
    file: &mut Source<'i>,
    paths: &mut Paths<'_>,
    key: &str,
    (table, at): (&DeTable<'i>, Range<usize>),
    row: &mut Row,
) {
    file.only(key, table, &["from", "is", "cel", "as", "values", "otherwise", "default", "required"]);
    let sources: Vec<_> = ["from", "is", "cel"].into_iter().filter(|name| table.contains_key(*name)).collect();
    if sources.len() != 1 {
        let found = if sources.is_empty() { "none of them".to_owned() } else { sources.join(" and ") };
        file.problem(at, "mapping.source", key, found, "exactly one of from, is, cel");
    }
    if let Some(from) = table.get("from") {
        row.source = From::Paths(paths.read(file, &format!("{key}.from"), from));
    }
    if let Some(fixed) = table.get("is") {
        row.source = From::Fixed(read_word(file, &format!("{key}.is"), fixed, &row.holds).unwrap_or_default());
    }
    if let Some(written) = table.get("cel") {
        let under = format!("{key}.cel");
        match file.text(&under, written).map(Expression::compile) {
            Some(Ok(expression)) => row.source = From::Computed(expression),
            Some(Err(found)) => {
                file.problem(written.span(), "mapping.bad_expression", &under, found, "a CEL expression over `event`");
            }
            None => {}
        }
    }
    if let Some(steps) = table.get("as") {
        for (name, at) in file.texts(&format!("{key}.as"), steps) {
            match Step::named(name) {
                Some(step) => row.steps.push(step),
                None => {
                    let expected = format!("one of {}", Step::names());
                    file.problem(at, "mapping.unknown_step", &format!("{key}.as"), format!("`{name}`"), expected);
                }
            }
        }
    }
    if let Some(values) = table.get("values") {
        let under = format!("{key}.values");
        for (vendor, house) in file.table(&under, values).into_iter().flatten() {
            if let Some(house) = read_word(file, &format!("{under}.{}", vendor.get_ref()), house, &row.holds) {
                row.values.push((vendor.get_ref().to_string(), house));
            }
        }
    }
    let mut word = |name: &str| {
        let written = table.get(name)?;
        read_word(file, &format!("{key}.{name}"), written, &row.holds)
    };
    row.otherwise = word("otherwise");
    row.default = word("default");
    if let Some(required) = table.get("required") {
        match required.get_ref().as_bool() {
            Some(required) => row.required |= required,
            None => file.wrong_type(&format!("{key}.required"), required, "true or false"),
        }
    }
}

/// A text that the field can hold.
fn read_word<'i>(file: &mut Source<'i>, key: &str, value: &Entry<'i>, holds: &Holds) -> Option<String> {
    let text = file.text(key, value)?;
    match holds {
        Holds::Word { words, .. } if !words.contains(&text) => {
            let expected = format!("one of {}", words.join(", "));
            file.problem(value.span(), "mapping.unknown_word", key, format!("`{text}`"), expected);
            None
        }
        Holds::Time => {
            file.problem(value.span(), "mapping.wrong_type", key, "a fixed text", "a time comes from the payload");
            None
        }
        Holds::Word { .. } | Holds::Text => Some(text.to_owned()),
    }
}

/// Whether what the steps make is what the field holds.
fn check_types(file: &mut Source<'_>, key: &str, at: Range<usize>, row: &Row) {
    let mut is = match row.source {
        From::Paths(_) => Type::Json,
        From::Fixed(_) => Type::Text,
        From::Computed(_) => Type::Any,
    };
    if matches!(row.source, From::Fixed(_)) {
        if !row.steps.is_empty() || !row.values.is_empty() {
            file.problem(at, "mapping.source", key, "steps or values on a fixed text", "the finished text alone");
        }
        return;
    }
    for step in &row.steps {
        match step.makes(is) {
            Ok(makes) => is = makes,
            Err(needs) => {
                let found = format!("{step:?} after {}", is.name());
                file.problem(at, "mapping.wrong_type", key, found, format!("{needs} before it"));
                return;
            }
        }
    }
    let expected = match (&row.holds, is) {
        (Holds::Time, Type::Json | Type::Text) => "a time: the last step is timestamp, epoch_seconds or epoch_millis",
        (Holds::Text | Holds::Word { .. }, Type::Time) => "text: the last step is string",
        _ => return,
    };
    file.problem(at, "mapping.wrong_type", key, is.name(), expected);
}
