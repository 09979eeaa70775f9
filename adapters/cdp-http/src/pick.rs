//! Answer → profile, by JSON pointers. Pure.

use serde_json::Value;
use tandem_sdk::error::{AdapterError, ErrorKind};
use tandem_sdk::model::{Personal, Profile};

use crate::settings::Response;

/// The profile in an answer; none where nothing, `null` or an empty object stands in its place.
pub(crate) fn pick(body: &[u8], response: &Response, operation: &str) -> Result<Option<Profile>, AdapterError> {
    let malformed = |detail: &str| AdapterError::new(ErrorKind::Malformed, operation, detail);
    if body.trim_ascii().is_empty() {
        return Ok(None);
    }
    let answer: Value = serde_json::from_slice(body).map_err(|_| malformed("the answer is not JSON"))?;
    let found = match answer.pointer(&response.profile) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Array(rows)) if rows.is_empty() => return Ok(None),
        Some(Value::Object(fields)) if fields.is_empty() => return Ok(None),
        Some(object @ Value::Object(_)) => object,
        Some(_) => return Err(malformed("what stands in the profile's place is no JSON object")),
    };
    let at = |pointer: &String| found.pointer(pointer).and_then(text);
    let name = response.name.iter().filter_map(at).collect::<Vec<_>>().join(" ");
    Ok(Some(Profile {
        id: response.id.as_ref().and_then(at).into(),
        name: Some(name).filter(|name| !name.is_empty()).into(),
        document: Personal::new(found.to_string()),
    }))
}

/// A text or a number, as text; nothing for anything else, and for blanks.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use proptest::prelude::*;

    use super::*;

    fn response(profile: &str) -> Response {
        let name = vec!["/name/first".to_owned(), "/name/last".to_owned()];
        Response { profile: profile.to_owned(), id: Some("/id".to_owned()), name }
    }

    fn picked(body: &str, profile: &str) -> Option<(Option<String>, Option<String>)> {
        let profile = pick(body.as_bytes(), &response(profile), "GET profile").unwrap()?;
        Some((profile.id.reveal().map(str::to_owned), profile.name.reveal().map(str::to_owned)))
    }

    #[test]
    fn id_and_name_are_picked_and_the_whole_object_is_kept() {
        let some = |id: &str, name: &str| Some((Some(id.to_owned()), Some(name.to_owned())));
        let cases = [
            (r#"{"id":"7","name":{"first":"Anna","last":"Muster"}}"#, "", some("7", "Anna Muster")),
            (r#"{"id":7,"name":{"last":" Muster "}}"#, "", some("7", "Muster")),
            (r#"{"results":[{"id":"7","name":{"first":"Anna"}}]}"#, "/results/0", some("7", "Anna")),
            (r#"{"id":null,"name":"Anna"}"#, "", Some((None, None))),
            (r#"{"results":[]}"#, "/results/0", None),
            (r#"{"results":[]}"#, "/results", None),
            (r#"{"profile":null}"#, "/profile", None),
            ("{}", "", None),
            ("null", "", None),
            ("  ", "", None),
            ("", "", None),
        ];
        for (body, profile, expected) in cases {
            assert_eq!(picked(body, profile), expected, "{body}");
        }
        let whole = pick(br#"{"r":{"id":"7","tier":"gold"}}"#, &response("/r"), "GET profile").unwrap().unwrap();
        assert_eq!(whole.document.reveal(), Some(r#"{"id":"7","tier":"gold"}"#));
    }

    #[test]
    fn what_is_no_profile_is_an_error_that_does_not_quote_it() {
        let deep = "[".repeat(5_000);
        for body in ["{", "<html>Anna</html>", "[1]", "\"Anna\"", "1e999", deep.as_str(), "\u{feff}{}"] {
            let error = pick(body.as_bytes(), &response(""), "GET profile").unwrap_err();
            assert_eq!(error.kind, ErrorKind::Malformed, "{body}");
            assert!(!error.detail.contains("Anna"));
        }
        assert!(pick(b"\xff\xfe{}", &response(""), "GET profile").is_err());
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(body in "[\\[\\]{}\",:0-9a-z\\\\ ]{0,60}", pointer in "(/[a-z0-9~]{0,3}){0,3}") {
            drop(pick(body.as_bytes(), &response(&pointer), "GET profile"));
        }
    }
}
