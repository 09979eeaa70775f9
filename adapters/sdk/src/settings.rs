//! Reads the settings of an adapter instance and names *every* key that is unknown or of the wrong type.

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use crate::problem::Problem;

/// The settings, or one problem for each key that cannot be read. A deserializer stops at the first wrong key; so when
/// the whole cannot be read, each leaf is read alone. For that every field of `T` has a default.
pub fn read<T: DeserializeOwned>(table: Table) -> Result<T, Vec<Problem>> {
    let leaves = table.clone();
    let whole = match table.try_into::<T>() {
        Ok(settings) => return Ok(settings),
        Err(error) => error,
    };
    let mut problems = Vec::new();
    walk(&leaves, &mut Vec::new(), &mut |path, leaf| {
        let alone = path.iter().rev().fold(leaf.clone(), |inner, step| step.around(inner));
        if let Err(error) = alone.try_into::<T>() {
            problems.push(describe(path, leaf, error.message()));
        }
    });
    if problems.is_empty() {
        // Each key is right alone and the whole is not: what is said of the whole is all there is.
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
    let expected = format!("expected {}", expected.trim());
    if what.starts_with("unknown field") {
        return Problem::new("settings.unknown_key", key, what.trim(), expected);
    }
    // The type, not the value: somebody may have written a secret inline.
    let found = format!("a value of type {} that cannot be used", leaf.type_str());
    Problem::new("settings.wrong_value", key, found, expected)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Site {
        name: String,
        rows: Vec<Row>,
        limits: Limits,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Row {
        port: u16,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Limits {
        most: u16,
    }

    fn problems(text: &str) -> Vec<String> {
        let problems = read::<Site>(text.parse().unwrap()).unwrap_err();
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_right_is_read() {
        let site = read::<Site>("name = 'a'\nrows = [{ port = 1 }]\nlimits.most = 2".parse().unwrap()).unwrap();
        assert_eq!((site.name.as_str(), site.rows[0].port, site.limits.most), ("a", 1, 2));
    }

    #[test]
    fn every_wrong_key_is_named_and_no_value_is_shown() {
        let text = "name = 7\nnome = 'a'\nrows = [{ port = 1 }, { port = 'secret' }]\nlimits.most = 99999";
        assert_eq!(
            problems(text),
            [
                ": limits.most: a value of type integer that cannot be used; expected u16 [settings.wrong_value]",
                ": name: a value of type integer that cannot be used; expected a string [settings.wrong_value]",
                ": nome: unknown field `nome`; expected one of `name`, `rows`, `limits` [settings.unknown_key]",
                ": rows.1.port: a value of type string that cannot be used; expected u16 [settings.wrong_value]",
            ]
        );
    }
}
