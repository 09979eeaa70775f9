//! Interactions in memory: those that changed since they were last written down, and those that were needed lately.

use std::collections::{BTreeSet, HashMap, VecDeque};

use tandem_sdk::model::InteractionId;

use crate::interactions::Interaction;

struct Slot {
    /// `None` while somebody works on it.
    it: Option<Box<Interaction>>,
    /// The first record since it was last written down.
    dirty_since: Option<u64>,
}

/// The interactions in memory.
#[derive(Default)]
pub(super) struct Shelf {
    slots: HashMap<InteractionId, Slot>,
    dirty: BTreeSet<(u64, InteractionId)>,
    /// In the order in which they were put here; for letting go.
    order: VecDeque<InteractionId>,
    /// How many are out.
    out: usize,
}

/// What the shelf has of an interaction.
pub(super) enum Found {
    /// The interaction.
    Here(Box<Interaction>),
    /// Somebody took it and did not put it back.
    Out,
    /// Nothing.
    Absent,
}

impl Shelf {
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether it is here, or was until somebody took it.
    pub(super) fn holds(&self, id: InteractionId) -> bool {
        self.slots.contains_key(&id)
    }

    pub(super) fn get(&self, id: InteractionId) -> Option<&Interaction> {
        self.slots.get(&id).and_then(|slot| slot.it.as_deref())
    }

    /// The interaction where it stands. Whoever changes what it says must take it instead.
    pub(super) fn get_mut(&mut self, id: InteractionId) -> Option<&mut Interaction> {
        self.slots.get_mut(&id).and_then(|slot| slot.it.as_deref_mut())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Interaction> {
        self.slots.values().filter_map(|slot| slot.it.as_deref())
    }

    /// Puts one here as it is written down.
    pub(super) fn put_clean(&mut self, it: Box<Interaction>) {
        self.order.push_back(it.id);
        self.slots.insert(it.id, Slot { it: Some(it), dirty_since: None });
    }

    /// Puts one back that the record at `seq` changed.
    pub(super) fn put_dirty(&mut self, it: Box<Interaction>, seq: u64) {
        let id = it.id;
        let since = match self.slots.get_mut(&id) {
            Some(slot) => {
                if slot.it.replace(it).is_none() {
                    self.out = self.out.saturating_sub(1);
                }
                *slot.dirty_since.get_or_insert(seq)
            }
            None => {
                self.order.push_back(id);
                self.slots.insert(id, Slot { it: Some(it), dirty_since: Some(seq) });
                seq
            }
        };
        self.dirty.insert((since, id));
    }

    /// Takes one out to work on it; it must be put back, changed or not.
    pub(super) fn take(&mut self, id: InteractionId) -> Found {
        match self.slots.get_mut(&id).map(|slot| slot.it.take()) {
            Some(Some(it)) => {
                self.out = self.out.saturating_add(1);
                Found::Here(it)
            }
            Some(None) => Found::Out,
            None => Found::Absent,
        }
    }

    /// Puts one back that nothing happened to.
    pub(super) fn put_back(&mut self, it: Box<Interaction>) {
        if let Some(slot) = self.slots.get_mut(&it.id)
            && slot.it.is_none()
        {
            slot.it = Some(it);
            self.out = self.out.saturating_sub(1);
        }
    }

    /// Whether one was taken and not put back: then what is in memory is not all there is.
    pub(super) fn misses_any(&self) -> bool {
        self.out > 0
    }

    /// The first record that is in memory only.
    pub(super) fn oldest_dirty(&self) -> Option<u64> {
        self.dirty.first().map(|(seq, _)| *seq)
    }

    /// The first record that is in memory only, once these are written down.
    pub(super) fn oldest_dirty_besides(&self, written: &[InteractionId]) -> Option<u64> {
        let written: std::collections::HashSet<_> = written.iter().collect();
        self.dirty.iter().find(|(_, id)| !written.contains(id)).map(|(seq, _)| *seq)
    }

    /// Copies of those whose data are these subjects'.
    pub(super) fn of_subjects(&self, subjects: &[tandem_sdk::model::SubjectId]) -> Vec<Interaction> {
        self.iter().filter(|it| subjects.contains(&it.subject)).cloned().collect()
    }

    /// Up to `most` that have waited longest to be written down.
    pub(super) fn longest_dirty(&self, most: usize) -> Vec<InteractionId> {
        self.dirty.iter().take(most).map(|(_, id)| *id).collect()
    }

    /// They are written down.
    pub(super) fn clean(&mut self, ids: &[InteractionId]) {
        for id in ids {
            if let Some(slot) = self.slots.get_mut(id)
                && let Some(since) = slot.dirty_since.take()
            {
                self.dirty.remove(&(since, *id));
            }
        }
    }

    /// Lets go of those that are written down until at most `most` are left; closed ones go in any case.
    pub(super) fn let_go(&mut self, written: &[InteractionId], most: usize) {
        for id in written {
            let gone = self
                .slots
                .get(id)
                .is_some_and(|slot| slot.dirty_since.is_none() && slot.it.as_ref().is_some_and(|it| it.is_settled()));
            if gone {
                self.slots.remove(id);
            }
        }
        let mut looked_at = 0;
        while self.slots.len() > most && looked_at < 64 {
            looked_at += 1;
            let Some(id) = self.order.pop_front() else { break };
            match self.slots.get(&id) {
                Some(slot) if slot.dirty_since.is_some() || slot.it.is_none() => self.order.push_back(id),
                Some(_) => {
                    self.slots.remove(&id);
                }
                None => {}
            }
        }
        if self.order.len() > self.slots.len().saturating_mul(2).saturating_add(1024) {
            let slots = &self.slots;
            let mut seen = std::collections::HashSet::new();
            self.order.retain(|id| slots.contains_key(id) && seen.insert(*id));
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use tandem_sdk::model::{Channel, Derive, SubjectId};

    use super::*;

    fn interaction(n: u64) -> Box<Interaction> {
        let id = Derive::entity("test").number(n).uuid();
        Box::new(Interaction::open(InteractionId(id), SubjectId(id), 1, Channel::Chat, Timestamp::UNIX_EPOCH))
    }

    #[test]
    fn two_that_one_record_changed_are_both_written_down() {
        let mut shelf = Shelf::default();
        let (one, two) = (interaction(1), interaction(2));
        shelf.put_dirty(one.clone(), 7);
        shelf.put_dirty(two.clone(), 7);
        assert_eq!(shelf.longest_dirty(10).len(), 2);

        shelf.clean(&[two.id]);
        assert_eq!((shelf.longest_dirty(10), shelf.oldest_dirty()), (vec![one.id], Some(7)));
    }
}
