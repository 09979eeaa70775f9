//! The desk's loop: drain, take, commit once, answer everybody.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{oneshot, watch};

use super::answer::{DeskError, Done, Status, tell};
use super::claims::{Asked, Claim};
use super::lanes::{Lanes, Taken};
use super::loading::Setup;
use super::outbox::Outbox;
use super::shelf::Shelf;
use super::work::{Entering, Incoming, Pending, Work};
use super::{persist, recover};
use crate::clock::Clock;
use crate::interactions::{House, Input, Interaction, Owner, Understood};
use crate::record::RecordError;
use crate::routing::Rules;
use crate::store::rows::dedupe::Day;
use crate::store::rows::meta::{MetaKey, MetaName};
use crate::store::{AppendError, Keys, Keyspace, Log, LogBatch, Store, Vault};

/// How long the desk sleeps at most when nothing is due.
const IDLE: Duration = Duration::from_millis(500);
/// How long it waits before it tries a stuck store again.
const STUCK: Duration = Duration::from_millis(200);
/// Timers that one commit takes at most.
const TIMERS_PER_COMMIT: usize = 128;

/// What reaches the desk's thread.
pub(super) enum Message {
    /// An input.
    Work(Box<Work>, oneshot::Sender<Result<Done, DeskError>>),
    /// A worker that wants commands.
    Claim(usize, oneshot::Sender<Vec<Claim>>),
    /// A command to be tried again.
    Defer { id: tandem_sdk::model::CommandId, until: Timestamp, uncertain: bool, counts: bool },
    /// A question about the state.
    Ask(Asked),
}

/// Timers by due time. Memory only; the aggregates hold them.
#[derive(Default)]
pub(super) struct Timers {
    due: BTreeSet<(Timestamp, Owner, String)>,
    set: BTreeMap<(Owner, String), Timestamp>,
}

impl Timers {
    pub(super) fn set(&mut self, owner: Owner, name: &str, due: Option<Timestamp>) {
        let key = (owner, name.to_owned());
        if let Some(before) = self.set.remove(&key) {
            self.due.remove(&(before, owner, name.to_owned()));
        }
        if let Some(due) = due {
            self.due.insert((due, owner, name.to_owned()));
            self.set.insert(key, due);
        }
    }

    fn next(&self) -> Option<Timestamp> {
        self.due.first().map(|(due, _, _)| *due)
    }

    fn take_due(&mut self, now: Timestamp) -> Option<(Timestamp, Owner, String)> {
        let first = self.due.first().filter(|(due, _, _)| *due <= now)?.clone();
        self.set(first.1, &first.2, None);
        Some(first)
    }

    pub(super) fn clear(&mut self) {
        self.due.clear();
        self.set.clear();
    }
}

/// Counts since the start.
#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) duplicates: u64,
    pub(super) unknown_kinds: u64,
    pub(super) quarantined: u64,
}

/// The only writer of a domain.
pub(super) struct Writer<S: ?Sized> {
    pub(super) setup: Arc<Setup>,
    pub(super) rules: Arc<Rules>,
    pub(super) store: Arc<S>,
    pub(super) log: Log<S>,
    pub(super) keys: Arc<Keys<S>>,
    pub(super) vault: Vault<S>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) lanes: Arc<Lanes<Message>>,
    pub(super) committed: watch::Sender<u64>,
    pub(super) epoch: u64,
    pub(super) next_seq: u64,
    pub(super) now: Timestamp,
    pub(super) house: House,
    pub(super) house_dirty: Option<u64>,
    pub(super) shelf: Shelf,
    pub(super) outbox: Outbox,
    pub(super) timers: Timers,
    pub(super) counts: Counts,
    pub(super) claims: Vec<(usize, oneshot::Sender<Vec<Claim>>)>,
    pub(super) stuck: bool,
    pub(super) today: Option<Day>,
}

type Waiting = Vec<(oneshot::Sender<Result<Done, DeskError>>, Result<Done, DeskError>)>;

