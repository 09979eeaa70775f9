//! Reads a table and names every key that is unknown or of the wrong type.

use serde::de::DeserializeOwned;
use tandem_sdk::problem::Problem;
use toml::{Table, Value};

/// The settings, or one problem for each key that cannot be read. A deserializer stops at the first wrong key; so when
/// the whole cannot be read, each leaf is read alone, which needs a default for every field of `T`.
pub(crate) fn read<T: DeserializeOwned>(table: Table) -> Result<T, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut path = Vec::new();
    let leaves = table.clone();
    let whole = match table.try_into::<T>() {
        Ok(settings) => return Ok(settings),
        Err(error) => error,
    };
    walk(&leaves, &mut path, &mut |path, leaf| {
        if let Err(error) = nested(path, leaf).try_into::<T>() {
            problems.push(described(path, leaf, error.message()));
        }
    });
    if problems.is_empty() {
        problems.push(Problem::new("settings.wrong", "", whole.message(), "what the README of this kind lists"));
    }
    Err(problems)
}

/// Shows every value that is no table, and every empty table, with its path.
fn walk<'a>(table: &'a Table, path: &mut Vec<&'a str>, show: &mut dyn FnMut(&[&str], &Value)) {
    for (key, value) in table {
        path.push(key);
        match value {
            Value::Table(inner) if !inner.is_empty() => walk(inner, path, show),
            leaf => show(path, leaf),
        }
        path.pop();
    }
}

/// `leaf` at `path` and nothing else.
fn nested(path: &[&str], leaf: &Value) -> Value {
    path.iter().rev().fold(leaf.clone(), |inner, key| Value::Table(Table::from_iter([((*key).to_owned(), inner)])))
}

fn described(path: &[&str], leaf: &Value, message: &str) -> Problem {
    let (what, expected) = message.split_once(", expected ").unwrap_or((message, "another value"));
    let key = path.join(".");
    if what.starts_with("unknown field") {
        return Problem::new("settings.unknown_key", key, what.trim(), format!("expected {}", expected.trim()));
    }
    // The type, not the value: somebody may have written a secret inline.
    let found = format!("a value of type {} that cannot be used", leaf.type_str());
    Problem::new("settings.wrong_value", key, found, format!("expected {}", expected.trim()))
}
