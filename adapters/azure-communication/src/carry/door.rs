//! The door: which commands this adapter carries, under which limits, and what repeating them does.

use std::sync::Arc;
use std::time::Duration;

use tandem_sdk::doors::{Answer, Carry, Decode, Errand, Quota};
use tandem_sdk::error::{AdapterError, ErrorKind};
use tandem_sdk::model::{Action, Carried, Command, EffectClass};

use super::chat::Chat;
use super::{identity, quotas};
use crate::client::Client;

/// Carries commands to one ACS resource.
pub(crate) struct Carrier {
    pub(crate) client: Client,
    pub(crate) account: String,
    pub(crate) identity_version: String,
    pub(crate) chat_version: String,
    pub(crate) token_lifetime: Duration,
    pub(crate) page_size: u32,
    pub(crate) max_pages: u32,
    pub(crate) messages_own_share: f64,
    /// Makes facts of what is recalled.
    pub(crate) decode: Arc<dyn Decode>,
}

impl Carrier {
    fn chat<'a>(&'a self, errand: &'a Errand<'a>) -> Chat<'a> {
        Chat { client: &self.client, version: &self.chat_version, errand }
    }

    async fn carry(&self, errand: &Errand<'_>) -> Result<Carried, AdapterError> {
        let chat = self.chat(errand);
        match &errand.command.action {
            Action::Identify {} => identity::identify(&self.client, &self.identity_version, errand.now).await,
            Action::IssueToken { address } => {
                let version = &self.identity_version;
                identity::issue_token(&self.client, version, address, self.token_lifetime, errand.now).await
            }
            Action::Open { topic, members } => chat.open(&self.account, topic, members).await,
            Action::Join { leg, member } => chat.join(leg, member).await,
            Action::Leave { leg, address } => chat.leave(leg, address).await,
            Action::Say { leg, content, .. } => chat.say(leg, content).await,
            Action::Recall { leg, since } => {
                chat.recall(leg, *since, self.decode.as_ref(), self.page_size, self.max_pages).await
            }
            other => Err(unsupported(other)),
        }
    }
}

impl Carry for Carrier {
    fn class(&self, action: &Action) -> Option<EffectClass> {
        match action {
            // `repeatability-request-id` is the command's id.
            Action::Open { .. } => Some(EffectClass::Token),
            // A second identity that nobody uses, a second token beside the first, a participant who is there already
            // or gone already, a list: all harmless.
            Action::Identify {}
            | Action::IssueToken { .. }
            | Action::Join { .. }
            | Action::Leave { .. }
            | Action::Recall { .. } => Some(EffectClass::Natural),
            // The marker in the metadata tells whether it was written.
            Action::Say { .. } => Some(EffectClass::ReadBack),
            // A thread has no end of its own and reports by Event Grid without being asked; nobody is placed here.
            Action::Place { .. }
            | Action::Listen { .. }
            | Action::Enter { .. }
            | Action::End { .. }
            | Action::Inquire { .. }
            | Action::Trace { .. }
            | Action::Describe { .. }
            | Action::Confirm { .. }
            | Action::Lookup { .. } => None,
        }
    }

    fn quotas(&self, command: &Command, uncertain: bool) -> Vec<Quota> {
        quotas::quotas(command, uncertain, self.messages_own_share)
    }

    fn carry<'a>(&'a self, errand: Errand<'a>) -> Answer<'a, Result<Carried, AdapterError>> {
        Box::pin(async move { Carrier::carry(self, &errand).await })
    }

    fn find<'a>(&'a self, errand: Errand<'a>) -> Answer<'a, Result<Option<Carried>, AdapterError>> {
        Box::pin(async move {
            match &errand.command.action {
                Action::Say { leg, .. } => self.chat(&errand).find(leg, self.page_size, self.max_pages).await,
                other => Err(unsupported(other)),
            }
        })
    }
}

fn unsupported(action: &Action) -> AdapterError {
    AdapterError::new(ErrorKind::Unsupported, action.name(), "azure communication chat has no such thing")
}
