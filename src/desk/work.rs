//! One input on its way through the desk: dedupe, correlate, fold, conduct, encode.

use std::collections::HashSet;
use std::sync::Arc;

use tandem_sdk::doors::{Decoded, Envelope};
use tandem_sdk::error::AdapterError;
use tandem_sdk::model::{
    CommandId, Derive, Fact, FactKind, InstanceName, InteractionId, Outcome, PartyKey, Role, SubjectId,
};
use tandem_sdk::secret::{Secret, SecretRole};

use super::answer::Done;
use super::persist;
use super::recover::{is_nothing_new, stamp};
use super::run::Writer;
use crate::interactions::conduct::{Context, Turn, channel_of};
use crate::interactions::{Belongs, ChatRequest, Input, Interaction, Note, Owner, Step, Understood};
use crate::record::{Opening, Record, RecordError};
use crate::store::rows::dedupe::{Day, DedupeKey, taken_by};
use crate::store::rows::quarantined::QuarantineKey;
use crate::store::rows::semantic::SemanticKey;
use crate::store::{Batch, Keyspace, SecretName, Store};

/// Pairs of customer and subject that are remembered as written down. Forgetting them costs a write each.
const TOLD: usize = 50_000;

/// A verified, decoded vendor message.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// Through which adapter instance.
    pub instance: InstanceName,
    /// The message.
    pub envelope: Envelope,
    /// What came of decoding it.
    pub decoded: Decoded,
    /// Content hash of the mappings that decoded it.
    pub mapping: String,
}

/// What the desk can be given.
#[derive(Clone, Debug)]
pub enum Work {
    /// A vendor message.
    Envelope(Box<Incoming>),
    /// What came of a command.
    Outcome {
        /// The command.
        command: CommandId,
        /// What the cloud answered, or why it will not be tried again.
        result: Result<Outcome, AdapterError>,
        /// Secrets that came with it.
        secrets: Vec<(SecretRole, Secret)>,
        /// Whether it was sent again although an earlier attempt may have landed.
        repeated: bool,
    },
    /// A verified caller's wish for a chat.
    Chat(Box<ChatRequest>),
    /// A subscription wants to be confirmed.
    Confirm {
        /// Through which adapter instance.
        instance: InstanceName,
        /// Topic.
        topic: String,
        /// The address that confirms.
        address: Secret,
    },
    /// A token was not accepted.
    TokenRejected {
        /// Its name in the vault.
        secret: String,
        /// The token.
        value: Secret,
    },
    /// A caller asked for a chat whose customer's token has little life left.
    TokenStale {
        /// Whose.
        interaction: InteractionId,
    },
    /// A vendor message that was in quarantine and is understood now.
    Redrive {
        /// Its row in quarantine.
        row: QuarantineKey,
        /// The message, decoded again.
        incoming: Box<Incoming>,
    },
    /// An input in quarantine that nobody wants.
    Discard {
        /// Its row.
        row: QuarantineKey,
    },
    /// A dead command that is to be owed again.
    Revive {
        /// Whose it is.
        interaction: InteractionId,
        /// The command.
        command: CommandId,
    },
    /// Subjects whose personal data are to be erased.
    Erase {
        /// Whose.
        subjects: Vec<SubjectId>,
    },
}

/// What one commit will write.
#[derive(Default)]
pub(super) struct Pending {
    pub(super) entries: Vec<Vec<u8>>,
    pub(super) rows: Batch,
    seen: HashSet<[u8; 16]>,
    facts: HashSet<[u8; 32]>,
    /// Names of the secrets that this commit keeps.
    pub(super) kept: HashSet<String>,
    /// What was parked is being filed: it does not wait again.
    pub(super) filing_parked: bool,
}

impl Pending {
    /// Whether nothing with this digest was seen in this commit; from now on it was.
    pub(super) fn is_first(&mut self, digest: [u8; 16]) -> bool {
        self.seen.insert(digest)
    }
}

/// An aggregate, and what one record does to it.
pub(super) struct Entering<'a> {
    pub(super) owner: Owner,
    pub(super) subject: SubjectId,
    pub(super) opens: Option<Opening>,
    pub(super) input: Input,
    pub(super) facts: Vec<Fact>,
    pub(super) steps: Vec<Step>,
    pub(super) body: &'a [u8],
}

impl Writer {
    /// The sequence number of the next record of this commit.
    pub(super) fn next(&self, pending: &Pending) -> u64 {
        self.next_seq.saturating_add(pending.entries.len() as u64)
    }

