//! The event that a code hook gets (developer guide, "Lambda input event format", and captured events).

use serde_json::{Map, Value, json};

use crate::sim::dialog::{Conversation, HookCall, Source};
use crate::sim::shapes::{Intent, IntentState, Interpretation};

/// The bot as the event names it.
#[derive(Clone, Copy)]
pub(in crate::sim) struct Bot<'a> {
    pub(in crate::sim) id: &'a str,
    pub(in crate::sim) name: &'a str,
    pub(in crate::sim) version: &'a str,
    pub(in crate::sim) alias_id: &'a str,
    pub(in crate::sim) alias_name: &'a str,
    pub(in crate::sim) locale_id: &'a str,
}

/// The event for one call. `nulls` says whether members without a value are null or left out.
pub(in crate::sim) fn event(
    call: &HookCall,
    turn: &Conversation<'_>,
    bot: Bot<'_>,
    session_id: &str,
    nulls: bool,
) -> Value {
    let state = &turn.remembered.state;
    let current = state.intent.as_ref();
    let ready = call.source == Source::Fulfilment;
    let interpretations: Vec<Value> =
        turn.remembered.interpretations.iter().map(|found| interpretation(found, ready)).collect();
    let slots = current.and_then(|intent| intent.slots.clone()).unwrap_or_default();
    let resolved: Map<String, Value> =
        slots.into_iter().filter_map(|(name, slot)| Some((name, json!(slot?)))).collect();
    let proposed = call.proposed.as_ref().map(|(slot, attempt)| {
        json!({
            "intent": current.map(intent_value),
            "dialogAction": { "type": "ElicitSlot", "slotToElicit": slot },
            "prompt": { "attempt": attempt },
        })
    });
    let mut event = json!({
        "messageVersion": "1.0",
        "invocationSource": call.source,
        "invocationLabel": null,
        "inputMode": "Text",
        "responseContentType": "text/plain; charset=utf-8",
        "sessionId": session_id,
        "inputTranscript": turn.text,
        "rawInputTranscript": turn.text,
        "bot": {
            "id": bot.id, "name": bot.name, "aliasId": bot.alias_id, "aliasName": bot.alias_name,
            "localeId": bot.locale_id, "version": bot.version,
        },
        "interpretations": interpretations,
        "proposedNextState": proposed,
        "requestAttributes": turn.request_attributes,
        "sessionState": {
            "sessionAttributes": state.session_attributes.clone().unwrap_or_default(),
            "activeContexts": state.active_contexts.clone().unwrap_or_default(),
            "intent": current.map(intent_value),
            "dialogAction": null,
            "runtimeHints": state.runtime_hints,
            "originatingRequestId": state.originating_request_id,
        },
        "transcriptions": [{
            "transcription": turn.text,
            "transcriptionConfidence": 1.0,
            "resolvedContext": { "intent": current.map(|intent| &intent.name) },
            "resolvedSlots": resolved,
        }],
    });
    if !nulls {
        leave_out_nulls(&mut event);
    }
    event
}

/// Here the confidence is a bare number.
fn interpretation(found: &Interpretation, ready: bool) -> Value {
    let mut intent = found.intent.clone();
    if ready {
        // As captured: every interpretation of a fulfilment event is ready.
        intent.state = Some(IntentState::ReadyForFulfillment);
    }
    json!({
        "intent": intent_value(&intent),
        "nluConfidence": found.nlu_confidence.map(|confidence| confidence.score),
        "sentimentResponse": found.sentiment_response,
        "interpretationSource": found.interpretation_source,
    })
}

fn intent_value(intent: &Intent) -> Value {
    let mut value = json!(intent);
    value["kendraResponse"] = Value::Null;
    value
}

/// Slots that are not filled and request attributes that are not there stay null: the guide says so of both.
fn leave_out_nulls(value: &mut Value) {
    let Value::Object(members) = value else {
        if let Value::Array(items) = value {
            items.iter_mut().for_each(leave_out_nulls);
        }
        return;
    };
    members.retain(|name, member| name == "requestAttributes" || !member.is_null());
    members.iter_mut().filter(|(name, _)| *name != "slots").for_each(|(_, member)| leave_out_nulls(member));
}
