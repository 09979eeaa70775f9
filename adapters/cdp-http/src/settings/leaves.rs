//! Reads a table and names every key that is unknown or of the wrong type.

use serde::de::DeserializeOwned;
use tandem_sdk::problem::Problem;
use toml::{Table, Value};

/// The settings, or one problem for each key that cannot be read. A deserializer stops at the first wrong key; so when
/// the whole cannot be read, each leaf is read alone. For that every field of `T` has a default.
pub(crate) fn read<T: DeserializeOwned>(table: &Table) -> Result<T, Vec<Problem>> {
    let whole = match table.clone().try_into::<T>() {
        Ok(settings) => return Ok(settings),
        Err(error) => error,
    };
    let mut problems = Vec::new();
    walk(table, &mut Vec::new(), &mut |path, leaf| {
        let alone = path.iter().rev().fold(leaf.clone(), |inner, step| step.around(inner));
        if let Err(error) = alone.try_into::<T>() {
            problems.push(describe(path, leaf, error.message()));
        }
    });
    if problems.is_empty() {
        problems.push(Problem::new("settings.wrong", "", whole.message(), "what the README of this kind lists"));
    }
    Err(problems)
}

/// One step on the way to a leaf.
#[derive(Clone, Copy)]
enum Step<'a> {
    Key(&'a str),
    Row(usize),
}

impl Step<'_> {
    fn around(self, inner: Value) -> Value {
        match self {
            Step::Key(key) => Value::Table(Table::from_iter([(key.to_owned(), inner)])),
            Step::Row(_) => Value::Array(vec![inner]),
        }
    }
}

/// Shows everything that holds no other key: values, lists of values, empty tables.
fn walk<'a>(table: &'a Table, path: &mut Vec<Step<'a>>, show: &mut dyn FnMut(&[Step<'a>], &Value)) {
    for (key, value) in table {
        path.push(Step::Key(key));
        match value {
            Value::Table(inner) if !inner.is_empty() => walk(inner, path, show),
            Value::Array(rows) if rows.iter().any(Value::is_table) => {
                for (place, row) in rows.iter().enumerate() {
                    path.push(Step::Row(place));
                    match row {
                        Value::Table(inner) if !inner.is_empty() => walk(inner, path, show),
                        leaf => show(path, leaf),
                    }
                    path.pop();
                }
            }
            leaf => show(path, leaf),
        }
        path.pop();
    }
}

fn describe(path: &[Step<'_>], leaf: &Value, message: &str) -> Problem {
    let steps = path.iter().map(|step| match step {
        Step::Key(key) => (*key).to_owned(),
        Step::Row(place) => place.to_string(),
    });
    let key = steps.collect::<Vec<_>>().join(".");
    let (what, expected) = message.split_once(", expected ").unwrap_or((message, "another value"));
    if what.starts_with("unknown field") {
        return Problem::new("settings.unknown_key", key, what.trim(), expected.trim());
    }
    // The type, not the value: somebody may have written a secret inline.
    let found = format!("a value of type {} that cannot be used", leaf.type_str());
    Problem::new("settings.wrong_value", key, found, expected.trim())
}