    /// Encodes a record into the commit.
    pub(super) fn enter(&self, pending: &mut Pending, entering: Entering<'_>) -> Result<(), RecordError> {
        let record = Record {
            seq: self.next(pending),
            recorded_at: self.now,
            epoch: self.epoch,
            owner: entering.owner,
            subject: entering.subject,
            opens: entering.opens,
            input: entering.input,
            facts: entering.facts,
            steps: entering.steps,
            rules: self.rules.version().to_owned(),
        };
        let entry = record.encode(entering.body, &self.keys, &mut pending.rows)?;
        pending.entries.push(entry);
        Ok(())
    }

    /// What conduct knows, for the next record of this commit.
    pub(super) fn context(&self, pending: &Pending) -> Context<'_> {
        self.setup.context(&self.rules, self.next(pending), self.now)
    }

    /// Takes one vendor message.
    pub(super) fn take_envelope(&mut self, pending: &mut Pending, incoming: Incoming) -> Result<Done, RecordError> {
        let (instance, envelope) = (&incoming.instance, &incoming.envelope);
        let digests: Vec<[u8; 16]> =
            envelope.dedupe.iter().map(|key| digest(&[&instance.0, &envelope.door, key])).collect();
        let today = Day::of(self.now);
        for digest in &digests {
            if pending.seen.contains(digest)
                || taken_by(&*self.store, *digest, &self.dedupe_days).map_err(key_error)?.is_some()
            {
                self.counts.duplicates = self.counts.duplicates.saturating_add(1);
                return Ok(Done { interaction: None, duplicate: true });
            }
        }
        let seq = self.next(pending);
        for digest in digests {
            pending.rows.put(Keyspace::Dedupe, DedupeKey { day: today, digest }.encode(), seq.to_be_bytes().to_vec());
            pending.seen.insert(digest);
        }
        self.take_decoded(pending, incoming)
    }

    /// Takes one vendor message that nobody took before.
    pub(super) fn take_decoded(&mut self, pending: &mut Pending, incoming: Incoming) -> Result<Done, RecordError> {
        let Incoming { instance, envelope, decoded, mapping } = incoming;
        let (understood, facts) = match decoded {
            Decoded::Facts(facts) => (Understood::Facts, facts),
            Decoded::Ignored { reason, unknown } => (Understood::Ignored { reason, unknown }, Vec::new()),
            Decoded::Malformed { problem } => (Understood::Malformed { problem }, Vec::new()),
        };
        let input = Input::Envelope {
            instance: instance.clone(),
            door: envelope.door,
            kind: envelope.kind,
            dedupe: envelope.dedupe,
            origin: envelope.origin,
            mapping,
            understood,
        };
        self.take_facts(pending, &instance, input, facts, &envelope.body)
    }

    /// Files facts: each leg's with its interaction.
    pub(super) fn take_facts(
        &mut self,
        pending: &mut Pending,
        instance: &InstanceName,
        input: Input,
        mut facts: Vec<Fact>,
        body: &[u8],
    ) -> Result<Done, RecordError> {
        for fact in &mut facts {
            fact.identify(&self.setup.id_key);
        }
        let mut rest = facts;
        let mut first = Some((input, body));
        let mut went_to = None;
        while let Some(lead) = rest.first() {
            let leg = lead.leg.clone();
            let (of_leg, others): (Vec<Fact>, Vec<Fact>) = rest.into_iter().partition(|fact| fact.leg == leg);
            rest = others;
            let (input, body) = first.take().unwrap_or((Input::Learned {}, &[]));
            went_to = went_to.or(self.take_leg(pending, instance, input, of_leg, body)?);
        }
        if let Some((input @ Input::Envelope { .. }, body)) = first {
            self.take_nothing(pending, input, body)?;
        }
        Ok(Done { interaction: went_to, duplicate: false })
    }

    /// Keeps what brought no fact, and puts into quarantine what could not be understood.
    pub(super) fn take_nothing(&mut self, pending: &mut Pending, input: Input, body: &[u8]) -> Result<(), RecordError> {
        if let Input::Envelope { understood, .. } = &input {
            let why = match understood {
                Understood::Malformed { problem } => {
                    self.counts.quarantined = self.counts.quarantined.saturating_add(1);
                    Some(problem.clone())
                }
                Understood::Ignored { reason, unknown: true } => {
                    self.counts.unknown_kinds = self.counts.unknown_kinds.saturating_add(1);
                    Some(reason.clone())
                }
                _ => None,
            };
            if let Some(why) = why {
                let key = QuarantineKey { seq: self.next(pending), ordinal: 0 }.encode();
                pending.rows.put(Keyspace::Quarantine, key, crate::store::Frame::encode(why.as_bytes(), None)?);
            }
        }
        let subject = self.setup.unfiled(Day::of(self.now));
        self.enter(
            pending,
            Entering { owner: Owner::Nobody, subject, opens: None, input, facts: Vec::new(), steps: Vec::new(), body },
        )
    }

    /// Files the facts of one leg.
    fn take_leg(
        &mut self,
        pending: &mut Pending,
        instance: &InstanceName,
        input: Input,
        facts: Vec<Fact>,
        body: &[u8],
    ) -> Result<Option<InteractionId>, RecordError> {
        let Some(lead) = facts.first() else { return Ok(None) };
        let belongs = match self.find(pending, lead)? {
            Some(belongs) => belongs,
            None if !pending.filing_parked && self.must_park(instance, lead) => {
                self.park(pending, input, facts, body)?;
                return Ok(None);
            }
            None => Belongs::New { generation: 1, continued_from: None },
        };
        let (it, opens) = match belongs {
            Belongs::To(id) => (self.load(id)?, None),
            Belongs::New { generation, continued_from } => {
                let agent_parties = match continued_from {
                    Some(before) => {
                        self.look_at(before)?.map(|before| before.agent_parties.clone()).unwrap_or_default()
                    }
                    None => Vec::new(),
                };
                let channel = channel_of(&lead.leg, lead.channel.as_ref());
                let opening = Opening { generation, continued_from, channel, agent_parties };
                let id = lead.leg.id().opens(generation);
                let subject = subject_of(lead, id, self.setup.known().hub, &opening.agent_parties);
                (Some(Box::new(begin(id, subject, &opening, self.now))), Some(opening))
            }
        };
        let Some(mut it) = it else { return self.take_nothing(pending, input, body).map(|()| None) };
        let facts = self.new_facts(pending, facts)?;
        if let Input::Learned {} = input
            && facts.is_empty()
        {
            let id = it.id;
            self.shelf.put_back(it);
            return Ok(Some(id));
        }
        let known = self.context(pending).known();
        let mut changes = Vec::new();
        for fact in &facts {
            self.refer(pending, fact.leg.id(), it.id);
            changes.extend(it.fold_fact(fact, known, self.now));
        }
        let id = it.id;
        self.turn(pending, it, opens, input, None, facts, changes, body)?;
        Ok(Some(id))
    }

    /// Conducts one interaction's turn, enters its record and does what its steps ask of the desk.
    #[expect(clippy::too_many_arguments, reason = "the parts of one record, all different")]
    pub(super) fn turn(
        &mut self,
        pending: &mut Pending,
        mut it: Box<Interaction>,
        opens: Option<Opening>,
        input: Input,
        settled: Option<&tandem_sdk::model::Command>,
        facts: Vec<Fact>,
        changes: Vec<crate::interactions::Change>,
        body: &[u8],
    ) -> Result<(), RecordError> {
        let seq = self.next(pending);
        let nothing_new = is_nothing_new(&input, &facts);
        let steps =
            if nothing_new { Vec::new() } else { Turn::take(&mut it, self.context(pending), &input, settled, changes) };
        stamp(&mut it, seq, self.now, nothing_new);
        let (owner, subject) = (Owner::Interaction(it.id), it.subject);
        self.after_steps(pending, owner, &steps)?;
        let mut wanted = agents_wanted(it.id, &steps);
        if is_closing(&steps) && self.house.is_waited_on_by(it.id) {
            wanted.push(Input::AgentUnneeded { interaction: it.id });
        }
        for party in people(&it, &facts, self.setup.known().hub) {
            if self.is_news(party, subject) {
                pending.rows.put(Keyspace::Refs, persist::party_ref(party, subject), Vec::new());
            }
        }
        if let Some(party) = it.customer.key.filter(|party| party.0 != subject.0)
            && self.is_news(PartyKey(subject.0), SubjectId(party.0))
        {
            // A later conversation of the same user, which no caller vouched for, is sealed under the user's own key.
            pending.rows.put(Keyspace::Refs, persist::same_ref(subject, SubjectId(party.0)), Vec::new());
        }
        self.enter(pending, Entering { owner, subject, opens, input, facts, steps, body })?;
        self.shelf.put_dirty(it, seq);
        wanted.into_iter().try_for_each(|input| self.house_turn(pending, input, None, &[]))
    }

    /// Whether nobody wrote down lately whose data a subject's are.
    fn is_news(&mut self, party: PartyKey, subject: SubjectId) -> bool {
        if self.told.len() >= TOLD {
            self.told.clear();
        }
        self.told.insert((party, subject))
    }

    /// What steps ask of the desk itself: commands on the shelf, timers, secrets gone.
    fn after_steps(&mut self, pending: &mut Pending, owner: Owner, steps: &[Step]) -> Result<(), RecordError> {
        for step in steps {
            match step {
                Step::Command(command) => self.outbox.push(Arc::clone(command), owner, self.now, false),
                Step::Timer { name, due } => self.timers.set(owner, name, *due),
                Step::Forget { secrets } => {
                    for name in secrets.iter().filter_map(|name| SecretName::new(name)) {
                        self.vault.delete(&name, &mut pending.rows)?;
                    }
                }
                Step::Event(_) | Step::Decision(_) | Step::Note(_) => {}
            }
        }
        Ok(())
    }

    /// Whether a fact was taken before, by whichever envelope.
    pub(super) fn is_known(&self, pending: &Pending, fact: &Fact) -> Result<bool, RecordError> {
        let key = semantic_key(fact);
        Ok(pending.facts.contains(&key) || self.store.contains(Keyspace::Semantic, &key).map_err(key_error)?)
    }

    /// Leaves out the facts that were taken before, by whichever envelope.
    fn new_facts(&self, pending: &mut Pending, facts: Vec<Fact>) -> Result<Vec<Fact>, RecordError> {
        let seq = self.next(pending);
        let mut new = Vec::with_capacity(facts.len());
        for fact in facts {
            let key = semantic_key(&fact);
            if !self.is_known(pending, &fact)? {
                pending.facts.insert(key);
                pending.rows.put(Keyspace::Semantic, key, seq.to_be_bytes().to_vec());
                new.push(fact);
            }
        }
        Ok(new)
    }
}

