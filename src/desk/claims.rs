//! Workers claim commands here, and people ask how things stand.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tandem_sdk::error::{AdapterError, ErrorKind};
use tandem_sdk::model::{Action, Command, Identity, InteractionId, PartyKey, SubjectId};
use tandem_sdk::secret::{Secret, SecretRole};
use tokio::sync::oneshot;

use super::answer::{Overview, Status, tell};
use super::outbox::Entry;
use super::run::Writer;
use super::work::Pending;
use crate::interactions::{House, Interaction, erased};
use crate::store::{SecretName, Store};

/// When it is looked again whether the secret of a command is there, although nothing that yields it has had its outcome.
const SECRET_WAIT: SignedDuration = SignedDuration::from_secs(30);
/// When the store is asked again for a secret that it could not read.
const READS_AGAIN: SignedDuration = SignedDuration::from_secs(1);
/// When a command dies again whose death could not be written down.
const DIES_AGAIN: SignedDuration = SignedDuration::from_secs(5);

/// A command in flight.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The command.
    pub command: Arc<Command>,
    /// Which attempt of this life of the desk it is, from 1.
    pub attempt: u32,
    /// Whether an earlier attempt may have had its effect.
    pub uncertain: bool,
    /// Whether it was put back last without having been tried.
    pub waited: bool,
    /// The secrets that it needs.
    pub secrets: BTreeMap<SecretRole, Secret>,
    /// Now, by the desk.
    pub now: Timestamp,
}

/// Who a person is whose data are looked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Whose {
    /// A person in one cloud, or by a caller's word.
    Party(PartyKey),
    /// By what they are recognised.
    Identity(Identity),
    /// The customer of an interaction.
    Interaction(InteractionId),
}

/// A question about the state.
pub(super) enum Asked {
    /// One interaction.
    Interaction(InteractionId, oneshot::Sender<Option<Interaction>>),
    /// Those in memory, newest change first.
    Interactions(usize, oneshot::Sender<Vec<Overview>>),
    /// The house.
    House(oneshot::Sender<House>),
    /// A secret of an interaction, for the caller of `POST /v1/chats`.
    Secret(String, oneshot::Sender<Option<Secret>>),
    /// Whose data are a person's.
    Subjects(Whose, oneshot::Sender<Option<Vec<SubjectId>>>),
    /// How the desk is.
    Status(oneshot::Sender<Status>),
}

impl<S: Store + ?Sized> Writer<S> {
    /// Gives waiting workers what may go.
    pub(super) fn serve_claims(&mut self) {
        while !self.claims.is_empty() && !self.stuck {
            let most = self.claims.first().map_or(0, |(most, _)| *most);
            let mut given = Vec::new();
            while given.len() < most && !self.stuck {
                let Some(entry) = self.outbox.next(self.now) else { break };
                if let Some(claim) = self.make_ready(entry) {
                    given.push(claim);
                }
            }
            if given.is_empty() {
                return;
            }
            let (_, reply) = self.claims.remove(0);
            if let Err(unclaimed) = reply.send(given) {
                // The worker is gone; what it would have carried waits for the next one.
                for claim in unclaimed {
                    self.outbox.defer(claim.command.id, self.now, claim.uncertain, false);
                }
            }
        }
    }

    /// Finds the secrets of a command; one whose time is over dies here.
    fn make_ready(&mut self, entry: Entry) -> Option<Claim> {
        let id = entry.command.id;
        if entry.command.expires_at <= self.now {
            self.let_die(id, entry.uncertain, "not done in time");
            return None;
        }
        if let Some(why) = erased(&entry.command.action) {
            self.let_die(id, entry.uncertain, why);
            return None;
        }
        let mut secrets = BTreeMap::new();
        for (role, name) in &entry.command.uses {
            let Ok(found) = SecretName::new(name).map(|name| self.vault.get(&name, self.now)).transpose() else {
                // The store cannot read: that says nothing about the secret.
                self.outbox.defer(id, self.after(READS_AGAIN), entry.uncertain, false);
                return None;
            };
            let Some(text) = found.flatten().and_then(|found| String::from_utf8(found.reveal().to_vec()).ok()) else {
                // A leg's own secret that nothing will bring any more: its end goes without, the rest dies now instead of
                // holding up its lane. Tokens of the hub and of agents are the house's to renew.
                if name.starts_with("i/") && !self.outbox.yields(name) {
                    if matches!(entry.command.action, Action::End { .. }) {
                        continue;
                    }
                    self.let_die(id, entry.uncertain, "its secret will not come");
                    return None;
                }
                let until = self.after(SECRET_WAIT).min(entry.command.expires_at);
                self.outbox.hold(id, name, self.now, until, entry.uncertain);
                return None;
            };
            secrets.insert(*role, Secret::new(text));
        }
        Some(Claim {
            command: entry.command,
            attempt: entry.attempts,
            uncertain: entry.uncertain,
            waited: entry.waited,
            secrets,
            now: self.now,
        })
    }

    /// A command that will not be done: its outcome is why.
    fn let_die(&mut self, id: tandem_sdk::model::CommandId, uncertain: bool, why: &str) {
        let mut error = AdapterError::new(ErrorKind::Unavailable, "expired", why);
        if uncertain {
            error = error.perhaps_done();
        }
        // No worker has it. Should its death not become durable, it comes here again.
        self.outbox.defer(id, self.after(DIES_AGAIN), uncertain, false);
        let mut pending = Pending::default();
        let taken = self
            .guarded(&mut pending, |writer, pending| writer.take_outcome(pending, id, Err(error), Vec::new(), false));
        if taken.is_err() {
            tracing::error!(command.id = %id, "an expired command could not be settled");
            self.stuck = true;
        }
        self.commit_or_say(pending);
    }

    fn after(&self, wait: SignedDuration) -> Timestamp {
        self.now.saturating_add(wait).unwrap_or(self.now)
    }

    /// Answers a question about the state.
    pub(super) fn answer(&mut self, asked: Asked) {
        match asked {
            Asked::Interaction(id, reply) => tell(reply, self.find_interaction(id)),
            Asked::Interactions(most, reply) => {
                let mut all: Vec<Overview> = self
                    .shelf
                    .iter()
                    .map(|it| Overview {
                        id: it.id,
                        state: it.state(),
                        opened_at: it.opened_at,
                        changed_at: it.changed_at,
                        owed: it.owed.len(),
                    })
                    .collect();
                all.sort_by_key(|one| std::cmp::Reverse((one.changed_at, one.id)));
                all.truncate(most);
                tell(reply, all);
            }
            Asked::House(reply) => tell(reply, self.house.clone()),
            Asked::Secret(name, reply) => {
                let found = SecretName::new(&name).and_then(|name| self.vault.get(&name, self.now).ok().flatten());
                let text = found.and_then(|found| String::from_utf8(found.reveal().to_vec()).ok());
                tell(reply, text.map(Secret::new));
            }
            Asked::Subjects(whose, reply) => {
                let found = self.subjects(&whose);
                tell(reply, found.inspect_err(|error| tracing::error!(%error, "nobody can be erased so")).ok());
            }
            Asked::Status(reply) => tell(reply, self.status()),
        }
    }
}
