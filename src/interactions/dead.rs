//! Dead letters: commands that will not be tried again by themselves. Somebody may send them back.

use serde::{Deserialize, Serialize};
use tandem_sdk::error::AdapterError;
use tandem_sdk::model::{Action, Command, CommandId, Personals};

use super::interaction::Interaction;

/// Dead letters that one interaction keeps at most; the oldest goes first.
pub const DEAD_MOST: usize = 100;

/// A command that died.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dead {
    /// The command, as it was owed.
    pub command: Command,
    /// Why it died.
    pub error: AdapterError,
}

impl Interaction {
    /// Keeps a command that died. A lookup is none of them: the decision was made without it.
    pub(super) fn bury(&mut self, command: &Command, error: &AdapterError) {
        if let Action::Lookup { .. } = command.action {
            return;
        }
        self.dead.insert(command.id, Dead { command: command.clone(), error: error.clone() });
        while self.dead.len() > DEAD_MOST {
            let oldest = self.dead.values().min_by_key(|dead| dead.command.order).map(|dead| dead.command.id);
            oldest.and_then(|oldest| self.dead.remove(&oldest));
        }
    }

    /// Owes a dead command again: under the same id, and with that the same idempotency token, of the same generation.
    pub(super) fn revive(&mut self, id: CommandId, expires_at: jiff::Timestamp, order: u64) {
        if let Some(Dead { command, .. }) = self.dead.remove(&id) {
            self.owed.insert(id, Command { expires_at, order, ..command });
        }
    }

    /// Why a dead command cannot be sent back, if it cannot.
    pub fn cannot_redrive(&self, command: &Command) -> Option<&'static str> {
        let is_gone = |name: &String| name.starts_with("i/") && !self.secrets.contains(name);
        match &command.action {
            Action::Place { .. } | Action::Listen { .. } | Action::Enter { .. } => {
                Some("its placement was given up when it died, and the interaction was placed elsewhere or closed")
            }
            Action::Identify {} | Action::Open { .. } => Some("the interaction was closed when it died"),
            _ if command.uses.values().any(is_gone) => {
                Some("a token that it needs went with the end of the interaction")
            }
            Action::Say { content, .. } if content.text.is_none() => Some("what it was to say was erased"),
            Action::Join { member, .. } if member.address.is_none() => Some("whom it was about was erased"),
            Action::Leave { address, .. } | Action::IssueToken { address } if address.is_none() => {
                Some("whom it was about was erased")
            }
            _ => None,
        }
    }
}

impl Personals for Dead {
    fn each_personal(&mut self, visit: &mut dyn FnMut(&str, &mut tandem_sdk::model::Personal)) {
        self.command.each_personal(visit);
    }
}
