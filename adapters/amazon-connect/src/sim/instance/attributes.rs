//! `UpdateContactAttributes` and `GetContactAttributes`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::json;

use super::Instance;
use crate::sim::errors::Refused;

/// All keys and values of a contact, in bytes.
const MAX_BYTES: usize = 32_768;
const MAX_VALUE: usize = 32_767;

/// Whether these may be all the attributes of a contact.
pub(super) fn check(attributes: &BTreeMap<String, String>) -> Result<(), Refused> {
    let spoiled = |key: &String| {
        key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    if let Some(key) = attributes.keys().find(|key| spoiled(key)) {
        return Err(Refused::invalid_request(format!("attribute key {key:?} has a character that keys may not have")));
    }
    let bytes: usize = attributes.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > MAX_BYTES || attributes.values().any(|value| value.chars().count() > MAX_VALUE) {
        return Err(Refused::invalid_request("attributes must not exceed 32768 bytes"));
    }
    Ok(())
}

impl Instance {
    /// Merges attributes into those of a chat, by its initial contact id; works on ended ones too.
    pub(in crate::sim) fn update_attributes(
        &mut self,
        initial_contact_id: &str,
        wanted: &BTreeMap<String, String>,
        now: Timestamp,
    ) -> Result<(), Refused> {
        let missing = || Refused::not_found("The contact was not found.");
        let chat = self.chats.get_mut(initial_contact_id).ok_or_else(missing)?;
        let mut attributes = chat.attributes.clone();
        attributes.extend(wanted.clone());
        check(&attributes)?;
        chat.attributes = attributes;
        let current = chat.current.clone();
        self.enter("attributes.updated", initial_contact_id, json!({ "attributes": wanted }));
        self.announce(&current, "CONTACT_DATA_UPDATED", &["UserDefinedAttributes"], now);
        Ok(())
    }

    pub(in crate::sim) fn attributes(&self, initial_contact_id: &str) -> Result<&BTreeMap<String, String>, Refused> {
        let chat = self.chats.get(initial_contact_id);
        chat.map(|chat| &chat.attributes).ok_or_else(|| Refused::not_found("The contact was not found."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_have_limits() {
        let of = |pairs: &[(&str, usize)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(key, length)| ((*key).to_owned(), "x".repeat(*length))).collect()
        };
        assert!(check(&of(&[("tandem_queue", 10), ("a-B_9", 0)])).is_ok());
        assert!(check(&of(&[("k", 32_767)])).is_ok());
        assert!(check(&of(&[("k", 32_768)])).is_err());
        assert!(check(&of(&[("a", 20_000), ("b", 20_000)])).is_err());
        for key in ["", "a b", "a.b", "ä"] {
            assert!(check(&of(&[(key, 1)])).is_err(), "{key:?}");
        }
    }
}
