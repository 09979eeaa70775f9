//! The text that is sealed: personal values by name, and the vendor's bytes behind them. One record holds what a customer
//! wrote several times over: in the fact, in the event, in the command. It is written once.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::RecordError;

/// Values at least this long are written once, in bytes. A shorter one is hardly longer than the number of another.
const LONG: usize = 16;

/// Personal values by their stable names.
pub type Named = Vec<(String, String)>;

/// A value, or the place of the pair that has the same. Logs of the first days have values alone.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Value<T> {
    Text(T),
    SameAs(usize),
}

/// Personal values and other bytes as one text to seal.
pub fn join(personal: &[(String, String)], body: &[u8]) -> Result<Vec<u8>, RecordError> {
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut most = body.len().saturating_add(16);
    let mut pairs = Vec::with_capacity(personal.len());
    for (place, (name, value)) in personal.iter().enumerate() {
        let first = if value.len() < LONG { place } else { *places.entry(value).or_insert(place) };
        let value = if first == place { Value::Text(value.as_str()) } else { Value::SameAs(first) };
        let length = if let Value::Text(text) = value { text.len() } else { 0 };
        most = most.saturating_add(name.len()).saturating_add(length).saturating_add(16);
        pairs.push((name, value));
    }
    let mut text = Vec::with_capacity(most);
    text.extend_from_slice(&[0; 4]);
    serde_json::to_writer(&mut text, &pairs)?;
    let length = u32::try_from(text.len().saturating_sub(4)).map_err(|_| RecordError::Cut)?;
    text[..4].copy_from_slice(&length.to_be_bytes());
    text.extend_from_slice(body);
    Ok(text)
}

/// The inverse of [`join`].
pub fn part_text(text: &[u8]) -> Result<(Named, &[u8]), RecordError> {
    let (length, rest) = text.split_first_chunk::<4>().ok_or(RecordError::Cut)?;
    let (json, body) = rest.split_at_checked(u32::from_be_bytes(*length) as usize).ok_or(RecordError::Cut)?;
    let pairs: Vec<(String, Value<String>)> = serde_json::from_slice(json)?;
    let mut named: Named = Vec::with_capacity(pairs.len());
    for (name, value) in pairs {
        let value = match value {
            Value::Text(value) => value,
            Value::SameAs(place) => named.get(place).ok_or(RecordError::Cut)?.1.clone(),
        };
        named.push((name, value));
    }
    Ok((named, body))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_long_value_is_written_once_and_found_under_each_of_its_names() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let long = "I ordered the green one two weeks ago";
        let personal = [pair("a", "Jane"), pair("b", long), pair("c", "Jane"), pair("d", long)];
        let text = join(&personal, b"bytes").unwrap();

        let json = r#"[["a","Jane"],["b","I ordered the green one two weeks ago"],["c","Jane"],["d",1]]"#;
        assert_eq!(text, [&u32::try_from(json.len()).unwrap().to_be_bytes(), json.as_bytes(), b"bytes"].concat());
        assert_eq!(part_text(&text).unwrap(), (personal.to_vec(), &b"bytes"[..]));
    }

    #[test]
    fn what_was_written_before_values_were_written_once_reads_as_ever() {
        let json = br#"[["a","the same long value"],["b","the same long value"],["c","1"]]"#;
        let text = [&u32::try_from(json.len()).unwrap().to_be_bytes(), &json[..]].concat();
        let (named, body) = part_text(&text).unwrap();
        assert_eq!(named[1].1, "the same long value");
        assert_eq!((named[2].1.as_str(), body), ("1", &b""[..]));
    }

    #[test]
    fn a_place_that_is_not_before_it_is_an_error() {
        for json in [r#"[["a",0]]"#, r#"[["a","x"],["b",7]]"#, r#"[["a",-1]]"#] {
            let text = [&u32::try_from(json.len()).unwrap().to_be_bytes(), json.as_bytes()].concat();
            assert!(part_text(&text).is_err(), "{json}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_joined_parts_again(
            personal in prop::collection::vec(("[a-z.]{1,8}", "[a-c\"\\\\]{14,18}"), 0..20),
            body: Vec<u8>,
        ) {
            let text = join(&personal, &body).unwrap();
            prop_assert_eq!(part_text(&text).unwrap(), (personal, &body[..]));
        }

        #[test]
        fn any_bytes_are_a_text_or_an_error(bytes: Vec<u8>) {
            drop(part_text(&bytes));
        }
    }
}
