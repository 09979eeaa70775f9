//! How a customer is recognised, and what the CDP knows of them.

use std::fmt::Display;

use serde::{Deserialize, Serialize};

use super::{Personal, Personals};

/// One way to recognise a customer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// What the value is.
    pub kind: IdentityKind,
    /// The value: a number in E.164, an address, an id.
    pub value: Personal,
    /// Who said so: the name of an adapter instance, or `caller` for the site's backend.
    pub source: String,
    /// Whether somebody verified it. What a client merely claims is never a privilege.
    pub verified: bool,
}

/// What an identity's value is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentityKind {
    /// A phone number, E.164.
    Phone,
    /// An e-mail address.
    Email,
    /// The company's own customer number.
    Customer,
    /// A user of the company's ACS resource, by raw id.
    CommunicationUser,
}

/// What the CDP knows of a customer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// The CDP's own key of this person.
    #[serde(default, skip_serializing_if = "Personal::is_none")]
    pub id: Personal,
    /// Display name.
    #[serde(default, skip_serializing_if = "Personal::is_none")]
    pub name: Personal,
    /// The whole profile as the CDP gave it: the text of one JSON object. Rules see it as `profile`.
    #[serde(default, skip_serializing_if = "Personal::is_none")]
    pub document: Personal,
}

impl Personals for Profile {
    fn each_personal(&mut self, visit: &mut dyn FnMut(&dyn Display, &mut Personal)) {
        visit(&"profile.id", &mut self.id);
        visit(&"profile.name", &mut self.name);
        visit(&"profile.document", &mut self.document);
    }
}
