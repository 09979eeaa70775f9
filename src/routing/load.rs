//! Reading rules from a file: whole or not at all, with every problem at once.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use ring::digest::{SHA256, digest};
use tandem_sdk::model::{InstanceName, Target};
use tandem_sdk::problem::Problem;
use toml::de::{DeTable, DeValue};

use super::condition::Condition;
use super::reading::{Lined, Reading, Section, dotted};
use super::rules::{DEFAULT_RULE, Goal, Rule, Rules};

/// Largest file, in bytes.
const MAX_FILE: u64 = 1 << 20;
/// Most rules, and most targets.
const MAX_ROWS: usize = 1_000;

impl Rules {
    /// Reads rules from a file.
    ///
    /// # Errors
    /// Every problem of the file at once, each with its line and key.
    pub fn load(path: &Path) -> Result<Self, Vec<Problem>> {
        let file = path.display().to_string();
        let unreadable = |found: String| {
            vec![Problem::new("rules.unreadable", "", found, "a readable file of at most 1 MiB").in_file(file.clone())]
        };
        let size = fs::metadata(path).map_err(|error| unreadable(error.to_string()))?.len();
        if size > MAX_FILE {
            return Err(unreadable(format!("{size} bytes")));
        }
        let text = fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
        Self::parse(&file, &text)
    }

    /// Reads rules from the text of a file; `file` is its name in problems.
    ///
    /// # Errors
    /// Every problem of the text at once, each with its line and key.
    pub fn parse(file: &str, text: &str) -> Result<Self, Vec<Problem>> {
        let mut reading = Reading::new(file, text);
        let document = reading.document();
        let top = Section { key: "", line: 1, table: &document };
        reading.refuse_unknown(top, &["default", "rules", "targets"]);
        let targets = targets(&mut reading, &document);
        let default = reading.text(top, "default");
        if let Some(default) = &default {
            known_target(&mut reading, &targets, default, "default");
        }
        let rules = rules(&mut reading, &document, &targets);
        let Reading { problems, .. } = reading;
        match default {
            Some(default) if problems.is_empty() => Ok(Rules {
                rules,
                default: default.value,
                targets,
                version: hex::encode(&digest(&SHA256, text.as_bytes()).as_ref()[..16]),
                text: text.to_owned(),
                file: file.to_owned(),
            }),
            _ => Err(problems),
        }
    }
}

fn targets<'t>(reading: &mut Reading<'t>, document: &DeTable<'t>) -> BTreeMap<String, Goal> {
    let mut goals = BTreeMap::new();
    let mut fallbacks: Vec<(String, Lined<String>)> = Vec::new();
    let Some(section) = document.get("targets").and_then(|value| reading.section("targets", value)) else {
        if !document.contains_key("targets") {
            reading.problem("rules.missing_key", 1, "targets", "nothing", "at least one [targets.NAME] table");
        }
        return goals;
    };
    if section.table.len() > MAX_ROWS {
        let found = format!("{} targets", section.table.len());
        reading.problem("rules.too_many", section.line, "targets", found, format!("at most {MAX_ROWS}"));
    }
    for (name, value) in section.table.iter().take(MAX_ROWS) {
        let key = dotted("targets", name.get_ref());
        let Some(section) = reading.section(&key, value) else { continue };
        let line = reading.line(&name.span());
        let section = Section { line, ..section };
        let known = ["instance", "flow", "queue", "queue_attribute", "priority", "fallback"];
        reading.refuse_unknown(section, &known);
        let mut text = |key: &str| reading.text(section, key).unwrap_or(Lined { value: String::new(), line });
        let (instance, flow, queue) = (text("instance"), text("flow"), text("queue"));
        let queue_attribute = text("queue_attribute");
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if !queue_attribute.value.chars().all(allowed) {
            let key = dotted(&key, "queue_attribute");
            let found = queue_attribute.value.clone();
            reading.problem("rules.wrong_type", queue_attribute.line, key, found, "letters, digits, - and _ only");
        }
        let priority = reading.optional_number(section, "priority");
        let fallback = reading.optional_text(section, "fallback");
        let target = Target {
            instance: InstanceName(instance.value),
            flow: flow.value,
            queue: queue.value,
            queue_attribute: queue_attribute.value,
            priority,
        };
        let name = name.get_ref().to_string();
        fallbacks.extend(fallback.clone().map(|fallback| (name.clone(), fallback)));
        goals.insert(name, Goal { target, fallback: fallback.map(|fallback| fallback.value), line });
    }
    for (name, fallback) in fallbacks {
        let key = format!("targets.{name}.fallback");
        if known_target(reading, &goals, &fallback, &key) && returns_to(&goals, &name) {
            let found = format!("{name} falls back to itself, by way of {}", fallback.value);
            reading.problem("rules.fallback_cycle", fallback.line, key, found, "fallbacks that come to an end");
        }
    }
    goals
}

