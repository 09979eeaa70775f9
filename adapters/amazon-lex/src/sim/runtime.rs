//! What the routes share: the bots, their sessions, and the turns that are taken.

use std::collections::BTreeMap;

use jiff::Timestamp;
use ring::digest;
use serde_json::json;
use tandem_sdk::sim::sigv4::Expected;
use tandem_sdk::sim::{Ledger, TimeScale};

use super::bot::Script;
use super::dialog::{Conversation, HookCall, HookFailure, Next, Remembered, Wish};
use super::errors::Refused;
use super::hook::{self, Function};
use super::quotas::Quotas;
use super::sessions::{Key, Sessions};
use super::settings::{BotSettings, LedgerText, Omitted, Settings};

/// Code hooks in one turn: one for the input, one to fulfil. More would be a mistake of this simulator.
const MAX_HOOKS: usize = 4;

/// The simulated runtime of one account and region.
pub(super) struct Runtime {
    pub(super) settings: Settings,
    pub(super) bots: BTreeMap<String, Bot>,
    pub(super) sessions: Sessions,
    pub(super) quotas: Quotas,
    pub(super) ledger: Ledger,
}

/// A bot that can talk.
pub(super) struct Bot {
    pub(super) settings: BotSettings,
    pub(super) script: Script,
    pub(super) function: Option<Function>,
}

impl Bot {
    fn omitted(&self) -> Omitted {
        self.settings.hook.as_ref().map(|hook| hook.omitted_attributes).unwrap_or_default()
    }

    pub(super) fn idle(&self, scale: TimeScale) -> std::time::Duration {
        scale.real(std::time::Duration::from_secs(self.settings.idle_seconds))
    }

    /// The bot as a code hook is told of it.
    fn told<'a>(&'a self, key: &'a Key) -> hook::Bot<'a> {
        hook::Bot {
            id: &self.settings.id,
            name: &self.settings.name,
            version: &self.settings.version,
            alias_id: &key.alias,
            alias_name: self.settings.aliases.get(&key.alias).map_or("", String::as_str),
            locale_id: &key.locale,
        }
    }
}

impl Runtime {
    pub(super) fn expected(&self) -> Expected<'_> {
        Expected {
            access_key_id: &self.settings.access_key_id,
            secret_access_key: &self.settings.secret_access_key,
            region: &self.settings.region,
            service: "lex",
        }
    }

    /// The bot of a session, when it has the alias and the locale.
    ///
    /// # Errors
    /// ResourceNotFoundException.
    pub(super) fn bot(&self, key: &Key) -> Result<&Bot, Refused> {
        let bot = self.bots.get(&key.bot).ok_or_else(|| Refused::not_found(format!("Bot {} not found", key.bot)))?;
        if !bot.settings.aliases.contains_key(&key.alias) {
            return Err(Refused::not_found(format!("Bot alias {} not found", key.alias)));
        }
        if !bot.settings.locales.contains(&key.locale) {
            return Err(Refused::not_found(format!("Locale {} not found", key.locale)));
        }
        Ok(bot)
    }

    /// Takes one turn: the customer says `text`, or the client set the session and says nothing. Asks code hooks where
    /// the bot has them.
    ///
    /// # Errors
    /// ValidationException for what the client sets, DependencyFailedException for a code hook.
    pub(super) async fn take_turn<'a>(
        &self,
        bot: &'a Bot,
        key: &Key,
        remembered: Option<Remembered>,
        mut wish: Wish,
        text: Option<&str>,
    ) -> Result<Conversation<'a>, Refused> {
        let remembered = remembered.unwrap_or_default();
        let now = Timestamp::now();
        let mut turn = Conversation::new(&bot.script, remembered, bot.omitted(), &mut wish, now);
        turn.check_set().map_err(Refused::validation)?;
        let mut next = match text {
            Some(text) => turn.hear(text),
            None => turn.put(),
        };
        for _ in 0..MAX_HOOKS {
            let Next::Ask(call) = next else {
                turn.settle();
                turn.remembered.state.session_attributes.get_or_insert_default();
                return Ok(turn);
            };
            next = self.ask(bot, key, &mut turn, &call).await?;
        }
        Err(Refused::internal())
    }

    async fn ask(&self, bot: &Bot, key: &Key, turn: &mut Conversation<'_>, call: &HookCall) -> Result<Next, Refused> {
        let answer = match &bot.function {
            Some(function) => {
                let event = hook::event(call, turn, bot.told(key), &key.session, function.explicit_nulls);
                function.ask(&event).await
            }
            None => Err(HookFailure::Failed("the alias has no Lambda function".to_owned())),
        };
        let outcome = match &answer {
            Ok(_) => "answered",
            Err(HookFailure::TimedOut) => "timed_out",
            Err(HookFailure::Failed(_)) => "failed",
        };
        let request = turn.remembered.state.originating_request_id.clone().unwrap_or_default();
        let detail = json!({ "session": key.session, "source": call.source, "outcome": outcome });
        self.ledger.enter("hook.called", &request, detail);
        let next = match answer {
            Ok(answer) => turn.answered(call.source, answer, self.settings.session_attribute_bytes),
            Err(failure) => turn.unanswered(call.source, &failure),
        };
        next.map_err(|problem| Refused::dependency_failed(format!("Invalid Lambda Response: {problem}")))
    }

    /// Enters what a turn came to.
    pub(super) fn enter(&self, effect: &str, key: &Key, turn: &Conversation<'_>) {
        let state = &turn.remembered.state;
        let said = match self.settings.ledger_text {
            LedgerText::Text => turn.text.clone(),
            LedgerText::Digest => {
                hex::encode(digest::digest(&digest::SHA256, turn.text.as_bytes())).chars().take(16).collect()
            }
        };
        let detail = json!({
            "bot": key.bot, "alias": key.alias, "locale": key.locale, "session": key.session, "text": said,
            "intent": state.intent.as_ref().map(|intent| &intent.name),
            "state": state.intent.as_ref().and_then(|intent| intent.state),
            "action": state.dialog_action.as_ref().map(|action| action.kind),
        });
        let request = state.originating_request_id.as_deref().unwrap_or_default();
        self.ledger.enter(effect, request, detail);
    }
}
