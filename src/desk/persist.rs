//! How states and references stand in the store.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;
use tandem_sdk::model::{CommandId, InteractionId, LegId, PartyKey, Personals, SubjectId};
use uuid::Uuid;

use crate::interactions::{House, Interaction};
use crate::record::{RecordError, join, part_text};
use crate::store::rows::reference::RefKey;
use crate::store::rows::state::StateKey;
use crate::store::seal::{Part, Place, Sealed};
use crate::store::{Batch, Frame, FrameDraft, Keys, Keyspace, Store, StoreError, SubjectId as StoredSubject};

/// State kind: an interaction that is open, or closed with something still owed.
pub(super) const OPEN: u8 = 1;
/// State kind: an interaction to which nothing more will happen by itself.
pub(super) const CLOSED: u8 = 2;
/// State kind: the house.
pub(super) const HOUSE: u8 = 3;

/// Relation: leg → its latest interaction.
const LEG: u8 = 1;
/// Relation: customer identity → subjects whose data are theirs.
const PARTY: u8 = 2;
/// Relation: customer identity → their address in the customer's cloud (sealed under the house's key).
const ADDRESS: u8 = 3;
/// Relation: dead command → its interaction.
const DEAD: u8 = 4;
/// Relation: subject → other subjects whose data are the same person's.
const SAME: u8 = 5;

/// Room for the plain part of most states, in bytes.
const STATE: usize = 4 * 1024;

/// Subjects that one person may have at most.
pub(super) const RELATED: usize = 10_000;

pub(super) fn stored(subject: SubjectId) -> StoredSubject {
    StoredSubject(*subject.0.as_bytes())
}

fn state_key(kind: u8, id: &[u8]) -> Vec<u8> {
    StateKey::new(kind, id).map(|key| key.encode()).unwrap_or_default()
}

/// Writes an interaction down, which is the same afterwards.
pub(super) fn put_interaction(it: &mut Interaction, keys: &Keys, batch: &mut Batch) -> Result<(), RecordError> {
    let id = *it.id.0.as_bytes();
    let kind = if it.is_settled() { CLOSED } else { OPEN };
    let key = state_key(kind, &id);
    let value = it.detached(|it, personal| -> Result<_, RecordError> {
        let text = join(personal, b"")?;
        let mut draft = FrameDraft::with_room(STATE.saturating_add(text.len()));
        serde_json::to_writer(draft.plain(), it)?;
        let place = Place::Row { keyspace: Keyspace::States, key: &key };
        keys.seal(draft.sealed(), stored(it.subject), place, &text, batch)?;
        Ok(draft.finish()?)
    })?;
    // Not before there is something to take its place.
    if kind == CLOSED {
        batch.delete(Keyspace::States, state_key(OPEN, &id));
    }
    batch.put(Keyspace::States, key, value);
    Ok(())
}

/// Writes the house down. What is parked is sealed under its contact's own key, so that it can be erased with it.
pub(super) fn put_house(mut house: House, keys: &Keys, batch: &mut Batch) -> Result<(), RecordError> {
    let key = state_key(HOUSE, b"house");
    let mut by_subject: BTreeMap<StoredSubject, Vec<(String, String)>> = BTreeMap::new();
    let mut own = Vec::new();
    for (name, value) in house.detach() {
        let parked = name.strip_prefix("parked.").and_then(|rest| rest.split_once('.')?.0.parse::<usize>().ok());
        match parked.and_then(|n| house.parked.get(n)) {
            Some(parked) => {
                by_subject.entry(stored(SubjectId(parked.fact.leg.id().0))).or_default().push((name, value))
            }
            None => own.push((name, value)),
        }
    }
    let place = Place::Row { keyspace: Keyspace::States, key: &key };
    let mut sealed = Vec::new();
    keys.seal(&mut sealed, StoredSubject::HOUSE, place, &join(&own, b"")?, batch)?;
    for (subject, personal) in by_subject {
        keys.seal(&mut sealed, subject, place, &join(&personal, b"")?, batch)?;
    }
    batch.put(Keyspace::States, key.as_slice(), Frame::encode(&serde_json::to_vec(&house)?, Some(&sealed))?);
    Ok(())
}

fn open_row<T>(key: &[u8], value: &[u8], keys: &Keys) -> Result<T, RecordError>
where
    T: Personals + serde::de::DeserializeOwned,
{
    let frame = Frame::decode(value)?;
    let mut state: T = serde_json::from_slice(frame.plain)?;
    if let Some(sealed) = frame.sealed {
        for part in Part::all(sealed).map_err(crate::store::KeyError::from)? {
            if let Sealed::Text(text) = keys.open_part(&part, Place::Row { keyspace: Keyspace::States, key })? {
                state.attach(part_text(&text)?.0);
            }
        }
    }
    Ok(state)
}

