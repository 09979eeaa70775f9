//! Why a condition could not be evaluated, in words that hold no personal value.
//!
//! CEL's own messages quote the values that they are about; these never do. A name is said only when the rule itself
//! spells it.

use std::collections::BTreeSet;

use cel::ExecutionError;

/// Type names of CEL that may be said. Anything else where a type should stand may be a value.
const TYPES: [&str; 14] = [
    "bool",
    "int",
    "uint",
    "double",
    "string",
    "bytes",
    "list",
    "map",
    "null_type",
    "type",
    "iterable",
    "google.protobuf.Timestamp",
    "google.protobuf.Duration",
    "too_long",
];

/// The reason in words. `spelled` holds the field names and string literals that the condition itself contains.
pub(super) fn reason(error: &ExecutionError, spelled: &BTreeSet<String>) -> String {
    match error {
        ExecutionError::NoSuchKey(key) if spelled.contains(key.as_str()) => format!("there is no {key}"),
        ExecutionError::NoSuchKey(_) => "there is no such field".to_owned(),
        ExecutionError::UndeclaredReference(name) if spelled.contains(name.as_str()) => {
            format!("{name} has no value")
        }
        ExecutionError::NoSuchOverload(overload) => {
            let types: Vec<&str> = overload.argument_types().iter().map(|name| said(name)).collect();
            format!("{} cannot take ({})", operator(overload.function()), types.join(", "))
        }
        ExecutionError::UnexpectedType { got, want } => format!("{} stands where {} is needed", said(got), said(want)),
        ExecutionError::ValuesNotComparable(..)
        | ExecutionError::UnsupportedBinaryOperator(..)
        | ExecutionError::UnsupportedIndex(..)
        | ExecutionError::UnsupportedKeyType(_)
        | ExecutionError::UnsupportedTargetType { .. } => "the values are of the wrong kinds".to_owned(),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => "division by zero".to_owned(),
        ExecutionError::Overflow(..) => "a number is too large".to_owned(),
        ExecutionError::IndexOutOfBounds(_) => "the list is shorter than that".to_owned(),
        ExecutionError::FunctionError { function, .. } => format!("{} failed", operator(function)),
        _ => "it cannot be evaluated".to_owned(),
    }
}

fn said(name: &str) -> &str {
    TYPES.iter().find(|known| **known == name).copied().unwrap_or("something else")
}

/// `_==_` as people write it. A function's name stands in the rule, so it may be said.
fn operator(function: &str) -> &str {
    match function {
        "@walk" => "a macro",
        "@in" => "in",
        name => name.trim_matches('_'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_turned_up_as_key_or_type_is_not_said() {
        let error = ExecutionError::no_such_key("+43 1 5550100");
        assert_eq!(reason(&error, &BTreeSet::new()), "there is no such field");

        let error = ExecutionError::UnexpectedType { got: "String(\"Anna\")".to_owned(), want: "bool".to_owned() };
        assert_eq!(reason(&error, &BTreeSet::new()), "something else stands where bool is needed");

        let error = ExecutionError::function_error("matches", "'Anna' not a valid regex");
        assert_eq!(reason(&error, &BTreeSet::new()), "matches failed");
    }

    #[test]
    fn a_name_that_the_rule_spells_is_said() {
        let error = ExecutionError::no_such_key("tier");
        assert_eq!(reason(&error, &BTreeSet::from(["tier".to_owned()])), "there is no tier");
    }
}
