//! What the bot does by itself.

use super::conversation::{Conversation, HookCall, Next, Source};
use crate::sim::bot::{FALLBACK, IntentDef, SlotDef};
use crate::sim::shapes::{ActionType, Confirmation, DialogAction, IntentState};

impl<'a> Conversation<'a> {
    /// Asks for the first required slot that is not filled; then for confirmation; then fulfils.
    pub(in crate::sim) fn proceed(&mut self) -> Next {
        let Some(intent) = self.definition() else {
            // Nothing is wanted yet, or something that this bot does not know.
            self.act(DialogAction::of(ActionType::ElicitIntent), None, IntentState::InProgress);
            return Next::Done;
        };
        if let Some(slot) = self.missing(intent) {
            self.ask_for(slot);
            return Next::Done;
        }
        let confirmation = self.remembered.state.intent.as_ref().and_then(|intent| intent.confirmation_state);
        match (&intent.confirmation, confirmation.unwrap_or_default()) {
            (Some(question), Confirmation::None) => {
                let question = self.filled_in(question);
                self.act(DialogAction::of(ActionType::ConfirmIntent), Some(question), IntentState::InProgress);
                Next::Done
            }
            (_, Confirmation::Denied) => {
                let decline = intent.decline.as_ref().map(|text| self.filled_in(text));
                self.act(DialogAction::of(ActionType::Close), decline, IntentState::Failed);
                Next::Done
            }
            _ => self.fulfil(intent),
        }
    }

    /// The slot that the bot would ask for next, and which try it would be.
    pub(super) fn proposed(&self) -> Option<(String, String)> {
        let slot = self.missing(self.definition()?)?;
        let again = match &self.remembered.state.dialog_action {
            Some(action) if action.slot_to_elicit.as_deref() == Some(slot.name.as_str()) => self.remembered.attempt,
            _ => 0,
        };
        let attempt = if again == 0 { "Initial".to_owned() } else { format!("Retry{}", again.min(5)) };
        Some((slot.name.clone(), attempt))
    }

    /// Asks for a slot in the bot's own words.
    pub(super) fn ask_for(&mut self, slot: &SlotDef) {
        let prompt = self.filled_in(&slot.prompt);
        self.act(DialogAction::elicit(&slot.name), Some(prompt), IntentState::InProgress);
    }

    /// Ends the intent; what the bot says at its end is said when it did not fail.
    pub(super) fn close(&mut self, state: IntentState) {
        let closing = self.definition().filter(|_| state != IntentState::Failed);
        let closing = closing.and_then(|intent| intent.closing.as_ref()).map(|text| self.filled_in(text));
        self.act(DialogAction::of(ActionType::Close), closing, state);
    }

    /// A text of the bot with the values of slots in it.
    pub(super) fn filled_in(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, slot) in self.remembered.state.intent.iter().flat_map(|intent| intent.slots.iter().flatten()) {
            let value = slot.as_ref().and_then(|slot| slot.value.as_ref());
            text = text.replace(&format!("{{{name}}}"), value.map_or("", |value| &value.interpreted_value));
        }
        // A message has 1 024 characters at most, and values may be long.
        text.chars().take(1_000).collect()
    }

    fn missing(&self, intent: &'a IntentDef) -> Option<&'a SlotDef> {
        let current = self.remembered.state.intent.as_ref()?;
        intent.slots.iter().find(|slot| slot.required && current.slot(&slot.name).is_none())
    }

    fn fulfil(&mut self, intent: &IntentDef) -> Next {
        if let Some(current) = self.intent() {
            current.state = Some(IntentState::ReadyForFulfillment);
        }
        if intent.fulfilment_hook {
            self.settle();
            return Next::Ask(HookCall { source: Source::Fulfilment, proposed: None });
        }
        if intent.name == FALLBACK && self.remembered.misses < self.script.fallback.misses {
            let message = self.script.fallback.message.clone();
            self.act(DialogAction::of(ActionType::ElicitIntent), Some(message), IntentState::InProgress);
        } else {
            self.remembered.misses = 0;
            self.close(intent.fulfilment);
        }
        Next::Done
    }
}
