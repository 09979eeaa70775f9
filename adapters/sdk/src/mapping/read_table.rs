//! Reads one mapping file.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::example::Example;
use super::list::{List, ListTarget};
use super::path::{Inner, Path};
use super::read_row::{Paths, Wanted, read_row};
use super::source::{Entry, Source};
use super::table::{Rows, Table};
use super::target::Target;
use super::template::{Fault, Template};
use crate::model::FactKind;

/// A mapping file, read.
#[derive(Debug)]
pub(super) struct Mapping {
    pub(super) table: Table,
    pub(super) doors: Vec<String>,
    /// Each alternative of `match`, with its place: paths, of which the first that is there decides, and values.
    pub(super) alternatives: Vec<(Range<usize>, Conditions)>,
    pub(super) examples: Vec<Example>,
}

type Conditions = Vec<(Vec<Path>, Vec<String>)>;

/// Reads a file; nothing if anything is wrong, which is then noted in `file`.
pub(super) fn read_table<'i>(file: &mut Source<'i>, top: &DeTable<'i>, inner: &mut Inner) -> Option<Mapping> {
    file.only("", top, &["match", "fact", "ignore", "keys", "root", "doors", "fields", "examples"]);
    let fold = match top.get("keys").and_then(|keys| Some((file.text("keys", keys)?, keys.span()))) {
        None | Some(("exact", _)) => false,
        Some(("fold", _)) => true,
        Some((other, at)) => {
            file.problem(at, "mapping.unknown_word", "keys", format!("`{other}`"), "fold or exact");
            false
        }
    };
    let mut paths = Paths { fold, rooted: false, inner };
    let alternatives = read_match(file, &mut paths, top);
    let mut doors = Vec::new();
    if let Some(value) = top.get("doors") {
        doors = file.texts("doors", value).into_iter().map(|(door, _)| door.to_owned()).collect();
    }
    let mut examples = Vec::new();
    if let Some(value) = top.get("examples") {
        match value.get_ref().as_array() {
            Some(items) => examples.extend(items.iter().filter_map(|item| Example::read(file, item))),
            None => file.wrong_type("examples", value, "tables: [[examples]]"),
        }
    }
    let table = match (top.get("fact"), top.get("ignore")) {
        (Some(fact), None) => read_facts(file, &mut paths, top, fact),
        (None, Some(ignore)) => {
            if let Some((key, _)) = top.get_key_value("fields") {
                file.problem(key.span(), "mapping.source", "fields", "fields of an ignored event", "no [fields]");
            }
            file.text("ignore", ignore).map(|reason| Table::Ignore { reason: reason.to_owned() })
        }
        (fact, _) => {
            let found = if fact.is_some() { "both" } else { "neither" };
            file.problem(0..0, "mapping.source", "fact", found, "either fact or ignore");
            None
        }
    };
    Some(Mapping { table: table?, doors, alternatives, examples })
}

fn read_match<'i>(file: &mut Source<'i>, paths: &mut Paths<'_>, top: &DeTable<'i>) -> Vec<(Range<usize>, Conditions)> {
    let Some(value) = top.get("match") else {
        file.problem(0..0, "mapping.missing", "match", "no match", "what the payload must say");
        return Vec::new();
    };
    let tables: Vec<&Entry<'i>> = match value.get_ref() {
        DeValue::Array(items) => items.iter().collect(),
        _ => vec![value],
    };
    let mut alternatives = Vec::new();
    for value in tables {
        let mut conditions = Vec::new();
        for (written, wanted) in file.table("match", value).into_iter().flatten() {
            let under = format!("match.{}", written.get_ref());
            let mut choice = Vec::new();
            for part in written.get_ref().split('|') {
                match Path::parse(part.trim(), paths.fold, paths.inner) {
                    Ok(path) => choice.push(path.absolute()),
                    Err(found) => {
                        file.problem(written.span(), "mapping.bad_path", &under, found, "keys joined by dots");
                    }
                }
            }
            let values = file.texts(&under, wanted).into_iter().map(|(text, _)| text.to_owned()).collect();
            conditions.push((choice, values));
        }
        if conditions.is_empty() {
            file.problem(value.span(), "mapping.missing", "match", "no condition", "what the payload must say");
        }
        alternatives.push((value.span(), conditions));
    }
    alternatives
}

