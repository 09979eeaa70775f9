//! What is owed and has no outcome: lanes whose heads alone may be in flight. Memory only; the aggregates hold the
//! commands, so a restart finds them again.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use tandem_sdk::model::{Action, Command, CommandId, InstanceName, InteractionId, Lane};

use crate::interactions::Owner;

/// A command on the shelf by the back door.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) command: Arc<Command>,
    pub(super) owner: Owner,
    /// Attempts that were made in this life of the desk.
    pub(super) attempts: u32,
    /// Whether an earlier attempt may have had its effect.
    pub(super) uncertain: bool,
    not_before: Timestamp,
    in_flight: bool,
}

/// The shelf.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    entries: HashMap<CommandId, Entry>,
    lanes: BTreeMap<Lane, VecDeque<CommandId>>,
    /// Heads that are not in flight, by the time from which they may go and the order in which they were owed.
    heads: BTreeSet<(Timestamp, u64, Lane)>,
    in_flight: usize,
}

impl Outbox {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    pub(super) fn owner(&self, id: CommandId) -> Option<Owner> {
        self.entries.get(&id).map(|entry| entry.owner)
    }

    /// Whether a command of this kind to this instance's cloud has no outcome yet.
    pub(super) fn owes(&self, instance: &InstanceName, is_wanted: impl Fn(&Action) -> bool) -> bool {
        // Few are owed at a time, and this is asked only about legs that nobody knows.
        self.entries.values().any(|entry| entry.command.instance == *instance && is_wanted(&entry.command.action))
    }

    /// Puts a command at the end of its lane. After a restart nobody knows whether it had been sent.
    pub(super) fn push(&mut self, command: Command, owner: Owner, now: Timestamp, recovered: bool) {
        if self.entries.contains_key(&command.id) {
            return;
        }
        let lane = self.lanes.entry(command.lane.clone()).or_default();
        lane.push_back(command.id);
        if lane.len() == 1 {
            self.heads.insert((now, command.order, command.lane.clone()));
        }
        let (id, command) = (command.id, Arc::new(command));
        let entry = Entry { command, owner, attempts: 0, uncertain: recovered, not_before: now, in_flight: false };
        self.entries.insert(id, entry);
    }

    /// The next head that may go.
    pub(super) fn next(&mut self, now: Timestamp) -> Option<Entry> {
        if self.heads.first().is_none_or(|(due, _, _)| *due > now) {
            return None;
        }
        let (_, _, lane) = self.heads.pop_first()?;
        let id = *self.lanes.get(&lane)?.front()?;
        let entry = self.entries.get_mut(&id)?;
        entry.in_flight = true;
        entry.attempts = entry.attempts.saturating_add(1);
        self.in_flight = self.in_flight.saturating_add(1);
        Some(entry.clone())
    }

