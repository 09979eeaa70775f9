//! What is remembered between turns, and what a turn works on.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::sim::bot::{FALLBACK, IntentDef, Script};
use crate::sim::settings::Omitted;
use crate::sim::shapes::{
    ActionType, Attributes, Confirmation, DialogAction, Intent, IntentState, Interpretation, Message, SessionState,
};

/// At most so many interpretations are told.
pub(super) const MAX_INTERPRETATIONS: usize = 5;

/// What a session remembers.
#[derive(Debug, Clone, Default)]
pub(in crate::sim) struct Remembered {
    pub(in crate::sim) state: SessionState,
    pub(in crate::sim) messages: Vec<Message>,
    pub(in crate::sim) interpretations: Vec<Interpretation>,
    /// How often the question that is open was asked again.
    pub(in crate::sim) attempt: u32,
    /// Texts in a row that nothing was made of.
    pub(in crate::sim) misses: u32,
    /// When the active contexts were last counted down.
    pub(in crate::sim) counted_at: Option<Timestamp>,
}

/// What a client asks for in one call.
#[derive(Debug, Default)]
pub(in crate::sim) struct Wish {
    pub(in crate::sim) state: Option<SessionState>,
    pub(in crate::sim) messages: Vec<Message>,
    pub(in crate::sim) request_attributes: Option<Attributes>,
    pub(in crate::sim) request_id: String,
}

/// Which code hook is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(in crate::sim) enum Source {
    #[serde(rename = "DialogCodeHook")]
    Dialog,
    #[serde(rename = "FulfillmentCodeHook")]
    Fulfilment,
}

/// What has to happen before the turn is over.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::sim) enum Next {
    /// Nothing: the conversation waits for the customer.
    Done,
    /// A code hook must be asked, and its answer given to [`Conversation::answered`].
    Ask(HookCall),
}

#[derive(Debug, Clone, PartialEq)]
pub(in crate::sim) struct HookCall {
    pub(in crate::sim) source: Source,
    /// The slot that the bot would ask for next, and `Initial` or `Retry1` to `Retry5`.
    pub(in crate::sim) proposed: Option<(String, String)>,
}

/// One turn of a conversation.
pub(in crate::sim) struct Conversation<'a> {
    pub(in crate::sim) script: &'a Script,
    pub(in crate::sim) remembered: Remembered,
    /// What the customer said; empty where a client set the session.
    pub(in crate::sim) text: String,
    pub(in crate::sim) request_attributes: Option<Attributes>,
    pub(super) omitted: Omitted,
}

impl<'a> Conversation<'a> {
    /// A turn on what is remembered, after what the client wishes to be different.
    pub(in crate::sim) fn new(
        script: &'a Script,
        mut remembered: Remembered,
        omitted: Omitted,
        wish: &mut Wish,
        now: Timestamp,
    ) -> Self {
        remembered.count_down(now);
        remembered.overwrite(wish.state.take());
        if let Some(intent) = &mut remembered.state.intent {
            complete(intent, script);
        }
        remembered.state.originating_request_id = Some(wish.request_id.clone());
        remembered.messages = std::mem::take(&mut wish.messages);
        let request_attributes = wish.request_attributes.take();
        Self { script, remembered, text: String::new(), request_attributes, omitted }
    }

    pub(super) fn intent(&mut self) -> Option<&mut Intent> {
        self.remembered.state.intent.as_mut()
    }

    /// What the bot was built to do with the current intent.
    pub(super) fn definition(&self) -> Option<&'a IntentDef> {
        self.remembered.state.intent.as_ref().and_then(|intent| self.script.intent(&intent.name))
    }

    /// What the bot does next: an action, a message, and the state of the intent.
    pub(super) fn act(&mut self, action: DialogAction, message: Option<String>, state: IntentState) {
        self.remembered.state.dialog_action = Some(action);
        if let Some(intent) = self.intent() {
            intent.state = Some(state);
        }
        self.remembered.messages.extend(message.map(Message::plain));
    }

    /// Puts the current intent first among the interpretations, as it stands now.
    pub(in crate::sim) fn settle(&mut self) {
        let Some(intent) = self.remembered.state.intent.clone() else { return };
        let interpretations = &mut self.remembered.interpretations;
        let at = interpretations.iter().position(|known| known.intent.name == intent.name);
        let mut first = at.map(|at| interpretations.remove(at)).unwrap_or_else(|| interpretation(intent.clone(), None));
        first.intent = intent;
        interpretations.insert(0, first);
        interpretations.truncate(MAX_INTERPRETATIONS);
    }
}

impl Remembered {
    /// One turn passes for the active contexts, and the time since the last one.
    fn count_down(&mut self, now: Timestamp) {
        let since = self.counted_at.replace(now).map_or(SignedDuration::ZERO, |at| now.duration_since(at));
        let Some(contexts) = &mut self.state.active_contexts else { return };
        contexts.retain_mut(|context| {
            let life = &mut context.time_to_live;
            life.turns_to_live -= 1;
            life.time_to_live_in_seconds -= since.as_secs();
            life.turns_to_live > 0 && life.time_to_live_in_seconds > 0
        });
    }

    /// What a client gives replaces what is there; what it leaves out stays.
    fn overwrite(&mut self, given: Option<SessionState>) {
        let Some(given) = given else { return };
        let state = &mut self.state;
        let names = |intent: &Option<Intent>| intent.as_ref().map(|intent| intent.name.clone());
        // A question that was open about another intent is not open any more.
        let elsewhere = given.intent.is_some() && names(&given.intent) != names(&state.intent);
        if given.dialog_action.is_some() || elsewhere {
            state.dialog_action = given.dialog_action;
            self.attempt = 0;
        }
        state.intent = given.intent.or_else(|| state.intent.take());
        state.active_contexts = given.active_contexts.or_else(|| state.active_contexts.take());
        state.session_attributes = given.session_attributes.or_else(|| state.session_attributes.take());
        state.runtime_hints = given.runtime_hints.or_else(|| state.runtime_hints.take());
    }

    /// Whether the bot waits for this.
    pub(super) fn waits_for(&self, kind: ActionType) -> bool {
        self.state.dialog_action.as_ref().is_some_and(|action| action.kind == kind)
    }
}

/// An intent as it is when it has just been recognised.
pub(super) fn fresh(definition: &IntentDef) -> Intent {
    let slots = definition.slots.iter().map(|slot| (slot.name.clone(), None)).collect();
    Intent {
        name: definition.name.clone(),
        slots: Some(slots),
        state: Some(IntentState::InProgress),
        confirmation_state: Some(Confirmation::None),
    }
}

/// Gives an intent from outside what it leaves out: slots that are not filled, and where every intent begins.
fn complete(intent: &mut Intent, script: &Script) {
    let Some(fresh) = script.intent(&intent.name).map(fresh) else { return };
    let mut slots = fresh.slots.unwrap_or_default();
    slots.extend(intent.slots.take().unwrap_or_default());
    intent.slots = Some(slots);
    intent.state = intent.state.or(fresh.state);
    intent.confirmation_state = intent.confirmation_state.or(fresh.confirmation_state);
}

/// FallbackIntent has no confidence.
pub(super) fn interpretation(intent: Intent, confidence: Option<f64>) -> Interpretation {
    let score = if intent.name == FALLBACK { None } else { confidence };
    Interpretation {
        intent,
        nlu_confidence: score.map(|score| crate::sim::shapes::Confidence { score }),
        sentiment_response: None,
        interpretation_source: "Lex",
    }
}
