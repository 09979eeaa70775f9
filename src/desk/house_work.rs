//! The house's inputs on their way through the desk: agents, tokens, parked facts, chats, subscriptions.

use std::sync::Arc;

use tandem_sdk::model::{
    Action, Channel, Command, Derive, Fact, InstanceName, InteractionId, LegRef, PartyKey, Personal, SubjectId,
};
use tandem_sdk::secret::{Secret, SecretRole};

use super::answer::Done;
use super::claims::customer_secret;
use super::persist;
use super::redriving::BY;
use super::run::Writer;
use super::work::{Entering, Pending, begin, key_error};
use crate::interactions::conduct::INTERACTION_ATTRIBUTE;
use crate::interactions::{ChatRequest, Input, Owner, Step, asks_about_parked};
use crate::record::{Opening, RecordError};
use crate::store::seal::{Part, Place, Sealed};
use crate::store::{Keyspace, SecretName, Store, SubjectId as StoredSubject};

impl Writer {
    /// A turn of the house, and what it has to tell interactions.
    pub(super) fn house_turn(
        &mut self,
        pending: &mut Pending,
        input: Input,
        settled: Option<&Command>,
        body: &[u8],
    ) -> Result<(), RecordError> {
        // Should its turn panic, the house is read back from the store before anything else is taken.
        let mut house = std::mem::take(&mut self.house);
        let (steps, tell) = house.take_turn(&self.context(pending), &input, settled);
        self.house = house;
        self.enter_house(pending, input, steps, body)?;
        for (id, input) in tell {
            let Some(mut it) = self.load(id)? else { continue };
            it.fold_input(&input);
            self.turn(pending, it, None, input, None, Vec::new(), Vec::new(), &[])?;
        }
        Ok(())
    }

    fn enter_house(
        &mut self,
        pending: &mut Pending,
        input: Input,
        steps: Vec<Step>,
        body: &[u8],
    ) -> Result<(), RecordError> {
        for step in &steps {
            match step {
                Step::Command(command) => self.outbox.push(Arc::clone(command), Owner::House, self.now, false),
                Step::Timer { name, due } => self.timers.set(Owner::House, name, *due),
                _ => {}
            }
        }
        let seq = self.next(pending);
        self.house.last_seq = seq;
        self.house_dirty.get_or_insert(seq);
        let subject = SubjectId(uuid::Uuid::from_bytes(StoredSubject::HOUSE.0));
        self.enter(
            pending,
            Entering { owner: Owner::House, subject, opens: None, input, facts: Vec::new(), steps, body },
        )
    }

    /// The outcome of one of the house's own commands.
    pub(super) fn house_outcome(
        &mut self,
        pending: &mut Pending,
        input: Input,
        observed: Vec<Fact>,
        secrets: Vec<(SecretRole, Secret)>,
    ) -> Result<(), RecordError> {
        let Some(settled) = self.house.fold_input(&input) else { return Ok(()) };
        self.keep_secrets(pending, StoredSubject::HOUSE, &settled, secrets, None)?;
        self.house_turn(pending, input, Some(&settled), &[])?;
        if asks_about_parked(&settled)
            && let Some(leg) = settled.action.leg().cloned()
        {
            match self.still_waits(&leg) {
                true => self.wait_on(pending, &leg)?,
                false => self.adopt(pending, &leg, observed)?,
            }
        }
        if let Action::Confirm { .. } = settled.action {
            for name in settled.uses.values().filter_map(|name| SecretName::new(name)) {
                self.vault.delete(&name, &mut pending.rows)?;
            }
        }
        Ok(())
    }

    /// Whether a fact must wait for the outcome of a command that made its leg: the contact is unknown while a placement in
    /// its cloud is on its way, or the thread is one that the hub itself opened just now.
    pub(super) fn must_park(&self, instance: &InstanceName, fact: &Fact) -> bool {
        if self.house.parked.len() >= self.setup.journey.parked_most {
            return false;
        }
        match fact.leg.kind.as_str() {
            "contact" => !fact.attributes.contains_key(INTERACTION_ATTRIBUTE) && self.outbox.owes(instance, "place"),
            "thread" => {
                let hub = self.setup.known().hub;
                let is_ours = hub.is_some() && fact.author.as_ref().is_some_and(|author| author.key == hub);
                let is_parked = || self.house.parked.iter().any(|parked| parked.fact.leg == fact.leg);
                (is_ours || is_parked()) && self.outbox.owes(instance, "open")
            }
            _ => false,
        }
    }

