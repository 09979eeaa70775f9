//! Which intents a text may mean, and how surely.
//!
//! No language model: an utterance that is said word for word has confidence 1, and one that shares words has less.
//! The same text always gives the same answer.

use std::collections::{BTreeMap, HashSet};

use super::script::{FALLBACK, IntentDef, Script};
use super::slots::resolve;
use super::words::{placeholder, words};
use crate::sim::shapes::Slot;

/// Words that one placeholder may stand for.
const MAX_VALUE_WORDS: usize = 6;

/// An intent that a text may mean.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::sim) struct Candidate {
    pub(in crate::sim) intent: String,
    /// From above 0 to 1, two digits.
    pub(in crate::sim) confidence: f64,
    /// What the text already said about its slots.
    pub(in crate::sim) slots: BTreeMap<String, Slot>,
}

/// Every intent that shares a word with the text, best first; equals in the order of the script.
pub(in crate::sim) fn candidates(script: &Script, text: &str) -> Vec<Candidate> {
    let said = words(text);
    let mut found: Vec<Candidate> = script.intents.iter().filter_map(|intent| weigh(intent, &said)).collect();
    found.sort_by(|one, two| two.confidence.total_cmp(&one.confidence));
    found
}

/// The intent one of whose utterances was said word for word.
pub(in crate::sim) fn exact(script: &Script, text: &str) -> Option<Candidate> {
    candidates(script, text).into_iter().next().filter(|best| best.confidence >= 1.0)
}

fn weigh(intent: &IntentDef, said: &[String]) -> Option<Candidate> {
    if intent.name == FALLBACK {
        return None;
    }
    let mut best = 0.0_f64;
    for utterance in &intent.utterances {
        let sample = words(utterance);
        let mut slots = BTreeMap::new();
        if matches(intent, &sample, said, &mut slots) {
            return Some(Candidate { intent: intent.name.clone(), confidence: 1.0, slots });
        }
        best = best.max(overlap(&sample, said));
    }
    // Never as sure as what was said word for word.
    let confidence = (best * 95.0).round() / 100.0;
    (confidence > 0.0).then(|| Candidate { intent: intent.name.clone(), confidence, slots: BTreeMap::new() })
}

/// Whether the sample is what was said, its placeholders filled with values of their slots.
fn matches(intent: &IntentDef, sample: &[String], said: &[String], slots: &mut BTreeMap<String, Slot>) -> bool {
    let Some((word, rest)) = sample.split_first() else { return said.is_empty() };
    let Some(slot) = placeholder(word).and_then(|name| intent.slot(name)) else {
        return said.first() == Some(word) && matches(intent, rest, &said[1..], slots);
    };
    for length in 1..=said.len().min(MAX_VALUE_WORDS) {
        let (value, after) = said.split_at(length);
        if let Some(filled) = resolve(slot, &value.join(" "))
            && matches(intent, rest, after, slots)
        {
            slots.insert(slot.name.clone(), filled);
            return true;
        }
    }
    false
}

/// The share of words that two texts have in common (Dice), placeholders left out.
fn overlap(sample: &[String], said: &[String]) -> f64 {
    let sample: HashSet<&String> = sample.iter().filter(|word| placeholder(word).is_none()).collect();
    let said: HashSet<&String> = said.iter().collect();
    let total = sample.len() + said.len();
    if total == 0 { 0.0 } else { 2.0 * sample.intersection(&said).count() as f64 / total as f64 }
}
