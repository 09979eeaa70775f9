//! The verbs of the command line, as somebody at a shell meets them.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tandem_sdk::sim::Authority;

const TANDEM: &str = env!("CARGO_BIN_EXE_tandem");

fn tandem(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(TANDEM)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// This test is a process of its own too, one that panics.
#[test]
fn a_panic_says_where_it_was_and_not_what() {
    let is_child = std::env::var_os("TANDEM_TEST_PANICS").is_some();
    if is_child {
        tandem::cli::say_where_it_panics();
        panic!("what the customer said");
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "verbs::a_panic_says_where_it_was_and_not_what", "--nocapture"])
        .env("TANDEM_TEST_PANICS", "1")
        .output()
        .unwrap();
    assert!(!child.status.success());
    let told = text(&child.stderr) + &text(&child.stdout);
    assert!(told.contains("panicked at tests/it/verbs.rs:"), "{told}");
    assert!(!told.contains("what the customer said"), "{told}");
}

#[test]
fn check_names_every_problem_with_file_line_key_and_what_would_be_right() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("short.key", "too short");
    write("one.key", "0123456789abcdef0123456789abcdef");
    write("two.key", "fedcba9876543210fedcba9876543210");
    write(
        "rules.toml",
        "default = \"nowhere\"\n[[rules]]\nname = \"gold\"\nwhen = 'profile.tier = \"gold\"'\ntarget = \"general\"\n\
         [targets.general]\ninstance = \"nobody\"\nflow = \"f\"\nqueue = \"q\"\nqueue_attribute = \"tandem_queue\"\n",
    );
    // The first config cannot even be read; the second can, and does not fit together.
    write(
        "unread.toml",
        "[listen]\nadress = \"127.0.0.1:8787\"\ntimeout = \"soon\"\nhooks = -1\n\n[telemetry]\nformat = \"xml\"\n",
    );
    write(
        "tandem.toml",
        "rules = \"rules.toml\"\nmappings = \"mappings\"\n[listen]\naddress = \"0.0.0.0:8787\"\n\
         [secrets]\nid_key = \"file:short.key\"\nmaster_keys = [\"file:absent.key\"]\n\
         [adapters.acs]\nkind = \"azure-comunication\"\n\
         [adapters.connect]\nkind = \"amazon-connect\"\n[adapters.connect.settings]\nregion = \"nowhere\"\ninstance = \"x\"\n",
    );
    std::fs::create_dir_all(folder.path().join("mappings/azure-communication")).unwrap();
    let mut told = String::new();
    for config in ["absent.toml", "unread.toml", "tandem.toml"] {
        let path = folder.path().join(config);
        let checked = tandem(&["check", "--config", path.to_str().unwrap()], b"");
        assert_eq!(checked.status.code(), Some(1));
        assert!(checked.stdout.is_empty());
        told.push_str(&format!("# {config}\n{}\n", text(&checked.stderr)));
    }
    insta::assert_snapshot!(told.replace(folder.path().to_str().unwrap(), "…"));
}

#[test]
fn check_says_a_wrong_mapping_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let mappings = folder.path().join("azure-communication");
    std::fs::create_dir_all(&mappings).unwrap();
    std::fs::write(
        mappings.join("wrong.toml"),
        "match = { eventType = \"A\" }\nfact = \"message.posted\"\n[fields]\n\"leg.kind\" = { is = \"thread\" }\n\
         \"message.colour\" = \"data.colour\"\n\"occurred_at\" = { from = \"data.at\", as = \"timestmp\" }\n",
    )
    .unwrap();
    let told = tandem(&["normalize", "azure-communication", "--mappings", folder.path().to_str().unwrap()], b"{}");
    assert_eq!(told.status.code(), Some(1));
    insta::assert_snapshot!(text(&told.stderr).replace(folder.path().to_str().unwrap(), "…"));
}

#[test]
fn normalize_tells_facts_as_cloud_events_and_what_is_not_used() {
    let event = std::fs::read_to_string("mappings/azure-communication/examples/message-in-thread.json").unwrap();
    let typing = std::fs::read_to_string("mappings/azure-communication/examples/typing.json").unwrap();
    let told = tandem(&["normalize", "azure-communication"], format!("[{event},{typing}]").as_bytes());
    assert!(told.status.success(), "{}", text(&told.stderr));
    let lines: Vec<Value> = text(&told.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["type"], "tandem.fact.message.posted");
    assert_eq!(lines[0]["subject"], "19:examplethread@thread.v2");
    assert!(lines[0].get("sequence").is_none());
    assert_eq!(lines[1].as_object().unwrap().keys().collect::<Vec<_>>(), ["ignored"]);
    insta::assert_json_snapshot!(lines);
    // Bare, in a row, and from a file it is the same.
    let bare = tandem(&["normalize", "azure-communication"], format!("{event}\n{typing}").as_bytes());
    assert_eq!(bare.stdout, told.stdout);
    let file = tandem(
        &[
            "normalize",
            "azure-communication",
            "mappings/azure-communication/examples/message-in-thread.json",
            "mappings/azure-communication/examples/typing.json",
        ],
        b"",
    );
    assert_eq!(file.stdout, told.stdout);
}

