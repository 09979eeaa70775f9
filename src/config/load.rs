//! Reading the file: everything that is wrong at once, each with its line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize as _;
use tandem_sdk::problem::Problem;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::Config;

/// Largest config that is read.
const LONGEST: u64 = 1 << 20;

/// After so many problems in one file nobody reads on.
const MOST_PROBLEMS: usize = 100;

const MISSING: &str = "config.missing_key";

/// A config and where it came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The config.
    pub config: Config,
    /// The file, as the person named it.
    pub file: String,
    /// Its folder: relative paths and `file:` secrets start here.
    pub base: PathBuf,
    /// Line of every key.
    lines: BTreeMap<String, usize>,
}

impl Config {
    /// Reads a config file. Does not look at what keys mean together: that is [`Loaded::check`].
    pub fn load(path: &Path) -> Result<Loaded, Vec<Problem>> {
        let file = path.display().to_string();
        let unreadable =
            |found: String| vec![Problem::new("config.unreadable", "", found, "a readable TOML file").in_file(&file)];
        let size = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?.len();
        if size > LONGEST {
            return Err(unreadable(format!("{size} bytes")));
        }
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
        let base = path.parent().filter(|base| !base.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Config::parse(&file, base, &text)
    }

    /// Reads the text of a config file named `file` in the folder `base`.
    pub fn parse(file: &str, base: &Path, text: &str) -> Result<Loaded, Vec<Problem>> {
        let (whole, errors) = DeTable::parse_recoverable(text);
        let lines = Lines::of(text);
        if !errors.is_empty() {
            let problem = |error: &toml::de::Error| {
                let line = error.span().map_or(1, |span| lines.at(span.start));
                Problem::new("config.syntax", "", error.message(), "TOML, see https://toml.io")
                    .in_file(file)
                    .at_line(line)
            };
            let mut problems: Vec<Problem> = errors.iter().map(problem).collect();
            problems.sort_by_key(|problem| problem.line);
            return Err(problems);
        }
        let mut places = BTreeMap::new();
        each_key(whole.get_ref(), &mut Vec::new(), &mut |path, at| {
            places.insert(path.join("."), lines.at(at));
        });
        let mut table = whole.clone();
        let mut problems: Vec<Problem> = Vec::new();
        // A deserializer stops at the first wrong key. That key is taken out, and the rest is read again; so every round
        // makes the table smaller, and the rounds come to an end.
        loop {
            let error = match Config::deserialize(toml::Deserializer::from(table.clone())) {
                Ok(config) if problems.is_empty() => {
                    return Ok(Loaded { config, file: file.to_owned(), base: base.to_owned(), lines: places });
                }
                Ok(_) => break,
                Err(error) => error,
            };
            let at = error.span().map_or(0, |span| span.start);
            let path = path_to(whole.get_ref(), at);
            let problem = described(&path, error.message()).in_file(file).at_line(lines.at(at));
            // A key that was there and wrong has been taken out above; it is not missing.
            let inside = format!("{}.", problem.key);
            let told = problem.code == MISSING && problems.iter().any(|other| other.key.starts_with(&inside));
            if !told {
                problems.push(problem);
            }
            if problems.len() == MOST_PROBLEMS || !remove(table.get_mut(), at) {
                break;
            }
        }
        problems.sort_by_key(|problem| problem.line);
        Err(problems)
    }
}

impl Loaded {
    /// Says in which file and line a problem is: that of its key, or of what its key stands in.
    pub fn place(&self, problem: Problem) -> Problem {
        let mut key = problem.key.as_str();
        let line = loop {
            if let Some(line) = self.lines.get(key) {
                break Some(*line);
            }
            match key.rsplit_once('.') {
                Some((outer, _)) => key = outer,
                None => break None,
            }
        };
        let problem = problem.in_file(&self.file);
        match line {
            Some(line) => problem.at_line(line),
            None => problem,
        }
    }
}

/// Where lines begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Lines(std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect())
    }

    /// The line of this byte, counted from 1.
    fn at(&self, byte: usize) -> usize {
        self.0.partition_point(|start| *start <= byte)
    }
}

fn each_key<'t>(table: &'t DeTable<'_>, path: &mut Vec<&'t str>, see: &mut dyn FnMut(&[&str], usize)) {
    for (key, value) in table {
        path.push(key.get_ref());
        see(path, key.span().start);
        if let DeValue::Table(table) = value.get_ref() {
            each_key(table, path, see);
        }
        path.pop();
    }
}

/// Keys and positions that lead to the innermost entry whose key or value is at `at`. Empty when there is none.
fn path_to(table: &DeTable<'_>, at: usize) -> Vec<String> {
    let entry = table.iter().find(|(key, value)| key.span().contains(&at) || holds(value, at));
    let Some((key, value)) = entry else { return Vec::new() };
    let mut path = vec![key.get_ref().to_string()];
    let mut value = value;
    loop {
        match value.get_ref() {
            DeValue::Table(table) => {
                path.extend(path_to(table, at));
                return path;
            }
            DeValue::Array(array) => match array.iter().enumerate().find(|(_, element)| holds(element, at)) {
                Some((n, element)) => {
                    path.push(n.to_string());
                    value = element;
                }
                None => return path,
            },
            _ => return path,
        }
    }
}

/// Takes out the innermost entry whose key or value is at `at`. False when there is none.
fn remove(table: &mut DeTable<'_>, at: usize) -> bool {
    let entry = table.iter().find(|(key, value)| key.span().contains(&at) || holds(value, at));
    let Some(name) = entry.map(|(key, _)| key.get_ref().to_string()) else { return false };
    let inside = table.get_mut(name.as_str()).is_some_and(|value| remove_inside(value.get_mut(), at));
    inside || table.remove(name.as_str()).is_some()
}

