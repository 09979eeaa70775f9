//! Reads a settings table and names *every* key that is unknown or of the wrong type. A deserializer stops at the first
//! one; so on failure each leaf is read alone.

use serde::de::DeserializeOwned;
use tandem_sdk::problem::Problem;
use toml::{Table, Value};

/// The settings, or a problem for each key that cannot be read. Every field of `T` must have a default.
pub(crate) fn read<T: DeserializeOwned>(table: Table) -> Result<T, Vec<Problem>> {
    let whole = match table.clone().try_into::<T>() {
        Ok(settings) => return Ok(settings),
        Err(error) => error,
    };
    let mut problems = Vec::new();
    each_leaf(table, &mut Vec::new(), &mut |path, leaf| {
        let kind = leaf.type_str();
        if let Err(error) = nest(path, leaf).try_into::<T>() {
            problems.push(problem(path, kind, error.message()));
        }
    });
    if problems.is_empty() {
        // Each key is right alone and the whole is not: what the deserializer says of the whole is all there is.
        problems.push(Problem::new(
            "settings.wrong",
            "",
            whole.message(),
            "settings as the README of the kind lists them",
        ));
    }
    Err(problems)
}

/// Visits every value that is not a table, and every empty table, with its path.
fn each_leaf(table: Table, path: &mut Vec<String>, visit: &mut dyn FnMut(&[String], Value)) {
    for (key, value) in table {
        path.push(key);
        match value {
            Value::Table(inner) if !inner.is_empty() => each_leaf(inner, path, visit),
            leaf => visit(path, leaf),
        }
        path.pop();
    }
}

/// A table with nothing but `leaf` at `path`.
fn nest(path: &[String], leaf: Value) -> Table {
    let nested = path.iter().rev().fold(leaf, |inner, key| {
        let mut table = Table::new();
        table.insert(key.clone(), inner);
        Value::Table(table)
    });
    match nested {
        Value::Table(table) => table,
        // Not reached: a leaf has a path of at least one key.
        _ => Table::new(),
    }
}

fn problem(path: &[String], kind: &str, message: &str) -> Problem {
    let (what, expected) = message.split_once(", expected ").unwrap_or((message, "another value"));
    let unknown = what.starts_with("unknown field");
    // Never the value itself where the type is wrong: it may be a secret that somebody wrote inline.
    let (code, found) = if unknown {
        ("settings.unknown_key", what.trim().to_owned())
    } else if what.starts_with("invalid type") {
        ("settings.wrong_type", format!("a value of type {kind}"))
    } else {
        ("settings.wrong_value", what.trim().to_owned())
    };
    Problem::new(code, path.join("."), found, expected.trim())
}
