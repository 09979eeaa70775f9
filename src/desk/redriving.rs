//! What people ask of the desk: send back what is in quarantine or dead, discard it, erase somebody.

use std::collections::BTreeSet;

use tandem_sdk::model::{CommandId, Identity, IdentityKind, InteractionId, PartyKey, Personals, SubjectId};

use super::answer::Done;
use super::run::Writer;
use super::work::{Incoming, Pending, digest, key_error};
use super::{claims::Whose, persist};
use crate::interactions::conduct::order;
use crate::interactions::{Input, Interaction, Owner};
use crate::record::{Record, RecordError};
use crate::store::rows::data_key;
use crate::store::rows::dedupe::Day;
use crate::store::rows::quarantined::QuarantineKey;
use crate::store::{Keyspace, Store, SubjectId as StoredSubject};

/// Identities by which the customer of a chat is looked for, the surest first.
pub(super) const BY: [IdentityKind; 4] =
    [IdentityKind::Customer, IdentityKind::Phone, IdentityKind::Email, IdentityKind::CommunicationUser];

impl Writer {
    /// Takes an envelope that was in quarantine and is understood now. Its row goes in the same commit.
    pub(super) fn take_redriven(
        &mut self,
        pending: &mut Pending,
        row: QuarantineKey,
        incoming: Incoming,
    ) -> Result<Done, RecordError> {
        if !self.discard(pending, row)? {
            return Ok(Done { interaction: None, duplicate: true });
        }
        self.take_decoded(pending, incoming)
    }

    /// Takes an input out of quarantine for good. Its record stays in the log.
    pub(super) fn discard(&mut self, pending: &mut Pending, row: QuarantineKey) -> Result<bool, RecordError> {
        let key = row.encode();
        let is_there = pending.is_first(digest(&["quarantine", &hex::encode(key)]))
            && self.store.contains(Keyspace::Quarantine, &key).map_err(key_error)?;
        if is_there {
            pending.rows.delete(Keyspace::Quarantine, key);
        }
        Ok(is_there)
    }

    /// Owes a dead command again, if it may be.
    pub(super) fn redrive_command(
        &mut self,
        pending: &mut Pending,
        id: InteractionId,
        command: CommandId,
    ) -> Result<Done, RecordError> {
        let nothing = Done { interaction: None, duplicate: true };
        let Some(mut it) = self.load(id)? else { return Ok(nothing) };
        let can = it.dead.get(&command).is_some_and(|dead| it.cannot_redrive(&dead.command).is_none());
        if !can {
            self.shelf.put_back(it);
            return Ok(nothing);
        }
        let context = self.context(pending);
        let expires_at = context.after(context.settings.command_life);
        let input = Input::Redriven { command, expires_at, order: order(context.seq, 0) };
        it.fold_input(&input);
        let owed = it.owed.get(&command).cloned();
        pending.rows.delete(Keyspace::Refs, persist::dead_ref(command));
        self.turn(pending, it, None, input, None, Vec::new(), Vec::new(), &[])?;
        if let Some(owed) = owed {
            // Nobody knows whether an attempt before it died had its effect.
            self.outbox.push(owed, Owner::Interaction(id), self.now, true);
        }
        Ok(Done { interaction: Some(id), duplicate: false })
    }

    /// Writes down which commands of an interaction are dead now and were not before, and the other way round.
    pub(super) fn keep_dead(&self, pending: &mut Pending, before: &[CommandId], it: &Interaction) {
        for gone in before.iter().filter(|id| !it.dead.contains_key(id)) {
            pending.rows.delete(Keyspace::Refs, persist::dead_ref(*gone));
        }
        for new in it.dead.keys().filter(|id| !before.contains(id)) {
            pending.rows.put(Keyspace::Refs, persist::dead_ref(*new), it.id.0.as_bytes().to_vec());
        }
    }