    /// When the next head may go.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.heads.first().map(|(due, _, _)| *due)
    }

    /// Puts a head back that is to be tried again.
    pub(super) fn defer(&mut self, id: CommandId, until: Timestamp, uncertain: bool, counts: bool) {
        let Some(entry) = self.entries.get_mut(&id).filter(|entry| entry.in_flight) else { return };
        entry.in_flight = false;
        entry.uncertain |= uncertain;
        entry.not_before = until;
        if !counts {
            entry.attempts = entry.attempts.saturating_sub(1);
        }
        self.in_flight = self.in_flight.saturating_sub(1);
        self.heads.insert((until, entry.command.order, entry.command.lane.clone()));
    }

    /// Whose commands have no outcome yet.
    pub(super) fn interactions(&self) -> BTreeSet<InteractionId> {
        let owners = self.entries.values().map(|entry| entry.owner);
        owners.filter_map(|owner| if let Owner::Interaction(id) = owner { Some(id) } else { None }).collect()
    }

    /// Puts a command that lost its personal values in the place of the one that has them. What is in flight with them
    /// cannot be called back.
    pub(super) fn replace(&mut self, command: &Command) {
        if let Some(entry) = self.entries.get_mut(&command.id) {
            entry.command = Arc::new(command.clone());
        }
    }

    /// Whether a command that has no outcome yet yields this secret.
    pub(super) fn yields(&self, secret: &str) -> bool {
        self.entries.values().any(|entry| entry.command.keeps.values().any(|name| name == secret))
    }

    /// Takes over what this life of the desk knew of its commands before it read them back from the store: what is in
    /// flight, what was tried, what waits.
    pub(super) fn inherit(&mut self, before: &Outbox) {
        for entry in self.entries.values_mut() {
            let Some(known) = before.entries.get(&entry.command.id) else {
                // Never given out in this life.
                entry.uncertain = false;
                continue;
            };
            (entry.attempts, entry.uncertain) = (known.attempts, known.uncertain);
            let head = (entry.not_before, entry.command.order, entry.command.lane.clone());
            let is_head = self.heads.remove(&head);
            entry.not_before = known.not_before;
            entry.in_flight = known.in_flight;
            if known.in_flight {
                self.in_flight = self.in_flight.saturating_add(1);
            } else if is_head {
                self.heads.insert((entry.not_before, entry.command.order, entry.command.lane.clone()));
            }
        }
    }

    /// Takes a command off: it has its outcome. The next one of its lane may go.
    pub(super) fn settle(&mut self, id: CommandId) {
        let Some(entry) = self.entries.remove(&id) else { return };
        if entry.in_flight {
            self.in_flight = self.in_flight.saturating_sub(1);
        }
        let (order, name) = (entry.command.order, entry.command.lane.clone());
        let Some(lane) = self.lanes.get_mut(&name) else { return };
        self.heads.remove(&(entry.not_before, order, name.clone()));
        lane.retain(|waiting| *waiting != id);
        match lane.front() {
            None => {
                self.lanes.remove(&name);
            }
            Some(head) => {
                if let Some(next) = self.entries.get(head).filter(|next| !next.in_flight) {
                    self.heads.insert((next.not_before, next.command.order, name));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use proptest::prelude::*;
    use tandem_sdk::model::{Derive, Purpose};

    use super::*;

    fn command(lane: &str, n: u64) -> Command {
        Command {
            id: CommandId(Derive::entity("test").part(lane).number(n).uuid()),
            lane: Lane(lane.into()),
            instance: "x".into(),
            purpose: Purpose(format!("p/{n}")),
            action: Action::Identify {},
            uses: BTreeMap::new(),
            keeps: BTreeMap::new(),
            order: n,
            expires_at: Timestamp::MAX,
        }
    }

    fn second(n: i64) -> Timestamp {
        Timestamp::from_second(n).unwrap()
    }

    #[test]
    fn of_a_lane_only_the_head_is_in_flight() {
        let mut outbox = Outbox::default();
        outbox.push(command("a", 1), Owner::House, second(0), false);
        outbox.push(command("a", 2), Owner::House, second(0), false);
        outbox.push(command("b", 1), Owner::House, second(0), false);

        let first = outbox.next(second(1)).unwrap().command;
        let other = outbox.next(second(1)).unwrap().command;
        assert_eq!((first.lane.0.as_str(), other.lane.0.as_str()), ("a", "b"));
        assert!(outbox.next(second(1)).is_none());

        outbox.settle(first.id);
        assert_eq!(outbox.next(second(1)).unwrap().command.id, command("a", 2).id);
    }

    #[test]
    fn what_is_in_flight_stays_so_when_the_desk_reads_its_commands_back() {
        let mut before = Outbox::default();
        before.push(command("a", 1), Owner::House, second(0), false);
        before.push(command("b", 2), Owner::House, second(0), false);
        let flying = before.next(second(0)).unwrap().command;
        let mut after = Outbox::default();
        after.push(command("a", 1), Owner::House, second(5), true);
        after.push(command("b", 2), Owner::House, second(5), true);
        after.push(command("c", 3), Owner::House, second(5), true);
        after.inherit(&before);

        let given: Vec<_> = std::iter::from_fn(|| after.next(second(9)))
            .map(|entry| (entry.command.lane.0.clone(), entry.uncertain))
            .collect();
        assert_eq!(given, [("b".to_owned(), false), ("c".to_owned(), false)]);
        after.defer(flying.id, second(20), true, true);
        assert_eq!(after.next(second(20)).unwrap().attempts, 2);
    }

    #[test]
    fn a_deferred_head_keeps_its_place_and_its_doubt() {
        let mut outbox = Outbox::default();
        outbox.push(command("a", 1), Owner::House, second(0), false);
        outbox.push(command("a", 2), Owner::House, second(0), false);
        let first = outbox.next(second(0)).unwrap().command;
        outbox.defer(first.id, second(10), true, true);

        assert!(outbox.next(second(9)).is_none());
        let again = outbox.next(second(10)).unwrap();
        assert_eq!((again.command.id, again.attempts, again.uncertain), (first.id, 2, true));
    }

    proptest! {
        #[test]
        fn every_command_is_given_out_once_in_the_order_of_its_lane(lanes in prop::collection::vec(0_u8..4, 1..40)) {
            let mut outbox = Outbox::default();
            for (n, lane) in lanes.iter().enumerate() {
                outbox.push(command(&lane.to_string(), n as u64), Owner::House, second(0), false);
            }
            let mut seen: BTreeMap<String, Vec<u64>> = BTreeMap::new();
            let mut total = 0;
            while let Some(entry) = outbox.next(second(1)) {
                let n: u64 = entry.command.purpose.0[2..].parse().unwrap();
                seen.entry(entry.command.lane.0.clone()).or_default().push(n);
                outbox.settle(entry.command.id);
                total += 1;
            }
            prop_assert_eq!(total, lanes.len());
            prop_assert!(seen.values().all(|order| order.is_sorted()));
            prop_assert_eq!(outbox.len(), 0);
        }
    }
}
