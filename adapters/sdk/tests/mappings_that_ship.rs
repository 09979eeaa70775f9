//! The mappings that ship load without a problem, and no bytes make them panic.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proptest::prelude::*;
use tandem_sdk::doors::Decoded;
use tandem_sdk::mapping::{DecodeContext, MappingSet};

fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../mappings");
    let mut folders: Vec<_> = std::fs::read_dir(root).unwrap().map(|folder| folder.unwrap().path()).collect();
    folders.sort();
    folders
}

/// Every set that ships, with the payloads of its examples.
static SETS: LazyLock<Vec<(MappingSet, Vec<Vec<u8>>)>> = LazyLock::new(|| {
    let payloads = |folder: &Path| {
        let files = std::fs::read_dir(folder.join("examples")).unwrap();
        files.map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
    };
    folders().iter().map(|folder| (MappingSet::load(folder).unwrap(), payloads(folder))).collect()
});

fn decode(set: &MappingSet, body: &[u8]) -> Decoded {
    set.decode(body, &DecodeContext { system: "vendor", account: "acme", door: None })
}

#[test]
fn every_mapping_that_ships_loads_and_its_examples_hold() {
    for folder in folders() {
        match MappingSet::load(&folder) {
            Ok(set) => assert!(!set.is_empty()),
            Err(problems) => panic!("{}", problems.iter().map(|problem| format!("\n{problem}")).collect::<String>()),
        }
    }
    assert!(folders().len() >= 2, "the folders of mappings are there");
}

#[test]
fn every_mapping_that_ships_has_an_example() {
    for folder in folders() {
        for file in std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()) {
            if file.extension().is_some_and(|extension| extension == "toml") {
                assert!(std::fs::read_to_string(&file).unwrap().contains("[[examples]]"), "{}", file.display());
            }
        }
    }
}

/// Any JSON, with the keys and words that mappings look at among them.
fn json() -> impl Strategy<Value = serde_json::Value> {
    let word = prop_oneof![
        Just("Microsoft.Communication.ChatMessageReceived".to_owned()),
        Just("Amazon Connect Contact Event".to_owned()),
        Just("CONNECTED_TO_AGENT".to_owned()),
        Just("Notification".to_owned()),
        Just(r#"{"Type":"MESSAGE","ContactId":"c","AbsoluteTime":"2024-05-21T14:00:00Z"}"#.to_owned()),
        Just("2024-05-21T14:00:00Z".to_owned()),
        ".{0,8}",
    ];
    let key = prop::sample::select(vec![
        "eventType",
        "type",
        "data",
        "detail",
        "detail-type",
        "Type",
        "Message",
        "MessageAttributes",
        "threadId",
        "messageId",
        "composeTime",
        "version",
        "time",
        "contactId",
        "instanceArn",
        "queueInfo",
        "agentInfo",
        "participants",
        "x",
    ]);
    let leaf = prop_oneof![
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        any::<f64>().prop_map(serde_json::Value::from),
        word.prop_map(serde_json::Value::from),
        Just(serde_json::Value::Null),
    ];
    leaf.prop_recursive(4, 48, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            prop::collection::hash_map(key.clone().prop_map(str::to_owned), inner, 0..8)
                .prop_map(|object| serde_json::Value::Object(object.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_bytes_are_decoded_or_malformed(body: Vec<u8>) {
        for (set, _) in SETS.iter() {
            prop_assert!(!matches!(decode(set, &body), Decoded::Facts(_)));
        }
    }

    #[test]
    fn any_json_is_decoded_and_its_facts_are_whole(event in json()) {
        for (set, _) in SETS.iter() {
            if let Decoded::Facts(facts) = decode(set, event.to_string().as_bytes()) {
                for fact in facts {
                    prop_assert!(!fact.leg.native.is_empty() && !fact.leg.kind.is_empty() && !fact.key.is_empty());
                }
            }
        }
    }

    #[test]
    fn a_damaged_example_never_panics(
        which: prop::sample::Index,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..6),
    ) {
        for (set, payloads) in SETS.iter() {
            let mut body = which.get(payloads).clone();
            for (place, byte, how) in &damage {
                let place = place.index(body.len().max(1));
                match how {
                    0 if place < body.len() => body[place] = *byte,
                    1 if place < body.len() => drop(body.remove(place)),
                    _ => body.insert(place.min(body.len()), *byte),
                }
            }
            let _decoded = decode(set, &body);
        }
    }
}
