//! Ids. They are derived from what they name, never drawn, so the same fact gets the same id wherever it is seen.

use std::fmt;

use ring::{digest, hmac};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Version of the derivation; part of every derived id.
const DERIVATION: &str = "1";

/// Collects the parts of an id; every part is length-prefixed, so `("ab","c")` and `("a","bc")` differ.
#[derive(Debug)]
pub struct Derive(Vec<u8>);

impl Derive {
    /// Starts an id of this entity, for instance `leg`.
    pub fn entity(entity: &str) -> Self {
        Derive(Vec::with_capacity(160)).part(DERIVATION).part(entity)
    }

    /// Adds one part.
    #[must_use]
    pub fn part(mut self, part: &str) -> Self {
        self.0.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        self.0.extend_from_slice(part.as_bytes());
        self
    }

    /// Adds a number as one part.
    #[must_use]
    pub fn number(mut self, number: u64) -> Self {
        self.0.extend_from_slice(&8_u32.to_be_bytes());
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    /// The id: SHA-256 over the parts, its first 16 bytes as a UUID version 8 (RFC 9562, section 5.8).
    pub fn uuid(self) -> Uuid {
        shape(digest::digest(&digest::SHA256, &self.0).as_ref())
    }

    /// The id of a personal identity: HMAC-SHA-256 under the deployment's id key, so that nobody without the key can
    /// confirm a guess.
    pub fn keyed(self, key: &IdKey) -> Uuid {
        shape(hmac::sign(&key.0, &self.0).as_ref())
    }
}

fn shape(hash: &[u8]) -> Uuid {
    let mut bytes = [0_u8; 16];
    bytes.copy_from_slice(&hash[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// The key that personal identities are hashed under. It is never rotated: a new one would make every known customer a
/// stranger.
#[derive(Clone)]
pub struct IdKey(hmac::Key);

impl IdKey {
    /// Makes the key from configured bytes.
    pub fn new(bytes: &[u8]) -> Self {
        IdKey(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }
}

impl fmt::Debug for IdKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdKey(..)")
    }
}

/// One vendor-side conversation, contact, thread or session, as its cloud names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LegRef {
    /// The vendor's product, the adapter kind's name: `azure-communication`, `amazon-connect`.
    pub system: String,
    /// Resource or instance inside that product: the ACS resource, the Connect instance id. Lower case.
    pub account: String,
    /// What it is there: `thread`, `contact`.
    pub kind: String,
    /// Its native id, in the vendor's spelling.
    pub native: String,
}

impl LegRef {
    /// The id of this leg.
    pub fn id(&self) -> LegId {
        LegId(Derive::entity("leg").part(&self.system).part(&self.account).part(&self.kind).part(&self.native).uuid())
    }

    /// The same place in the same cloud under another native id, for instance the contact after a transfer.
    #[must_use]
    pub fn sibling(&self, native: &str) -> Self {
        LegRef { native: native.to_owned(), ..self.clone() }
    }
}

impl LegId {
    /// The interaction that this leg opens as its `generation`-th (1, 2, …).
    pub fn opens(self, generation: u32) -> InteractionId {
        InteractionId(Derive::entity("interaction").part(&self.0.to_string()).number(u64::from(generation)).uuid())
    }
}

impl InteractionId {
    /// The id of the command that this interaction owes for `purpose`, for the `generation`-th time.
    pub fn command(self, purpose: &str, generation: u32) -> CommandId {
        CommandId(
            Derive::entity("command").part(&self.0.to_string()).part(purpose).number(u64::from(generation)).uuid(),
        )
    }
}

impl EventId {
    /// The id of the `ordinal`-th event of the record at `seq` of a domain's log.
    pub fn of(domain: &DomainName, seq: u64, ordinal: u32) -> Self {
        EventId(Derive::entity("event").part(&domain.0).number(seq).number(u64::from(ordinal)).uuid())
    }
}

impl PartyKey {
    /// The key of the person behind `address` in `system`.
    pub fn of(key: &IdKey, system: &str, address: &str) -> Self {
        PartyKey(Derive::entity("party").part(system).part(address).keyed(key))
    }
}

/// One leg of an interaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LegId(pub Uuid);

impl fmt::Display for LegId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One customer matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InteractionId(pub Uuid);

impl fmt::Display for InteractionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One thing owed to a cloud. Also its idempotency token there, and the marker on messages that we write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CommandId(pub Uuid);

impl fmt::Display for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One canonical event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(pub Uuid);

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A person in one cloud, without saying who: an HMAC of the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PartyKey(pub Uuid);

impl fmt::Display for PartyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The person whose personal data a record holds; destroying the key of this id erases them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SubjectId(pub Uuid);

impl fmt::Display for SubjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A configured adapter: the key under `[adapters]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InstanceName(pub String);

impl fmt::Display for InstanceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<&str> for InstanceName {
    fn from(name: &str) -> Self {
        InstanceName(name.to_owned())
    }
}

/// A site, tenant or line of business; it has one desk and one log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DomainName(pub String);

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<&str> for DomainName {
    fn from(name: &str) -> Self {
        DomainName(name.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thread(native: &str) -> LegRef {
        LegRef {
            system: "azure-communication".to_owned(),
            account: "contoso".to_owned(),
            kind: "thread".to_owned(),
            native: native.to_owned(),
        }
    }

    #[test]
    fn the_same_leg_has_the_same_id_for_ever() {
        assert_eq!(thread("19:a@thread.v2").id().to_string(), "e76d538d-a834-855d-95c0-5a05579bcb7f");
        assert_eq!(thread("19:a@thread.v2").id().opens(1).to_string(), "294fabe0-b978-8c82-99b1-161ad290ff0a");
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(Derive::entity("x").part("ab").part("c").uuid(), Derive::entity("x").part("a").part("bc").uuid());
    }

    #[test]
    fn a_party_key_cannot_be_had_without_the_id_key() {
        let one = PartyKey::of(&IdKey::new(b"one"), "sys", "8:acs:1");
        assert_ne!(one, PartyKey::of(&IdKey::new(b"two"), "sys", "8:acs:1"));
        assert_eq!(one, PartyKey::of(&IdKey::new(b"one"), "sys", "8:acs:1"));
    }
}
