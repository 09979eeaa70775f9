//! What the simulator knows while it runs.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;
use tandem_sdk::sim::Ledger;

use super::script::{Mode, Script};
use super::settings::Settings;

/// Tokens that are good at once and at most; the oldest go first.
const MAX_TOKENS: usize = 10_000;

pub(super) struct Sim {
    pub(super) settings: Settings,
    pub(super) ledger: Ledger,
    known: Mutex<Known>,
}

struct Known {
    script: Script,
    mode: Mode,
    tokens: HashMap<String, Token>,
    granted: u64,
}

#[derive(Clone)]
pub(super) struct Token {
    pub(super) ordinal: u64,
    pub(super) scopes: Vec<String>,
    until: Instant,
}

impl Sim {
    pub(super) fn new(settings: Settings, script: Script, ledger: Ledger) -> Self {
        let known = Known { script, mode: settings.mode, tokens: HashMap::new(), granted: 0 };
        Sim { settings, ledger, known: Mutex::new(known) }
    }

    /// Grants a token; its text cannot be guessed.
    pub(super) fn grant(&self, scopes: &[String]) -> Option<String> {
        let mut bytes = [0_u8; 24];
        ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes).ok()?;
        let token = hex::encode(bytes);
        let now = Instant::now();
        let mut known = self.known();
        known.granted += 1;
        let ordinal = known.granted;
        known.tokens.retain(|_, token| now < token.until);
        if known.tokens.len() >= MAX_TOKENS
            && let Some(oldest) =
                known.tokens.iter().min_by_key(|(_, token)| token.ordinal).map(|(text, _)| text.clone())
        {
            known.tokens.remove(&oldest);
        }
        let until = now + Duration::from_secs(self.settings.token_seconds.min(86_400));
        known.tokens.insert(token.clone(), Token { ordinal, scopes: scopes.to_owned(), until });
        drop(known);
        self.ledger.enter("token.granted", &format!("token-{ordinal}"), json!({ "scopes": scopes }));
        Some(token)
    }

    /// The token behind a text, while it is good.
    pub(super) fn token(&self, text: &str) -> Option<Token> {
        self.known().tokens.get(text).filter(|token| Instant::now() < token.until).cloned()
    }

    pub(super) fn revoke(&self) {
        self.known().tokens.clear();
    }

    pub(super) fn set_mode(&self, mode: Mode) {
        self.known().mode = mode;
    }

    /// What is told of whoever has this value, and how: the mode of the whole comes before that of the person.
    pub(super) fn find(&self, name: Option<&str>, value: &str) -> (Mode, Option<serde_json::Value>) {
        let known = self.known();
        let person = known.script.find(name, value);
        let mode = match (known.mode, person) {
            (Mode::Normal, Some(person)) => person.behave,
            (mode, _) => mode,
        };
        (mode, person.map(|person| serde_json::Value::Object(person.document.clone())))
    }

    pub(super) fn add(&self, profile: super::ScriptedProfile) -> bool {
        self.known().script.add(profile)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