/// Whether the fallbacks of a target lead back to it.
fn returns_to(goals: &BTreeMap<String, Goal>, name: &str) -> bool {
    let next = |current: &str| goals.get(current).and_then(|goal| goal.fallback.as_deref());
    std::iter::successors(next(name), |current| next(current)).take(goals.len()).any(|current| current == name)
}

fn known_target(reading: &mut Reading<'_>, targets: &BTreeMap<String, Goal>, name: &Lined<String>, key: &str) -> bool {
    let known = targets.contains_key(&name.value);
    if !known {
        let names: Vec<&str> = targets.keys().map(String::as_str).collect();
        let expected = format!("the name of a target: {}", names.join(", "));
        reading.problem("rules.unknown_target", name.line, key, name.value.clone(), expected);
    }
    known
}

fn rules<'t>(reading: &mut Reading<'t>, document: &DeTable<'t>, targets: &BTreeMap<String, Goal>) -> Vec<Rule> {
    let Some(value) = document.get("rules") else { return Vec::new() };
    let line = reading.line(&value.span());
    let DeValue::Array(rows) = value.get_ref() else {
        reading.problem("rules.wrong_type", line, "rules", value.get_ref().type_str(), "[[rules]] tables");
        return Vec::new();
    };
    if rows.len() > MAX_ROWS {
        reading.problem(
            "rules.too_many",
            line,
            "rules",
            format!("{} rules", rows.len()),
            format!("at most {MAX_ROWS}"),
        );
    }
    let mut order = Order::default();
    let mut rules = Vec::new();
    for (place, value) in rows.iter().take(MAX_ROWS).enumerate() {
        let key = format!("rules.{place}");
        let Some(section) = reading.section(&key, value) else { continue };
        reading.refuse_unknown(section, &["name", "when", "target"]);
        let name = reading.text(section, "name");
        let target = reading.text(section, "target");
        let when = reading.text(section, "when");
        if let Some(target) = &target {
            known_target(reading, targets, target, &dotted(&key, "target"));
        }
        let condition = when.as_ref().and_then(|when| condition(reading, &key, when));
        if let Some(name) = &name {
            order.check_name(reading, &key, name);
        }
        if let (Some(when), Some(condition)) = (&when, &condition) {
            order.check_reach(reading, &key, when, condition.constant, name.as_ref());
        }
        if let (Some(name), Some(target), Some(condition)) = (name, target, condition) {
            rules.push(Rule { name: name.value, condition, target: target.value });
        }
    }
    rules
}

fn condition(reading: &mut Reading<'_>, key: &str, when: &Lined<String>) -> Option<Condition> {
    let parsed = Condition::parse(&when.value);
    let flaws = match parsed {
        Ok(condition) => return Some(condition),
        Err(flaws) => flaws,
    };
    for flaw in flaws {
        reading.problem(flaw.code, when.line, dotted(key, "when"), flaw.found, flaw.expected);
    }
    None
}

/// What the rules above one rule mean for it.
#[derive(Default)]
struct Order {
    names: BTreeMap<String, usize>,
    conditions: BTreeMap<String, String>,
    /// The rule that always applies, once there was one.
    always: Option<String>,
}

