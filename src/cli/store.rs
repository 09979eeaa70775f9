//! `tandem store`: what the data directory holds, since nobody else's tool opens it. Nothing that is sealed is opened.

use std::ops::Bound;
use std::path::PathBuf;
use std::process::ExitCode;

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use tandem_sdk::problem::Problem;
use uuid::Uuid;

use super::arguments::{Kept, StoreDeed};
use super::paper::{Paper, Stop};
use crate::config::Config;
use crate::store::{Embedded, FIRST_SEQ, Frame, Keyspace, Log, Settings, Store, StoreError, describe, pretty};

/// Rows read at once.
const PAGE: usize = 1000;
/// Bytes of records read at once.
const BYTES: usize = 16 * 1024 * 1024;

/// One row as people read it.
#[derive(Serialize)]
struct Row {
    key: String,
    bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    plain: Option<Value>,
    /// Bytes that need a key to be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    sealed: Option<usize>,
}

/// Sees a key and its value, and says whether it wants more.
type See<'s> = dyn FnMut(&[u8], &Bytes) -> Result<bool, Stop> + 's;

#[derive(Serialize)]
struct Shelf {
    keyspace: &'static str,
    rows: usize,
    about: &'static str,
}

/// Shows rows, or writes the plain parts of the log out.
pub(super) fn store(deed: &StoreDeed) -> ExitCode {
    let mut paper = Paper::new();
    let done = done(deed, &mut paper);
    paper.end(done)
}

fn done(deed: &StoreDeed, paper: &mut Paper) -> Result<(), Stop> {
    match deed {
        StoreDeed::Get { kept, keyspace, key } => get(&open(kept)?, *keyspace, key, paper),
        StoreDeed::Scan { kept, keyspace: Some(keyspace), after, limit } => {
            scan(&open(kept)?, *keyspace, after.as_deref(), *limit, paper)
        }
        StoreDeed::Scan { kept, keyspace: None, .. } => shelves(&open(kept)?, paper),
        StoreDeed::Export { kept } => export(open(kept)?, paper),
    }
}

/// The data directory: as the command line says, else as the config does.
pub(super) fn data_of(kept: &Kept) -> Result<PathBuf, Stop> {
    match &kept.data {
        Some(data) => Ok(data.clone()),
        None => Ok(Config::load(&kept.configured.config).map_err(Stop::Problems)?.config.store.data),
    }
}

fn open(kept: &Kept) -> Result<Embedded, Stop> {
    let data = data_of(kept)?;
    if !data.join("FORMAT").exists() {
        let file = data.display().to_string();
        let found = "no data directory of a hub";
        return Err(Stop::wrong(
            Problem::new("store.none", "--data", found, "a folder that `tandem serve` kept").in_file(file),
        ));
    }
    Embedded::open(&data, Settings::default()).map_err(|error| wrong(&error))
}

fn wrong(error: &StoreError) -> Stop {
    Stop::wrong(
        Problem::new("store.unreadable", "", error.to_string(), "a store that no running hub holds").in_file("data"),
    )
}

fn get(store: &Embedded, keyspace: Keyspace, wanted: &str, paper: &mut Paper) -> Result<(), Stop> {
    if let Some(key) = wanted.strip_prefix('?').and_then(|digits| hex::decode(digits).ok())
        && let Some(value) = store.get(keyspace, &key).map_err(|error| wrong(&error))?
    {
        return paper.json(&row(keyspace, &key, &value));
    }
    let mut found = None;
    each(store, keyspace, Bound::Unbounded, &mut |key, value| {
        if pretty(keyspace, key) == wanted {
            found = Some(row(keyspace, key, value));
        }
        Ok(found.is_none())
    })?;
    match found {
        Some(row) => paper.json(&row),
        None => {
            let expected = format!("a key as `tandem store scan {keyspace}` shows it");
            Err(Stop::wrong(Problem::new("store.no_such_key", keyspace.name(), wanted, expected).in_file("data")))
        }
    }
}

