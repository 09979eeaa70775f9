//! What is asked of the participant API, as the customer: enter, speak, read, leave. No credential of ours is involved,
//! only the tokens of the leg.

use std::time::Duration;

use aws_sdk_connectparticipant::types::{ConnectionType, Item, ScanDirection, SortKey};
use jiff::Timestamp;
use tandem_sdk::error::{AdapterError, ErrorKind};
use tandem_sdk::model::{Carried, Content, ContentType, LegRef, Outcome};
use tandem_sdk::secret::{Secret, SecretRole};

use super::failure::{incomplete, without};
use super::{Clouds, Relate, explain};

/// Between two pages of a transcript, so that a long one stays inside the documented eight calls a second.
const PAGE_PAUSE: Duration = Duration::from_millis(150);
/// Items a page, the most that the API gives.
const PAGE: i32 = 100;

impl Clouds {
    /// Enters as the customer, which starts the flow. Entering again gives a fresh connection token.
    pub(super) async fn enter(&self, token: Option<&Secret>) -> Result<Carried, AdapterError> {
        const OPERATION: &str = "CreateParticipantConnection";
        let token = token.ok_or_else(|| without(OPERATION, "participant token"))?;
        let answer = self
            .participant
            .create_participant_connection()
            .participant_token(token.reveal())
            .r#type(ConnectionType::ConnectionCredentials)
            .connect_participant(true)
            .send()
            .await
            .map_err(|error| explain(OPERATION, &error, self.terms.quota_pause))?;
        let credentials =
            answer.connection_credentials.ok_or_else(|| incomplete(OPERATION, "ConnectionCredentials"))?;
        let token = credentials.connection_token.ok_or_else(|| incomplete(OPERATION, "ConnectionToken"))?;
        let expires_at = credentials
            .expiry
            .and_then(|expiry| expiry.parse().ok())
            .ok_or_else(|| incomplete(OPERATION, "readable Expiry"))?;
        Ok(Carried {
            outcome: Outcome::Issued { expires_at },
            secrets: vec![(SecretRole::ConnectionToken, Secret::new(token))],
        })
    }

    /// Says something as the customer.
    pub(super) async fn say(
        &self,
        client_token: String,
        token: Option<&Secret>,
        content: &Content,
    ) -> Result<Carried, AdapterError> {
        const OPERATION: &str = "SendMessage";
        let token = token.ok_or_else(|| without(OPERATION, "connection token"))?;
        let kind = content_type(&content.content_type)
            .ok_or_else(|| AdapterError::new(ErrorKind::Unsupported, OPERATION, "a form that Connect has not"))?;
        let text = content
            .text
            .reveal()
            .ok_or_else(|| AdapterError::new(ErrorKind::Malformed, OPERATION, "the text is gone"))?;
        let answer = self
            .participant
            .send_message()
            .connection_token(token.reveal())
            .client_token(client_token)
            .content_type(kind)
            .content(text)
            .send()
            .await
            .map_err(|error| explain(OPERATION, &error, self.terms.quota_pause))?;
        let message = answer.id.ok_or_else(|| incomplete(OPERATION, "Id"))?;
        Ok(Outcome::Said { message, at: answer.absolute_time.and_then(|at| at.parse().ok()) }.into())
    }

    /// Leaves as the customer, which ends the contact. Without a token, or with one that the chat no longer takes, the
    /// contact is stopped from outside; one that is over is over.
    pub(super) async fn end(
        &self,
        client_token: String,
        token: Option<&Secret>,
        leg: &LegRef,
    ) -> Result<Carried, AdapterError> {
        const OPERATION: &str = "DisconnectParticipant";
        let Some(token) = token else { return self.stop(leg).await };
        let answer = self
            .participant
            .disconnect_participant()
            .connection_token(token.reveal())
            .client_token(client_token)
            .send()
            .await
            .map_err(|error| explain(OPERATION, &error, self.terms.quota_pause));
        match answer {
            Ok(_) => Ok(Outcome::Done {}.into()),
            Err(error) if error.kind == ErrorKind::Unverified => self.stop(leg).await,
            Err(error) if error.kind == ErrorKind::NotFound => Ok(Outcome::Done {}.into()),
            Err(error) => Err(error),
        }
    }

    /// Reads what was said on one contact and who came and went, newest page first, and tells it oldest first. Stops at
    /// `since`, at the beginning, or at the bound on pages; at the bound the oldest are missing, and the log says so. The
    /// contact is named: AWS documents which items of a chain are given then, but not which are given without.
    pub(super) async fn recall(
        &self,
        relate: &Relate,
        token: Option<&Secret>,
        leg: &LegRef,
        since: Option<Timestamp>,
    ) -> Result<Carried, AdapterError> {
        const OPERATION: &str = "GetTranscript";
        let token = token.ok_or_else(|| without(OPERATION, "connection token"))?;
        let mut items: Vec<Item> = Vec::new();
        let (mut initial, mut next) = (None, None);
        for page in 1..=self.terms.transcript_pages {
            let answer = self
                .participant
                .get_transcript()
                .connection_token(token.reveal())
                .contact_id(&leg.native)
                .max_results(PAGE)
                .scan_direction(ScanDirection::Backward)
                .sort_order(SortKey::Ascending)
                .set_next_token(next)
                .send()
                .await
                .map_err(|error| explain(OPERATION, &error, self.terms.quota_pause))?;
            initial = answer.initial_contact_id.or(initial);
            next = answer.next_token;
            let batch = answer.transcript.unwrap_or_default();
            let reached =
                since.is_some_and(|since| batch.iter().any(|item| said_at(item).is_some_and(|at| at < since)));
            items.extend(batch);
            if next.is_none() || reached {
                break;
            }
            if page == self.terms.transcript_pages {
                tracing::warn!(contact = leg.native, pages = page, "transcript is longer than chat.transcript_pages");
                break;
            }
            tokio::time::sleep(PAGE_PAUSE).await;
        }
        items.retain(|item| since.is_none_or(|since| said_at(item).is_none_or(|at| at >= since)));
        items.sort_by_key(said_at);
        let facts = relate.transcript(&self.terms, leg, initial.as_deref(), &items);
        Ok(Outcome::Observed { facts }.into())
    }
}

/// When an item was said, where it tells.
pub(super) fn said_at(item: &Item) -> Option<Timestamp> {
    item.absolute_time.as_deref().and_then(|at| at.parse().ok())
}

/// Connect's word for a form of text, where it has one.
fn content_type(content_type: &ContentType) -> Option<&'static str> {
    match content_type {
        ContentType::Text => Some("text/plain"),
        ContentType::Markdown => Some("text/markdown"),
        ContentType::Interactive => Some("application/vnd.amazonaws.connect.message.interactive"),
        ContentType::InteractiveResponse => Some("application/vnd.amazonaws.connect.message.interactive.response"),
        ContentType::Html | ContentType::Attachment | ContentType::Unknown(_) => None,
    }
}
