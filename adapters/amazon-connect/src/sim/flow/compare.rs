//! Conditions: one value, one operator, one operand.

/// Whether the flow language has this operator.
pub(super) fn is_operator(name: &str) -> bool {
    matches!(
        name,
        "Equals"
            | "TextStartsWith"
            | "TextEndsWith"
            | "TextContains"
            | "NumberGreaterThan"
            | "NumberGreaterOrEqualTo"
            | "NumberLessThan"
            | "NumberLessOrEqualTo"
    )
}

/// Whether the condition holds. A value that is not there matches nothing, and a number operator matches numbers only.
pub(super) fn holds(value: Option<&str>, operator: &str, operand: &str) -> bool {
    let Some(value) = value else { return false };
    let numbers = || Some((value.trim().parse::<f64>().ok()?, operand.trim().parse::<f64>().ok()?));
    match operator {
        "Equals" => value == operand,
        "TextStartsWith" => value.starts_with(operand),
        "TextEndsWith" => value.ends_with(operand),
        "TextContains" => value.contains(operand),
        "NumberGreaterThan" => numbers().is_some_and(|(left, right)| left > right),
        "NumberGreaterOrEqualTo" => numbers().is_some_and(|(left, right)| left >= right),
        "NumberLessThan" => numbers().is_some_and(|(left, right)| left < right),
        "NumberLessOrEqualTo" => numbers().is_some_and(|(left, right)| left <= right),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_do_what_their_names_say() {
        let cases = [
            (Some("gold"), "Equals", "gold", true),
            (Some("Gold"), "Equals", "gold", false),
            (Some("gold"), "TextStartsWith", "go", true),
            (Some("gold"), "TextEndsWith", "ld", true),
            (Some("gold"), "TextContains", "ol", true),
            (Some("gold"), "TextContains", "-", false),
            (Some("10"), "NumberGreaterThan", "9", true),
            (Some("9"), "NumberGreaterOrEqualTo", "9", true),
            (Some("9"), "NumberLessThan", "9", false),
            (Some("9"), "NumberLessOrEqualTo", "9", true),
            (Some("many"), "NumberGreaterThan", "1", false),
            (None, "Equals", "", false),
            (None, "TextContains", "", false),
        ];
        for (value, operator, operand, expected) in cases {
            assert!(is_operator(operator));
            assert_eq!(holds(value, operator, operand), expected, "{value:?} {operator} {operand:?}");
        }
    }
}