impl<S: Store + ?Sized> Writer<S> {
    /// Works until the lanes are closed and empty. Returns whether it ended because another writer took over.
    pub(super) fn run(mut self) -> bool {
        self.wake();
        loop {
            let patience = self.patience();
            let messages = match self.lanes.take(self.setup.max_batch, patience) {
                Taken::Closed => break,
                Taken::Some(messages) => messages,
            };
            self.tell_time();
            if self.stuck && !self.recover_again() {
                refuse(messages);
                std::thread::sleep(STUCK);
                continue;
            }
            self.let_go_of_days();
            let mut pending = Pending::default();
            let mut waiting: Waiting = Vec::new();
            self.fire_timers(&mut pending);
            for message in messages {
                match message {
                    Message::Work(work, reply) => {
                        let answer = self.take_guarded(&mut pending, *work);
                        waiting.push((reply, answer));
                    }
                    Message::Claim(most, reply) => self.claims.push((most, reply)),
                    Message::Defer { id, until, uncertain, counts } => self.outbox.defer(id, until, uncertain, counts),
                    Message::Ask(asked) => self.answer(asked),
                }
            }
            match self.commit(pending) {
                Ok(()) => waiting.into_iter().for_each(|(reply, answer)| tell(reply, answer)),
                Err(fenced) => {
                    waiting.into_iter().for_each(|(reply, _)| tell(reply, Err(DeskError::Unavailable)));
                    if fenced {
                        return true;
                    }
                }
            }
            self.serve_claims();
        }
        self.write_everything_down();
        false
    }

    fn tell_time(&mut self) {
        // `recorded_at` never decreases, whatever the machine's clock does.
        self.now = self.now.max(self.clock.now());
    }

    fn patience(&self) -> Duration {
        let next = [self.timers.next(), self.outbox.next_due().filter(|_| !self.claims.is_empty())];
        let due = next.into_iter().flatten().min().map_or(IDLE, |due| {
            let until = due.duration_since(self.clock.now()).max(SignedDuration::ZERO);
            Duration::try_from(until).unwrap_or(IDLE)
        });
        due.min(IDLE)
    }

    /// The house's first input of this life, and every open interaction's.
    fn wake(&mut self) {
        self.tell_time();
        let mut pending = Pending::default();
        let activated = Input::Activated { rules: self.rules.version().to_owned() };
        let text = self.rules.text().as_bytes().to_vec();
        if let Err(error) = self.enter_for_nobody(&mut pending, activated, &text) {
            tracing::error!(%error, "the rules could not be written down");
        }
        if let Err(error) = self.house_turn(&mut pending, Input::Resumed {}, None, &[]) {
            tracing::error!(%error, "the house could not resume");
        }
        let open: Vec<_> = self.shelf.iter().filter(|it| it.closed.is_none()).map(|it| it.id).collect();
        for id in open {
            let resumed = self.load(id).and_then(|it| match it {
                Some(it) => self.turn(&mut pending, it, None, Input::Resumed {}, None, Vec::new(), Vec::new(), &[]),
                None => Ok(()),
            });
            if let Err(error) = resumed {
                tracing::error!(interaction.id = %id, %error, "an interaction could not resume");
            }
            if pending.entries.len() >= self.setup.max_batch {
                self.commit_or_say(std::mem::take(&mut pending));
            }
        }
        self.commit_or_say(pending);
    }

    /// Once a day: what is remembered for a while only is let go, in whole days.
    fn let_go_of_days(&mut self) {
        let today = Day::of(self.now);
        if self.today == Some(today) {
            return;
        }
        self.today = Some(today);
        let oldest = Day(*today.remembered().start());
        if let Err(error) = self.store.drop_before(Keyspace::Dedupe, oldest.bucket()) {
            tracing::warn!(%error, "old dedupe keys were not let go; tomorrow again");
        }
    }

    fn fire_timers(&mut self, pending: &mut Pending) {
        for _ in 0..TIMERS_PER_COMMIT {
            let Some((due, owner, name)) = self.timers.take_due(self.now) else { break };
            let fired = self.fire(pending, due, owner, name);
            if let Err(error) = fired {
                tracing::error!(?owner, %error, "a timer could not be taken");
            }
        }
    }

    fn fire(&mut self, pending: &mut Pending, due: Timestamp, owner: Owner, name: String) -> Result<(), RecordError> {
        let input = Input::Timer { name, due };
        match owner {
            Owner::Interaction(id) => {
                let Some(mut it) = self.load(id)? else { return Ok(()) };
                it.fold_input(&input);
                self.turn(pending, it, None, input, None, Vec::new(), Vec::new(), &[])
            }
            Owner::House => {
                self.house.fold_input(&input);
                self.house_turn(pending, input, None, &[])
            }
            Owner::Nobody => Ok(()),
        }
    }

