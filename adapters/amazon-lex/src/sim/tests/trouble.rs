//! What goes wrong on purpose, what is too much, and what is written down.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tandem_sdk::sim::Fault;

use super::world::{Reply, SIGNED, World, path, stands};
use crate::sim::{Settings, run};

const TEXT: &str = "POST /bots/{bot}/botAliases/{alias}/botLocales/{locale}/sessions/{session}/text";
const READ: &str = "GET /bots/{bot}/botAliases/{alias}/botLocales/{locale}/sessions/{session}";

#[tokio::test]
async fn a_configured_rate_throttles() {
    let world = World::with(|settings| settings["rate"] = json!({ "per_second": 0.001, "burst": 2.0 })).await;
    world.say("s1", "book a room").await;
    assert_eq!(world.get("s1").await.status, 200);
    let answer = world.get("s1").await;
    assert_eq!((answer.status, answer.code.as_str()), (429, "ThrottlingException"));
}

#[tokio::test]
async fn the_drafts_alias_has_two_texts_at_once() {
    let world = World::new().await;
    for _ in 0..3 {
        world.function.reply(Reply { delay: Duration::from_millis(500), ..Reply::delegate() });
    }
    let say = |session: &str| {
        let path = format!("{}/text", path(session).replace("LIVEALIAS1", "TSTALIASID"));
        let world = &world;
        async move { world.call(Method::POST, &path, r#"{"text":"where is my order"}"#).await.status }
    };
    let (one, two, three) = tokio::join!(say("s1"), say("s2"), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        say("s3").await
    });
    assert_eq!((one, two, three), (200, 200, 429));
}

#[tokio::test]
async fn server_errors_take_turns_among_what_the_operation_can_give() {
    let world = World::new().await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        world.lex.faults.force(TEXT, Fault::ServerError);
        let answer = world.recognize("s1", &json!({ "text": "book a room" })).await;
        seen.push((answer.status, answer.code));
    }
    let wanted = [(500, "InternalServerException"), (502, "BadGatewayException"), (424, "DependencyFailedException")];
    assert_eq!(seen, wanted.map(|(status, code)| (status, code.to_owned())));
    world.say("s1", "book a room").await;
    for _ in 0..2 {
        world.lex.faults.force(READ, Fault::ServerError);
        assert_eq!(world.get("s1").await.code, "InternalServerException");
    }
    world.lex.faults.force(TEXT, Fault::Throttle);
    assert_eq!(world.recognize("s1", &json!({ "text": "big" })).await.code, "ThrottlingException");
    assert_eq!(world.effects("call.faulted").len(), 6);
}

#[tokio::test]
async fn an_answer_can_be_lost_with_and_without_its_effect() {
    let world = World::with(|settings| settings["hold_ms"] = json!(50)).await;
    for (fault, turns) in [(Fault::Timeout, 0), (Fault::UnknownOutcome, 1)] {
        world.lex.faults.force(TEXT, fault);
        let path = format!("{}/text", path("s1"));
        let lost = world.try_as(&SIGNED, 0, Method::POST, &path, r#"{"text":"book a room"}"#).await;
        assert!(lost.is_err(), "{lost:?}");
        assert_eq!(world.effects("turn.taken").len(), turns);
    }
    world.lex.faults.force(TEXT, Fault::Delay(Duration::from_millis(100)));
    assert_eq!(stands(&world.say("s1", "big").await).1, "BookRoom");
    assert_eq!(world.effects("turn.taken").len(), 2);
}

#[tokio::test]
async fn the_same_seed_gives_the_same_faults() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let world = World::with(|settings| {
            settings["seed"] = json!(7);
            settings["rates"] = json!({ "duplicate": 0.0, "reorder": 0.0, "delay": 0.0, "drop": 0.0, "throttle": 0.3,
                "server_error": 0.3, "timeout": 0.0, "unknown_outcome": 0.0 });
        });
        let world = world.await;
        let mut codes = Vec::new();
        for _ in 0..20 {
            codes.push(world.recognize("s1", &json!({ "text": "book a room" })).await.code);
        }
        assert!(codes.iter().any(String::is_empty) && codes.iter().any(|code| code == "ThrottlingException"));
        runs.push(codes);
    }
    assert_eq!(runs[0], runs[1]);
}

#[tokio::test]
async fn every_turn_is_in_the_ledger_and_texts_only_when_the_settings_say_so() {
    for (setting, open) in [("digest", false), ("text", true)] {
        let world = World::with(|settings| settings["ledger_text"] = json!(setting)).await;
        let answer = world.recognize("s1", &json!({ "text": "agent please" })).await;
        let entry = world.effects("turn.taken").remove(0);
        assert_eq!(entry.key, answer.headers["x-amzn-requestid"].to_str().unwrap());
        let detail = &entry.detail;
        let wanted =
            [("session", "s1"), ("intent", "AgentRequest"), ("state", "ReadyForFulfillment"), ("action", "Close")];
        for (name, value) in wanted {
            assert_eq!(detail[name], value, "{name}");
        }
        let said = detail["text"].as_str().unwrap();
        assert_eq!(said == "agent please", open, "{said}");
        assert_eq!(said.len(), if open { 12 } else { 16 });
    }
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/bot.toml");
    let cases: [(&str, Value); 8] = [
        ("id", json!("short")),
        ("aliases", json!({})),
        ("aliases", json!({ "no": "alias" })),
        ("locales", json!([])),
        ("idle_seconds", json!(59)),
        ("script", json!(dir.path().join("none.toml"))),
        ("hook", json!({ "url": "http://example.org/hook" })),
        ("hook", json!({ "url": "https://localhost/hook", "timeout_seconds": 31 })),
    ];
    for (key, value) in cases {
        let mut bot =
            json!({ "id": "HOTELBOT01", "name": "Hotel", "aliases": { "LIVEALIAS1": "live" }, "script": script });
        bot[key] = value;
        let settings: Settings = serde_json::from_value(json!({
            "listen": "127.0.0.1:0", "ca": dir.path(), "access_key_id": "a", "secret_access_key": "b", "bots": [bot],
        }))
        .unwrap();
        assert!(run(settings).await.is_err(), "{key}");
    }
}
