//! `tandem normalize`: vendor payloads in, facts out. No config, no store, no signature.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use bytes::Bytes;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;
use tandem_sdk::doors::{Decoded, Reading};
use tandem_sdk::model::{Derive, Fact};
use tandem_sdk::problem::Problem;
use uuid::Uuid;

use super::arguments::Normalize;
use super::paper::{Paper, Stop};
use crate::registry;

/// Largest file that is read, in bytes.
const LARGEST: u64 = 256 * 1024 * 1024;
/// What stands for standard input.
const STDIN: &str = "-";

/// A fact as a CloudEvent. It has no sequence: nothing numbered it.
#[derive(Serialize)]
struct Told<'f> {
    specversion: &'static str,
    id: Uuid,
    source: String,
    r#type: String,
    subject: &'f str,
    time: Timestamp,
    datacontenttype: &'static str,
    dataschema: String,
    data: &'f Fact,
}

#[derive(Serialize)]
struct Ignored<'r> {
    ignored: &'r str,
}

/// Says what the mappings make of payloads: one line for each fact, and one for each message that is not used. What is
/// malformed is said on stderr and makes the exit code 1; the rest is still read.
pub(super) fn normalize(arguments: &Normalize) -> ExitCode {
    let mut paper = Paper::new();
    let told = told(arguments, &mut paper);
    paper.end(told)
}

fn told(arguments: &Normalize, paper: &mut Paper) -> Result<(), Stop> {
    let reading = open(arguments)?;
    let source = format!("/tandem/normalize/{}", arguments.adapter);
    let mut problems = Vec::new();
    let stdin = [STDIN.into()];
    let files = if arguments.files.is_empty() { &stdin } else { arguments.files.as_slice() };
    for file in files {
        match read(file) {
            Ok(body) => tell(&reading, &source, file, &body, paper, &mut problems)?,
            Err(Stop::Problems(found)) => problems.extend(found),
            Err(stop) => return Err(stop),
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(Stop::Problems(problems)) }
}

fn open(arguments: &Normalize) -> Result<Reading, Stop> {
    let open = registry::find(&arguments.adapter).and_then(|kind| kind.read).ok_or_else(|| {
        let kinds: Vec<&str> =
            registry::KINDS.iter().filter(|kind| kind.read.is_some()).map(|kind| kind.name).collect();
        let expected = format!("one of {}", kinds.join(", "));
        Stop::wrong(Problem::new("cli.unknown_kind", "ADAPTER", &*arguments.adapter, expected).in_file("command line"))
    })?;
    open(&arguments.mappings, &arguments.account).map_err(Stop::Problems)
}

fn read(file: &Path) -> Result<Bytes, Stop> {
    let name = shown(file);
    let wrong =
        |found: String| Stop::wrong(Problem::new("payload.unreadable", "", found, "a readable file").in_file(&name));
    let open: Box<dyn Read> = if file == Path::new(STDIN) {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(File::open(file).map_err(|error| wrong(error.to_string()))?)
    };
    let mut body = Vec::new();
    open.take(LARGEST.saturating_add(1)).read_to_end(&mut body).map_err(|error| wrong(error.to_string()))?;
    if body.len() as u64 > LARGEST {
        return Err(wrong(format!("more than {LARGEST} bytes")));
    }
    Ok(Bytes::from(body))
}

fn shown(file: &Path) -> String {
    if file == Path::new(STDIN) { "stdin".to_owned() } else { file.display().to_string() }
}

fn tell(
    reading: &Reading,
    source: &str,
    file: &Path,
    body: &Bytes,
    paper: &mut Paper,
    problems: &mut Vec<Problem>,
) -> Result<(), Stop> {
    let mut count = 0_usize;
    for envelope in documents(body).iter().flat_map(|document| (reading.split)(document)) {
        count = count.saturating_add(1);
        match reading.decode.decode(&envelope) {
            Decoded::Facts(facts) => facts.iter().try_for_each(|fact| paper.json(&Told::new(source, fact)))?,
            Decoded::Ignored { reason, .. } => paper.json(&Ignored { ignored: &reason })?,
            Decoded::Malformed { problem } => problems.push(
                Problem::new(
                    "payload.malformed",
                    format!("message {count}"),
                    problem,
                    "a message as its cloud sends it",
                )
                .in_file(shown(file)),
            ),
        }
    }
    Ok(())
}

/// JSON documents one after the other, as in a file with one a line. What cannot be read so is one document.
fn documents(body: &Bytes) -> Vec<Bytes> {
    let text = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let read: Result<Vec<&RawValue>, _> = serde_json::Deserializer::from_slice(text).into_iter().collect();
    match read {
        Ok(documents) if documents.len() > 1 => {
            documents.iter().map(|document| body.slice_ref(document.get().as_bytes())).collect()
        }
        _ => vec![body.clone()],
    }
}

impl<'f> Told<'f> {
    fn new(source: &str, fact: &'f Fact) -> Self {
        let kind = fact.kind.name();
        let id = Derive::entity("fact").part(&fact.leg.id().to_string()).part(kind).part(&fact.key).uuid();
        Told {
            specversion: "1.0",
            id,
            source: source.to_owned(),
            r#type: format!("tandem.fact.{kind}"),
            subject: &fact.leg.native,
            time: fact.occurred_at,
            datacontenttype: "application/json",
            dataschema: format!("urn:tandem:schema:tandem.fact.{kind}:1"),
            data: fact,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_in_a_row_are_taken_apart_and_anything_else_stays_whole() {
        let taken = |text: &'static [u8]| documents(&Bytes::from_static(text));
        assert_eq!(taken(b"{\"a\":1}\n{\"b\":2}\n[3]"), [&b"{\"a\":1}"[..], b"{\"b\":2}", b"[3]"]);
        for whole in [&b"[{\"a\":1},{\"b\":2}]"[..], b"{\"a\":1} {", b"", b"\xff\xfe", b"{} nonsense"] {
            assert_eq!(documents(&Bytes::from_static(whole)), [whole]);
        }
    }
}