    /// Takes one input. What makes our own code panic is quarantined alone; the rest of the batch goes on.
    fn take_guarded(&mut self, pending: &mut Pending, work: Work) -> Result<Done, DeskError> {
        let entries = pending.entries.len();
        let mut rows = std::mem::take(&mut pending.rows);
        let suspect = match &work {
            Work::Envelope(incoming) => Some(incoming.clone()),
            _ => None,
        };
        let taken = catch_unwind(AssertUnwindSafe(|| self.take(pending, work)));
        if let Ok(Ok(done)) = taken {
            rows.append(std::mem::take(&mut pending.rows));
            pending.rows = rows;
            return Ok(done);
        }
        // Whatever it wrote so far goes; what it did in memory goes when the store is read back.
        pending.entries.truncate(entries);
        pending.rows = rows;
        self.stuck = true;
        match taken {
            Ok(outcome) => {
                if let Err(error) = outcome {
                    tracing::error!(%error, "an input could not be taken");
                }
                Err(DeskError::Unavailable)
            }
            Err(_) => {
                tracing::error!("an input made the desk panic; it is quarantined");
                suspect.map_or(Err(DeskError::Unavailable), |incoming| self.quarantine(pending, *incoming))
            }
        }
    }

    fn quarantine(&mut self, pending: &mut Pending, incoming: Incoming) -> Result<Done, DeskError> {
        let Incoming { instance, envelope, mapping, .. } = incoming;
        let input = Input::Envelope {
            instance,
            door: envelope.door,
            kind: envelope.kind,
            dedupe: envelope.dedupe,
            origin: envelope.origin,
            mapping,
            understood: Understood::Malformed { problem: "taking it made the desk panic".to_owned() },
        };
        self.take_nothing(pending, input, &envelope.body).map(|()| Done::default()).map_err(|_| DeskError::Unavailable)
    }

    fn take(&mut self, pending: &mut Pending, work: Work) -> Result<Done, RecordError> {
        match work {
            Work::Envelope(incoming) => self.take_envelope(pending, *incoming),
            Work::Outcome { command, result, secrets, repeated } => {
                self.take_outcome(pending, command, result, secrets, repeated)
            }
            Work::Chat(request) => self.take_chat(pending, *request),
            Work::Confirm { instance, topic, address } => self.take_confirmation(pending, instance, topic, &address),
            Work::TokenRejected { secret } => {
                let input = Input::TokenRejected { secret };
                self.house.fold_input(&input);
                self.house_turn(pending, input, None, &[]).map(|()| Done::default())
            }
            Work::Redrive { row, incoming } => self.take_redriven(pending, row, *incoming),
            Work::Discard { row } => {
                self.discard(pending, row).map(|is_there| Done { interaction: None, duplicate: !is_there })
            }
            Work::Revive { interaction, command } => self.redrive_command(pending, interaction, command),
            Work::Erase { subjects } => self.erase(pending, subjects),
        }
    }

    /// Commits what is pending, together with states that have waited longest to be written down. `Err(true)`: another
    /// writer took over.
    pub(super) fn commit(&mut self, mut pending: Pending) -> Result<(), bool> {
        let written = self.write_down(&mut pending, false);
        if pending.entries.is_empty() && pending.rows.is_empty() {
            return if self.stuck { Err(false) } else { Ok(()) };
        }
        let batch = LogBatch { entries: pending.entries, rows: pending.rows };
        let appended = self.log.append(self.next_seq, self.epoch, batch);
        self.keys.settle(appended.is_ok());
        match appended {
            Ok(next) => {
                self.next_seq = next;
                self.shelf.clean(&written);
                self.shelf.let_go(&written, self.setup.in_memory);
                self.committed.send_replace(next);
                Ok(())
            }
            Err(AppendError::Fenced { epoch, highest }) => {
                tracing::error!(epoch, highest, "another writer took over this domain");
                Err(true)
            }
            Err(error) => {
                tracing::error!(%error, "a commit failed; its callers were told to come again");
                self.stuck = true;
                Err(false)
            }
        }
    }

