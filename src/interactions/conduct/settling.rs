//! What comes of what we owed.

use tandem_sdk::error::{AdapterError, ErrorKind};
use tandem_sdk::model::{Action, ClosingReason, Command, Content, EventKind, LegRef, Outcome, Relay, Speaker};

use super::placing::UNAVAILABLE;
use super::turn::{Owed, Turn, lane_to};
use crate::interactions::{Held, LegState, Note, Side, Stage, is_look, placement_in};

impl Turn<'_> {
    /// A command has its outcome.
    pub(super) fn settle(&mut self, command: &Command, result: &Result<Outcome, AdapterError>, repeated: bool) {
        if repeated {
            self.event(EventKind::CommandRepeated { purpose: command.purpose.0.clone() }, self.context.now);
        }
        if let Action::Trace { .. } = command.action {
            self.traced();
        }
        if is_look(command) {
            self.looked();
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
        // Who is not let in any more knows that it is over; and what cannot be looked at is judged without.
        if is_look(command) {
            return;
        }
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
            if self.says_again(command, error) {
                return;
            }
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
            // A chat whose customer cannot write to it is none.
            (Action::Identify {} | Action::Open { .. } | Action::IssueToken { .. }, _) => {
                self.close(ClosingReason::Failed);
            }
            // A contact that we did not place, and of which its cloud knows nothing any more.
            (Action::Inquire { .. }, _)
                if self.it.placement().is_none()
                    && matches!(error.kind, ErrorKind::NotFound | ErrorKind::Unsupported) =>
            {
                self.close_as_it_stands();
            }
            _ => {}
        }
    }

    /// Whether what the customer said goes to the agents once more. Their cloud does not know us on the leg any more,
    /// because the chat is over or the connection went stale in a long absence: it is asked which, and we say it again
    /// once we have entered again, or to whoever follows. Once for each placement.
    fn says_again(&mut self, command: &Command, error: &AdapterError) -> bool {
        let is_stale = matches!(error.kind, ErrorKind::Unverified | ErrorKind::Refused | ErrorKind::NotFound);
        let is_first = self.it.generations.get(&command.purpose.0).is_none_or(|times| *times <= 1);
        let (Some((generation, part, key)), Action::Say { content, .. }) =
            (to_agents(&command.purpose.0), &command.action)
        else {
            return false;
        };
        if !is_stale || !is_first || self.it.closed.is_some() {
            return false;
        }
        self.inquire();
        if self.it.is_between_legs() || !self.has_entered(generation) {
            return self.waits_again(generation, part, key, content);
        }
        let entering = format!("enter/{generation}");
        if !self.it.owed.values().any(|owed| owed.purpose.0 == entering) {
            self.renew_connection(generation);
        }
        // Behind the entering in its lane, under another id.
        let lane = lane_to(Side::Agents, generation);
        let mut owed = Owed::new(lane, command.instance.clone(), &*command.purpose.0, command.action.clone());
        owed.uses.extend(command.uses.iter().map(|(role, name)| (*role, name.clone())));
        self.owe(owed);
        true
    }

    /// What a leg that is gone did not take waits for whoever follows.
    fn waits_again(&mut self, generation: u32, part: &str, key: &str, content: &Content) -> bool {
        let waiting = self.it.waiting.iter().find(|held| held.key == key).cloned();
        match waiting {
            // It goes to the next placement by itself, or has gone there.
            Some(held) if held.told != generation => {}
            Some(held) => {
                self.note(Note::Dropped { key: key.to_owned() });
                self.keep_waiting(Held { told: 0, ..held });
            }
            None if key.starts_with(AGAIN) => return false,
            None => self.keep_waiting(Held {
                key: format!("{AGAIN}{part}/{key}"),
                to: Side::Agents,
                at: self.context.now,
                speaker: Speaker::Customer,
                change: Relay::Posted,
                content: content.clone(),
                release: None,
                from: None,
                told: 0,
            }),
        }
        if !self.it.is_between_legs() {
            self.relay_waiting();
        }
        true
    }
}

/// What a part of a message that goes again is called.
const AGAIN: &str = "again/";

/// The placement that a purpose sends to, the part, and the message's key.
fn to_agents(purpose: &str) -> Option<(u32, &str, &str)> {
    let parts: Vec<&str> = purpose.splitn(5, '/').collect();
    let ["say" | "late", "agents", generation, part, key] = parts[..] else { return None };
    Some((generation.parse().ok()?, part, key))
}

/// Whether a purpose is that of a relayed message, and whether it went out late.
fn relayed(purpose: &str) -> Option<bool> {
    match purpose.split_once('/') {
        Some(("say", _)) => Some(false),
        Some(("late", _)) => Some(true),
        _ => None,
    }
}
