//! Logs that earlier commits wrote fold to the states that were recorded then. See `tests/golden/README.md`.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use tandem::clock::SetClock;
use tandem::desk::{self, house_at_rest, interaction_at_rest};
use tandem::interactions::{Owner, Settings};
use tandem::record::Record;
use tandem::routing::Rules;
use tandem::store::{Batch, Keyspace, Log, Memory, Store};
use tandem_sdk::model::InteractionId;

use crate::desk_house::{RULES, setup};
use crate::journeys::JOURNEYS;
use crate::mortal::Death;
use crate::play::{Play, keys};

/// What a log cannot do without.
const KEPT: [Keyspace; 2] = [Keyspace::Log, Keyspace::Keys];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn write(store: &Memory) -> String {
    let mut text = String::new();
    for keyspace in KEPT {
        for (key, value) in store.range(keyspace, Bound::Unbounded, Bound::Unbounded, usize::MAX).unwrap() {
            text.push_str(&format!("{keyspace} {} {}\n", hex::encode(key), hex::encode(value)));
        }
    }
    text
}

fn read(text: &str) -> Arc<Memory> {
    let store = Memory::new();
    for line in text.lines() {
        let parts: Vec<&str> = line.split(' ').collect();
        let [keyspace, key, value] = parts[..] else { panic!("a row has three parts") };
        let mut batch = Batch::new();
        batch.put(keyspace.parse().unwrap(), hex::decode(key).unwrap(), hex::decode(value).unwrap());
        store.commit(&batch).unwrap();
    }
    Arc::new(store)
}

/// Every aggregate of a log, folded by recovery alone.
fn folded(store: &Arc<Memory>) -> Value {
    let at_rest: Arc<dyn Store> = Arc::<Memory>::clone(store);
    let keys = keys(store, 1000);
    let entries = Log::new(Arc::clone(store)).read(1, usize::MAX, usize::MAX).unwrap();
    let mut interactions: BTreeMap<String, Value> = BTreeMap::new();
    let known = setup(Settings::default(), true).known();
    for (_, bytes) in entries {
        if let Owner::Interaction(id) = Record::decode_plain(&bytes).unwrap().owner
            && !interactions.contains_key(&id.to_string())
        {
            let it = interaction_at_rest(id, known, &at_rest, &keys).unwrap().unwrap();
            interactions.insert(id.to_string(), serde_json::to_value(it).unwrap());
        }
    }
    json!({ "interactions": interactions, "house": house_at_rest(&at_rest, &keys).unwrap() })
}

/// Whether all that was recorded is found; where not, says where.
fn missing(recorded: &Value, found: &Value, place: &str) -> Vec<String> {
    match (recorded, found) {
        (Value::Object(recorded), Value::Object(found)) => recorded
            .iter()
            .flat_map(|(name, value)| {
                missing(value, found.get(name).unwrap_or(&Value::Null), &format!("{place}.{name}"))
            })
            .collect(),
        (Value::Array(recorded), Value::Array(found)) if recorded.len() == found.len() => {
            let pairs = recorded.iter().zip(found).enumerate();
            pairs.flat_map(|(n, (recorded, found))| missing(recorded, found, &format!("{place}.{n}"))).collect()
        }
        _ if recorded == found => Vec::new(),
        _ => vec![format!("{place}: recorded {recorded}, found {found}")],
    }
}

fn goldens() -> Vec<(String, Arc<Memory>, Value)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "log") {
            let log = read(&std::fs::read_to_string(&path).unwrap());
            let state = serde_json::from_slice(&std::fs::read(path.with_extension("json")).unwrap()).unwrap();
            found.push((path.display().to_string(), log, state));
        }
    }
    found
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a person who adds a golden says its name")]
async fn a_golden_is_written_where_there_is_none() {
    let Ok(name) = std::env::var("TANDEM_WRITE_GOLDEN") else { return };
    for (n, (_, has_profiles, journey)) in JOURNEYS.into_iter().enumerate() {
        let deaths = vec![Death::After(31), Death::Before(17)];
        let play = journey(Play::new(Settings::default(), has_profiles, deaths)).await;
        let path = folder().join(format!("{name}-{}.log", n + 1));
        if !path.exists() {
            let text = write(&play.durable);
            std::fs::write(path.with_extension("json"), serde_json::to_vec_pretty(&folded(&read(&text))).unwrap())
                .unwrap();
            std::fs::write(path, text).unwrap();
        }
    }
}

