//! Where a fact belongs, and the interaction it belongs to.

use std::collections::BTreeMap;
use std::sync::Arc;

use tandem_sdk::model::{Fact, InstanceName, InteractionId, LegId, LegRef};

use super::persist;
use super::run::Writer;
use super::shelf::Found;
use super::work::{Pending, key_error};
use crate::interactions::conduct::{Cloud, INTERACTION_ATTRIBUTE};
use crate::interactions::{Belongs, Interaction, generation_for, relatives};
use crate::record::RecordError;
use crate::store::{Keyspace, Store};

impl Writer {
    /// Where a fact belongs, as far as its leg, its leg's chain or its own attribute tells.
    pub(super) fn find(&mut self, pending: &mut Pending, fact: &Fact) -> Result<Option<Belongs>, RecordError> {
        let known = self.setup.known();
        let Some(id) = self.find_id(fact)? else { return Ok(None) };
        let belongs = self.look_at(id)?.map(|latest| generation_for(latest, fact, known));
        Ok(match belongs {
            // The twin of a message that was taken before the end opens nothing.
            Some(Belongs::New { .. }) if self.is_known(pending, fact)? => Some(Belongs::To(id)),
            belongs => belongs,
        })
    }

    fn find_id(&mut self, fact: &Fact) -> Result<Option<InteractionId>, RecordError> {
        let leg = fact.leg.id();
        if let Some(id) = self.interaction_of(leg)? {
            return Ok(Some(id));
        }
        for relative in relatives(fact) {
            if let Some(id) = self.interaction_of(relative)? {
                return Ok(Some(id));
            }
        }
        let marked = fact.attributes.get(INTERACTION_ATTRIBUTE).and_then(|value| value.reveal()?.parse().ok());
        let marked = marked.map(InteractionId);
        let setup = Arc::clone(&self.setup);
        let awaits = match marked {
            Some(id) => self.look_at(id)?.is_some_and(|it| awaits_contact(it, &fact.leg, &setup.clouds)),
            None => false,
        };
        Ok(marked.filter(|_| awaits))
    }

    pub(super) fn interaction_of(&mut self, leg: LegId) -> Result<Option<InteractionId>, RecordError> {
        if let Some(id) = self.legs.get(&leg) {
            return Ok(Some(*id));
        }
        let row = self.store.get(Keyspace::Refs, &persist::leg_ref(leg)).map_err(key_error)?;
        let found = row.and_then(|row| uuid::Uuid::from_slice(&row).ok()).map(InteractionId);
        self.legs.extend(found.map(|id| (leg, id)));
        Ok(found)
    }

    /// Says to which interaction a leg belongs.
    pub(super) fn refer(&mut self, pending: &mut Pending, leg: LegId, id: InteractionId) {
        if self.legs.insert(leg, id) != Some(id) {
            pending.rows.put(Keyspace::Refs, persist::leg_ref(leg), id.0.as_bytes().to_vec());
        }
    }

    /// The interaction, from memory or from the store, taken off the shelf: [`turn`](Writer::turn) puts it back, or
    /// [`put_back`](super::shelf::Shelf::put_back) does.
    pub(super) fn load(&mut self, id: InteractionId) -> Result<Option<Box<Interaction>>, RecordError> {
        self.fetch(id)?;
        match self.shelf.take(id) {
            Found::Here(it) => Ok(Some(it)),
            Found::Out => Err(RecordError::Out(id)),
            Found::Absent => Ok(None),
        }
    }

    /// The interaction, from memory or from the store, where it stands.
    pub(super) fn look_at(&mut self, id: InteractionId) -> Result<Option<&Interaction>, RecordError> {
        self.fetch(id)?;
        Ok(self.shelf.get(id))
    }

    /// Puts an interaction on the shelf that is not on it.
    fn fetch(&mut self, id: InteractionId) -> Result<(), RecordError> {
        if !self.shelf.holds(id)
            && let Some(it) = persist::get_interaction(id, &*self.store, &self.keys)?
        {
            self.shelf.put_clean(Box::new(it));
        }
        Ok(())
    }
}

/// Whether an interaction waits for a contact in this cloud. Anybody who may set attributes on a contact could name an
/// interaction; only one that is being placed there and does not know its contact yet is taken at that word.
fn awaits_contact(it: &Interaction, leg: &LegRef, clouds: &BTreeMap<InstanceName, Cloud>) -> bool {
    let in_this_cloud = |instance: &InstanceName| {
        clouds.get(instance).is_some_and(|cloud| cloud.system == leg.system && cloud.account == leg.account)
    };
    it.closed.is_none()
        && it.placements.iter().any(|placement| {
            in_this_cloud(&placement.target.instance) && placement.leg.as_ref().is_none_or(|known| known == leg)
        })
}
