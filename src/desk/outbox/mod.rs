//! What is owed and has no outcome: lanes whose heads alone may be in flight. Memory only; the aggregates hold the
//! commands, so a restart finds them again.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::hash::Hash;
use std::sync::Arc;

use jiff::Timestamp;
use tandem_sdk::model::{Command, CommandId, InstanceName, InteractionId, Lane};

use crate::interactions::Owner;

#[cfg(test)]
mod tests;

/// A command on the shelf by the back door.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) command: Arc<Command>,
    pub(super) owner: Owner,
    /// Attempts that were made in this life of the desk.
    pub(super) attempts: u32,
    /// Whether an earlier attempt may have had its effect.
    pub(super) uncertain: bool,
    /// Whether it was put back last without having been tried: it has waited for room already.
    pub(super) waited: bool,
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
    /// The batch that is being put together, by number. What it makes a head may not go before it is durable.
    batch: u64,
    /// Heads by the batch that made them one.
    waiting: BTreeMap<u64, Vec<CommandId>>,
    /// Taken off by batches that are not durable: should one of them fail, they are owed as they were.
    settled: HashMap<CommandId, (u64, Entry)>,
    /// How many commands yield each secret.
    yielding: HashMap<String, usize>,
    /// How many commands of each kind are owed to each instance's cloud.
    kinds: HashMap<InstanceName, HashMap<&'static str, usize>>,
    /// Heads that wait for a secret, and since when.
    held: HashMap<String, BTreeMap<CommandId, Timestamp>>,
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
    pub(super) fn owes(&self, instance: &InstanceName, kind: &str) -> bool {
        self.kinds.get(instance).is_some_and(|kinds| kinds.contains_key(kind))
    }

    /// Puts a command at the end of its lane. After a restart nobody knows whether it had been sent.
    pub(super) fn push(&mut self, command: impl Into<Arc<Command>>, owner: Owner, now: Timestamp, recovered: bool) {
        let command = command.into();
        if self.entries.contains_key(&command.id) {
            return;
        }
        let lane = self.lanes.entry(command.lane.clone()).or_default();
        lane.push_back(command.id);
        if lane.len() == 1 {
            self.waiting.entry(self.batch).or_default().push(command.id);
        }
        let kinds = self.kinds.entry(command.instance.clone()).or_default();
        one_more(kinds.entry(command.action.name()).or_insert(0));
        for secret in command.keeps.values() {
            one_more(self.yielding.entry(secret.clone()).or_insert(0));
        }
        let id = command.id;
        let (attempts, uncertain) = (0, recovered);
        let entry = Entry { command, owner, attempts, uncertain, waited: false, not_before: now, in_flight: false };
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
        entry.waited = !counts;
        if !counts {
            entry.attempts = entry.attempts.saturating_sub(1);
        }
        self.in_flight = self.in_flight.saturating_sub(1);
        self.heads.insert((until, entry.command.order, entry.command.lane.clone()));
    }

    /// Puts a head back whose secret comes with a batch that is not durable, until it and the one being put together are.
    pub(super) fn put_off(&mut self, id: CommandId, now: Timestamp, uncertain: bool) {
        self.defer(id, now, uncertain, false);
        self.wait(id);
    }

    /// A head that may go already waits for the batch that is being put together.
    fn wait(&mut self, id: CommandId) -> bool {
        let Some(entry) = self.entries.get(&id) else { return false };
        let is_head = self.heads.remove(&(entry.not_before, entry.command.order, entry.command.lane.clone()));
        if is_head {
            self.waiting.entry(self.batch).or_default().push(id);
        }
        is_head
    }

    /// Puts a head back that lacks a secret, until a command that yields it has its outcome, or until this time.
    pub(super) fn hold(&mut self, id: CommandId, secret: &str, now: Timestamp, until: Timestamp, uncertain: bool) {
        self.defer(id, until, uncertain, false);
        self.held.entry(secret.to_owned()).or_default().insert(id, now);
    }

    /// Lets the heads go that were held for a secret.
    fn release(&mut self, secret: &str) {
        for (id, since) in self.held.remove(secret).into_iter().flatten() {
            if self.wait(id)
                && let Some(entry) = self.entries.get_mut(&id)
            {
                entry.not_before = since;
            }
        }
    }

    /// Whose commands have no outcome yet.
    pub(super) fn interactions(&self) -> BTreeSet<InteractionId> {
        let owners = self.entries.values().map(|entry| entry.owner);
        owners.filter_map(|owner| if let Owner::Interaction(id) = owner { Some(id) } else { None }).collect()
    }

    /// Puts a command that lost its personal values in the place of the one that has them. What is in flight with them
    /// cannot be called back.
    pub(super) fn replace(&mut self, command: &Arc<Command>) {
        if let Some(entry) = self.entries.get_mut(&command.id) {
            entry.command = Arc::clone(command);
        }
    }

    /// Whether a command that has no outcome yet yields this secret.
    pub(super) fn yields(&self, secret: &str) -> bool {
        self.yielding.contains_key(secret)
    }

    /// The batch that is being put together is complete; gives its number. What comes now belongs to the next one.
    pub(super) fn complete(&mut self) -> u64 {
        let complete = self.batch;
        self.batch = complete.saturating_add(1);
        complete
    }

    /// This batch and all before it are durable: what they took off stays off, and their heads may go.
    pub(super) fn is_durable(&mut self, batch: u64) {
        self.settled.retain(|_, (taken_off, _)| *taken_off > batch);
        while let Some(first) = self.waiting.first_entry()
            && *first.key() <= batch
        {
            for id in first.remove() {
                let Some(entry) = self.entries.get(&id).filter(|entry| !entry.in_flight) else { continue };
                let command = &entry.command;
                if self.lanes.get(&command.lane).and_then(VecDeque::front) == Some(&id) {
                    self.heads.insert((entry.not_before, command.order, command.lane.clone()));
                }
            }
        }
    }

    /// Takes over what this life of the desk knew of its commands before it read them back from the store: what is in
    /// flight, what was tried, what waits. An outcome that did not become durable is offered again by its worker; until
    /// then its command is in flight.
    pub(super) fn inherit(&mut self, before: Outbox) {
        self.held = before.held;
        for entry in self.entries.values_mut() {
            let id = entry.command.id;
            let settled = before.settled.get(&id).map(|(_, entry)| entry);
            let Some(known) = settled.or_else(|| before.entries.get(&id)) else { continue };
            (entry.attempts, entry.uncertain, entry.waited) = (known.attempts, known.uncertain, known.waited);
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
        if let Some(kinds) = self.kinds.get_mut(&entry.command.instance) {
            one_less(kinds, entry.command.action.name());
        }
        for secret in entry.command.uses.values() {
            if let Some(held) = self.held.get_mut(secret) {
                held.remove(&id);
                if held.is_empty() {
                    self.held.remove(secret);
                }
            }
        }
        for secret in entry.command.keeps.values() {
            one_less(&mut self.yielding, secret.as_str());
            self.release(secret);
        }
        let (order, name) = (entry.command.order, entry.command.lane.clone());
        self.heads.remove(&(entry.not_before, order, name.clone()));
        self.settled.entry(id).or_insert((self.batch, entry));
        let Some(lane) = self.lanes.get_mut(&name) else { return };
        lane.retain(|waiting| *waiting != id);
        match lane.front() {
            None => {
                self.lanes.remove(&name);
            }
            // The next one follows an outcome that must be durable first.
            Some(head) => self.waiting.entry(self.batch).or_default().push(*head),
        }
    }
}

fn one_more(count: &mut usize) {
    *count = count.saturating_add(1);
}

/// One less of them; none at all leaves nothing behind.
fn one_less<K, Q>(counts: &mut HashMap<K, usize>, key: &Q)
where
    K: Eq + Hash + Borrow<Q>,
    Q: Eq + Hash + ?Sized,
{
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(key);
        }
    }
}
