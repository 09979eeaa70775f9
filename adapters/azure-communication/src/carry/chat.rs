//! The chat API: threads, participants, messages. Every call is made with the token of a participant.

use std::collections::BTreeMap;

use http::HeaderName;
use jiff::{SignedDuration, Timestamp};
use tandem_sdk::doors::Errand;
use tandem_sdk::error::{AdapterError, ErrorKind, Retry};
use tandem_sdk::model::{Carried, Content, ContentType, LegRef, Member, Outcome, Personal};
use tandem_sdk::secret::{Secret, SecretRole};

use super::identity::erased;
use super::wire::{
    AddParticipants, AddedParticipants, CreateThread, CreatedThread, Identifier, InvalidParticipant, MARKER,
    NewParticipant, SendMessage, SentMessage,
};
use crate::client::{Call, Client, Credential, segment};

/// How far the vendor's clock may be behind ours. With more between them the access key's signatures are refused anyway.
const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// One call of the chat API on its way: the client, the version of the API, and whose token it is made with.
pub(super) struct Chat<'a> {
    pub(super) client: &'a Client,
    pub(super) version: &'a str,
    pub(super) errand: &'a Errand<'a>,
}

impl Chat<'_> {
    /// The token of the speaker. Without one a new one has to be issued first, as after a 401.
    pub(super) fn token(&self, operation: &'static str) -> Result<&Secret, AdapterError> {
        self.errand.secrets.get(&SecretRole::UserToken).ok_or_else(|| {
            AdapterError::new(ErrorKind::Unverified, operation, "no user token was given").retry(Retry::Later)
        })
    }

    /// `/chat/threads/{id}{rest}?api-version=…`.
    pub(super) fn target(&self, operation: &'static str, leg: &LegRef, rest: &str) -> Result<String, AdapterError> {
        Ok(format!("/chat/threads/{}{rest}?api-version={}", segment(operation, &leg.native)?, self.version))
    }

    fn post(
        &self,
        operation: &'static str,
        target: String,
        body: &impl serde::Serialize,
    ) -> Result<Call<'_>, AdapterError> {
        Ok(Call::post(operation, target, body, Credential::User(self.token(operation)?), self.errand.now))
    }

    /// `POST /chat/threads`. The command's id makes a repeated call return the thread of the first.
    pub(super) async fn open(
        &self,
        account: &str,
        topic: &Personal,
        members: &[Member],
    ) -> Result<Carried, AdapterError> {
        const OPERATION: &str = "CreateChatThread";
        let participants = members.iter().map(|member| participant(OPERATION, member, None));
        let body = CreateThread {
            topic: topic.reveal().ok_or_else(|| erased(OPERATION))?,
            participants: participants.collect::<Result<_, _>>()?,
        };
        let mut call = self.post(OPERATION, format!("/chat/threads?api-version={}", self.version), &body)?;
        let repeatability = HeaderName::from_static("repeatability-request-id");
        call.headers.push((repeatability, self.errand.command.id.to_string()));
        let created: CreatedThread = self.client.ask(call).await?;
        let refused = created.invalid_participants.unwrap_or_default().len();
        Ok(Outcome::Opened {
            leg: LegRef {
                system: crate::KIND.name.to_owned(),
                account: account.to_owned(),
                kind: "thread".to_owned(),
                native: created.chat_thread.id,
            },
            refused: u32::try_from(refused).unwrap_or(u32::MAX),
        }
        .into())
    }

    /// `POST …/participants/:add`. Adding somebody who is there already changes nothing.
    pub(super) async fn join(&self, leg: &LegRef, member: &Member) -> Result<Carried, AdapterError> {
        const OPERATION: &str = "AddChatParticipants";
        // The whole history: without a time the newcomer reads nothing that was said before.
        let body = AddParticipants { participants: [participant(OPERATION, member, Some(Timestamp::UNIX_EPOCH))?] };
        let call = self.post(OPERATION, self.target(OPERATION, leg, "/participants/:add")?, &body)?;
        let added: AddedParticipants = self.client.ask(call).await?;
        match added.invalid_participants.unwrap_or_default().first() {
            None => Ok(Outcome::Done {}.into()),
            Some(invalid) => Err(not_accepted(OPERATION, invalid)),
        }
    }

    /// `POST …/participants/:remove`. Who is gone already is gone, and so is everybody of a thread that is gone.
    pub(super) async fn leave(&self, leg: &LegRef, address: &Personal) -> Result<Carried, AdapterError> {
        const OPERATION: &str = "RemoveChatParticipant";
        let address = address.reveal().ok_or_else(|| erased(OPERATION))?;
        let target = self.target(OPERATION, leg, "/participants/:remove")?;
        match self.client.send(self.post(OPERATION, target, &Identifier::new(address))?).await {
            Err(error) if error.kind != ErrorKind::NotFound => Err(error),
            _ => Ok(Outcome::Done {}.into()),
        }
    }

    /// `POST …/messages`, marked with the command's id so that [`find`](Self::find) can tell whether it was written.
    pub(super) async fn say(&self, leg: &LegRef, content: &Content) -> Result<Carried, AdapterError> {
        const OPERATION: &str = "SendChatMessage";
        let kind = match content.content_type {
            // Markdown can be read as it is.
            ContentType::Text | ContentType::Markdown => "text",
            ContentType::Html => "html",
            _ => return Err(AdapterError::new(ErrorKind::Unsupported, OPERATION, "chat takes text and html only")),
        };
        let body = SendMessage {
            content: content.text.reveal().ok_or_else(|| erased(OPERATION))?,
            sender_display_name: content.name.reveal(),
            kind,
            metadata: BTreeMap::from([(MARKER, self.errand.command.id.to_string())]),
        };
        let call = self.post(OPERATION, self.target(OPERATION, leg, "/messages")?, &body)?;
        let sent: SentMessage = self.client.ask(call).await?;
        Ok(Outcome::Said { message: sent.id, at: None }.into())
    }

    /// Looks for the message that a [`say`](Self::say) of this command wrote, among those that are not older than it.
    pub(super) async fn find(
        &self,
        leg: &LegRef,
        page_size: u32,
        max_pages: u32,
    ) -> Result<Option<Carried>, AdapterError> {
        let marker = self.errand.command.id.to_string();
        let since = self.errand.command.owed_at.map(|owed| owed.saturating_sub(SKEW).unwrap_or(Timestamp::MIN));
        let mut pages = self.messages(leg, since, page_size, max_pages)?;
        while let Some(page) = pages.next().await? {
            let ours = page.into_iter().find(|message| {
                message.metadata.as_ref().and_then(|metadata| metadata[MARKER].as_str()) == Some(marker.as_str())
            });
            if let Some(message) = ours {
                return Ok(Some(Outcome::Said { message: message.id, at: Some(message.created_on) }.into()));
            }
        }
        if pages.cut_off() {
            // "Not there" would let the message be written twice.
            let detail = "not among the newest messages; max_pages is too small for the older ones";
            let error = AdapterError::new(ErrorKind::Unexpected, "ListChatMessages", detail);
            return Err(error.retry(Retry::Later).perhaps_done());
        }
        Ok(None)
    }
}

fn participant<'a>(
    operation: &'static str,
    member: &'a Member,
    share_history_time: Option<Timestamp>,
) -> Result<NewParticipant<'a>, AdapterError> {
    let address = member.address.reveal().ok_or_else(|| erased(operation))?;
    let display_name = member.name.reveal();
    Ok(NewParticipant { communication_identifier: Identifier::new(address), display_name, share_history_time })
}

/// The call succeeded and the participant was not accepted all the same.
fn not_accepted(operation: &'static str, invalid: &InvalidParticipant) -> AdapterError {
    let code =
        invalid.code.as_deref().filter(|code| code.len() <= 64 && code.bytes().all(|b| b.is_ascii_alphanumeric()));
    let detail = format!("201, but the participant was not accepted: {}", code.unwrap_or("no code"));
    AdapterError::new(ErrorKind::Refused, operation, detail)
}
