//! Carries commands to Connect: contacts through the Connect API, what is said through the participant API.

mod clouds;
mod confirm;
mod contact;
mod failure;
mod participant;
mod quotas;
mod relate;

pub(crate) use clouds::Clouds;
pub(crate) use failure::explain;
pub(crate) use relate::Relate;

use tandem_sdk::doors::{Answer, Carry, Errand, Quota};
use tandem_sdk::error::{AdapterError, ErrorKind};
use tandem_sdk::model::{Action, Carried, Command, EffectClass};
use tandem_sdk::secret::SecretRole;

use crate::topic::Topic;

/// The door of one instance.
pub(crate) struct Carrier {
    /// Clients and what every call is told.
    pub(crate) clouds: Clouds,
    /// Makes facts of what Connect answers.
    pub(crate) relate: Relate,
    /// For the one call that no SDK makes: visiting a SubscribeURL.
    pub(crate) http: reqwest::Client,
    /// Topics whose subscriptions may be confirmed.
    pub(crate) topics: Vec<Topic>,
}

impl Carry for Carrier {
    fn class(&self, action: &Action) -> Option<EffectClass> {
        match action {
            Action::Place { .. } | Action::Listen { .. } | Action::Say { .. } => Some(EffectClass::Token),
            Action::Enter { .. }
            | Action::End { .. }
            | Action::Inquire { .. }
            | Action::Trace { .. }
            | Action::Recall { .. }
            | Action::Describe { .. }
            | Action::Confirm { .. } => Some(EffectClass::Natural),
            Action::Identify {}
            | Action::IssueToken { .. }
            | Action::Open { .. }
            | Action::Join { .. }
            | Action::Leave { .. }
            | Action::Lookup { .. } => None,
        }
    }

    fn quotas(&self, command: &Command, _uncertain: bool) -> Vec<Quota> {
        quotas::of(command)
    }

    fn carry<'a>(&'a self, errand: Errand<'a>) -> Answer<'a, Result<Carried, AdapterError>> {
        let Errand { command, secrets, .. } = errand;
        let secret = move |role: SecretRole| secrets.get(&role);
        let token = command.id.to_string();
        match &command.action {
            Action::Place { target, name, attributes } => Box::pin(self.clouds.place(token, target, name, attributes)),
            Action::Listen { leg } => Box::pin(self.clouds.listen(token, leg)),
            Action::Enter { .. } => Box::pin(self.clouds.enter(secret(SecretRole::ParticipantToken))),
            Action::Say { content, .. } => {
                Box::pin(self.clouds.say(token, secret(SecretRole::ConnectionToken), content))
            }
            Action::End { leg } => Box::pin(self.clouds.end(token, secret(SecretRole::ConnectionToken), leg)),
            Action::Inquire { leg } => Box::pin(self.clouds.inquire(&self.relate, leg)),
            Action::Trace { leg } => Box::pin(self.clouds.trace(&self.relate, leg)),
            Action::Recall { leg, since } => {
                Box::pin(self.clouds.recall(&self.relate, secret(SecretRole::ConnectionToken), leg, *since))
            }
            Action::Describe { agent } => Box::pin(self.clouds.describe(agent)),
            Action::Confirm { topic } => Box::pin(self.confirm(topic, secret(SecretRole::ConfirmUrl))),
            other => {
                let name = other.name();
                Box::pin(async move { Err(AdapterError::new(ErrorKind::Unsupported, name, "not done by this kind")) })
            }
        }
    }

    fn find<'a>(&'a self, errand: Errand<'a>) -> Answer<'a, Result<Option<Carried>, AdapterError>> {
        let name = errand.command.action.name();
        // Connect takes a token wherever repeating would do harm, so nothing is ever looked for.
        Box::pin(
            async move { Err(AdapterError::new(ErrorKind::Unsupported, name, "no command of this kind is read back")) },
        )
    }
}
