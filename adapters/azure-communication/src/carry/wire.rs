//! Bodies of the identity and the chat API, as far as we use them. Answers may have any further fields.
//!
//! Source: Azure/azure-rest-api-specs, communication data plane, Identity 2023-10-01 and Chat 2024-03-07.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The key in a message's metadata under which the id of our command stands.
pub const MARKER: &str = "tandem";

/// Body of `POST /identities`: an identity without a token.
#[derive(Serialize)]
pub(super) struct CreateIdentity {}

#[derive(Deserialize)]
pub(super) struct CreatedIdentity {
    pub(super) identity: IdentityId,
}

#[derive(Deserialize)]
pub(super) struct IdentityId {
    pub(super) id: String,
}

/// Body of `POST /identities/{id}/:issueAccessToken`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct IssueAccessToken {
    pub(super) scopes: [&'static str; 1],
    pub(super) expires_in_minutes: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AccessToken {
    pub(super) token: String,
    pub(super) expires_on: Timestamp,
}

/// An identifier as we write it: the raw id, and beside it the child for ACS users that older servers look for.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Identifier<'a> {
    raw_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    communication_user: Option<CommunicationUser<'a>>,
}

#[derive(Serialize)]
struct CommunicationUser<'a> {
    id: &'a str,
}

impl<'a> Identifier<'a> {
    pub(super) fn new(raw_id: &'a str) -> Self {
        let user = ["8:acs:", "8:spool:", "8:dod-acs:", "8:gcch-acs:"].iter().any(|prefix| raw_id.starts_with(prefix));
        Identifier { raw_id, communication_user: user.then_some(CommunicationUser { id: raw_id }) }
    }
}

/// A participant as we write it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewParticipant<'a> {
    pub(super) communication_identifier: Identifier<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) display_name: Option<&'a str>,
    /// From when on the participant may read what was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) share_history_time: Option<Timestamp>,
}

/// Body of `POST /chat/threads`.
#[derive(Serialize)]
pub(super) struct CreateThread<'a> {
    pub(super) topic: &'a str,
    pub(super) participants: Vec<NewParticipant<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreatedThread {
    pub(super) chat_thread: ThreadId,
    #[serde(default)]
    pub(super) invalid_participants: Option<Vec<InvalidParticipant>>,
}

#[derive(Deserialize)]
pub(super) struct ThreadId {
    pub(super) id: String,
}

/// A participant that was not accepted although the call succeeded.
#[derive(Deserialize)]
pub(super) struct InvalidParticipant {
    #[serde(default)]
    pub(super) code: Option<String>,
}

/// Body of `POST /chat/threads/{id}/participants/:add`.
#[derive(Serialize)]
pub(super) struct AddParticipants<'a> {
    pub(super) participants: [NewParticipant<'a>; 1],
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AddedParticipants {
    #[serde(default)]
    pub(super) invalid_participants: Option<Vec<InvalidParticipant>>,
}

/// Body of `POST /chat/threads/{id}/messages`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SendMessage<'a> {
    pub(super) content: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sender_display_name: Option<&'a str>,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) metadata: BTreeMap<&'static str, String>,
}

#[derive(Deserialize)]
pub(super) struct SentMessage {
    pub(super) id: String,
}

/// A page of a list.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page<T> {
    pub(super) value: Vec<T>,
    #[serde(default)]
    pub(super) next_link: Option<String>,
}

/// A message or system message as the list gives it. Identifiers and attachments stay as they are: only mappings look
/// into them.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChatMessage {
    pub(super) id: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) version: Option<Value>,
    #[serde(default)]
    pub(super) content: Option<ChatContent>,
    #[serde(default)]
    pub(super) sender_display_name: Option<String>,
    #[serde(default)]
    pub(super) sender_communication_identifier: Option<Value>,
    pub(super) created_on: Timestamp,
    #[serde(default)]
    pub(super) edited_on: Option<Timestamp>,
    #[serde(default)]
    pub(super) deleted_on: Option<Timestamp>,
    #[serde(default)]
    pub(super) metadata: Option<Value>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChatContent {
    #[serde(default)]
    pub(super) message: Option<String>,
    #[serde(default)]
    pub(super) topic: Option<String>,
    #[serde(default)]
    pub(super) participants: Option<Vec<ListedParticipant>>,
    #[serde(default)]
    pub(super) initiator_communication_identifier: Option<Value>,
    #[serde(default)]
    pub(super) attachments: Option<Vec<Value>>,
}

/// A participant as lists give it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListedParticipant {
    pub(super) communication_identifier: ListedIdentifier,
    #[serde(default)]
    pub(super) display_name: Option<String>,
}

/// An identifier in an answer. `rawId` is required there; the child is what older servers wrote alone.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListedIdentifier {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    raw_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    communication_user: Option<ListedUser>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct ListedUser {
    id: String,
}

impl ListedIdentifier {
    pub(super) fn raw_id(&self) -> Option<&str> {
        self.raw_id.as_deref().or(self.communication_user.as_ref().map(|user| user.id.as_str()))
    }
}
