//! The fields of a fact that are lists: members of a conversation, files of a message.

use super::path::{Path, Scope};
use super::row::Row;
use super::target::{Finished, Holds};
use super::words::Word;
use crate::model::{Attachment, Fact, Party, Personal, Role};

/// A compiled list: where its items stand, and one row for each field of an item.
#[derive(Debug)]
pub(super) struct List {
    pub(super) target: ListTarget,
    pub(super) each: Vec<Path>,
    pub(super) rows: Vec<(ItemField, Row)>,
}

/// A list of a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ListTarget {
    Members,
    Attachments,
}

/// A field of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ItemField {
    Address,
    Name,
    Role,
    Id,
    MediaType,
    Url,
}

impl ListTarget {
    /// The list of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "members" => Some(ListTarget::Members),
            "message.attachments" => Some(ListTarget::Attachments),
            _ => None,
        }
    }

    /// The fields that its items have. An item without the first one is left out.
    pub(super) fn fields(self) -> &'static [(&'static str, ItemField)] {
        match self {
            ListTarget::Members => {
                &[("address", ItemField::Address), ("name", ItemField::Name), ("role", ItemField::Role)]
            }
            ListTarget::Attachments => &[
                ("id", ItemField::Id),
                ("media_type", ItemField::MediaType),
                ("name", ItemField::Name),
                ("url", ItemField::Url),
            ],
        }
    }
}

impl ItemField {
    /// What it holds.
    pub(super) fn holds(self) -> Holds {
        if self == ItemField::Role { Holds::word::<Role>(false) } else { Holds::Text }
    }
}

impl List {
    /// Writes the items into the fact. Their number is bounded by that of the values of a payload.
    pub(super) fn write(&self, scope: Scope<'_>, fact: &mut Fact) {
        let Some(list) = self.each.iter().find_map(|path| path.find(scope)) else { return };
        let items = list.content().map(|(_, item)| scope.at(item));
        match (self.target, &mut fact.message) {
            (ListTarget::Members, _) => fact.members.extend(items.filter_map(|item| self.member(item))),
            (ListTarget::Attachments, Some(message)) => {
                message.attachments.extend(items.filter_map(|item| self.attachment(item)));
            }
            (ListTarget::Attachments, None) => {}
        }
    }

    fn member(&self, item: Scope<'_>) -> Option<Party> {
        let address = Personal::new(self.text(item, ItemField::Address)?);
        let role = self.text(item, ItemField::Role).and_then(|word| Role::of(&word).copied());
        Some(Party { address, name: self.text(item, ItemField::Name).into(), role, ..Party::default() })
    }

    fn attachment(&self, item: Scope<'_>) -> Option<Attachment> {
        Some(Attachment {
            id: self.text(item, ItemField::Id)?,
            media_type: self.text(item, ItemField::MediaType),
            name: self.text(item, ItemField::Name).into(),
            url: self.text(item, ItemField::Url).into(),
        })
    }

    fn text(&self, item: Scope<'_>, field: ItemField) -> Option<String> {
        let (_, row) = self.rows.iter().find(|(known, _)| *known == field)?;
        match row.evaluate(item)? {
            Finished::Text(text) | Finished::Unknown(text) => Some(text.into_owned()),
            Finished::Time(_) => None,
        }
    }
}