    /// Parks the facts of an unknown contact. Its words are sealed under a key of the contact's own.
    pub(super) fn park(
        &mut self,
        pending: &mut Pending,
        input: Input,
        facts: Vec<Fact>,
        body: &[u8],
    ) -> Result<(), RecordError> {
        let Some(leg) = facts.first().map(|fact| fact.leg.id()) else { return Ok(()) };
        let mut house = std::mem::take(&mut self.house);
        let mut steps = Vec::new();
        for fact in facts {
            steps.extend(house.park(&self.context(pending), fact));
        }
        self.house = house;
        for step in &steps {
            if let Step::Timer { name, due } = step {
                self.timers.set(Owner::House, name, *due);
            }
        }
        let seq = self.next(pending);
        self.house.last_seq = seq;
        self.house_dirty.get_or_insert(seq);
        self.enter(
            pending,
            Entering {
                owner: Owner::House,
                subject: SubjectId(leg.0),
                opens: None,
                input,
                facts: Vec::new(),
                steps,
                body,
            },
        )
    }

    /// The contact is known now: its parked facts go where they belong.
    pub(super) fn unpark(&mut self, pending: &mut Pending, leg: &LegRef) -> Result<(), RecordError> {
        let mut house = std::mem::take(&mut self.house);
        let (steps, facts) = house.unpark(&self.context(pending), leg);
        self.house = house;
        if facts.is_empty() {
            return Ok(());
        }
        self.enter_house(pending, Input::Learned {}, steps, &[])?;
        let instance = self.setup.instance_of(leg);
        self.file_parked(pending, &instance, leg, facts)
    }

    /// Whether the command that made a leg with parked facts is still on its way, which a thread alone can tell.
    fn still_waits(&self, leg: &LegRef) -> bool {
        let parked = self.house.parked.iter().find(|parked| parked.fact.leg == *leg);
        leg.kind == "thread" && parked.is_some_and(|parked| self.must_park(&self.setup.instance_of(leg), &parked.fact))
    }

    /// Parked facts wait once more.
    fn wait_on(&mut self, pending: &mut Pending, leg: &LegRef) -> Result<(), RecordError> {
        let mut house = std::mem::take(&mut self.house);
        let steps = house.wait_on(&self.context(pending), leg);
        self.house = house;
        self.enter_house(pending, Input::Learned {}, steps, &[])
    }

    /// Nobody came for the contact: what its cloud says decides, else it is an interaction of its own.
    fn adopt(&mut self, pending: &mut Pending, leg: &LegRef, observed: Vec<Fact>) -> Result<(), RecordError> {
        let mut house = std::mem::take(&mut self.house);
        let (steps, parked) = house.unpark(&self.context(pending), leg);
        self.house = house;
        self.enter_house(pending, Input::Learned {}, steps, &[])?;
        let mut facts = observed;
        facts.extend(parked);
        facts.sort_by(|a, b| (a.occurred_at, &a.key).cmp(&(b.occurred_at, &b.key)));
        // The attribute that names the interaction may be on any of them; the first to be filed must have it.
        facts.sort_by_key(|fact| !fact.attributes.contains_key(INTERACTION_ATTRIBUTE));
        let instance = self.setup.instance_of(leg);
        self.file_parked(pending, &instance, leg, facts)
    }

    /// Files facts that were parked. The records that parked them are sealed under the contact's own key, so the
    /// customer's erasure must find it.
    fn file_parked(
        &mut self,
        pending: &mut Pending,
        instance: &InstanceName,
        leg: &LegRef,
        facts: Vec<Fact>,
    ) -> Result<(), RecordError> {
        pending.filing_parked = true;
        let filed = self.take_facts(pending, instance, Input::Learned {}, facts, &[]);
        pending.filing_parked = false;
        filed?;
        if let Some(id) = self.interaction_of(leg.id())?
            && let Some(it) = self.look_at(id)?
        {
            let same = persist::same_ref(it.subject, SubjectId(leg.id().0));
            pending.rows.put(Keyspace::Refs, same, Vec::new());
        }
        Ok(())
    }

    /// A verified caller's wish for a chat.
    pub(super) fn take_chat(&mut self, pending: &mut Pending, mut request: ChatRequest) -> Result<Done, RecordError> {
        // A caller may make their key of what they know of the customer, and the key is recorded in plain.
        request.key = PartyKey::of(&self.setup.id_key, "idempotency_key", &request.key).0.to_string();
        let leg = LegRef {
            system: "tandem".to_owned(),
            account: self.setup.domain.0.clone(),
            kind: "request".to_owned(),
            native: request.key.clone(),
        };
        let id = leg.id().opens(1);
        if self.interaction_of(leg.id())?.is_some() {
            // The same key with another customer gets nothing of the first one's.
            let same = self.look_at(id)?.is_some_and(|it| it.customer.identities == request.identities);
            return Ok(Done { interaction: same.then_some(id), duplicate: true });
        }
        let party = customer_party(&request, self);
        // Whoever asks to be erased names any of their identities.
        let parties: Vec<PartyKey> = request.identities.iter().filter_map(|identity| self.party(identity)).collect();
        request.party = party;
        if let Some(party) = party {
            request.known_address = self.known_address(party)?;
        }
        let subject = party.map_or(SubjectId(id.0), |party| SubjectId(party.0));
        let opening =
            Opening { generation: 1, continued_from: None, channel: Channel::Chat, agent_parties: Vec::new() };
        let mut it = Box::new(begin(id, subject, &opening, self.now));
        let input = Input::Chat(Box::new(request));
        it.fold_input(&input);
        self.refer(pending, leg.id(), id);
        for party in parties {
            pending.rows.put(Keyspace::Refs, persist::party_ref(party, subject), Vec::new());
        }
        self.turn(pending, it, Some(opening), input, None, Vec::new(), Vec::new(), &[])?;
        Ok(Done { interaction: Some(id), duplicate: false })
    }

