//! Files: announced, uploaded to an address, completed, and fetched from another.

use jiff::Timestamp;
use serde::Deserialize;

use super::state::{Draft, Instance};
use super::{AttachmentRef, ItemKind, Role, Sent};
use crate::sim::errors::Refused;

/// The largest attachment, in bytes: 20 MB is the default at AWS.
pub(in crate::sim) const MAX_ATTACHMENT: usize = 20 * 1024 * 1024;
/// All that the simulator keeps, in bytes.
const MAX_KEPT: usize = 256 * 1024 * 1024;
/// Attachments of one chat.
const MAX_PER_CHAT: usize = 35;

/// The body of `StartAttachmentUpload`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::sim) struct AttachmentWish {
    content_type: String,
    attachment_size_in_bytes: usize,
    attachment_name: String,
    client_token: String,
}

/// An attachment, from announcement on.
#[derive(Debug, Clone)]
pub(super) struct Attachment {
    pub(super) chat: String,
    name: String,
    content_type: String,
    size: usize,
    client_token: String,
    bytes: Option<Vec<u8>>,
    completed: bool,
    /// Signs its addresses, so that knowing the id is not enough.
    secret: String,
}

/// Where an attachment is uploaded to or fetched from.
#[derive(Debug, Clone)]
pub(in crate::sim) struct Upload {
    pub(in crate::sim) id: String,
    pub(in crate::sim) content_type: String,
    pub(in crate::sim) size: usize,
    pub(in crate::sim) secret: String,
}

impl Instance {
    /// Announces an attachment. The same `ClientToken` announces one.
    pub(in crate::sim) fn start_upload(
        &mut self,
        token: &str,
        wish: &AttachmentWish,
        now: Timestamp,
    ) -> Result<Upload, Refused> {
        let id = self.connected_chat(token, now)?;
        if wish.attachment_name.is_empty()
            || wish.attachment_name.chars().count() > 256
            || wish.attachment_size_in_bytes == 0
        {
            return Err(Refused::validation("AttachmentName and AttachmentSizeInBytes must not be empty"));
        }
        let Some(chat) = self.chats.get(&id) else { return Err(Refused::access_denied()) };
        let same = |upload: &&String| {
            self.attachments.get(*upload).is_some_and(|attachment| attachment.client_token == wish.client_token)
        };
        if let Some(known) = chat.uploads.iter().find(same).cloned() {
            return self.upload(&known).ok_or_else(Refused::access_denied);
        }
        if wish.attachment_size_in_bytes > MAX_ATTACHMENT || chat.uploads.len() >= MAX_PER_CHAT {
            return Err(Refused::quota_exceeded("The number or the size of attachments is exceeded"));
        }
        let attachment = Attachment {
            chat: id,
            name: wish.attachment_name.clone(),
            content_type: wish.content_type.clone(),
            size: wish.attachment_size_in_bytes,
            client_token: wish.client_token.clone(),
            bytes: None,
            completed: false,
            secret: self.ids.token(),
        };
        let attachment_id = self.insert_attachment(attachment);
        self.upload(&attachment_id).ok_or_else(Refused::access_denied)
    }

    /// What signs an attachment's addresses.
    pub(in crate::sim) fn attachment_secret(&self, id: &str) -> Result<String, Refused> {
        self.attachments.get(id).map(|attachment| attachment.secret.clone()).ok_or_else(Refused::access_denied)
    }

    /// Takes an attachment's bytes: as many and of the type that were announced.
    pub(in crate::sim) fn receive_bytes(
        &mut self,
        id: &str,
        content_type: &str,
        bytes: Vec<u8>,
    ) -> Result<(), Refused> {
        let kept = self.kept_bytes();
        let attachment = self.attachments.get_mut(id).ok_or_else(Refused::access_denied)?;
        if bytes.len() != attachment.size || content_type != attachment.content_type {
            return Err(Refused::access_denied());
        }
        if kept.saturating_add(bytes.len()) > MAX_KEPT {
            return Err(Refused::quota_exceeded("the simulator keeps no more attachments"));
        }
        attachment.bytes = Some(bytes);
        Ok(())
    }

