//! The structures of the runtime API and of code hooks, as Lex V2 writes them (service model `lexv2-runtime`
//! 2020-08-07; developer guide, "Common structures").

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// String to string: session attributes, request attributes, context attributes.
pub(super) type Attributes = BTreeMap<String, String>;

/// What the bot does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum ActionType {
    Close,
    ConfirmIntent,
    Delegate,
    ElicitIntent,
    ElicitSlot,
    None,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DialogAction {
    #[serde(rename = "type")]
    pub(super) kind: ActionType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) slot_to_elicit: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) slot_elicitation_style: Option<Style>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sub_slot_to_elicit: Option<Json>,
}

impl DialogAction {
    pub(super) fn of(kind: ActionType) -> Self {
        Self { kind, slot_to_elicit: None, slot_elicitation_style: None, sub_slot_to_elicit: None }
    }

    pub(super) fn elicit(slot: &str) -> Self {
        Self { slot_to_elicit: Some(slot.to_owned()), ..Self::of(ActionType::ElicitSlot) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Style {
    Default,
    SpellByLetter,
    SpellByWord,
}

/// How far an intent is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum IntentState {
    Failed,
    Fulfilled,
    FulfillmentInProgress,
    InProgress,
    ReadyForFulfillment,
    Waiting,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Confirmation {
    Confirmed,
    Denied,
    #[default]
    None,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Intent {
    pub(super) name: String,
    /// A slot that is not filled is null.
    #[serde(default)]
    pub(super) slots: Option<BTreeMap<String, Option<Slot>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) state: Option<IntentState>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) confirmation_state: Option<Confirmation>,
}

impl Intent {
    /// The value of a slot, if it is filled.
    pub(super) fn slot(&self, name: &str) -> Option<&Slot> {
        self.slots.as_ref()?.get(name)?.as_ref()
    }

    pub(super) fn fill(&mut self, name: &str, slot: Slot) {
        self.slots.get_or_insert_default().insert(name.to_owned(), Some(slot));
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Shape {
    Scalar,
    List,
    Composite,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Slot {
    /// Absent: a scalar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) shape: Option<Shape>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) value: Option<SlotValue>,
    /// The single values of a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) values: Option<Vec<Slot>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sub_slots: Option<BTreeMap<String, Option<Slot>>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SlotValue {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) original_value: Option<String>,
    pub(super) interpreted_value: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) resolved_values: Option<Vec<String>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ActiveContext {
    pub(super) name: String,
    pub(super) time_to_live: TimeToLive,
    #[serde(default)]
    pub(super) context_attributes: Attributes,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TimeToLive {
    pub(super) time_to_live_in_seconds: i64,
    pub(super) turns_to_live: i64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionState {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) dialog_action: Option<DialogAction>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) intent: Option<Intent>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) active_contexts: Option<Vec<ActiveContext>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) session_attributes: Option<Attributes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) originating_request_id: Option<String>,
    /// Kept and given back; hints are for speech.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) runtime_hints: Option<Json>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum ContentType {
    CustomPayload,
    ImageResponseCard,
    PlainText,
    #[serde(rename = "SSML")]
    Ssml,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Message {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) content: Option<String>,
    pub(super) content_type: ContentType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) image_response_card: Option<Card>,
}

impl Message {
    pub(super) fn plain(content: impl Into<String>) -> Self {
        Self { content: Some(content.into()), content_type: ContentType::PlainText, image_response_card: None }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Card {
    pub(super) title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) subtitle: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) image_url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) buttons: Option<Vec<Button>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Button {
    pub(super) text: String,
    pub(super) value: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Interpretation {
    pub(super) intent: Intent,
    /// An object here; a bare number in a code hook's event. FallbackIntent has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) nlu_confidence: Option<Confidence>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sentiment_response: Option<Sentiment>,
    pub(super) interpretation_source: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Confidence {
    pub(super) score: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Sentiment {
    pub(super) sentiment: &'static str,
    pub(super) sentiment_score: SentimentScore,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct SentimentScore {
    pub(super) positive: f64,
    pub(super) negative: f64,
    pub(super) neutral: f64,
    pub(super) mixed: f64,
}