    /// Commits where nobody waits for the answer.
    pub(super) fn commit_or_say(&mut self, pending: Pending) {
        if self.commit(pending).is_err() {
            tracing::warn!("a commit that nobody waits for failed; the next one starts from the store");
        }
    }

    /// Writes down states whose records lie furthest back; all of them at the end.
    fn write_down(&mut self, pending: &mut Pending, everything: bool) -> Vec<tandem_sdk::model::InteractionId> {
        let behind = self.shelf.oldest_dirty().map_or(0, |oldest| self.next_seq.saturating_sub(oldest));
        let most = match (everything, pending.entries.is_empty()) {
            (true, _) => usize::MAX,
            // Nothing else to do: catch up.
            (false, true) => self.setup.max_batch,
            // Keep within the distance that recovery may have to fold.
            (false, false) if behind > self.setup.fold_most => pending.entries.len().saturating_mul(2),
            (false, false) => 0,
        };
        let mut written = Vec::new();
        for id in self.shelf.longest_dirty(most) {
            let Some(it) = self.shelf.take(id) else { continue };
            match persist::put_interaction(it, &self.keys, &mut pending.rows) {
                Ok(()) => written.push(id),
                Err(error) => tracing::error!(interaction.id = %id, %error, "a state could not be written down"),
            }
        }
        let house_due = self.house_dirty.is_some() && most > 0;
        if house_due && persist::put_house(self.house.clone(), &self.keys, &mut pending.rows).is_ok() {
            self.house_dirty = None;
        }
        if !written.is_empty() || house_due {
            self.put_watermark(pending, &written);
        }
        written
    }

    /// Everything before this record is written down.
    fn put_watermark(&self, pending: &mut Pending, written: &[tandem_sdk::model::InteractionId]) {
        let oldest = self.shelf.oldest_dirty_besides(written).unwrap_or(u64::MAX);
        let watermark = oldest.min(self.house_dirty.unwrap_or(u64::MAX)).min(self.next_seq);
        if let Some(name) = MetaName::new("desk") {
            pending.rows.put(Keyspace::Meta, MetaKey::Watermark(name).encode(), watermark.to_be_bytes().to_vec());
        }
    }

    fn write_everything_down(&mut self) {
        let mut pending = Pending::default();
        self.tell_time();
        let written = self.write_down(&mut pending, true);
        let batch = LogBatch { entries: pending.entries, rows: pending.rows };
        if let Err(error) = self.log.append(self.next_seq, self.epoch, batch) {
            tracing::warn!(%error, "states were not written down; the next start folds the log instead");
        }
        self.shelf.clean(&written);
    }

    /// Reads everything back from the store, after a commit whose outcome nobody knows.
    fn recover_again(&mut self) -> bool {
        match recover::recover(self) {
            Ok(()) => {
                self.stuck = false;
                tracing::info!("the store writes again");
                true
            }
            Err(error) => {
                tracing::warn!(%error, "the store is still unavailable");
                false
            }
        }
    }

    pub(super) fn status(&self) -> Status {
        Status {
            next_seq: self.next_seq,
            epoch: self.epoch,
            in_memory: self.shelf.len(),
            owed: self.outbox.len(),
            in_flight: self.outbox.in_flight(),
            duplicates: self.counts.duplicates,
            unknown_kinds: self.counts.unknown_kinds,
            quarantined: self.counts.quarantined,
            is_stuck: self.stuck,
        }
    }

    /// An interaction for whoever asks; in memory or not.
    pub(super) fn find_interaction(&self, id: tandem_sdk::model::InteractionId) -> Option<Interaction> {
        self.shelf.get(id).cloned().or_else(|| persist::get_interaction(id, &*self.store, &self.keys).ok().flatten())
    }

    /// A record that belongs to nobody, for what must be in the log but changes nothing.
    pub(super) fn enter_for_nobody(&self, pending: &mut Pending, input: Input, body: &[u8]) -> Result<(), RecordError> {
        self.enter(
            pending,
            Entering {
                owner: Owner::Nobody,
                subject: self.setup.unfiled(self.now),
                opens: None,
                input,
                facts: Vec::new(),
                steps: Vec::new(),
                body,
            },
        )
    }
}

fn refuse(messages: Vec<Message>) {
    for message in messages {
        if let Message::Work(_, reply) = message {
            tell(reply, Err(DeskError::Unavailable));
        }
    }
}