    /// Puts an uploaded attachment into the chat. The same `ClientToken` puts one.
    pub(in crate::sim) fn complete_upload(
        &mut self,
        token: &str,
        id: &str,
        client_token: String,
        now: Timestamp,
    ) -> Result<(), Refused> {
        let chat_id = self.connected_chat(token, now)?;
        let attachment = self.attachments.get_mut(id).filter(|attachment| attachment.chat == chat_id);
        let attachment =
            attachment.ok_or_else(|| Refused::validation("AttachmentIds names no attachment of this chat"))?;
        if attachment.completed {
            return Ok(());
        }
        if attachment.bytes.is_none() {
            return Err(Refused::conflict("The attachment has not been uploaded"));
        }
        attachment.completed = true;
        let carried = AttachmentRef {
            id: id.to_owned(),
            name: attachment.name.clone(),
            content_type: attachment.content_type.clone(),
        };
        let Some(chat) = self.chats.get(&chat_id) else { return Err(Refused::access_denied()) };
        let (contact, customer) = (chat.current.clone(), chat.customer.clone());
        let mut draft = Draft::event(Role::Customer, customer, "");
        draft.kind = ItemKind::Attachment;
        draft.content_type.clone_from(&carried.content_type);
        draft.attachment = Some(carried.clone());
        let sent = Sent { id: self.post(&contact, draft, now), at: now };
        let detail = serde_json::json!({
            "contactId": contact, "initialContactId": chat_id, "messageId": sent.id,
            "participantRole": "CUSTOMER", "attachment": carried.name, "contentType": carried.content_type,
        });
        self.enter("attachment.sent", client_token, detail);
        Ok(())
    }

    /// Where a completed attachment can be fetched by the chat that a token speaks for.
    pub(in crate::sim) fn attachment(&self, token: &str, id: &str, now: Timestamp) -> Result<Upload, Refused> {
        let chat = self.connected_chat(token, now)?;
        let known = self.attachments.get(id).is_some_and(|attachment| attachment.chat == chat && attachment.completed);
        let upload = if known { self.upload(id) } else { None };
        upload.ok_or_else(|| Refused::validation("AttachmentId names no attachment of this chat"))
    }

    /// An attachment's content type and bytes.
    pub(in crate::sim) fn attachment_bytes(&self, id: &str) -> Result<(String, Vec<u8>), Refused> {
        let attachment = self.attachments.get(id);
        let found =
            attachment.and_then(|attachment| Some((attachment.content_type.clone(), attachment.bytes.clone()?)));
        found.ok_or_else(Refused::access_denied)
    }

    /// Keeps a file that an agent sends.
    pub(super) fn keep_attachment(
        &mut self,
        chat: &str,
        name: &str,
        content_type: &str,
        bytes: Vec<u8>,
    ) -> Result<AttachmentRef, Refused> {
        if bytes.is_empty() || bytes.len() > MAX_ATTACHMENT || self.kept_bytes().saturating_add(bytes.len()) > MAX_KEPT
        {
            return Err(Refused::quota_exceeded("the attachment is empty or too large"));
        }
        let attachment = Attachment {
            chat: chat.to_owned(),
            name: name.to_owned(),
            content_type: content_type.to_owned(),
            size: bytes.len(),
            client_token: String::new(),
            bytes: Some(bytes),
            completed: true,
            secret: self.ids.token(),
        };
        let id = self.insert_attachment(attachment);
        Ok(AttachmentRef { id, name: name.to_owned(), content_type: content_type.to_owned() })
    }

    fn insert_attachment(&mut self, attachment: Attachment) -> String {
        let id = self.ids.uuid();
        if let Some(chat) = self.chats.get_mut(&attachment.chat) {
            chat.uploads.push(id.clone());
        }
        self.attachments.insert(id.clone(), attachment);
        id
    }

    fn upload(&self, id: &str) -> Option<Upload> {
        let attachment = self.attachments.get(id)?;
        Some(Upload {
            id: id.to_owned(),
            content_type: attachment.content_type.clone(),
            size: attachment.size,
            secret: attachment.secret.clone(),
        })
    }

    fn kept_bytes(&self) -> usize {
        self.attachments.values().filter_map(|attachment| attachment.bytes.as_ref().map(Vec::len)).sum()
    }
}
