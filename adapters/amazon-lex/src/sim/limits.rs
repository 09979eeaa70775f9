//! Documented sizes of what goes in, from the API and from code hooks alike.
//!
//! From the service model where it says so; a person's mistake is told as the service tells it: which member, and what
//! is wrong with it.

use super::shapes::{ActionType, ActiveContext, Attributes, Card, ContentType, DialogAction, Intent, Message, Slot};

/// Longest text, in UTF-16 code units, as the guide counts characters.
const MAX_TEXT: usize = 1_024;
const MAX_CONTEXTS: usize = 20;
const MAX_CONTEXT_ATTRIBUTES: usize = 10;
const MAX_MESSAGES: usize = 10;
const MAX_BUTTONS: usize = 5;
/// Slots inside one another; composite slots have two levels.
const MAX_DEPTH: usize = 3;

/// What is wrong, in words.
pub(super) type Wrong = String;

fn length(name: &str, text: &str, most: usize) -> Result<(), Wrong> {
    let units = text.encode_utf16().count();
    match units {
        0 => Err(format!("{name}: length must be greater than or equal to 1")),
        _ if units > most => Err(format!("{name}: length must be less than or equal to {most}")),
        _ => Ok(()),
    }
}

fn count(name: &str, found: usize, most: usize) -> Result<(), Wrong> {
    if found > most { Err(format!("{name}: {found} items, at most {most}")) } else { Ok(()) }
}

/// 1 to 1 024 code units.
pub(super) fn text(name: &str, text: &str) -> Result<(), Wrong> {
    length(name, text, MAX_TEXT)
}

/// Keys are not empty, and all of it together is no larger than a setting says.
pub(super) fn attributes(name: &str, attributes: &Attributes, most_bytes: usize) -> Result<(), Wrong> {
    if attributes.keys().any(String::is_empty) {
        return Err(format!("{name}: a key is empty"));
    }
    // After base64, as the guide counts.
    let bytes = serde_json::to_vec(attributes).map_or(usize::MAX, |json| json.len().div_ceil(3) * 4);
    if bytes > most_bytes { Err(format!("{name}: {bytes} bytes, at most {most_bytes}")) } else { Ok(()) }
}

/// At most 20, with names and lives inside their bounds.
pub(super) fn contexts(contexts: &[ActiveContext]) -> Result<(), Wrong> {
    count("activeContexts", contexts.len(), MAX_CONTEXTS)?;
    for context in contexts {
        length("activeContexts.name", &context.name, 100)?;
        let name = context.name.as_bytes();
        let letters = name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        if !letters || context.name.starts_with('_') || context.name.contains("__") {
            return Err("activeContexts.name: must satisfy ^([A-Za-z0-9]_?)+$".to_owned());
        }
        if !(5..=86_400).contains(&context.time_to_live.time_to_live_in_seconds) {
            return Err("activeContexts.timeToLive.timeToLiveInSeconds: must be between 5 and 86400".to_owned());
        }
        if !(1..=20).contains(&context.time_to_live.turns_to_live) {
            return Err("activeContexts.timeToLive.turnsToLive: must be between 1 and 20".to_owned());
        }
        count("activeContexts.contextAttributes", context.context_attributes.len(), MAX_CONTEXT_ATTRIBUTES)?;
        for (key, value) in &context.context_attributes {
            length("activeContexts.contextAttributes key", key, 100)?;
            text("activeContexts.contextAttributes value", value)?;
        }
    }
    Ok(())
}

/// At most 10, each with what its content type needs.
pub(super) fn messages(messages: &[Message]) -> Result<(), Wrong> {
    count("messages", messages.len(), MAX_MESSAGES)?;
    for message in messages {
        match (message.content_type, &message.content, &message.image_response_card) {
            (ContentType::ImageResponseCard, _, Some(found)) => card(found)?,
            (ContentType::ImageResponseCard, _, None) => {
                return Err("messages.imageResponseCard: is missing".to_owned());
            }
            (_, Some(content), _) => text("messages.content", content)?,
            (_, None, _) => return Err("messages.content: is missing".to_owned()),
        }
    }
    Ok(())
}

fn card(card: &Card) -> Result<(), Wrong> {
    length("imageResponseCard.title", &card.title, 250)?;
    let optional = [("imageResponseCard.subtitle", &card.subtitle), ("imageResponseCard.imageUrl", &card.image_url)];
    for (name, value) in optional {
        value.as_ref().map_or(Ok(()), |value| length(name, value, 250))?;
    }
    let buttons = card.buttons.as_deref().unwrap_or_default();
    count("imageResponseCard.buttons", buttons.len(), MAX_BUTTONS)?;
    for button in buttons {
        length("imageResponseCard.buttons.text", &button.text, 50)?;
        length("imageResponseCard.buttons.value", &button.value, 50)?;
    }
    Ok(())
}

/// A slot to elicit is named where one is elicited.
pub(super) fn action(action: &DialogAction) -> Result<(), Wrong> {
    match (action.kind, action.slot_to_elicit.as_deref()) {
        (_, Some("")) => Err("dialogAction.slotToElicit: length must be greater than or equal to 1".to_owned()),
        (ActionType::ElicitSlot, None) => Err("dialogAction.slotToElicit: is missing".to_owned()),
        _ => Ok(()),
    }
}

/// Its slots are not nested deeper than Lex has them and have values that are not empty.
pub(super) fn intent(intent: &Intent) -> Result<(), Wrong> {
    if intent.name.is_empty() {
        return Err("intent.name: length must be greater than or equal to 1".to_owned());
    }
    let mut slots = intent.slots.iter().flat_map(|slots| slots.values().flatten());
    slots.try_for_each(|found| slot(found, MAX_DEPTH))
}

fn slot(found: &Slot, depth: usize) -> Result<(), Wrong> {
    if depth == 0 {
        return Err("intent.slots: nested too deep".to_owned());
    }
    if found.value.as_ref().is_some_and(|value| value.interpreted_value.is_empty()) {
        return Err("intent.slots.value.interpretedValue: length must be greater than or equal to 1".to_owned());
    }
    found.values.iter().flatten().try_for_each(|inner| slot(inner, depth - 1))?;
    let mut inner = found.sub_slots.iter().flat_map(|slots| slots.values().flatten());
    inner.try_for_each(|inner| slot(inner, depth - 1))
}