fn scan(
    store: &Embedded,
    keyspace: Keyspace,
    after: Option<&str>,
    limit: usize,
    paper: &mut Paper,
) -> Result<(), Stop> {
    let (mut shown, mut begun) = (0, after.is_none());
    each(store, keyspace, Bound::Unbounded, &mut |key, value| {
        if begun {
            paper.json(&row(keyspace, key, value))?;
            shown += 1;
        } else {
            begun = after.is_some_and(|after| pretty(keyspace, key) == after);
        }
        Ok(shown < limit)
    })
}

fn shelves(store: &Embedded, paper: &mut Paper) -> Result<(), Stop> {
    for keyspace in Keyspace::ALL {
        let mut rows = 0;
        each(store, keyspace, Bound::Unbounded, &mut |_, _| {
            rows += 1;
            Ok(true)
        })?;
        paper.json(&Shelf { keyspace: keyspace.name(), rows, about: describe(keyspace) })?;
    }
    Ok(())
}

/// Every row from `from` on, until `see` has seen enough.
fn each(store: &Embedded, keyspace: Keyspace, from: Bound<Vec<u8>>, see: &mut See<'_>) -> Result<(), Stop> {
    let mut from = from;
    loop {
        let start = from.as_ref().map(Vec::as_slice);
        let rows = store.range(keyspace, start, Bound::Unbounded, PAGE).map_err(|error| wrong(&error))?;
        let Some((last, _)) = rows.last() else { return Ok(()) };
        from = Bound::Excluded(last.to_vec());
        for (key, value) in &rows {
            if !see(key, value)? {
                return Ok(());
            }
        }
    }
}

fn row(keyspace: Keyspace, key: &[u8], value: &Bytes) -> Row {
    let mut row = Row { key: pretty(keyspace, key), bytes: value.len(), plain: None, sealed: None };
    match keyspace {
        Keyspace::Log | Keyspace::States | Keyspace::Quarantine => {
            if let Ok(frame) = Frame::decode(value) {
                let text = || Value::String(String::from_utf8_lossy(frame.plain).into_owned());
                row.plain = Some(serde_json::from_slice(frame.plain).unwrap_or_else(|_| text()));
                row.sealed = frame.sealed.map(<[u8]>::len);
            }
        }
        Keyspace::Dedupe | Keyspace::Semantic | Keyspace::Meta => {
            row.plain = <[u8; 8]>::try_from(value.as_ref()).ok().map(|bytes| u64::from_be_bytes(bytes).into());
        }
        Keyspace::Refs => match Uuid::from_slice(value) {
            Ok(id) => row.plain = Some(id.to_string().into()),
            Err(_) => row.sealed = Some(value.len()).filter(|length| *length > 0),
        },
        Keyspace::Keys | Keyspace::Vault => row.sealed = Some(value.len()),
    }
    row
}

fn export(store: Embedded, paper: &mut Paper) -> Result<(), Stop> {
    let log = Log::new(std::sync::Arc::new(store));
    let mut seq = FIRST_SEQ;
    loop {
        let entries = log.read(seq, PAGE, BYTES).map_err(|error| wrong(&error))?;
        let Some((last, _)) = entries.last() else { return Ok(()) };
        seq = last.saturating_add(1);
        for (seq, bytes) in &entries {
            let damaged = |found: String| {
                let key = format!("record {seq}");
                Stop::wrong(Problem::new("store.damaged", key, found, "a record as the desk wrote it").in_file("data"))
            };
            let frame = Frame::decode(bytes).map_err(|error| damaged(error.to_string()))?;
            // As it stands, so that what a later version added is there too.
            let plain = std::str::from_utf8(frame.plain).map_err(|error| damaged(error.to_string()))?;
            paper.line(plain)?;
        }
    }
}
