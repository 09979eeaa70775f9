//! From where a reader wants to read: the filter of its source.

use fe2o3_amqp_types::messaging::FilterSet;
use fe2o3_amqp_types::primitives::{Symbol, Value};
use serde_amqp::descriptor::Descriptor;

/// The key of the filter and its symbolic descriptor.
const SELECTOR: &str = "apache.org:selector-filter:string";
/// Its numeric descriptor.
const SELECTOR_CODE: u64 = 0x0000_468C_0000_0004;

/// Where a reader starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// With the oldest event that is kept.
    Earliest,
    /// With the next event that comes.
    Latest,
    /// At or after an offset.
    Offset { at: i64, inclusive: bool },
    /// At or after a sequence number.
    Sequence { at: i64, inclusive: bool },
    /// With what was enqueued at or after a time, in milliseconds since 1970.
    Enqueued { at: i64, inclusive: bool },
}

/// The start that a filter asks for. Without a filter the service starts with the oldest.
///
/// # Errors
/// What is wrong with the filter, for the client.
pub(crate) fn start_of(filter: Option<&FilterSet>) -> Result<Start, String> {
    let Some(value) = filter.and_then(|filter| filter.get(&Symbol::from(SELECTOR))) else {
        return Ok(Start::Earliest);
    };
    let text = match value {
        Value::Described(described) => {
            let known = match &described.descriptor {
                Descriptor::Code(code) => *code == SELECTOR_CODE,
                Descriptor::Name(name) => name.as_str() == SELECTOR,
            };
            if !known {
                return Err("the filter has a descriptor that is none of a selector".to_owned());
            }
            &described.value
        }
        plain => plain,
    };
    match text {
        Value::String(text) => parse(text),
        _ => Err("the filter is no string".to_owned()),
    }
}

/// `amqp.annotation.x-opt-NAME > 'VALUE'` or `>=`, with blanks or without.
fn parse(text: &str) -> Result<Start, String> {
    let wrong = || format!("cannot read the filter {:?}", text.chars().take(100).collect::<String>());
    let (name, rest) = text.split_once('>').ok_or_else(wrong)?;
    let (inclusive, rest) = match rest.strip_prefix('=') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let value = rest.trim().strip_prefix('\'').and_then(|value| value.strip_suffix('\'')).ok_or_else(wrong)?;
    let name = name.trim().strip_prefix("amqp.annotation.").ok_or_else(wrong)?;
    let number = || value.parse::<i64>().map_err(|_| wrong());
    match (name, value) {
        ("x-opt-offset" | "x-opt-offset-id", "@latest") => Ok(Start::Latest),
        ("x-opt-offset" | "x-opt-offset-id", "-1") => Ok(Start::Earliest),
        ("x-opt-offset" | "x-opt-offset-id", _) => Ok(Start::Offset { at: number()?, inclusive }),
        ("x-opt-sequence-number", _) => Ok(Start::Sequence { at: number()?, inclusive }),
        ("x-opt-enqueued-time", _) => Ok(Start::Enqueued { at: number()?, inclusive }),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use serde_amqp::described::Described;

    use super::*;

    fn filter(descriptor: Descriptor, text: &str) -> FilterSet {
        let value = Value::String(text.to_owned());
        let mut filter = FilterSet::new();
        filter.insert(Symbol::from(SELECTOR), Value::Described(Box::new(Described { descriptor, value })));
        filter
    }

    #[test]
    fn every_kind_of_start_is_read() {
        for (text, start) in [
            ("amqp.annotation.x-opt-offset > '-1'", Start::Earliest),
            ("amqp.annotation.x-opt-offset > '@latest'", Start::Latest),
            ("amqp.annotation.x-opt-offset >'12'", Start::Offset { at: 12, inclusive: false }),
            ("amqp.annotation.x-opt-offset >='12'", Start::Offset { at: 12, inclusive: true }),
            ("amqp.annotation.x-opt-sequence-number > '5'", Start::Sequence { at: 5, inclusive: false }),
            ("amqp.annotation.x-opt-sequence-number >= '5'", Start::Sequence { at: 5, inclusive: true }),
            ("amqp.annotation.x-opt-enqueued-time > '1700'", Start::Enqueued { at: 1700, inclusive: false }),
        ] {
            assert_eq!(parse(text), Ok(start), "{text}");
        }
    }

    #[test]
    fn both_descriptors_are_known_and_no_other() {
        let text = "amqp.annotation.x-opt-offset > '@latest'";
        for descriptor in [Descriptor::Code(SELECTOR_CODE), Descriptor::Name(Symbol::from(SELECTOR))] {
            assert_eq!(start_of(Some(&filter(descriptor, text))).unwrap(), Start::Latest);
        }
        assert!(start_of(Some(&filter(Descriptor::Code(1), text))).is_err());
        assert_eq!(start_of(None).unwrap(), Start::Earliest);
    }

    #[test]
    fn what_is_no_selector_is_refused() {
        for text in
            ["", "x", "a > 'b", "amqp.annotation.x-opt-other > '1'", "amqp.annotation.x-opt-offset > 'x'", "> ''"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
