//! The file that says what a bot does.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use serde::{Deserialize, Serialize};
use tandem_sdk::sim::SimError;

use super::words;
use crate::sim::shapes::IntentState;

/// The name of the built-in intent for what nobody understands.
pub(in crate::sim) const FALLBACK: &str = "FallbackIntent";
/// Largest script that is read, in bytes.
const MAX_SCRIPT: u64 = 1 << 20;
/// Placeholders in one utterance: matching them tries every split.
const MAX_PLACEHOLDERS: usize = 3;

/// What a bot does.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::sim) struct Script {
    /// Below this confidence an intent is not taken: `nluIntentConfidenceThreshold`, 0.4 by default at Lex.
    #[serde(default = "default_threshold")]
    pub(in crate::sim) threshold: f64,
    /// What counts as yes to a confirmation.
    #[serde(default = "default_yes")]
    pub(in crate::sim) yes: Vec<String>,
    /// What counts as no.
    #[serde(default = "default_no")]
    pub(in crate::sim) no: Vec<String>,
    /// Without it no sentiment is told.
    #[serde(default)]
    pub(in crate::sim) sentiment: Option<SentimentWords>,
    #[serde(default)]
    pub(in crate::sim) fallback: Fallback,
    pub(in crate::sim) intents: Vec<IntentDef>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::sim) struct SentimentWords {
    pub(in crate::sim) positive: Vec<String>,
    pub(in crate::sim) negative: Vec<String>,
}

/// AMAZON.FallbackIntent.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::sim) struct Fallback {
    /// The miss in a row that closes the intent; those before it are answered with `message`.
    pub(in crate::sim) misses: u32,
    pub(in crate::sim) message: String,
    pub(in crate::sim) closing: Option<String>,
    pub(in crate::sim) dialog_hook: bool,
    pub(in crate::sim) fulfilment_hook: bool,
}

impl Default for Fallback {
    fn default() -> Self {
        let message = "Sorry, can you say that in other words?".to_owned();
        Self { misses: 1, message, closing: None, dialog_hook: false, fulfilment_hook: false }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::sim) struct IntentDef {
    pub(in crate::sim) name: String,
    /// Sample utterances; `{Slot}` stands for a value of that slot.
    #[serde(default)]
    pub(in crate::sim) utterances: Vec<String>,
    #[serde(default)]
    pub(in crate::sim) slots: Vec<SlotDef>,
    /// Asked when every required slot is filled; `{Slot}` is replaced.
    #[serde(default)]
    pub(in crate::sim) confirmation: Option<String>,
    /// How often the confirmation is asked again, 0 to 5.
    #[serde(default = "default_retries")]
    pub(in crate::sim) retries: u32,
    /// Said when the customer says no.
    #[serde(default)]
    pub(in crate::sim) decline: Option<String>,
    /// Whether every input for this intent goes to the code hook.
    #[serde(default)]
    pub(in crate::sim) dialog_hook: bool,
    /// Whether the code hook fulfils.
    #[serde(default)]
    pub(in crate::sim) fulfilment_hook: bool,
    /// How the intent ends without a fulfilment hook; `ReadyForFulfillment` leaves it to the client.
    #[serde(default = "default_fulfilment")]
    pub(in crate::sim) fulfilment: IntentState,
    /// Said at the end; `{Slot}` is replaced.
    #[serde(default)]
    pub(in crate::sim) closing: Option<String>,
    /// Said when the fulfilment hook fails; without it the caller gets DependencyFailedException.
    #[serde(default)]
    pub(in crate::sim) failed_message: Option<String>,
    /// Said when the fulfilment hook does not answer in time; without it as above.
    #[serde(default)]
    pub(in crate::sim) timeout_message: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::sim) struct SlotDef {
    pub(in crate::sim) name: String,
    pub(in crate::sim) prompt: String,
    /// Values and their synonyms. Empty: anything goes.
    #[serde(default)]
    pub(in crate::sim) values: BTreeMap<String, Vec<String>>,
    /// Whether it is asked for.
    #[serde(default = "yes")]
    pub(in crate::sim) required: bool,
    /// Whether it takes several values.
    #[serde(default)]
    pub(in crate::sim) multiple: bool,
    /// How often it is asked for again, 0 to 5.
    #[serde(default = "default_retries")]
    pub(in crate::sim) retries: u32,
}

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    /// [`SimError::Setting`] when it cannot be read or makes no sense.
    pub(in crate::sim) fn load(path: &Path) -> Result<Self, SimError> {
        let wrong =
            |problem: String| SimError::Setting { key: "script", problem: format!("{}: {problem}", path.display()) };
        let size = std::fs::metadata(path).map_err(|error| wrong(error.to_string()))?.len();
        if size > MAX_SCRIPT {
            return Err(wrong(format!("{size} bytes, at most {MAX_SCRIPT}")));
        }
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        Self::parse(&text).map_err(wrong)
    }