    /// A token was not accepted. It leaves the vault, so that whatever needs it waits for the one that the house asks for.
    pub(super) fn take_rejection(
        &mut self,
        pending: &mut Pending,
        secret: String,
        value: &Secret,
    ) -> Result<Done, RecordError> {
        let Some(name) = SecretName::new(&secret).filter(|_| !pending.kept.contains(&secret)) else {
            return Ok(Done { interaction: None, duplicate: true });
        };
        let kept = self.vault.get(&name, self.now)?;
        if kept.is_none_or(|kept| kept.reveal() != value.reveal().as_bytes()) {
            // Somebody was quicker: it is gone, or there is another one.
            return Ok(Done { interaction: None, duplicate: true });
        }
        self.vault.delete(&name, &mut pending.rows)?;
        let input = Input::TokenRejected { secret };
        self.house.fold_input(&input);
        self.house_turn(pending, input, None, &[]).map(|()| Done::default())
    }

    /// A customer's token has little life left: another one is owed, unless one is, or has come since somebody looked.
    pub(super) fn take_stale_token(&mut self, pending: &mut Pending, id: InteractionId) -> Result<Done, RecordError> {
        if pending.kept.contains(&customer_secret(id)) || self.lasting_token(id).is_some() {
            return Ok(Done { interaction: Some(id), duplicate: true });
        }
        let Some(it) = self.load(id)? else { return Ok(Done::default()) };
        self.turn(pending, it, None, Input::TokenStale {}, None, Vec::new(), Vec::new(), &[])?;
        Ok(Done { interaction: Some(id), duplicate: false })
    }

    /// A subscription wants to be confirmed.
    pub(super) fn take_confirmation(
        &mut self,
        pending: &mut Pending,
        instance: InstanceName,
        topic: String,
        address: &Secret,
    ) -> Result<Done, RecordError> {
        let secret = format!("confirm/{}", Derive::entity("confirm").part(&instance.0).part(&topic).uuid());
        if let Some(name) = SecretName::new(&secret) {
            let value = address.reveal().as_bytes();
            self.vault.put(&name, StoredSubject::HOUSE, value, None, &mut pending.rows)?;
        }
        self.house_turn(pending, Input::ConfirmationAsked { instance, topic, secret }, None, &[])?;
        Ok(Done::default())
    }

    /// Keeps a customer's address for their next chat.
    pub(super) fn remember_address(
        &self,
        pending: &mut Pending,
        party: PartyKey,
        address: &str,
    ) -> Result<(), RecordError> {
        let key = persist::address_ref(party);
        let mut sealed = Vec::new();
        let place = Place::Row { keyspace: Keyspace::Refs, key: &key };
        let owner = StoredSubject(*party.0.as_bytes());
        self.keys.seal(&mut sealed, owner, place, address.as_bytes(), &mut pending.rows)?;
        pending.rows.put(Keyspace::Refs, key.clone(), sealed);
        Ok(())
    }

    fn known_address(&self, party: PartyKey) -> Result<Personal, RecordError> {
        let key = persist::address_ref(party);
        let Some(row) = self.store.get(Keyspace::Refs, &key).map_err(key_error)? else { return Ok(Personal::NONE) };
        let (part, _) = Part::split(&row).map_err(crate::store::KeyError::from)?;
        let opened = self.keys.open_part(&part, Place::Row { keyspace: Keyspace::Refs, key: &key })?;
        Ok(match opened {
            Sealed::Text(text) => String::from_utf8(text.to_vec()).map_or(Personal::NONE, Personal::new),
            Sealed::Gone => Personal::NONE,
        })
    }
}

/// Who the caller says that the customer is: by the company's own number, else by phone or e-mail.
fn customer_party(request: &ChatRequest, writer: &Writer) -> Option<PartyKey> {
    let identity = BY
        .iter()
        .find_map(|kind| request.identities.iter().find(|identity| identity.kind == *kind))
        .filter(|identity| identity.verified)?;
    writer.party(identity)
}