impl Order {
    fn check_name(&mut self, reading: &mut Reading<'_>, key: &str, name: &Lined<String>) {
        let key = dotted(key, "name");
        if name.value == DEFAULT_RULE {
            let found = format!("{DEFAULT_RULE:?}");
            reading.problem(
                "rules.duplicate_name",
                name.line,
                key,
                found,
                "another name: this one means that no rule applied",
            );
        } else if let Some(line) = self.names.insert(name.value.clone(), name.line) {
            let found = format!("{:?}, which line {line} has too", name.value);
            reading.problem("rules.duplicate_name", name.line, key, found, "a name that no other rule has");
        }
    }

    fn check_reach(
        &mut self,
        reading: &mut Reading<'_>,
        key: &str,
        when: &Lined<String>,
        constant: Option<bool>,
        name: Option<&Lined<String>>,
    ) {
        let key = dotted(key, "when");
        let name = name.map_or_else(|| key.clone(), |name| name.value.clone());
        if let Some(always) = &self.always {
            let found = format!("a rule below {always:?}, which always applies");
            reading.problem("rules.unreachable", when.line, key, found, "a place above that rule");
        } else if constant == Some(false) {
            reading.problem("rules.never_applies", when.line, key, "a condition that is never true", "one that can be");
        } else if let Some(earlier) = self.conditions.get(&when.value) {
            let found = format!("the condition of {earlier:?}");
            reading.problem("rules.unreachable", when.line, key, found, "a condition that no rule above has");
        }
        self.conditions.entry(when.value.clone()).or_insert_with(|| name.clone());
        if constant == Some(true) && self.always.is_none() {
            self.always = Some(name);
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use proptest::prelude::*;

    use super::*;

    const TARGET: &str = "instance = 'connect'\nflow = 'f'\nqueue = 'q'\nqueue_attribute = 'tandem_queue'\n";

    fn problems(text: &str) -> Vec<(&'static str, Option<usize>, String)> {
        let problems = Rules::parse("rules.toml", text).unwrap_err();
        problems.into_iter().map(|problem| (problem.code, problem.line, problem.key)).collect()
    }

    fn with_rules(rules: &str) -> String {
        format!("default = 'general'\n[targets.general]\n{TARGET}{rules}")
    }

    fn rule(name: &str, when: &str, target: &str) -> String {
        format!("[[rules]]\nname = '{name}'\nwhen = '{when}'\ntarget = '{target}'\n")
    }

    #[test]
    fn the_shipped_example_is_good() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/rules.toml");
        let rules = Rules::load(&path).unwrap();
        assert!(!rules.is_empty());
        assert_eq!(rules.targets().map(|(name, _)| name).collect::<Vec<_>>(), ["general", "priority"]);
    }

    #[test]
    fn every_problem_is_named_with_its_line_and_key() {
        let two =
            |a: (&str, &str), b: (&str, &str)| with_rules(&(rule(a.0, a.1, "general") + &rule(b.0, b.1, "general")));
        let cases = [
            (String::new(), "rules.missing_key", 1, "targets"),
            ("default = ".to_owned(), "rules.syntax", 1, ""),
            (format!("default = 'nowhere'\n[targets.general]\n{TARGET}"), "rules.unknown_target", 1, "default"),
            (format!("default = 3\n[targets.general]\n{TARGET}"), "rules.wrong_type", 1, "default"),
            (with_rules("colour = 'red'"), "rules.unknown_key", 7, "targets.general.colour"),
            (with_rules("priority = 0"), "rules.wrong_type", 7, "targets.general.priority"),
            (with_rules("fallback = 'nowhere'"), "rules.unknown_target", 7, "targets.general.fallback"),
            (with_rules("fallback = 'general'"), "rules.fallback_cycle", 7, "targets.general.fallback"),
            (with_rules("[targets.other]\ninstance = 'x'"), "rules.missing_key", 7, "targets.other.flow"),
            (with_rules("[[rule]]"), "rules.unknown_key", 7, "rule"),
            (with_rules(&rule("a", "customer.x", "general")), "rules.unknown_variable", 9, "rules.0.when"),
            (with_rules(&rule("a", "profile.x", "nowhere")), "rules.unknown_target", 10, "rules.0.target"),
            (with_rules(&rule("default", "profile.x", "general")), "rules.duplicate_name", 8, "rules.0.name"),
            (with_rules(&rule("a", "1 == 2", "general")), "rules.never_applies", 9, "rules.0.when"),
            (two(("a", "profile.x"), ("a", "profile.y")), "rules.duplicate_name", 12, "rules.1.name"),
            (two(("a", "true"), ("b", "profile.y")), "rules.unreachable", 13, "rules.1.when"),
            (two(("a", "profile.y"), ("b", "profile.y")), "rules.unreachable", 13, "rules.1.when"),
        ];
        for (text, code, line, key) in cases {
            let found = problems(&text);
            assert!(found.contains(&(code, Some(line), key.to_owned())), "{text}\n{found:?}");
        }
    }

    #[test]
    fn a_long_cycle_of_fallbacks_is_found_and_a_tail_that_leads_into_it_is_not_blamed() {
        let target = |name: &str, fallback: &str| format!("[targets.{name}]\n{TARGET}fallback = '{fallback}'\n");
        let text = format!("default = 'a'\n{}{}{}", target("a", "b"), target("b", "c"), target("c", "b"));
        let keys: Vec<_> = problems(&text).into_iter().map(|(code, _, key)| (code, key)).collect();
        let cycle = |key: &str| ("rules.fallback_cycle", key.to_owned());
        assert_eq!(keys, [cycle("targets.b.fallback"), cycle("targets.c.fallback")]);
    }

    #[test]
    fn a_problem_reads_well() {
        let text = with_rules(&rule("a", "interaction.langauge == \"de\"", "general"));
        let problems = Rules::parse("config/rules.toml", &text).unwrap_err();
        insta::assert_snapshot!(problems[0].to_string(), @"config/rules.toml:9: rules.0.when: interaction.langauge; one of id, channel, language, topic, direction, opened_at, attributes, message_count, verified, continued [rules.unknown_field]");
    }

    #[test]
    fn targets_of_an_instance_that_is_not_configured_are_problems() {
        let rules = Rules::parse("rules.toml", &with_rules("")).unwrap();
        assert!(rules.unknown_instances(&[InstanceName::from("connect")].into()).is_empty());
        let problems = rules.unknown_instances(&[InstanceName::from("acs")].into());
        assert_eq!((problems[0].code, problems[0].line), ("rules.unknown_instance", Some(2)));
    }

    #[test]
    fn the_version_follows_the_text() {
        let version = |text: &str| Rules::parse("rules.toml", text).unwrap().version().to_owned();
        assert_eq!(version(&with_rules("")), version(&with_rules("")));
        assert_ne!(version(&with_rules("")), version(&with_rules("priority = 2")));
    }

    const LINES: [&str; 26] = [
        "default = 'a'",
        "default = 1",
        "[[rules]]",
        "[rules]",
        "rules = 1",
        "name = 'n'",
        "when = 'true'",
        "when = 'x'",
        "target = 'a'",
        "[targets]",
        "[targets.a]",
        "[targets.b]",
        "targets = []",
        "instance = 'i'",
        "flow = 'f'",
        "queue = ''",
        "queue = 'q'",
        "queue_attribute = 'ü'",
        "queue_attribute = 'u'",
        "priority = -1",
        "priority = 0xff",
        "fallback = 'b'",
        "fallback = 'a'",
        "=",
        "\"",
        "x.y.z = 1",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn no_text_makes_reading_panic(lines in proptest::collection::vec(proptest::sample::select(&LINES[..]), 0..14)) {
            drop(Rules::parse("rules.toml", &lines.join("\n")));
        }
    }
}
