//! What comes of what we owed.

use tandem_sdk::error::{AdapterError, ErrorKind};
use tandem_sdk::model::{Action, ClosingReason, Command, EventKind, LegRef, Outcome, Speaker};

use super::placing::UNAVAILABLE;
use super::turn::Turn;
use crate::interactions::{LegState, Stage, placement_in};

impl Turn<'_> {
    /// A command has its outcome.
    pub(super) fn settle(&mut self, command: &Command, result: &Result<Outcome, AdapterError>, repeated: bool) {
        if repeated {
            self.event(EventKind::CommandRepeated { purpose: command.purpose.0.clone() }, self.context.now);
        }
        if let Action::Trace { .. } = command.action {
            self.traced();
        }
        match result {
            Ok(outcome) => self.done(command, outcome),
            Err(error) => self.died(command, error),
        }
    }

    fn done(&mut self, command: &Command, outcome: &Outcome) {
        match (&command.action, outcome) {
            (Action::Identify {}, Outcome::Identified { .. }) => self.open_conversation(),
            (Action::Open { .. }, Outcome::Opened { leg, .. }) => {
                let state = LegState::Initiated.name().to_owned();
                self.event(EventKind::LegChanged { leg: leg.clone(), state, reason: None }, self.context.now);
            }
            (Action::Place { .. }, Outcome::Placed { leg, .. }) => {
                if let Some(generation) = placement_in(&command.purpose) {
                    self.placed(generation, leg);
                }
            }
            (Action::Enter { .. }, Outcome::Issued { expires_at }) if self.it.closed.is_none() => {
                if let Some(generation) = placement_in(&command.purpose) {
                    self.renew_connection_before(generation, *expires_at);
                }
            }
            (Action::Say { leg, .. }, Outcome::Said { message, at }) => {
                if let Some(late) = relayed(&command.purpose.0) {
                    let (leg, message): (LegRef, String) = (leg.clone(), message.clone());
                    self.event(EventKind::MessageRelayed { leg, message, late }, at.unwrap_or(self.context.now));
                }
            }
            (Action::Lookup { .. }, Outcome::Profile { .. }) => self.profile_came(),
            _ => {}
        }
    }

    /// Whether the placement that stands is this one and we are on its leg.
    fn has_entered(&self, generation: u32) -> bool {
        let standing = self.it.placement().filter(|_| self.it.closed.is_none());
        standing.is_some_and(|placement| placement.generation == generation && placement.stage == Stage::Entered)
    }

    fn died(&mut self, command: &Command, error: &AdapterError) {
        if let Action::Lookup { .. } = command.action {
            // Why there is none, in the word that the lookup gave: `unavailable`, `breaker_open`, `no_identity` …
            let why = if error.operation == "lookup" { error.detail.as_str() } else { UNAVAILABLE };
            self.decide_without_profile(why);
            return;
        }
        // Who is no participant is refused whatever it says: the thread is one to which nobody added the hub.
        if let (Action::Say { leg, speaker: Speaker::Hub, .. }, ErrorKind::Refused) = (&command.action, error.kind) {
            self.hub_absent(leg.clone());
        }
        if let (Action::Say { .. }, Some(_)) = (&command.action, relayed(&command.purpose.0)) {
            self.event(EventKind::MessageUndelivered { error: error.clone() }, self.context.now);
            return;
        }
        let purpose = command.purpose.0.clone();
        self.event(EventKind::CommandDead { purpose, error: error.clone() }, self.context.now);
        let generation = placement_in(&command.purpose);
        match (&command.action, generation) {
            // A connection that stood and cannot be renewed: ask what became of the leg before giving it up.
            (Action::Enter { .. }, Some(generation)) if self.has_entered(generation) => {
                self.inquire();
                self.set_timer(&format!("renew/{generation}"), self.context.settings.overdue);
            }
            (Action::Place { .. } | Action::Listen { .. } | Action::Enter { .. }, Some(generation)) => {
                self.placement_refused(generation, error);
            }
            (Action::Identify {} | Action::Open { .. }, _) => self.close(ClosingReason::Failed),
            _ => {}
        }
    }
}

/// Whether a purpose is that of a relayed message, and whether it went out late.
fn relayed(purpose: &str) -> Option<bool> {
    match purpose.split_once('/') {
        Some(("say", _)) => Some(false),
        Some(("late", _)) => Some(true),
        _ => None,
    }
}
