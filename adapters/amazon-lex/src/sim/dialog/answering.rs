//! What a code hook's answer does to the conversation, and what is refused of it.

use serde::Deserialize;

use super::conversation::{Conversation, Next, Source};
use crate::sim::limits::{self, Wrong};
use crate::sim::settings::Omitted;
use crate::sim::shapes::{ActionType, Attributes, DialogAction, Intent, IntentState, Message, SessionState};

/// What a code hook answers (developer guide, "Lambda response format"). Unknown members are ignored, nulls are
/// tolerated.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::sim) struct Answer {
    session_state: SessionState,
    #[serde(default)]
    messages: Option<Vec<Message>>,
    #[serde(default)]
    request_attributes: Option<Attributes>,
}

/// Why a code hook gave no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sim) enum HookFailure {
    /// No answer in time.
    TimedOut,
    /// It could not be reached, or said that it failed, or answered what cannot be read.
    Failed(String),
}

impl Answer {
    /// # Errors
    /// What is wrong, as the service says it.
    pub(in crate::sim) fn read(bytes: &[u8]) -> Result<Self, Wrong> {
        serde_json::from_slice(bytes).map_err(|error| format!("Received invalid response from Lambda: {error}"))
    }
}

impl Conversation<'_> {
    /// The code hook has answered. `most_bytes` bounds the session attributes.
    ///
    /// # Errors
    /// What is wrong with the answer; nothing of it may be kept then.
    pub(in crate::sim) fn answered(
        &mut self,
        source: Source,
        answer: Answer,
        most_bytes: usize,
    ) -> Result<Next, Wrong> {
        let given = answer.session_state;
        let messages = answer.messages.unwrap_or_default();
        let action = given.dialog_action.ok_or("sessionState.dialogAction: is missing")?;
        limits::action(&action)?;
        limits::messages(&messages)?;
        limits::contexts(given.active_contexts.as_deref().unwrap_or_default())?;
        limits::attributes(
            "sessionAttributes",
            given.session_attributes.as_ref().unwrap_or(&Attributes::new()),
            most_bytes,
        )?;
        if let Some(intent) = &given.intent {
            self.check_intent(intent)?;
        }
        let state = &mut self.remembered.state;
        match (given.session_attributes, self.omitted) {
            (None, Omitted::Keep) => {}
            (attributes, _) => state.session_attributes = Some(attributes.unwrap_or_default()),
        }
        state.active_contexts = given.active_contexts.or_else(|| state.active_contexts.take());
        state.runtime_hints = given.runtime_hints.or_else(|| state.runtime_hints.take());
        if answer.request_attributes.is_some() {
            self.request_attributes = answer.request_attributes;
        }
        self.obey(source, action, given.intent, messages)
    }

    fn obey(
        &mut self,
        source: Source,
        action: DialogAction,
        intent: Option<Intent>,
        messages: Vec<Message>,
    ) -> Result<Next, Wrong> {
        let asked = !messages.is_empty();
        let needed = |what: &str| format!("{what} is required for dialogAction.type {:?}", action.kind);
        match action.kind {
            ActionType::None => return Err("dialogAction.type: None is no answer of a code hook".to_owned()),
            ActionType::Delegate => {
                let failed = intent.as_ref().is_some_and(|intent| intent.state == Some(IntentState::Failed));
                self.adopt(intent);
                if source == Source::Dialog && !failed {
                    return Ok(self.proceed());
                }
                self.close(if failed { IntentState::Failed } else { IntentState::Fulfilled });
                return Ok(Next::Done);
            }
            ActionType::ElicitIntent => {
                if !asked {
                    return Err(needed("messages"));
                }
                if intent.is_none() {
                    self.remembered.state.intent = None;
                }
                self.adopt(intent);
            }
            ActionType::ConfirmIntent => {
                let intent = intent.filter(|intent| intent.slots.is_some()).ok_or(needed("intent with slots"))?;
                if !asked {
                    return Err(needed("messages"));
                }
                self.adopt(Some(intent));
            }
            ActionType::ElicitSlot => {
                self.adopt(Some(intent.ok_or(needed("intent"))?));
                let slot = action.slot_to_elicit.as_deref().unwrap_or_default();
                let slot = self.definition().and_then(|intent| intent.slot(slot));
                let slot =
                    slot.ok_or(format!("dialogAction.slotToElicit: the intent has no slot of this name: {action:?}"))?;
                self.act(action, (!asked).then(|| self.filled_in(&slot.prompt)), IntentState::InProgress);
                self.remembered.messages.extend(messages);
                return Ok(Next::Done);
            }
            ActionType::Close => {
                let intent = intent.ok_or(needed("intent"))?;
                let state = intent.state.ok_or(needed("intent.state"))?;
                // The guide: these three are compatible with Close.
                if ![IntentState::Failed, IntentState::Fulfilled, IntentState::InProgress].contains(&state) {
                    return Err(format!("intent.state: {state:?} is not compatible with dialogAction.type Close"));
                }
                self.adopt(Some(intent));
                self.remembered.messages.extend(messages);
                if asked {
                    self.act(action, None, state);
                } else {
                    self.close(state);
                }
                self.remembered.misses = 0;
                return Ok(Next::Done);
            }
        }
        self.act(action, None, IntentState::InProgress);
        self.remembered.messages.extend(messages);
        Ok(Next::Done)
    }

    /// The code hook has not answered.
    ///
    /// # Errors
    /// What the caller is told where the bot has no words for it.
    pub(in crate::sim) fn unanswered(&mut self, source: Source, failure: &HookFailure) -> Result<Next, Wrong> {
        let (words, problem) = match (failure, self.definition()) {
            (HookFailure::TimedOut, intent) => {
                (intent.and_then(|intent| intent.timeout_message.clone()), "Lambda timed out".to_owned())
            }
            (HookFailure::Failed(problem), intent) => {
                (intent.and_then(|intent| intent.failed_message.clone()), problem.clone())
            }
        };
        match words.filter(|_| source == Source::Fulfilment) {
            Some(words) => {
                self.act(DialogAction::of(ActionType::Close), Some(words), IntentState::Failed);
                Ok(Next::Done)
            }
            None => Err(problem),
        }
    }

    /// An intent takes the place of the current one. What it leaves out is kept when it is the same intent.
    fn adopt(&mut self, intent: Option<Intent>) {
        let Some(mut given) = intent else { return };
        let fresh = self.script.intent(&given.name).map(super::conversation::fresh);
        let current = self.remembered.state.intent.take().filter(|current| current.name == given.name).or(fresh);
        if let Some(current) = current {
            let mut slots = current.slots.unwrap_or_default();
            slots.extend(given.slots.take().unwrap_or_default());
            given.slots = Some(slots);
            given.state = given.state.or(current.state);
            given.confirmation_state = given.confirmation_state.or(current.confirmation_state);
        }
        self.remembered.state.intent = Some(given);
    }

    /// The bot has the intent, and the intent has the slots.
    pub(super) fn check_intent(&self, intent: &Intent) -> Result<(), Wrong> {
        limits::intent(intent)?;
        let known = self.script.intent(&intent.name).ok_or(format!("intent.name: the bot has no {}", intent.name))?;
        let mut names = intent.slots.iter().flat_map(|slots| slots.keys());
        match names.find(|name| known.slot(name).is_none()) {
            Some(unknown) => Err(format!("intent.slots: {} has no slot {unknown}", intent.name)),
            None => Ok(()),
        }
    }
}
