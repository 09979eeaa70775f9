//! Published vendor payloads against a reviewed table of what they say.
//!
//! The payloads are not part of the repository: `TANDEM_CORPUS` names their folder. `tests/corpus.toml` lists every ACS
//! chat event, Connect contact event and SNS message there with the fields that must come out; a file without a line, a
//! line without a file, a field that differs, and a text, name, topic or reason that the table does not say are failures.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
#![expect(clippy::print_stderr, reason = "a sweep that did not run must say so where people look")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use tandem_sdk::doors::Decoded;
use tandem_sdk::mapping::{DecodeContext, MappingSet, flatten};

/// Most files that may be ignored, each with its reason in the table.
const MOST_IGNORED: usize = 5;

/// The account of the context, as if configured.
const ACCOUNT: &str = "configured";

struct Mappings {
    azure: MappingSet,
    connect: MappingSet,
}

impl Mappings {
    fn load() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings");
        let load = |kind: &str| MappingSet::load(&folder.join(kind)).unwrap();
        Mappings { azure: load("azure-communication"), connect: load("amazon-connect") }
    }

    /// As the adapter would decode it that such a file is for.
    fn decode(&self, name: &str, body: &[u8]) -> Decoded {
        let door = if name.starts_with("aws/sns.") { "chat" } else { "contacts" };
        if name.starts_with("azure/") {
            let context = DecodeContext { system: "azure-communication", account: ACCOUNT, door: Some("events") };
            self.azure.decode(body, &context)
        } else {
            let context = DecodeContext { system: "amazon-connect", account: ACCOUNT, door: Some(door) };
            self.connect.decode(body, &context)
        }
    }
}

/// Every file of the corpus, by its path inside of it.
fn files(corpus: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(corpus.join(&folder)).unwrap().map(Result::unwrap) {
            let path = folder.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "json") {
                files.insert(path.to_str().unwrap().to_owned(), std::fs::read(entry.path()).unwrap());
            }
        }
    }
    files
}

/// Whether the table must have a line for it: ACS chat events, Connect contact events, SNS messages as SNS posts them.
fn is_ours(name: &str, body: &[u8]) -> bool {
    let posted_by_sns =
        || serde_json::from_slice::<serde_json::Value>(body).is_ok_and(|message| message.get("TopicArn").is_some());
    name.starts_with("azure/Chat") || name.starts_with("aws/connect-contact-event.") || posted_by_sns()
}

/// File → field → value; the field `ignored` holds the reason.
fn table() -> BTreeMap<String, BTreeMap<String, String>> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus.toml")).unwrap();
    toml::from_str(&text).unwrap()
}

/// Whether it is a field that people read: those are easily lost, since nothing depends on them.
fn is_for_people(field: &str) -> bool {
    field.ends_with(".name") || ["message.text", "topic", "reason"].contains(&field)
}

/// What came out, in the words of the table.
fn said(decoded: Decoded) -> BTreeMap<String, String> {
    match decoded {
        Decoded::Facts(facts) => facts.iter().flat_map(flatten).collect(),
        Decoded::Ignored { reason, .. } => BTreeMap::from([("ignored".to_owned(), reason)]),
        Decoded::Malformed { problem } => BTreeMap::from([("malformed".to_owned(), problem)]),
    }
}

#[test]
fn published_payloads_say_what_the_reviewed_table_says() {
    let Some(corpus) = std::env::var_os("TANDEM_CORPUS").filter(|corpus| !corpus.is_empty()) else {
        eprintln!("TANDEM_CORPUS is not set: the corpus sweep did not run");
        return;
    };
    let (files, table, mappings) = (files(Path::new(&corpus)), table(), Mappings::load());
    assert!(!files.is_empty(), "TANDEM_CORPUS names a folder with payloads");
    let mut wrong = Vec::new();
    let mut ignored = BTreeSet::new();
    for (name, expected) in &table {
        let Some(body) = files.get(name) else {
            wrong.push(format!("{name} is in the table and not in the corpus"));
            continue;
        };
        let said = said(mappings.decode(name, body));
        for (field, value) in expected {
            let found = said.get(field).map_or("nothing", String::as_str);
            if found != value {
                wrong.push(format!("{name}: {field} is {found}, not {value}"));
            }
        }
        if expected.contains_key("ignored") {
            ignored.insert(name);
        } else {
            for field in ["fact", "leg.ref", "leg.account", "key", "occurred_at"] {
                if !expected.contains_key(field) {
                    wrong.push(format!("{name}: the table does not say {field}"));
                }
            }
            for field in said.keys().filter(|field| is_for_people(field) && !expected.contains_key(*field)) {
                wrong.push(format!("{name}: the table does not say {field}"));
            }
        }
    }
    for (name, body) in &files {
        if is_ours(name, body) {
            if !table.contains_key(name) {
                wrong.push(format!("{name} has no line in the table: {:?}", said(mappings.decode(name, body))));
            }
            continue;
        }
        // Everything else is for later, or for nobody. It must be said to be that, and never be taken for a fact.
        let said = said(mappings.decode(name, body));
        if said.contains_key("fact") || said.values().any(String::is_empty) {
            wrong.push(format!("{name} is {said:?}"));
        }
    }
    assert!(ignored.len() <= MOST_IGNORED, "{ignored:?}");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    eprintln!(
        "{} payloads in the table, {} of them ignored; {} others",
        table.len(),
        ignored.len(),
        files.len() - table.len()
    );
}
