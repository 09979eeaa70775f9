//! What a text does to the conversation.

use super::conversation::{Conversation, HookCall, MAX_INTERPRETATIONS, Next, Source, fresh, interpretation};
use crate::sim::bot::{Candidate, FALLBACK, SlotDef, candidates, exact, is_one_of, resolve, sentiment};
use crate::sim::shapes::{ActionType, Confirmation, Intent, Slot};

/// What the bot made of a text.
enum Heard {
    Slot(String, Slot),
    Confirmation(Confirmation),
    Intent(Candidate),
    Nothing,
}

impl Conversation<'_> {
    /// The customer says something.
    pub(in crate::sim) fn hear(&mut self, text: &str) -> Next {
        self.text = text.to_owned();
        let all = candidates(self.script, text);
        let heard = self.make_of(text, &all);
        match heard {
            Heard::Slot(name, slot) => {
                self.understood(&all);
                if let Some(intent) = self.intent() {
                    intent.fill(&name, slot);
                }
            }
            Heard::Confirmation(confirmation) => {
                self.understood(&all);
                if let Some(intent) = self.intent() {
                    intent.confirmation_state = Some(confirmation);
                }
            }
            Heard::Intent(candidate) => {
                let mut intent = self.begin(&candidate.intent);
                candidate.slots.into_iter().for_each(|(name, slot)| intent.fill(&name, slot));
                self.remembered.state.intent = Some(intent);
                self.understood(&all);
            }
            Heard::Nothing => self.missed(&all),
        }
        self.settle();
        if let Some(first) = self.remembered.interpretations.first_mut() {
            first.sentiment_response = sentiment(self.script, text);
        }
        self.after_input()
    }

    fn make_of(&self, text: &str, all: &[Candidate]) -> Heard {
        let state = &self.remembered.state;
        if self.remembered.waits_for(ActionType::ElicitSlot) {
            let wanted = state.dialog_action.as_ref().and_then(|action| action.slot_to_elicit.as_deref());
            let slot = wanted.and_then(|name| self.definition()?.slot(name));
            return slot.map_or(Heard::Nothing, |slot| self.make_of_slot(slot, text));
        }
        if self.remembered.waits_for(ActionType::ConfirmIntent) && state.intent.is_some() {
            if is_one_of(text, &self.script.yes) {
                return Heard::Confirmation(Confirmation::Confirmed);
            }
            if is_one_of(text, &self.script.no) {
                return Heard::Confirmation(Confirmation::Denied);
            }
            return exact(self.script, text).map_or(Heard::Nothing, Heard::Intent);
        }
        let best = all.first().filter(|best| best.confidence >= self.script.threshold);
        best.cloned().map_or(Heard::Nothing, Heard::Intent)
    }

    /// A value of the list comes before an intent, an intent that is named word for word before a slot that takes
    /// anything: customers change their minds. Lex's own order is its model's, and nowhere documented.
    fn make_of_slot(&self, slot: &SlotDef, text: &str) -> Heard {
        let filled = resolve(slot, text).map(|value| Heard::Slot(slot.name.clone(), value));
        let other = || exact(self.script, text).map(Heard::Intent);
        let heard = if slot.values.is_empty() { other().or(filled) } else { filled.or_else(other) };
        heard.unwrap_or(Heard::Nothing)
    }

    fn begin(&self, name: &str) -> Intent {
        let known = self.script.intent(name).map(fresh);
        known.unwrap_or(Intent { name: name.to_owned(), slots: None, state: None, confirmation_state: None })
    }

    fn understood(&mut self, all: &[Candidate]) {
        (self.remembered.attempt, self.remembered.misses) = (0, 0);
        self.interpret(all);
        self.settle();
        // What answers a question belongs to its intent as surely as can be.
        let confidence = self.remembered.state.intent.as_ref().and_then(|intent| {
            let named = all.iter().find(|candidate| candidate.intent == intent.name);
            named.map(|candidate| candidate.confidence).filter(|confidence| *confidence >= self.script.threshold)
        });
        if let Some(first) = self.remembered.interpretations.first_mut() {
            *first = interpretation(first.intent.clone(), Some(confidence.unwrap_or(1.0)));
        }
    }

    /// Asks again while there are tries left, and then invokes FallbackIntent.
    fn missed(&mut self, all: &[Candidate]) {
        let state = &self.remembered.state;
        let retries = match (&state.dialog_action, self.definition()) {
            (Some(action), Some(intent)) => match action.kind {
                ActionType::ElicitSlot => {
                    action.slot_to_elicit.as_deref().and_then(|name| intent.slot(name)).map(|slot| slot.retries)
                }
                ActionType::ConfirmIntent => Some(intent.retries),
                _ => None,
            },
            _ => None,
        };
        self.interpret(all);
        if retries.is_some_and(|retries| self.remembered.attempt < retries) {
            self.remembered.attempt += 1;
            return;
        }
        self.remembered.attempt = 0;
        self.remembered.misses += 1;
        self.remembered.state.dialog_action = None;
        self.remembered.state.intent = Some(self.begin(FALLBACK));
    }

    /// Best first, and FallbackIntent after those that are sure enough: last, or first when none is.
    fn interpret(&mut self, all: &[Candidate]) {
        let script = self.script;
        let sure = all.iter().filter(|candidate| candidate.confidence >= script.threshold).count();
        let of = |candidate: &Candidate| {
            let mut intent = script.intent(&candidate.intent).map(fresh)?;
            candidate.slots.iter().for_each(|(name, slot)| intent.fill(name, slot.clone()));
            Some(interpretation(intent, Some(candidate.confidence)))
        };
        let mut told: Vec<_> = all.iter().take(MAX_INTERPRETATIONS - 1).filter_map(of).collect();
        let fallback = script.intent(FALLBACK).map(|definition| interpretation(fresh(definition), None));
        let at = if sure == 0 { 0 } else { told.len() };
        fallback.into_iter().for_each(|fallback| told.insert(at, fallback));
        self.remembered.interpretations = told;
    }

    /// A code hook for this intent sees every input before the bot goes on.
    fn after_input(&mut self) -> Next {
        if self.definition().is_some_and(|intent| intent.dialog_hook) {
            let proposed = self.proposed();
            return Next::Ask(HookCall { source: Source::Dialog, proposed });
        }
        self.proceed()
    }
}