#[test]
fn normalize_takes_connects_events_bare_details_and_sns_messages() {
    let read = |name: &str| std::fs::read_to_string(format!("mappings/amazon-connect/examples/{name}.json")).unwrap();
    let event: Value = serde_json::from_str(&read("contact-queued")).unwrap();
    let body = format!("[{event},{},{}]", event["detail"], read("chat-message"));
    let told = tandem(&["normalize", "amazon-connect"], body.as_bytes());
    assert!(told.status.success(), "{}", text(&told.stderr));
    let kinds: Vec<String> = text(&told.stdout)
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["type"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(kinds, ["tandem.fact.leg.queued", "tandem.fact.leg.queued", "tandem.fact.message.posted"]);
}

#[test]
fn normalize_says_what_is_malformed_and_still_tells_the_rest() {
    let event = std::fs::read_to_string("mappings/azure-communication/examples/message-in-thread.json").unwrap();
    let told = tandem(&["normalize", "azure-communication"], format!("[{{\"id\":1e999}},{event}]").as_bytes());
    assert_eq!(told.status.code(), Some(1));
    assert_eq!(text(&told.stdout).lines().count(), 1);
    insta::assert_snapshot!(text(&told.stderr), @"stdin: message 1: not readable as JSON: number out of range at line 1 column 11; a message as its cloud sends it [payload.malformed]");
    let deep = "[".repeat(5_000);
    for (kind, body) in [
        ("amazon-connect", b"\xff".as_slice()),
        ("amazon-connect", b""),
        ("azure-communication", deep.as_bytes()),
        ("cdp-http", b"{}"),
        ("nothing", b"{}"),
    ] {
        let told = tandem(&["normalize", kind], body);
        assert_eq!(told.status.code(), Some(1), "{kind} {body:?}");
        assert!(told.stdout.is_empty() && text(&told.stderr).lines().count() == 1, "{told:?}");
    }
    let empty = tandem(&["normalize", "amazon-connect"], b"[]");
    assert!(empty.status.success() && empty.stdout.is_empty());
}

#[test]
fn verbs_over_a_folder_that_holds_no_store_make_none() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    for verb in [vec!["store", "scan"], vec!["store", "export"]] {
        let told = tandem(&[verb.as_slice(), &["--data", data.to_str().unwrap()]].concat(), b"");
        assert_eq!(told.status.code(), Some(1));
        assert!(text(&told.stderr).contains("no data directory of a hub"), "{told:?}");
    }
    assert!(!data.exists());
    let usage = tandem(&["erase", "--identity", "shoe=42"], b"");
    assert_eq!(usage.status.code(), Some(64));
    assert!(text(&usage.stderr).contains("customer, phone, email, communication_user"), "{usage:?}");
}

#[test]
fn probing_knocks_at_the_clouds_and_explains_a_hub_that_is_no_participant() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    Authority::open(&folder.path().join("ca")).unwrap();
    let hub = "8:acs:1a7de350-0000-4000-8000-0000000000ac_00000000-0000-0000-0000-00000000a0b0";
    let key = "dGhlIGFjY2VzcyBrZXkgb2YgYSB0ZXN0LCBrZXB0IG5vd2hlcmU=";
    let settings = format!(
        "listen = \"127.0.0.1:0\"\nca = \"{}\"\nresource = \"example\"\n\
         resource_id = \"1a7de350-0000-4000-8000-0000000000ac\"\naccess_key = \"{key}\"\nidentities = [\"{hub}\"]\n",
        folder.path().join("ca").display()
    );
    let clouds = tokio::runtime::Runtime::new().unwrap();
    let sim = clouds.block_on(tandem_azure_communication::sim::run(toml::from_str(&settings).unwrap())).unwrap();
    write("id.key", "0123456789abcdef0123456789abcdef");
    write("master.key", "fedcba9876543210fedcba9876543210");
    write("acs.key", key);
    write(
        "rules.toml",
        "default = \"general\"\n[targets.general]\ninstance = \"acs\"\nflow = \"f\"\nqueue = \"q\"\nqueue_attribute = \"tandem_queue\"\n",
    );
    write(
        "tandem.toml",
        &format!(
            "rules = \"rules.toml\"\nmappings = \"{}/mappings\"\n[secrets]\nid_key = \"file:id.key\"\n\
             master_keys = [\"file:master.key\"]\n[network]\ntrust = [\"ca/ca.pem\"]\n[adapters.acs]\n\
             kind = \"azure-communication\"\n[adapters.acs.settings]\nendpoint = \"{}\"\naccess_key = \"file:acs.key\"\n\
             resource = \"example\"\nhub_address = \"{hub}\"\n",
            env!("CARGO_MANIFEST_DIR"),
            sim.endpoint,
        ),
    );
    let config = folder.path().join("tandem.toml").display().to_string();
    let told = tandem(&["check", "--probe", "--config", &config], b"");
    assert!(told.status.success(), "{told:?}");
    let told = text(&told.stdout).replace(folder.path().to_str().unwrap(), "…").replace(&sim.endpoint, "https://acs");
    insta::assert_snapshot!(told);
}
