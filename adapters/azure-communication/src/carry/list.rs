//! Lists: page after page, bounded, newest first.

use std::marker::PhantomData;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use tandem_sdk::error::AdapterError;
use tandem_sdk::model::LegRef;
use tandem_sdk::secret::Secret;

use super::chat::Chat;
use super::wire::{ChatMessage, ListedParticipant, Page};
use crate::client::{Call, Client, Credential, encode, unreadable};

/// The pages of one list.
pub(super) struct Pages<'a, T> {
    client: &'a Client,
    token: &'a Secret,
    now: Timestamp,
    operation: &'static str,
    /// Path and query of the next page.
    next: Option<String>,
    /// How many more pages may be taken.
    left: u32,
    of: PhantomData<fn() -> T>,
}

impl Chat<'_> {
    /// Messages and system messages, newest first, written at or after `since`.
    pub(super) fn messages(
        &self,
        leg: &LegRef,
        since: Option<Timestamp>,
        page_size: u32,
        max_pages: u32,
    ) -> Result<Pages<'_, ChatMessage>, AdapterError> {
        let since = since.map(|since| format!("&startTime={}", encode(&since.to_string()))).unwrap_or_default();
        self.pages("ListChatMessages", leg, &format!("&maxPageSize={page_size}{since}"), "/messages", max_pages)
    }

    /// Who is in the thread now.
    pub(super) fn participants(
        &self,
        leg: &LegRef,
        page_size: u32,
        max_pages: u32,
    ) -> Result<Pages<'_, ListedParticipant>, AdapterError> {
        self.pages("ListChatParticipants", leg, &format!("&maxPageSize={page_size}"), "/participants", max_pages)
    }

    fn pages<T>(
        &self,
        operation: &'static str,
        leg: &LegRef,
        query: &str,
        rest: &str,
        max_pages: u32,
    ) -> Result<Pages<'_, T>, AdapterError> {
        Ok(Pages {
            client: self.client,
            token: self.token(operation)?,
            now: self.errand.now,
            operation,
            next: Some(self.target(operation, leg, rest)? + query),
            left: max_pages,
            of: PhantomData,
        })
    }
}

impl<T: DeserializeOwned> Pages<'_, T> {
    /// The next page; nothing after the last one, or when no more pages may be taken.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<T>>, AdapterError> {
        if self.left == 0 {
            return Ok(None);
        }
        let Some(target) = self.next.take() else {
            return Ok(None);
        };
        self.left -= 1;
        let call = Call::get(self.operation, target, Credential::User(self.token), self.now);
        let page: Page<T> = self.client.ask(call).await?;
        self.next = page.next_link.map(|link| self.target(&link)).transpose()?;
        Ok(Some(page.value))
    }

    /// Whether pages were left out.
    pub(super) fn cut_off(&self) -> bool {
        self.next.is_some()
    }

    /// Path and query of a link. Its host is the vendor's inner name; the token goes to the endpoint only.
    fn target(&self, link: &str) -> Result<String, AdapterError> {
        let wrong = || unreadable(self.operation, false, "the link to the next page leads elsewhere".to_owned());
        let url = self.client.endpoint.join(link).map_err(|_| wrong())?;
        if !url.path().starts_with("/chat/threads/") {
            return Err(wrong());
        }
        Ok(url[url::Position::BeforePath..url::Position::AfterQuery].to_owned())
    }
}