fn remove_inside(value: &mut DeValue<'_>, at: usize) -> bool {
    match value {
        DeValue::Table(table) => remove(table, at),
        DeValue::Array(array) => {
            let Some(element) = array.iter_mut().find(|element| holds(element, at)) else { return false };
            if !remove_inside(element.get_mut(), at) {
                let kept = std::mem::replace(array, DeArray::new()).into_iter().filter(|element| !holds(element, at));
                *array = kept.collect();
            }
            true
        }
        _ => false,
    }
}

/// Whether something at `at` belongs to this value. The span of a table is that of its header, wherever its entries are.
fn holds(value: &Spanned<DeValue<'_>>, at: usize) -> bool {
    value.span().contains(&at)
        || match value.get_ref() {
            DeValue::Table(table) => table.iter().any(|(key, value)| key.span().contains(&at) || holds(value, at)),
            DeValue::Array(array) => array.iter().any(|element| holds(element, at)),
            _ => false,
        }
}

fn described(path: &[String], message: &str) -> Problem {
    let (what, expected) = message.split_once(", expected ").unwrap_or((message, "see config/tandem.toml"));
    let expected = if matches!(expected, "usize" | "u64" | "u32") { "a whole number, 0 or more" } else { expected };
    let (code, found) = if what.starts_with("unknown field") {
        ("config.unknown_key", what.to_owned())
    } else if let Some(value) = what.strip_prefix("invalid type: ") {
        // Never the value itself where the type is wrong: it may be a secret that somebody wrote inline.
        let kind = value.split(['`', '"']).next().unwrap_or_default().trim();
        ("config.wrong_type", format!("a value of type {kind}"))
    } else if what.starts_with("missing field") {
        (MISSING, what.to_owned())
    } else {
        ("config.wrong_value", what.to_owned())
    };
    Problem::new(code, path.join("."), found.trim_end().to_owned(), expected.trim())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<Loaded, Vec<Problem>> {
        Config::parse("tandem.toml", Path::new("."), text)
    }

    fn problems(text: &str) -> String {
        parse(text).unwrap_err().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn an_empty_file_is_all_defaults() {
        assert_eq!(parse("").unwrap().config, Config::default());
    }

    #[test]
    fn every_wrong_key_is_named_with_its_line() {
        let text = r#"
            rulez = "x"
            [listen]
            address = "nowhere"
            body = "1MB"
            timeout = 15
            [desk.lanes]
            webhooks = -1
            [[api.tokens]]
            token = ["hunter2"]
            scopes = ["read"]
            [[api.tokens]]
            token = "env:B"
            scopes = ["read", "everything"]
            scope = []
            [adapters.acs]
            settings = {}
            [secrets]
            master_keys = "hunter2"
        "#;
        insta::assert_snapshot!(problems(text), @r#"
        tandem.toml:2: rulez: unknown field `rulez`; one of `deployment`, `listen`, `store`, `secrets`, `network`, `api`, `telemetry`, `rules`, `mappings`, `adapters`, `desk`, `dispatch`, `profiles`, `journey`, `delivery`, `shutdown` [config.unknown_key]
        tandem.toml:4: listen.address: invalid socket address syntax; see config/tandem.toml [config.wrong_value]
        tandem.toml:5: listen.body: invalid value: string "1MB"; a size such as "16KiB" or "1MiB" [config.wrong_value]
        tandem.toml:6: listen.timeout: a value of type integer; a string [config.wrong_type]
        tandem.toml:8: desk.lanes.webhooks: invalid value: integer `-1`; a whole number, 0 or more [config.wrong_value]
        tandem.toml:10: api.tokens.0.token: a value of type sequence; a string [config.wrong_type]
        tandem.toml:14: api.tokens.1.scopes.1: unknown variant `everything`; one of `read`, `text`, `chats`, `operate` [config.wrong_value]
        tandem.toml:15: api.tokens.1.scope: unknown field `scope`; `token` or `scopes` [config.unknown_key]
        tandem.toml:16: adapters.acs: missing field `kind`; see config/tandem.toml [config.missing_key]
        tandem.toml:19: secrets.master_keys: a value of type string; a sequence [config.wrong_type]
        "#);
        assert!(!problems(text).contains("hunter2"));
    }

    #[test]
    fn syntax_is_told_with_its_line() {
        insta::assert_snapshot!(problems("a = 1\nb = \n[c\n"), @r#"
        tandem.toml:2: string values must be quoted, expected literal string; TOML, see https://toml.io [config.syntax]
        tandem.toml:3: unclosed table, expected `]`; TOML, see https://toml.io [config.syntax]
        "#);
    }

    #[test]
    fn a_problem_is_placed_at_its_key_or_around_it() {
        let loaded = parse("[adapters.acs]\nkind = 'x'\n[adapters.acs.settings]\na.b = 1\n").unwrap();
        let line = |key: &str| loaded.place(Problem::new("x", key, "", "")).line;
        assert_eq!(
            [line("adapters.acs.settings.a.b"), line("adapters.acs.settings.a.z"), line("adapters.acs.z")],
            [Some(4), Some(4), Some(1)]
        );
        assert_eq!(line("store.data"), None);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_a_problem() {
        let found = Config::load(Path::new("nowhere/tandem.toml")).unwrap_err();
        assert_eq!((found[0].code, found[0].file.as_str()), ("config.unreadable", "nowhere/tandem.toml"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_with_problems(text in "(\\[|\\]|listen|desk|\\.|=|\"|1|\n| |\\{|\\}|,|api|tokens|address|#){0,40}") {
            if let Err(problems) = parse(&text) {
                prop_assert!(!problems.is_empty());
            }
        }
    }
}
