//! What a person is told about a mapping that cannot be used: everything at once, with file, line and what is right.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use std::path::Path;

use tandem_sdk::doors::Decoded;
use tandem_sdk::mapping::{DecodeContext, MappingSet};

const CONTEXT: DecodeContext<'static> = DecodeContext { system: "vendor", account: "acme", door: None };

const GOOD: &str = r#"
match = { kind = "posted" }
fact = "message.posted"
[fields]
"leg.kind" = { is = "thread" }
"leg.ref" = "thread"
"occurred_at" = { from = "at", as = "timestamp" }
"key" = "posted/{message.id}"
"message.id" = "id"
"#;

/// Loads these files; problems without the folder's name.
fn load(files: &[(&str, &str)]) -> Result<MappingSet, Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let prefix = format!("{}/", folder.path().display());
    MappingSet::load(folder.path())
        .map_err(|problems| problems.iter().map(|problem| problem.to_string().replace(&prefix, "")).collect())
}

fn problems(files: &[(&str, &str)]) -> Vec<String> {
    load(files).err().unwrap_or_default()
}

/// The good mapping with one line changed, added (empty `from`) or left out (empty `to`).
fn changed(from: &str, to: &str) -> Vec<String> {
    let text = if from.is_empty() { format!("{GOOD}{to}\n") } else { GOOD.replace(from, to) };
    problems(&[("a.toml", &text)])
}

#[test]
fn everything_wrong_in_all_files_is_named_at_once() {
    let found = problems(&[
        ("a.toml", "match = { kind = \"x\" }\nfact = \"message.sent\"\nfoo = 1\n[fields]\n\"leg.reff\" = \"a\"\n"),
        ("b.toml", "match = \nfact = 3"),
        ("c.toml", GOOD),
        ("notes.txt", "not a mapping"),
    ]);
    let begins = [
        "a.toml:2: fact: `message.sent`; one of leg.initiated, ",
        "a.toml:3: foo: `foo`; one of match, fact, ignore, keys, root, doors, fields, examples [mapping.unknown_key]",
        "a.toml:4: fields: no leg.ref; a row for \"leg.ref\" [mapping.missing_target]",
        "a.toml:4: fields: no leg.kind; ",
        "a.toml:4: fields: no occurred_at; ",
        "a.toml:4: fields: no key; ",
        "a.toml:5: fields.leg.reff: `leg.reff`; one of key, occurred_at, leg.ref, ",
        "b.toml:1: ",
    ];
    for (found, begins) in found.iter().zip(begins) {
        assert!(found.starts_with(begins), "{found}\n{begins}");
    }
    assert_eq!(found.len(), begins.len(), "{found:#?}");
}

#[test]
fn each_kind_of_mistake_is_named_with_what_would_be_right() {
    for (from, to, problem) in [
        ("as = \"timestamp\"", "as = \"time\"", "a.toml:7: fields.occurred_at.as: `time`; one of timestamp, "),
        (
            "{ from = \"at\", as = \"timestamp\" }",
            "\"at\"",
            "a.toml:7: fields.occurred_at: a value of the payload; a time: the last step is timestamp, epoch_seconds or \
             epoch_millis [mapping.wrong_type]",
        ),
        (
            "as = \"timestamp\"",
            "as = [\"happened\"]",
            "a.toml:7: fields.occurred_at: Happened after a value of the payload; a time before it",
        ),
        (
            "\"message.id\" = \"id\"",
            "\"message.id\" = { from = \"at\", as = \"timestamp\" }",
            "a.toml:9: fields.message.id: a time; text: the last step is string",
        ),
        ("\"message.id\" = \"id\"", "\"message.id\" = 5", "a.toml:9: fields.message.id: a integer; a path, or a table"),
        (
            "\"message.id\" = \"id\"",
            "\"message.id\" = \"a..b\"",
            "a.toml:9: fields.message.id: `a..b` has an empty part; keys joined by dots [mapping.bad_path]",
        ),
        ("\"message.id\" = \"id\"", "\"message.id\" = { cel = \"event.\" }", "a.toml:9: fields.message.id.cel: ERROR"),
        (
            "\"message.id\" = \"id\"",
            "\"message.id\" = { from = \"id\", is = \"x\" }",
            "a.toml:9: fields.message.id: from and is; exactly one of from, is, cel",
        ),
        (
            "\"message.id\" = \"id\"",
            "\"message.id\" = { form = \"id\" }",
            "a.toml:9: fields.message.id: none of them; exactly one of from, is, cel",
        ),
        (
            "",
            "\"channel\" = { from = \"c\", values = { CHAT = \"chats\" } }",
            "a.toml:10: fields.channel.values.CHAT: `chats`; one of chat, voice, task, email, sms [mapping.unknown_word]",
        ),
        (
            "",
            "\"author.role\" = { is = \"boss\" }",
            "a.toml:10: fields.author.role.is: `boss`; one of customer, agent, bot, system",
        ),
        ("", "leg.kind = \"x\"", "a.toml:10: fields.leg: `leg`; one of key, "),
        (
            "\"key\" = \"posted/{message.id}\"",
            "\"key\" = \"{author.name}\"",
            "a.toml:8: fields.key: `author.name` in plain; {author.name digest} [mapping.personal_key]",
        ),
        (
            "\"key\" = \"posted/{message.id}\"",
            "\"key\" = \"{queue}\"",
            "a.toml:8: fields.key: queue has no row; a row for \"queue\" [mapping.bad_template]",
        ),
        (
            "\"message.id\" = \"id\"",
            "\"message.text\" = \"id\"",
            "a.toml:4: fields: no message.id; a row for \"message.id\"",
        ),
        (
            "",
            "[fields.members]\neach = \"m\"\nname = \"n\"",
            "a.toml:10: fields.members: no address; a row for address",
        ),
        (
            "fact = \"message.posted\"",
            "fact = \"message.posted\"\nignore = \"x\"",
            "a.toml:1: fact: both; either fact or ignore",
        ),
        ("match = { kind = \"posted\" }", "match = {}", "a.toml:2: match: no condition; what the payload must say"),
        ("match = { kind = \"posted\" }", "", "a.toml:1: match: no match; what the payload must say"),
        (
            "fact = \"message.posted\"",
            "fact = \"message.posted\"\nkeys = \"loose\"",
            "a.toml:4: keys: `loose`; fold or exact",
        ),
        (
            "fact = \"message.posted\"",
            "fact = \"message.posted\"\nroot = \"d\"\nx.y = 1",
            "a.toml:5: x: `x`; one of match",
        ),
        ("", "[[examples]]\nin = \"gone.json\"\nout = \"ignored\"", "a.toml:10: examples.in: gone.json: No such file"),
        ("", "[[examples]]\nin = \"gone.json\"", "a.toml:10: examples: no in or no out; both in and out"),
    ] {
        let found = changed(from, to);
        assert!(found.iter().any(|found| found.starts_with(problem)), "{found:#?}\n{problem}");
    }
    assert_eq!(problems(&[("a.toml", GOOD)]), Vec::<String>::new());
}

