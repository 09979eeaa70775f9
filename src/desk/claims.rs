//! Workers claim commands here, and people ask how things stand.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tandem_sdk::error::{AdapterError, ErrorKind};
use tandem_sdk::model::{Action, Command, Identity, InteractionId, PartyKey, SubjectId};
use tandem_sdk::secret::{Secret, SecretRole};
use tokio::sync::oneshot;

use super::answer::{AskedChat, Overview, tell};
use super::committing::Open;
use super::outbox::Entry;
use super::run::Writer;
use crate::interactions::{Agent, House, Interaction, Side, erased};
use crate::store::SecretName;

/// When it is looked again whether the secret of a command is there, although nothing that yields it has had its outcome.
const SECRET_WAIT: SignedDuration = SignedDuration::from_secs(30);
/// When the store is asked again for a secret that it could not read.
const READS_AGAIN: SignedDuration = SignedDuration::from_secs(1);
/// When a command dies again whose death could not be written down.
const DIES_AGAIN: SignedDuration = SignedDuration::from_secs(5);

/// A customer's token that works at least this long is good enough to be handed out.
const TOKEN_LASTS: SignedDuration = SignedDuration::from_mins(10);

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
    /// The agents that the hub has met.
    Agents(oneshot::Sender<Vec<Agent>>),
    /// What a caller of `POST /v1/chats` waits for.
    Chat(InteractionId, oneshot::Sender<Option<AskedChat>>),
    /// Whose data are a person's.
    Subjects(Whose, oneshot::Sender<Option<Vec<SubjectId>>>),
}

impl Writer {
    /// Gives waiting workers what may go.
    pub(super) fn serve_claims(&mut self, open: &mut Open) {
        while !self.claims.is_empty() && !self.stuck {
            let most = self.claims.first().map_or(0, |(most, _)| *most);
            let mut given = Vec::new();
            while given.len() < most && !self.stuck {
                let Some(entry) = self.outbox.next(self.now) else { break };
                if let Some(claim) = self.make_ready(entry, open) {
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
    fn make_ready(&mut self, entry: Entry, open: &mut Open) -> Option<Claim> {
        let id = entry.command.id;
        if entry.command.expires_at <= self.now {
            self.let_die(open, id, entry.uncertain, "not done in time");
            return None;
        }
        if let Some(why) = erased(&entry.command.action) {
            self.let_die(open, id, entry.uncertain, why);
            return None;
        }
        let mut secrets = BTreeMap::new();
        for (role, name) in &entry.command.uses {
            if open.pending.kept.contains(name) || self.underway.as_ref().is_some_and(|under| under.kept.contains(name))
            {
                self.outbox.put_off(id, self.now, entry.uncertain);
                return None;
            }
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
                    self.let_die(open, id, entry.uncertain, "its secret will not come");
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
    fn let_die(&mut self, open: &mut Open, id: tandem_sdk::model::CommandId, uncertain: bool, why: &str) {
        let mut error = AdapterError::new(ErrorKind::Unavailable, "expired", why);
        if uncertain {
            error = error.perhaps_done();
        }
        // No worker has it. Should its death not become durable, it comes here again.
        self.outbox.defer(id, self.after(DIES_AGAIN), uncertain, false);
        let taken = self.guarded(&mut open.pending, |writer, pending| {
            writer.take_outcome(pending, id, Err(error), Vec::new(), false)
        });
        if taken.is_err() {
            tracing::error!(command.id = %id, "an expired command could not be settled");
            self.stuck = true;
        }
    }

    fn after(&self, wait: SignedDuration) -> Timestamp {
        self.now.saturating_add(wait).unwrap_or(self.now)
    }

    /// The answer to a question about the state as it is now, to be told when that is durable.
    pub(super) fn answer(&self, asked: Asked) -> Box<dyn FnOnce() + Send> {
        match asked {
            Asked::Interaction(id, reply) => telling(reply, self.find_interaction(id)),
            Asked::Interactions(most, reply) => {
                let newest = |it: &&Interaction| std::cmp::Reverse((it.changed_at, it.id));
                let mut all: Vec<&Interaction> = self.shelf.iter().collect();
                // The shelf may hold many more than are wanted: only those are put in order.
                if most < all.len() {
                    all.select_nth_unstable_by_key(most, newest);
                    all.truncate(most);
                }
                all.sort_unstable_by_key(newest);
                let overview = |it: &Interaction| Overview {
                    id: it.id,
                    state: it.state(),
                    opened_at: it.opened_at,
                    changed_at: it.changed_at,
                    owed: it.owed.len(),
                };
                telling(reply, all.into_iter().map(overview).collect())
            }
            Asked::House(reply) => telling(reply, self.house.clone()),
            Asked::Agents(reply) => telling(reply, self.house.agents.values().cloned().collect()),
            Asked::Chat(id, reply) => telling(reply, self.asked_chat(id)),
            Asked::Subjects(whose, reply) => {
                let found = self.subjects(&whose);
                telling(reply, found.inspect_err(|error| tracing::error!(%error, "nobody can be erased so")).ok())
            }
        }
    }

    /// The token of an interaction's customer, and until when it works, if that is long enough.
    pub(super) fn lasting_token(&self, id: InteractionId) -> Option<(Secret, Timestamp)> {
        let name = SecretName::new(&customer_secret(id))?;
        let (token, until) = self.vault.find(&name, self.after(TOKEN_LASTS)).ok()??;
        Some((Secret::new(String::from_utf8(token.reveal().to_vec()).ok()?), until?))
    }

    fn asked_chat(&self, id: InteractionId) -> Option<AskedChat> {
        let stored;
        let it = match self.shelf.get(id) {
            Some(it) => it,
            None => {
                stored = self.find_interaction(id)?;
                &stored
            }
        };
        let token = self.lasting_token(id);
        let thread = it.legs.iter().find(|leg| leg.side == Side::Customer).map(|leg| leg.leg.native.clone());
        Some(AskedChat { thread, identity: it.customer.address.clone(), token, is_over: it.closed.is_some() })
    }
}

fn telling<T: Send + 'static>(reply: oneshot::Sender<T>, answer: T) -> Box<dyn FnOnce() + Send> {
    Box::new(move || tell(reply, answer))
}

/// The name of the token of an interaction's customer.
pub(super) fn customer_secret(id: InteractionId) -> String {
    format!("i/{id}/customer")
}