#[test]
fn a_log_that_an_earlier_commit_wrote_folds_to_what_was_recorded() {
    let goldens = goldens();
    assert!(goldens.len() >= JOURNEYS.len());
    for (name, store, recorded) in goldens {
        let missing = missing(&recorded, &folded(&store), "");
        assert!(missing.is_empty(), "{name}: {}", missing.join("\n"));
    }
}

/// Earlier versions set no timer for what nobody wrote to, or for contacts that are not ours.
#[tokio::test]
async fn what_an_earlier_version_left_unwatched_is_watched() {
    let mut seen = 0;
    for (name, store, recorded) in goldens() {
        let clock = Arc::new(SetClock::at("2026-01-01T12:00:00Z".parse().unwrap()));
        let rules = Arc::new(Rules::parse("rules.toml", RULES).unwrap());
        let (desk, thread) = desk::open(
            setup(Settings::default(), true),
            rules,
            Arc::<Memory>::clone(&store),
            keys(&store, 1002),
            clock,
        )
        .unwrap();
        for id in recorded["interactions"].as_object().unwrap().keys() {
            let it = desk.interaction(InteractionId(id.parse().unwrap())).await.unwrap().unwrap();
            if it.closed.is_none() && it.placements.is_empty() {
                seen += 1;
                let awaited = if it.agents_legs().next().is_some() { "silence" } else { "idle" };
                assert!(it.timers.contains_key(awaited), "{name}: {id} has {:?}", it.timers);
            }
        }
        desk.close();
        thread.join().unwrap();
    }
    assert!(seen > 1, "somewhere there were both");
}

/// A desk is given no decoder at all, so recovery cannot decode. Rules it is given; these would decide otherwise.
#[tokio::test]
async fn recovery_decides_nothing_again() {
    let other = RULES.replace("queue-gold", "queue-other").replace("queue-general", "queue-other");
    let mut seen = 0;
    for (name, store, recorded) in goldens() {
        // Nothing is due at the beginning of the log's own time.
        let clock = Arc::new(SetClock::at("2026-01-01T12:00:00Z".parse().unwrap()));
        let rules = Arc::new(Rules::parse("rules.toml", &other).unwrap());
        let (desk, thread) = desk::open(
            setup(Settings::default(), true),
            rules,
            Arc::<Memory>::clone(&store),
            keys(&store, 1001),
            clock,
        )
        .unwrap();
        for (id, state) in recorded["interactions"].as_object().unwrap() {
            let it = desk.interaction(InteractionId(id.parse().unwrap())).await.unwrap().unwrap();
            let found = serde_json::to_value(&it).unwrap();
            let kept =
                ["placements", "legs", "profile", "closed", "assignment", "events", "customer", "waiting", "held"];
            for part in kept {
                // A new life asks after what is open, and counts that.
                let (mut then, mut now) = (state[part].clone(), found[part].clone());
                for placement in [&mut then, &mut now].into_iter().filter_map(Value::as_array_mut).flatten() {
                    placement.as_object_mut().and_then(|placement| placement.remove("asked"));
                }
                let missing = missing(&then, &now, part);
                assert!(missing.is_empty(), "{name}, {id}: {}", missing.join("\n"));
            }
            seen += state["placements"].as_array().map_or(0, Vec::len);
            assert!(!found["placements"].to_string().contains("queue-other"));
        }
        desk.close();
        thread.join().unwrap();
    }
    assert!(seen > 1, "somewhere it was decided");
}