#[test]
fn two_mappings_for_the_same_events_are_a_problem() {
    let narrower = GOOD.replace("kind = \"posted\"", "kind = [\"posted\", \"sent\"], more = \"yes\"");
    let found = problems(&[("a.toml", GOOD), ("b.toml", &narrower)]);
    assert_eq!(
        found,
        ["b.toml:2: match: the same events as a.toml; events that no other mapping matches [mapping.overlap]"]
    );
    for apart in ["kind = \"sent\"", "kind = [\"sent\", \"heard\"]", "other = \"posted\""] {
        assert!(load(&[("a.toml", GOOD), ("b.toml", &GOOD.replace("kind = \"posted\"", apart))]).is_ok(), "{apart}");
    }
    let doors = |door: &str| GOOD.replace("fact =", &format!("doors = [\"{door}\"]\nfact ="));
    assert!(load(&[("a.toml", &doors("x")), ("b.toml", &doors("y"))]).is_ok());
    assert!(load(&[("a.toml", &doors("x")), ("b.toml", &doors("x"))]).is_err());
}

#[test]
fn an_example_that_does_not_hold_says_what_came_out() {
    let example =
        "[[examples]]\nin = \"p.json\"\nout = { \"message.id\" = \"2\", \"queue\" = \"\", \"leg.ref\" = \"t\" }\n";
    let mapping = format!("{GOOD}{example}");
    let payload = |body: &str| problems(&[("a.toml", &mapping), ("p.json", body)]);
    let good = r#"{"kind":"posted","thread":"t","at":"2024-05-21T14:00:00Z","id":"2"}"#;
    assert_eq!(payload(good), Vec::<String>::new());
    for (body, problem) in [
        (good.replace("\"2\"", "\"3\""), "a.toml:12: examples.out.message.id: `3`; `2` [mapping.example]"),
        (good.replace("posted", "sent"), "a.toml:10: examples.in: p.json does not match this mapping; a payload that"),
        (
            good.replace("\"at\"", "\"to\""),
            "a.toml:10: examples.out: malformed: occurred_at: nothing usable at at; a fact",
        ),
        ("[".to_owned(), "a.toml:10: examples.out: malformed: not readable as JSON"),
    ] {
        let found = payload(&body);
        assert!(found[0].starts_with(problem), "{found:#?}\n{problem}");
    }
}

#[test]
fn a_folder_that_is_not_there_or_empty_is_a_problem() {
    assert!(MappingSet::load(Path::new("not/there")).is_err());
    assert_eq!(problems(&[("a.txt", "")]).len(), 1);
}

#[test]
fn the_version_changes_with_every_byte_and_with_nothing_else() {
    let version = |files: &[(&str, &str)]| load(files).unwrap().version().to_owned();
    let one = version(&[("a.toml", GOOD)]);
    assert_eq!(one, version(&[("a.toml", GOOD), ("readme.md", "x")]));
    assert_ne!(one, version(&[("b.toml", GOOD)]));
    assert_ne!(one, version(&[("a.toml", &GOOD.replace("posted/", "posted."))]));
    assert_eq!(one.len(), 64);
}

#[test]
fn a_row_may_be_computed_and_a_default_may_stand_in() {
    let rows = r#"
"reason" = { cel = "event.id + '/' + string(size(event.list))" }
"topic" = { from = ["none", "also.none"], default = "no topic" }
"channel" = { from = "channel", values = { Chat = "chat" } }
"direction" = { from = "direction", values = { IN = "inbound" } }
"attributes.tier" = { from = "tier", as = ["string", "lower"] }
"#;
    let set = load(&[("a.toml", &format!("{GOOD}{rows}"))]).unwrap();
    let body = br#"{"kind":"posted","thread":"t","at":"2024-05-21T14:00:00Z","id":"2","list":[1,2],"channel":"Fax",
        "direction":"up","tier":"GOLD"}"#;
    let Decoded::Facts(facts) = set.decode(body, &CONTEXT) else { panic!("no facts") };
    let lines = tandem_sdk::mapping::flatten(&facts[0]);
    for (field, value) in [
        ("reason", Some("2/2")),
        ("topic", Some("no topic")),
        ("channel", Some("unknown(Fax)")),
        ("direction", None),
        ("attributes.tier", Some("gold")),
        ("leg.account", Some("acme")),
        ("leg.system", Some("vendor")),
    ] {
        assert_eq!(lines.get(field).map(String::as_str), value, "{field}");
    }
}