fn read_facts<'i>(file: &mut Source<'i>, paths: &mut Paths<'_>, top: &DeTable<'i>, fact: &Entry<'i>) -> Option<Table> {
    let kind = file.text("fact", fact).and_then(|name| {
        let kind = FactKind::ALL.into_iter().find(|kind| kind.name() == name);
        if kind.is_none() {
            let expected = format!("one of {}", FactKind::ALL.map(FactKind::name).join(", "));
            file.problem(fact.span(), "mapping.unknown_fact", "fact", format!("`{name}`"), expected);
        }
        kind
    });
    let mut root: Vec<Path> = Vec::new();
    if let Some(value) = top.get("root") {
        root = paths.read(file, "root", value).into_iter().map(Path::absolute).collect();
        paths.rooted = true;
    }
    let Some((place, fields)) = top.get_key_value("fields") else {
        file.problem(0..0, "mapping.missing", "fields", "no fields", "a table [fields]");
        return None;
    };
    let at = place.span();
    let fields = file.table("fields", fields)?;
    let (mut rows, mut lists, mut template) = (Vec::new(), Vec::new(), None);
    let mut named: Vec<Target> = Vec::new();
    for (name, value) in fields {
        let name_text = name.get_ref().as_ref();
        let under = format!("fields.{name_text}");
        if name_text == "key" {
            template = read_template(file, paths, &under, value);
        } else if let Some(target) = ListTarget::named(name_text) {
            lists.extend(read_list(file, paths, &under, value, target));
        } else if let Some(target) = Target::named(name_text) {
            let keeps_empty = target == Target::MessageText;
            let wanted = Wanted { holds: target.holds(), required: target.is_required(), keeps_empty };
            named.push(target.clone());
            rows.extend(read_row(file, paths, &under, value, wanted).map(|row| (target, row)));
        } else {
            file.problem(name.span(), "mapping.unknown_target", &under, format!("`{name_text}`"), targets());
        }
    }
    let of_message = lists.iter().any(|list| list.target == ListTarget::Attachments)
        || named.iter().any(|target| target.is_of_message());
    let needs =
        [(true, Target::LegRef), (true, Target::LegKind), (true, Target::OccurredAt), (of_message, Target::MessageId)];
    for (_, target) in needs.iter().filter(|(needed, target)| *needed && !named.contains(target)) {
        let expected = format!("a row for \"{}\"", target.name());
        file.problem(at.clone(), "mapping.missing_target", "fields", format!("no {}", target.name()), expected);
    }
    if !fields.contains_key("key") {
        let expected = "a row for \"key\", a template that is the same for twins of one fact";
        file.problem(at, "mapping.missing_target", "fields", "no key", expected);
    }
    let template = template?;
    for target in template.fields().filter(|target| !named.contains(target)) {
        let expected = format!("a row for \"{}\"", target.name());
        let at = fields.get("key").map_or(0..0, |key| key.span());
        file.problem(at, "mapping.bad_template", "fields.key", format!("{} has no row", target.name()), expected);
    }
    Some(Table::Facts(Box::new(Rows { kind: kind?, root, rows, lists, key: template })))
}

/// The names of all fields, for messages.
fn targets() -> String {
    let names: Vec<_> = Target::all().map(|(name, _)| name).collect();
    format!("one of key, {}, attributes.<name>, members, message.attachments, in quotes", names.join(", "))
}

fn read_template<'i>(file: &mut Source<'i>, paths: &mut Paths<'_>, key: &str, value: &Entry<'i>) -> Option<Template> {
    let written = file.text(key, value)?;
    let (code, found, expected) = match Template::parse(written, paths.fold, paths.inner) {
        Ok(template) => return Some(template),
        Err(Fault::Unreadable(found)) => {
            ("mapping.bad_template", found, "text with {field} or {$.path} in it".to_owned())
        }
        Err(Fault::UnknownField(field)) => ("mapping.unknown_target", format!("`{field}`"), targets()),
        Err(Fault::Personal(field)) => {
            ("mapping.personal_key", format!("`{field}` in plain"), format!("{{{field} digest}}"))
        }
    };
    file.problem(value.span(), code, key, found, expected);
    None
}

fn read_list<'i>(
    file: &mut Source<'i>,
    paths: &mut Paths<'_>,
    key: &str,
    value: &Entry<'i>,
    target: ListTarget,
) -> Option<List> {
    let table = file.table(key, value)?;
    let fields = target.fields();
    let known: Vec<_> = std::iter::once("each").chain(fields.iter().map(|(name, _)| *name)).collect();
    file.only(key, table, &known);
    let each = match table.get("each") {
        Some(each) => paths.read(file, &format!("{key}.each"), each),
        None => {
            file.problem(value.span(), "mapping.missing", key, "no each", "the path of the list");
            Vec::new()
        }
    };
    let mut items = Paths { fold: paths.fold, rooted: true, inner: &mut *paths.inner };
    let mut rows = Vec::new();
    for (n, (name, field)) in fields.iter().enumerate() {
        match table.get(*name) {
            Some(value) => {
                let wanted = Wanted { holds: field.holds(), required: false, keeps_empty: false };
                let row = read_row(file, &mut items, &format!("{key}.{name}"), value, wanted);
                rows.extend(row.map(|row| (*field, row)));
            }
            None if n == 0 => {
                file.problem(
                    value.span(),
                    "mapping.missing_target",
                    key,
                    format!("no {name}"),
                    format!("a row for {name}"),
                );
            }
            None => {}
        }
    }
    Some(List { target, each, rows })
}
