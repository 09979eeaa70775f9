//! Examples: payloads beside a mapping and what must come out of them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use toml::de::DeValue;

use super::flat::flatten;
use super::set::{DecodeContext, MappingSet};
use super::source::{Entry, Source};
use crate::doors::Decoded;

/// Largest payload of an example, in bytes.
const LARGEST: u64 = 1024 * 1024;

/// The account that examples are decoded for.
const ACCOUNT: &str = "example";

/// One example of a mapping file.
#[derive(Debug)]
pub(super) struct Example {
    at: Range<usize>,
    payload: String,
    expected: Expected,
}

#[derive(Debug)]
enum Expected {
    Ignored,
    /// Field → value, and the place of the line.
    Fields(Vec<(String, String, Range<usize>)>),
}

impl Example {
    /// Reads one `[[examples]]`.
    pub(super) fn read<'i>(file: &mut Source<'i>, value: &Entry<'i>) -> Option<Example> {
        let table = file.table("examples", value)?;
        file.only("examples", table, &["in", "out"]);
        let (Some(payload), Some(out)) = (table.get("in"), table.get("out")) else {
            file.problem(value.span(), "mapping.missing", "examples", "no in or no out", "both in and out");
            return None;
        };
        let payload = file.text("examples.in", payload)?.to_owned();
        let expected = match out.get_ref() {
            DeValue::String(word) if word == "ignored" => Expected::Ignored,
            DeValue::Table(fields) => {
                let line = |(name, value): (&toml::Spanned<_>, &Entry<'i>)| {
                    let name: &toml::de::DeString<'_> = name.get_ref();
                    let text = file.text(&format!("examples.out.{name}"), value)?;
                    Some((name.to_string(), text.to_owned(), value.span()))
                };
                Expected::Fields(fields.iter().filter_map(line).collect())
            }
            _ => {
                file.wrong_type("examples.out", out, "\"ignored\", or a table of fields and their values");
                return None;
            }
        };
        Some(Example { at: value.span(), payload, expected })
    }

    /// Runs it; `number` is the mapping that it stands in, `folder` that of the file.
    pub(super) fn run(&self, file: &mut Source<'_>, folder: &Path, set: &MappingSet, number: usize) {
        let mut fail = |at: &Range<usize>, key: &str, found: String, expected: String| {
            file.problem(at.clone(), "mapping.example", key, found, expected);
        };
        let path = folder.join(&self.payload);
        let body = match std::fs::metadata(&path) {
            Ok(about) if about.len() > LARGEST => Err(format!("{} bytes", about.len())),
            Ok(_) => std::fs::read(&path).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let body = match body {
            Ok(body) => body,
            Err(found) => {
                let found = format!("{}: {found}", self.payload);
                return fail(&self.at, "examples.in", found, "a payload beside the mapping, at most 1 MiB".to_owned());
            }
        };
        let system = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let (used, decoded) = set.decode_with(&body, &DecodeContext { system, account: ACCOUNT, door: None });
        if used != Some(number) && !matches!(decoded, Decoded::Malformed { .. }) {
            let found = format!("{} does not match this mapping", self.payload);
            return fail(&self.at, "examples.in", found, "a payload that this mapping is for".to_owned());
        }
        match (&self.expected, decoded) {
            (Expected::Ignored, Decoded::Ignored { .. }) => {}
            (Expected::Fields(lines), Decoded::Facts(facts)) => {
                let fields: BTreeMap<_, _> = facts.iter().flat_map(flatten).collect();
                for (name, expected, at) in lines {
                    let found = fields.get(name).map(String::as_str);
                    if found != Some(expected) && !(expected.is_empty() && found.is_none()) {
                        let found = found.map_or("nothing".to_owned(), |found| format!("`{found}`"));
                        fail(at, &format!("examples.out.{name}"), found, format!("`{expected}`"));
                    }
                }
            }
            (Expected::Ignored, other) => fail(&self.at, "examples.out", describe(&other), "ignored".to_owned()),
            (Expected::Fields(_), other) => fail(&self.at, "examples.out", describe(&other), "a fact".to_owned()),
        }
    }
}

fn describe(decoded: &Decoded) -> String {
    match decoded {
        Decoded::Facts(facts) => format!("{} facts", facts.len()),
        Decoded::Ignored { reason, .. } => format!("ignored: {reason}"),
        Decoded::Malformed { problem } => format!("malformed: {problem}"),
    }
}
