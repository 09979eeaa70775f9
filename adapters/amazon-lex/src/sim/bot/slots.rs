//! Which value a text gives a slot.

use super::script::SlotDef;
use super::words::words;
use crate::sim::shapes::{Shape, Slot, SlotValue};

/// Values of a list slot in one text.
const MAX_VALUES: usize = 20;

/// The slot that a text fills; nothing when it names no value of the slot's list.
pub(in crate::sim) fn resolve(slot: &SlotDef, text: &str) -> Option<Slot> {
    if !slot.multiple {
        return single(slot, text);
    }
    let parts = text.split([',', ';']).flat_map(|part| part.split(" and ")).filter(|part| !part.trim().is_empty());
    let values: Vec<Slot> = parts.take(MAX_VALUES).map(|part| single(slot, part)).collect::<Option<_>>()?;
    let interpreted = values.iter().filter_map(|value| Some(value.value.as_ref()?.interpreted_value.clone()));
    let interpreted: Vec<String> = interpreted.collect();
    if interpreted.is_empty() {
        return None;
    }
    Some(Slot {
        shape: Some(Shape::List),
        value: Some(SlotValue {
            original_value: Some(text.trim().to_owned()),
            interpreted_value: interpreted.join(", "),
            resolved_values: Some(interpreted),
        }),
        values: Some(values),
        sub_slots: None,
    })
}

fn single(slot: &SlotDef, text: &str) -> Option<Slot> {
    let said = words(text);
    let original = text.trim();
    let interpreted = if slot.values.is_empty() {
        (!original.is_empty()).then(|| original.to_owned())
    } else {
        // The longest phrase that is said wins, so that "very large" is not "large".
        let named = |phrase: &str| {
            let phrase = words(phrase);
            let said = !phrase.is_empty() && said.windows(phrase.len()).any(|window| window == phrase);
            said.then_some(phrase.len())
        };
        let best = |(value, synonyms): (&String, &Vec<String>)| {
            let longest = synonyms.iter().chain([value]).filter_map(|phrase| named(phrase)).max()?;
            Some((longest, value.clone()))
        };
        slot.values.iter().filter_map(best).max_by_key(|(length, _)| *length).map(|(_, value)| value)
    }?;
    let value = SlotValue {
        original_value: Some(original.to_owned()),
        interpreted_value: interpreted.clone(),
        resolved_values: Some(vec![interpreted]),
    };
    Some(Slot { shape: Some(Shape::Scalar), value: Some(value), values: None, sub_slots: None })
}