fn semantic_key(fact: &Fact) -> [u8; 32] {
    SemanticKey { leg: *fact.leg.id().0.as_bytes(), digest: digest(&[fact.kind.name(), &fact.key]) }.encode()
}

/// What the house must be asked for.
fn agents_wanted(id: InteractionId, steps: &[Step]) -> Vec<Input> {
    let notes = steps.iter().filter_map(|step| if let Step::Note(note) = step { Some(&**note) } else { None });
    notes
        .filter_map(|note| match note {
            Note::AgentWanted { instance, agent, .. } => {
                Some(Input::AgentNeeded { instance: instance.clone(), agent: agent.clone(), interaction: id })
            }
            _ => None,
        })
        .collect()
}

fn is_closing(steps: &[Step]) -> bool {
    steps.iter().any(|step| matches!(step, Step::Note(note) if matches!(**note, Note::Closed { .. })))
}

/// The interaction that a record opens.
pub(super) fn begin(id: InteractionId, subject: SubjectId, opening: &Opening, now: jiff::Timestamp) -> Interaction {
    let mut it = Interaction::open(id, subject, opening.generation, opening.channel.clone(), now);
    it.continued_from = opening.continued_from;
    it.agent_parties = opening.agent_parties.clone();
    it
}

/// Whose data an interaction holds: the customer's, where they open it by what they write, else its own. Whoever made the
/// thread or was put into it may be a backend that does so for every customer, and says nothing of whose it is.
fn subject_of(lead: &Fact, id: InteractionId, hub: Option<PartyKey>, agents: &[PartyKey]) -> SubjectId {
    let author = lead.author.as_ref().and_then(|author| author.key);
    match author.filter(|author| Some(*author) != hub && !agents.contains(author)) {
        Some(author) if lead.leg.kind == "thread" && lead.kind == FactKind::MessagePosted => SubjectId(author.0),
        _ => SubjectId(id.0),
    }
}

/// Everybody whose personal values an interaction's record may hold: its customer, and whoever else was on its legs and is
/// neither the hub nor one of its agents.
fn people(it: &Interaction, facts: &[Fact], hub: Option<PartyKey>) -> Vec<PartyKey> {
    let parties = facts.iter().flat_map(|fact| fact.author.iter().chain(&fact.participant).chain(&fact.members));
    let outside = parties.filter(|party| party.role.is_none_or(|role| role == Role::Customer));
    let named = outside.filter_map(|party| party.key);
    let people = named.filter(|party| Some(*party) != hub && !it.agent_parties.contains(party));
    people.chain(it.customer.key).chain(it.customer.account).collect()
}

/// 16 bytes that stand for these parts.
pub(super) fn digest(parts: &[&str]) -> [u8; 16] {
    let derived = parts.iter().fold(Derive::entity("digest"), |derive, part| derive.part(part));
    *derived.uuid().as_bytes()
}

/// A store error as a record error.
pub(super) fn key_error(error: crate::store::StoreError) -> RecordError {
    RecordError::Key(crate::store::KeyError::Store(error))
}