/// Reads an interaction, open or closed.
pub(super) fn get_interaction(
    id: InteractionId,
    store: &dyn Store,
    keys: &Keys,
) -> Result<Option<Interaction>, RecordError> {
    for kind in [OPEN, CLOSED] {
        let key = state_key(kind, id.0.as_bytes());
        if let Some(value) = store.get(Keyspace::States, &key).map_err(crate::store::KeyError::from)? {
            return open_row(&key, &value, keys).map(Some);
        }
    }
    Ok(None)
}

/// Reads the house.
pub(super) fn get_house(store: &dyn Store, keys: &Keys) -> Result<House, RecordError> {
    let key = state_key(HOUSE, b"house");
    match store.get(Keyspace::States, &key).map_err(crate::store::KeyError::from)? {
        Some(value) => open_row(&key, &value, keys),
        None => Ok(House::default()),
    }
}

/// Reads the open interactions after `from`, at most `limit`.
pub(super) fn open_interactions(
    from: Option<&[u8]>,
    limit: usize,
    store: &dyn Store,
    keys: &Keys,
) -> Result<(Vec<Interaction>, Option<Vec<u8>>), RecordError> {
    let start = from.map_or_else(|| Bound::Included(vec![OPEN]), |key| Bound::Excluded(key.to_vec()));
    let end = [OPEN + 1];
    let rows = store
        .range(Keyspace::States, start.as_ref().map(Vec::as_slice), Bound::Excluded(&end), limit)
        .map_err(crate::store::KeyError::from)?;
    let last = if rows.len() == limit { rows.last().map(|(key, _)| key.to_vec()) } else { None };
    let read = rows.iter().map(|(key, value)| open_row(key, value, keys)).collect::<Result<_, _>>()?;
    Ok((read, last))
}

/// The key of the row that says to which interaction a leg belongs.
pub(super) fn leg_ref(leg: LegId) -> Vec<u8> {
    RefKey { relation: LEG, from: *leg.0.as_bytes(), to: None }.encode()
}

/// The key of the row that says that a subject's data are this customer's.
pub(super) fn party_ref(party: PartyKey, subject: SubjectId) -> Vec<u8> {
    RefKey { relation: PARTY, from: *party.0.as_bytes(), to: Some(*subject.0.as_bytes()) }.encode()
}

/// The key of the row with a customer's address in the customer's cloud.
pub(super) fn address_ref(party: PartyKey) -> Vec<u8> {
    RefKey { relation: ADDRESS, from: *party.0.as_bytes(), to: None }.encode()
}

/// The key of the row that says that another subject's data are the same person's.
pub(super) fn same_ref(subject: SubjectId, other: SubjectId) -> Vec<u8> {
    RefKey { relation: SAME, from: *subject.0.as_bytes(), to: Some(*other.0.as_bytes()) }.encode()
}

/// The key of the row that says whose a dead command is.
pub(super) fn dead_ref(command: CommandId) -> Vec<u8> {
    RefKey { relation: DEAD, from: *command.0.as_bytes(), to: None }.encode()
}

/// Dead commands and the interactions that they belong to, in the order of their ids.
pub(super) fn dead_commands(
    after: Option<CommandId>,
    most: usize,
    store: &dyn Store,
) -> Result<Vec<(CommandId, InteractionId)>, StoreError> {
    let from = after.map_or_else(|| vec![DEAD], dead_ref);
    let rows = store.range(Keyspace::Refs, Bound::Excluded(&from), Bound::Excluded(&[DEAD + 1]), most)?;
    let pair = |(key, value): &(Bytes, Bytes)| {
        let command = CommandId(Uuid::from_bytes(RefKey::decode(key)?.from));
        Some((command, InteractionId(Uuid::from_slice(value).ok()?)))
    };
    Ok(rows.iter().filter_map(pair).collect())
}

/// The interaction that a dead command belongs to.
pub(super) fn owner_of_dead(command: CommandId, store: &dyn Store) -> Result<Option<InteractionId>, StoreError> {
    let row = store.get(Keyspace::Refs, &dead_ref(command))?;
    Ok(row.and_then(|row| Uuid::from_slice(&row).ok()).map(InteractionId))
}

/// The subjects whose data are this customer's.
pub(super) fn subjects_of(party: PartyKey, store: &dyn Store) -> Result<Vec<SubjectId>, StoreError> {
    related(PARTY, party.0, store)
}

/// Other subjects whose data are the same person's.
pub(super) fn same_as(subject: SubjectId, store: &dyn Store) -> Result<Vec<SubjectId>, StoreError> {
    related(SAME, subject.0, store)
}

fn related(relation: u8, from: Uuid, store: &dyn Store) -> Result<Vec<SubjectId>, StoreError> {
    let first = RefKey { relation, from: *from.as_bytes(), to: Some([0; 16]) }.encode();
    let last = RefKey { relation, from: *from.as_bytes(), to: Some([0xff; 16]) }.encode();
    let rows = store.range(Keyspace::Refs, Bound::Included(&first), Bound::Included(&last), RELATED)?;
    Ok(rows.iter().filter_map(|(key, _)| RefKey::decode(key)?.to).map(|to| SubjectId(Uuid::from_bytes(to))).collect())
}
