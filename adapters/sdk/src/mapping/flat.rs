//! A fact as lines of field and value: what examples and the reviewed corpus are written in.

use std::collections::BTreeMap;

use super::target::Target;
use super::words::Word;
use crate::model::Fact;

/// Every field of the fact that is set, by the names that mappings use; `fact` is its kind, list rows are numbered from
/// 0 (`members.0.address`). Holds personal values: for examples and tests, not for logs.
pub fn flatten(fact: &Fact) -> BTreeMap<String, String> {
    let mut lines = BTreeMap::from([
        ("fact".to_owned(), fact.kind.name().to_owned()),
        ("leg.system".to_owned(), fact.leg.system.clone()),
        ("key".to_owned(), fact.key.clone()),
    ]);
    let attributes = fact.attributes.keys().map(|name| format!("attributes.{name}"));
    for name in Target::all().map(|(name, _)| name.to_owned()).chain(attributes) {
        if let Some(value) = Target::named(&name).and_then(|target| target.read(fact).map(|value| value.into_owned())) {
            lines.insert(name, value);
        }
    }
    let mut put = |name: String, value: Option<&str>| {
        if let Some(value) = value {
            lines.insert(name, value.to_owned());
        }
    };
    for (n, member) in fact.members.iter().enumerate() {
        put(format!("members.{n}.address"), member.address.reveal());
        put(format!("members.{n}.name"), member.name.reveal());
        put(format!("members.{n}.role"), member.role.as_ref().and_then(Word::word));
    }
    for (n, attachment) in fact.message.iter().flat_map(|message| &message.attachments).enumerate() {
        put(format!("message.attachments.{n}.id"), Some(&attachment.id));
        put(format!("message.attachments.{n}.media_type"), attachment.media_type.as_deref());
        put(format!("message.attachments.{n}.name"), attachment.name.reveal());
        put(format!("message.attachments.{n}.url"), attachment.url.reveal());
    }
    lines
}
