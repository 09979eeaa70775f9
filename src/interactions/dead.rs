//! Dead letters: commands that will not be tried again by themselves. Somebody may send them back.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tandem_sdk::error::AdapterError;
use tandem_sdk::model::{Action, Command, CommandId, Personals};

use super::chain::is_look;
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
    /// Keeps a command that died. A lookup is none of them: the decision was made without it. Nor is a look into the
    /// transcript of a leg that ended: not to be let in is an answer.
    pub(super) fn bury(&mut self, command: &Command, error: &AdapterError) {
        if matches!(command.action, Action::Lookup { .. }) || is_look(command) {
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
            self.owed.insert(id, Arc::new(Command { expires_at, order, ..command }));
        }
    }

    /// Whether another command with the same purpose came after it.
    fn was_owed_again(&self, command: &Command) -> bool {
        let newest = self.generations.get(&command.purpose.0);
        newest.is_some_and(|newest| self.id.command(&command.purpose.0, *newest) != command.id)
    }

    /// Why a dead command cannot be sent back, if it cannot.
    pub fn cannot_redrive(&self, command: &Command) -> Option<&'static str> {
        let is_gone = |name: &String| name.starts_with("i/") && !self.secrets.contains(name);
        match &command.action {
            Action::Place { .. } | Action::Listen { .. } | Action::Enter { .. } => {
                Some("its placement was given up when it died, and the interaction was placed elsewhere or closed")
            }
            Action::Identify {} | Action::Open { .. } => Some("the interaction was closed when it died"),
            Action::IssueToken { .. } if self.closed.is_some() => Some("the interaction was closed when it died"),
            _ if self.was_owed_again(command) => Some("it was owed again when it died"),
            _ if command.uses.values().any(is_gone) => {
                Some("a token that it needs went with the end of the interaction")
            }
            action => erased(action),
        }
    }
}

/// What a command lacks that was erased, if without it there is nothing to do.
pub fn erased(action: &Action) -> Option<&'static str> {
    match action {
        Action::Say { content, .. } if content.text.is_none() => Some("what it was to say was erased"),
        Action::Join { member, .. } if member.address.is_none() => Some("whom it was about was erased"),
        Action::Leave { address, .. } | Action::IssueToken { address } if address.is_none() => {
            Some("whom it was about was erased")
        }
        _ => None,
    }
}

impl Personals for Dead {
    fn each_personal(&mut self, visit: &mut dyn FnMut(&dyn std::fmt::Display, &mut tandem_sdk::model::Personal)) {
        self.command.each_personal(visit);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;
    use tandem_sdk::error::ErrorKind;
    use tandem_sdk::model::{Channel, Derive, InteractionId, Lane, LegRef, Purpose, SubjectId};
    use tandem_sdk::secret::SecretRole;

    use super::*;

    fn interaction() -> Interaction {
        let id = Derive::entity("test").uuid();
        Interaction::open(InteractionId(id), SubjectId(id), 1, Channel::Chat, Timestamp::MIN)
    }

    fn command(n: u64, action: Action) -> Command {
        Command {
            id: CommandId(Derive::entity("test").number(n).uuid()),
            lane: Lane("a".into()),
            instance: "x".into(),
            purpose: Purpose(format!("p/{n}")),
            action,
            uses: BTreeMap::new(),
            keeps: BTreeMap::new(),
            order: n,
            owed_at: None,
            expires_at: Timestamp::MIN,
        }
    }

    fn leg() -> LegRef {
        LegRef { system: "s".into(), account: "a".into(), kind: "contact".into(), native: "c".into() }
    }

    fn error() -> AdapterError {
        AdapterError::new(ErrorKind::Refused, "op", "no")
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many_and_lookups_and_looks_are_none() {
        let mut it = interaction();
        for n in (0..u64::try_from(DEAD_MOST).unwrap_or(0) + 3).rev() {
            it.bury(&command(n, Action::End { leg: leg() }), &error());
        }
        assert_eq!(it.dead.len(), DEAD_MOST);
        assert_eq!(it.dead.values().map(|dead| dead.command.order).min(), Some(3));
        it.bury(&command(7000, Action::Lookup { identities: vec![] }), &error());
        let purpose = Purpose(crate::interactions::look_at(&leg()));
        it.bury(&Command { purpose, ..command(7001, Action::Recall { leg: leg(), since: None }) }, &error());
        assert!([7000, 7001].iter().all(|n| !it.dead.contains_key(&command(*n, Action::Identify {}).id)));
    }

    #[test]
    fn a_revived_command_is_the_same_with_new_time_and_place() {
        let mut it = interaction();
        let dead = command(1, Action::End { leg: leg() });
        it.bury(&dead, &error());
        it.revive(dead.id, Timestamp::MAX, 9);
        it.revive(dead.id, Timestamp::MIN, 1);
        assert!(it.dead.is_empty());
        assert_eq!(*it.owed[&dead.id], Command { expires_at: Timestamp::MAX, order: 9, ..dead });
    }

    #[test]
    fn a_command_whose_token_is_gone_stays_dead() {
        let mut it = interaction();
        let mut end = command(1, Action::End { leg: leg() });
        assert_eq!(it.cannot_redrive(&end), None);
        end.uses.insert(SecretRole::ConnectionToken, "i/1/connection".into());
        assert!(it.cannot_redrive(&end).is_some());
        it.secrets.push("i/1/connection".into());
        assert_eq!(it.cannot_redrive(&end), None);
        assert!(it.cannot_redrive(&command(2, Action::Identify {})).is_some());
    }
}
