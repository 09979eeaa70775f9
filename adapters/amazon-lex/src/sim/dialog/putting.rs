//! What a client sets from outside: PutSession, and the session state in RecognizeText.

use super::conversation::{Conversation, Next};
use crate::sim::limits::Wrong;
use crate::sim::shapes::{ActionType, IntentState};

impl Conversation<'_> {
    /// What was set names an intent and a slot of this bot.
    ///
    /// # Errors
    /// What it names that the bot does not have. That Lex refuses it with ValidationException is inferred.
    pub(in crate::sim) fn check_set(&self) -> Result<(), Wrong> {
        let state = &self.remembered.state;
        state.intent.as_ref().map_or(Ok(()), |intent| self.check_intent(intent))?;
        let Some(action) = &state.dialog_action else { return Ok(()) };
        match (action.kind, self.definition(), action.slot_to_elicit.as_deref()) {
            (ActionType::ElicitSlot, Some(intent), Some(slot)) if intent.slot(slot).is_some() => Ok(()),
            (ActionType::ElicitSlot, ..) => Err("dialogAction.slotToElicit: the intent has no such slot".to_owned()),
            (ActionType::ConfirmIntent, None, _) => Err("intent: is required for ConfirmIntent".to_owned()),
            _ => Ok(()),
        }
    }

    /// The bot does what the action that was set says, in its own words where the client gave none.
    pub(in crate::sim) fn put(&mut self) -> Next {
        self.remembered.attempt = 0;
        let silent = self.remembered.messages.is_empty();
        let action = self.remembered.state.dialog_action.clone();
        match (action.as_ref().map(|action| action.kind), self.definition()) {
            (Some(ActionType::Delegate), _) => return self.proceed(),
            (Some(ActionType::ElicitSlot), Some(intent)) if silent => {
                let slot = action.and_then(|action| intent.slot(&action.slot_to_elicit?));
                slot.into_iter().for_each(|slot| self.ask_for(slot));
            }
            (Some(ActionType::ConfirmIntent), Some(intent)) if silent => {
                let question = intent.confirmation.as_ref().map(|text| self.filled_in(text));
                action.into_iter().for_each(|action| self.act(action, question.clone(), IntentState::InProgress));
            }
            _ => {}
        }
        Next::Done
    }
}