    /// A script, with FallbackIntent as the last of its intents.
    pub(in crate::sim) fn parse(text: &str) -> Result<Self, String> {
        let mut script: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        script.check()?;
        script.intents.push(IntentDef {
            name: FALLBACK.to_owned(),
            utterances: Vec::new(),
            slots: Vec::new(),
            confirmation: None,
            retries: 0,
            decline: None,
            dialog_hook: script.fallback.dialog_hook,
            fulfilment_hook: script.fallback.fulfilment_hook,
            fulfilment: IntentState::ReadyForFulfillment,
            closing: script.fallback.closing.clone(),
            failed_message: None,
            timeout_message: None,
        });
        Ok(script)
    }

    pub(in crate::sim) fn intent(&self, name: &str) -> Option<&IntentDef> {
        self.intents.iter().find(|intent| intent.name == name)
    }

    fn check(&self) -> Result<(), String> {
        let mut names = HashSet::from([FALLBACK]);
        for intent in &self.intents {
            let name = intent.name.as_str();
            if name.is_empty() || !names.insert(name) {
                return Err(format!("intent {name:?}: the name is empty, taken, or that of the built-in intent"));
            }
            intent.check().map_err(|problem| format!("intent {name}: {problem}"))?;
        }
        if !(0.0..=1.0).contains(&self.threshold) {
            return Err("threshold: not between 0 and 1".to_owned());
        }
        if self.fallback.misses == 0 { Err("fallback.misses: at least 1".to_owned()) } else { Ok(()) }
    }
}

impl IntentDef {
    pub(in crate::sim) fn slot(&self, name: &str) -> Option<&SlotDef> {
        self.slots.iter().find(|slot| slot.name == name)
    }

    fn check(&self) -> Result<(), String> {
        let mut names = HashSet::new();
        for slot in &self.slots {
            if slot.name.is_empty() || !names.insert(slot.name.as_str()) {
                return Err(format!("slot {:?}: the name is empty or taken", slot.name));
            }
            if slot.retries > 5 {
                return Err(format!("slot {}: retries: at most 5", slot.name));
            }
        }
        if self.retries > 5 {
            return Err("retries: at most 5".to_owned());
        }
        for utterance in &self.utterances {
            let placeholders: Vec<&str> = words::placeholders(utterance).collect();
            if let Some(unknown) = placeholders.iter().find(|name| self.slot(name).is_none()) {
                return Err(format!("utterance {utterance:?}: no slot {unknown}"));
            }
            // The guide: 500 characters in a sample utterance.
            if placeholders.len() > MAX_PLACEHOLDERS || utterance.chars().count() > 500 {
                return Err(format!("utterance {utterance:?}: at most {MAX_PLACEHOLDERS} slots and 500 characters"));
            }
        }
        let ends = [IntentState::Fulfilled, IntentState::Failed, IntentState::ReadyForFulfillment];
        if ends.contains(&self.fulfilment) {
            Ok(())
        } else {
            Err("fulfilment: one of Fulfilled, Failed, ReadyForFulfillment".to_owned())
        }
    }
}

fn default_threshold() -> f64 {
    0.4
}

fn default_retries() -> u32 {
    2
}

fn default_fulfilment() -> IntentState {
    IntentState::ReadyForFulfillment
}

fn default_yes() -> Vec<String> {
    ["yes", "yeah", "yes please", "sure", "ok", "correct"].map(str::to_owned).to_vec()
}

fn default_no() -> Vec<String> {
    ["no", "nope", "no thanks", "wrong", "cancel"].map(str::to_owned).to_vec()
}

fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_that_makes_no_sense_is_refused_with_what_is_wrong() {
        let slot = |more: &str| format!("name = 'A'\n[[intents.slots]]\nname = 'S'\nprompt = '?'\n{more}");
        let cases = [
            ("name = ''".to_owned(), "is empty"),
            ("name = 'FallbackIntent'".to_owned(), "built-in"),
            ("name = 'A'\n[[intents]]\nname = 'A'".to_owned(), "taken"),
            ("name = 'A'\nutterances = ['a {B} c']".to_owned(), "no slot B"),
            (format!("name = 'A'\nutterances = ['{}']", "x".repeat(501)), "500 characters"),
            ("name = 'A'\nfulfilment = 'Waiting'".to_owned(), "one of Fulfilled"),
            ("name = 'A'\nretries = 6".to_owned(), "at most 5"),
            (slot("retries = 6"), "at most 5"),
            (slot("[[intents.slots]]\nname = 'S'\nprompt = '?'"), "taken"),
            (slot("color = 'red'"), "color"),
        ];
        for (intent, problem) in cases {
            let found = Script::parse(&format!("[[intents]]\n{intent}")).err().unwrap_or_default();
            assert!(found.contains(problem), "{intent}: {found}");
        }
        assert!(Script::parse("intents = []\nthreshold = 1.5").is_err());
        assert!(Script::parse("intents = []\n[fallback]\nmisses = 0").is_err());
    }
}