    /// Destroys the keys of these subjects, for ever. What was sealed under them stays where it is and can be read by
    /// nobody; what is in memory is taken out.
    pub(super) fn erase(&mut self, pending: &mut Pending, subjects: Vec<SubjectId>) -> Result<Done, RecordError> {
        let seq = self.next(pending);
        // What is owed is in memory, whether its interaction still is or not.
        for id in self.outbox.interactions() {
            self.look_at(id)?;
        }
        for subject in &subjects {
            self.keys.destroy(persist::stored(*subject), &mut pending.rows)?;
        }
        for mut it in self.shelf.of_subjects(&subjects) {
            drop(it.detach());
            it.owed.values().for_each(|command| self.outbox.replace(command));
            self.shelf.put_dirty(Box::new(it), seq);
        }
        let is_theirs = |leg: &tandem_sdk::model::LegRef| subjects.contains(&SubjectId(leg.id().0));
        for parked in self.house.parked.iter_mut().filter(|parked| is_theirs(&parked.fact.leg)) {
            drop(parked.fact.detach());
            self.house_dirty.get_or_insert(seq);
        }
        let nobody = self.setup.unfiled(Day::of(self.now));
        self.enter_for_nobody(pending, nobody, Input::Erased { subjects }, &[])?;
        Ok(Done::default())
    }

    /// Destroys the keys of what belonged to nobody and came on days that are long enough ago.
    pub(super) fn let_go_of_unfiled(&self, pending: &mut Pending) -> Result<(), RecordError> {
        let first = self.log.first_seq().map_err(key_error)?;
        let first = self.log.read(first, 1, usize::MAX).map_err(key_error)?;
        let Some((_, first)) = first.first() else { return Ok(()) };
        let first = Day::of(Record::decode_plain(first)?.recorded_at);
        let kept = Day::of(self.now).0.saturating_sub(self.setup.unfiled_days);
        for day in (first.0..kept).map(Day) {
            let subject = persist::stored(self.setup.unfiled(day));
            if self.store.contains(Keyspace::Keys, &data_key::encode(subject)).map_err(key_error)? {
                self.keys.destroy(subject, &mut pending.rows)?;
            }
        }
        Ok(())
    }

    /// Whose data somebody's are: every subject under whose key they may be sealed.
    pub(super) fn subjects(&self, whose: &Whose) -> Result<Vec<SubjectId>, RecordError> {
        let mut new = Vec::new();
        match whose {
            Whose::Party(party) => new.extend(self.subjects_of(*party)?),
            Whose::Identity(identity) => {
                for party in self.parties(identity) {
                    new.extend(self.subjects_of(party)?);
                }
            }
            Whose::Interaction(id) => {
                if let Some(it) = self.find_interaction(*id) {
                    new.push(it.subject);
                    // What was parked before its contact was known is sealed under the contact's own key.
                    new.extend(it.legs.iter().map(|leg| SubjectId(leg.leg.id().0)));
                }
            }
        }
        let mut found = BTreeSet::new();
        while let Some(subject) = new.pop() {
            if found.len() >= persist::RELATED {
                return Err(RecordError::TooMany(found.len()));
            }
            if persist::stored(subject) != StoredSubject::HOUSE && found.insert(subject) {
                new.extend(persist::same_as(subject, &*self.store).map_err(key_error)?);
            }
        }
        Ok(found.into_iter().collect())
    }

    /// The subjects whose data are a party's, their own among them; none where nothing was ever heard of them.
    fn subjects_of(&self, party: PartyKey) -> Result<Vec<SubjectId>, RecordError> {
        let mut found = persist::subjects_of(party, &*self.store).map_err(key_error)?;
        if !found.is_empty() {
            found.push(SubjectId(party.0));
        }
        Ok(found)
    }

    /// Everybody whom an identity may stand for: a caller's word for them, and a user of one of the clouds.
    fn parties(&self, identity: &Identity) -> Vec<PartyKey> {
        let Some(value) = identity.value.reveal() else { return Vec::new() };
        let mut parties: Vec<PartyKey> = self.party(identity).into_iter().collect();
        if identity.kind == IdentityKind::CommunicationUser {
            let clouds = self.setup.clouds.values();
            parties.extend(clouds.map(|cloud| PartyKey::of(&self.setup.id_key, &cloud.system, value)));
        }
        parties
    }

    /// Whom an identity stands for by a verified caller's word.
    pub(super) fn party(&self, identity: &Identity) -> Option<PartyKey> {
        let kind = format!("{:?}", identity.kind).to_lowercase();
        Some(PartyKey::of(&self.setup.id_key, &kind, identity.value.reveal()?))
    }
}
