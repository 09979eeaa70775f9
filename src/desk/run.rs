//! The desk's loop: drain, take, commit once, answer everybody.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tandem_sdk::doors::Decoded;
use tandem_sdk::error::{AdapterError, ErrorKind};
use tandem_sdk::model::{InteractionId, LegId, PartyKey, SubjectId};
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
use crate::interactions::{House, Input, Interaction, Owner};
use crate::record::RecordError;
use crate::routing::Rules;
use crate::store::rows::dedupe::Day;
use crate::store::rows::meta::{MetaKey, MetaName};
use crate::store::{AppendError, Keys, Keyspace, Log, LogBatch, Store, SubjectId as StoredSubject, Vault};

/// How long the desk sleeps at most when nothing is due.
const IDLE: Duration = Duration::from_millis(500);
/// How long it waits before it tries a stuck store again.
const STUCK: Duration = Duration::from_millis(200);
/// States that are written down at once when nothing else is to be done: whoever comes meanwhile waits for it.
const WHEN_IDLE: usize = 128;
/// Timers that one commit takes at most.
const TIMERS_PER_COMMIT: usize = 128;

/// Legs whose interaction is remembered after a commit. Forgetting them costs a read each.
const LEGS: usize = 50_000;

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
    pub(super) commits: u64,
    pub(super) commit_time: Duration,
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
    /// Whose data a subject's are, as far as it was written down lately.
    pub(super) told: HashSet<(PartyKey, SubjectId)>,
    /// To which interaction a leg belongs, as far as it was asked or said lately: in the store, or in the commit being put
    /// together.
    pub(super) legs: HashMap<LegId, InteractionId>,
    pub(super) outbox: Outbox,
    pub(super) timers: Timers,
    pub(super) counts: Counts,
    pub(super) claims: Vec<(usize, oneshot::Sender<Vec<Claim>>)>,
    /// What is in memory is not what the store holds: it must be read back.
    pub(super) stuck: bool,
    /// This life's first inputs are durable.
    pub(super) awake: bool,
    /// The last commit failed, and none succeeded since.
    pub(super) fails: bool,
    pub(super) today: Option<Day>,
    /// Timers that can never be taken.
    pub(super) let_go_of: BTreeSet<(Owner, String, Timestamp)>,
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
            if !self.awake && (!self.stuck || self.recover_again()) {
                self.wake();
            }
            if self.stuck && !self.recover_again() {
                self.refuse(messages);
                std::thread::sleep(STUCK);
                continue;
            }
            self.let_go_of_days();
            if self.work_through(messages.into()) {
                return true;
            }
            self.serve_claims();
        }
        self.write_everything_down();
        false
    }

    /// Takes messages in order, into one commit. An input that spoils what is in memory ends the commit before it; the
    /// rest goes on from what the store holds. Says whether another writer took over.
    fn work_through(&mut self, mut messages: VecDeque<Message>) -> bool {
        let idle = messages.is_empty();
        loop {
            let mut pending = Pending::default();
            let mut waiting: Waiting = Vec::new();
            let mut spoiled = !self.fire_timers(&mut pending);
            while !spoiled && let Some(message) = messages.pop_front() {
                match message {
                    Message::Work(work, reply) => match self.take_guarded(&mut pending, *work) {
                        Ok(done) => waiting.push((reply, Ok(done))),
                        Err(failed) => {
                            spoiled = true;
                            match failed {
                                Failed::Answer(error) => waiting.push((reply, Err(error))),
                                Failed::Instead(work) => messages.push_front(Message::Work(work, reply)),
                            }
                        }
                    },
                    Message::Claim(most, reply) => self.claims.push((most, reply)),
                    Message::Defer { id, until, uncertain, counts } => self.outbox.defer(id, until, uncertain, counts),
                    Message::Ask(asked) => self.answer(asked),
                }
            }
            self.stuck |= spoiled;
            match self.commit(pending, idle) {
                Ok(()) => waiting.into_iter().for_each(|(reply, answer)| tell(reply, answer)),
                Err(fenced) => {
                    waiting.into_iter().for_each(|(reply, _)| tell(reply, Err(DeskError::Unavailable)));
                    if fenced {
                        return true;
                    }
                }
            }
            if self.stuck && !self.recover_again() {
                self.refuse(messages.into());
                return false;
            }
            if messages.is_empty() {
                return false;
            }
        }
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

    /// The house's first input of this life, and every open interaction's. Where the store cannot take them, all of it
    /// begins again later.
    fn wake(&mut self) {
        self.tell_time();
        let mut pending = Pending::default();
        let activated = Input::Activated { rules: self.rules.version().to_owned() };
        let text = self.rules.text().as_bytes().to_vec();
        // Nobody's either, but it is to be had as long as the log.
        let house = SubjectId(uuid::Uuid::from_bytes(StoredSubject::HOUSE.0));
        if let Err(error) = self.enter_for_nobody(&mut pending, house, activated, &text) {
            tracing::error!(%error, "the rules could not be written down");
        }
        if let Err(error) = self.house_turn(&mut pending, Input::Resumed {}, None, &[]) {
            tracing::error!(%error, "the house could not resume");
        }
        let open: Vec<_> = self.shelf.iter().filter(|it| it.closed.is_none()).map(|it| it.id).collect();
        for id in open {
            let resumed = self.guarded(&mut pending, |writer, pending| match writer.load(id)? {
                Some(it) => writer.turn(pending, it, None, Input::Resumed {}, None, Vec::new(), Vec::new(), &[]),
                None => Ok(()),
            });
            if resumed.is_err() {
                tracing::error!(interaction.id = %id, "an interaction could not resume");
            }
            if pending.entries.len() >= self.setup.max_batch {
                self.commit_or_say(std::mem::take(&mut pending));
                if self.fails {
                    return;
                }
            }
        }
        self.commit_or_say(pending);
        self.awake = !self.fails;
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
        let mut pending = Pending::default();
        match self.let_go_of_unfiled(&mut pending) {
            Ok(()) => self.commit_or_say(pending),
            Err(error) => tracing::warn!(%error, "what belonged to nobody was not let go; tomorrow again"),
        }
    }

    /// Fires what is due. A timer that cannot be taken is let go of, and `false` says that memory must be read back.
    fn fire_timers(&mut self, pending: &mut Pending) -> bool {
        for _ in 0..TIMERS_PER_COMMIT {
            let Some((due, owner, name)) = self.timers.take_due(self.now) else { break };
            if self.let_go_of.contains(&(owner, name.clone(), due)) {
                continue;
            }
            let (as_named, timer) = (name.clone(), (owner, name, due));
            let fired = self.guarded(pending, |writer, pending| writer.fire(pending, due, owner, as_named));
            if fired.is_err() {
                tracing::error!(?owner, timer = timer.1, "a timer cannot be taken; it is let go of");
                self.let_go_of.insert(timer);
                return false;
            }
        }
        true
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

    /// Runs work whose entries and rows go when it fails; what it did in memory goes when the store is read back.
    pub(super) fn guarded<T>(
        &mut self,
        pending: &mut Pending,
        work: impl FnOnce(&mut Self, &mut Pending) -> Result<T, RecordError>,
    ) -> Result<T, Option<RecordError>> {
        let entries = pending.entries.len();
        let mut rows = std::mem::take(&mut pending.rows);
        let keys = self.keys.mark();
        let done = catch_unwind(AssertUnwindSafe(|| work(self, pending)));
        if self.shelf.misses_any() {
            // Whoever works on an interaction puts it back; where that failed, the store has it.
            self.stuck = true;
        }
        if let Ok(Ok(done)) = done {
            rows.append(std::mem::take(&mut pending.rows));
            pending.rows = rows;
            return Ok(done);
        }
        pending.entries.truncate(entries);
        pending.rows = rows;
        self.keys.rewind(keys);
        Err(done.ok().and_then(Result::err))
    }

    /// Takes one input. What can never be taken (it makes our own code panic, or its record is too large) is not tried
    /// again as it is: an envelope goes into quarantine, an outcome becomes that of a dead command.
    fn take_guarded(&mut self, pending: &mut Pending, work: Work) -> Result<Done, Failed> {
        let instead = instead_of(&work);
        match self.guarded(pending, |writer, pending| writer.take(pending, work)) {
            Ok(done) => Ok(done),
            Err(Some(error)) if error.is_transient() => {
                tracing::error!(%error, "an input could not be taken now");
                Err(Failed::Answer(DeskError::Unavailable))
            }
            Err(error) => {
                let error = error.map_or_else(|| "it made the desk panic".to_owned(), |error| error.to_string());
                tracing::error!(error, "an input can never be taken");
                Err(instead.map_or(Failed::Answer(DeskError::Unavailable), Failed::Instead))
            }
        }
    }

    fn take(&mut self, pending: &mut Pending, work: Work) -> Result<Done, RecordError> {
        match work {
            Work::Envelope(incoming) => self.take_envelope(pending, *incoming),
            Work::Outcome { command, result, secrets, repeated } => {
                self.take_outcome(pending, command, result, secrets, repeated)
            }
            Work::Chat(request) => self.take_chat(pending, *request),
            Work::Confirm { instance, topic, address } => self.take_confirmation(pending, instance, topic, &address),
            Work::TokenRejected { secret, value } => self.take_rejection(pending, secret, &value),
            Work::TokenStale { interaction } => self.take_stale_token(pending, interaction),
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
    pub(super) fn commit(&mut self, mut pending: Pending, idle: bool) -> Result<(), bool> {
        // What is in memory may be ahead of what this commit makes durable: then nothing of it is written down.
        let written = if self.stuck { Vec::new() } else { self.write_down(&mut pending, idle, false) };
        if pending.entries.is_empty() && pending.rows.is_empty() {
            if self.stuck {
                return Err(false);
            }
            if !self.fails {
                return Ok(());
            }
            // Only writing shows whether the store writes again, and nobody sends anything to a hub that is not ready.
            self.put_watermark(&mut pending, &[]);
        }
        let batch = LogBatch { entries: pending.entries, rows: pending.rows };
        let begun = Instant::now();
        let appended = self.log.append(self.next_seq, self.epoch, batch);
        self.counts.commits = self.counts.commits.saturating_add(1);
        self.counts.commit_time = self.counts.commit_time.saturating_add(begun.elapsed());
        self.keys.settle(appended.is_ok());
        match appended {
            Ok(next) => {
                if std::mem::take(&mut self.fails) {
                    tracing::info!("the store writes again");
                }
                self.next_seq = next;
                if !self.stuck {
                    // Else memory is ahead of the store, and what was taken off may be owed again.
                    self.outbox.forget_settled();
                }
                self.shelf.clean(&written);
                self.shelf.let_go(&written, self.setup.in_memory);
                if self.legs.len() > LEGS {
                    self.legs.clear();
                }
                self.committed.send_replace(next);
                Ok(())
            }
            Err(AppendError::Fenced { epoch, highest }) => {
                tracing::error!(epoch, highest, "another writer took over this domain");
                Err(true)
            }
            Err(error) => {
                if !std::mem::replace(&mut self.fails, true) {
                    tracing::error!(%error, "a commit failed; its callers are told to come again until one succeeds");
                }
                self.stuck = true;
                Err(false)
            }
        }
    }

    /// Commits where nobody waits for the answer.
    pub(super) fn commit_or_say(&mut self, pending: Pending) {
        if self.commit(pending, false).is_err() {
            tracing::warn!("a commit that nobody waits for failed; the next one starts from the store");
        }
    }

    /// Writes down states whose records lie furthest back; all of them at the end.
    fn write_down(&mut self, pending: &mut Pending, idle: bool, everything: bool) -> Vec<InteractionId> {
        let behind = self.shelf.oldest_dirty().map_or(0, |oldest| self.next_seq.saturating_sub(oldest));
        let most = if everything {
            usize::MAX
        } else if idle && pending.entries.is_empty() {
            // Nothing else to do: catch up.
            self.setup.max_batch.min(WHEN_IDLE)
        } else if behind > self.setup.fold_most {
            // Keep within the distance that recovery may have to fold.
            pending.entries.len().saturating_mul(2)
        } else {
            0
        };
        let mut written = Vec::new();
        for id in self.shelf.longest_dirty(most) {
            let Some(it) = self.shelf.get_mut(id) else { continue };
            match persist::put_interaction(it, &self.keys, &mut pending.rows) {
                Ok(()) => written.push(id),
                Err(error) => tracing::error!(interaction.id = %id, %error, "a state could not be written down"),
            }
        }
        let at_rest = everything || idle && pending.entries.is_empty();
        let house_due =
            self.house_dirty.is_some_and(|since| at_rest || self.next_seq.saturating_sub(since) > self.setup.fold_most);
        if house_due {
            match persist::put_house(self.house.clone(), &self.keys, &mut pending.rows) {
                Ok(()) => self.house_dirty = None,
                Err(error) => tracing::error!(%error, "the house could not be written down"),
            }
        }
        if !written.is_empty() || house_due {
            self.put_watermark(pending, &written);
        }
        written
    }

    /// Everything before this record is written down.
    fn put_watermark(&self, pending: &mut Pending, written: &[InteractionId]) {
        let oldest = self.shelf.oldest_dirty_besides(written).unwrap_or(u64::MAX);
        let watermark = oldest.min(self.house_dirty.unwrap_or(u64::MAX)).min(self.next_seq);
        if let Some(name) = MetaName::new("desk") {
            pending.rows.put(Keyspace::Meta, MetaKey::Watermark(name).encode(), watermark.to_be_bytes().to_vec());
        }
    }

    fn write_everything_down(&mut self) {
        let mut pending = Pending::default();
        self.tell_time();
        let written = self.write_down(&mut pending, true, true);
        let batch = LogBatch { entries: pending.entries, rows: pending.rows };
        if let Err(error) = self.log.append(self.next_seq, self.epoch, batch) {
            tracing::warn!(%error, "states were not written down; the next start folds the log instead");
        }
        self.shelf.clean(&written);
    }

    /// Reads everything back from the store, after a commit whose outcome nobody knows.
    fn recover_again(&mut self) -> bool {
        match recover::recover(self, false) {
            Ok(()) => {
                self.stuck = false;
                true
            }
            Err(error) => {
                tracing::warn!(%error, "the store is still unavailable");
                false
            }
        }
    }

    /// Tells whoever waits for a commit to come again. Workers that wait for commands go on waiting.
    fn refuse(&mut self, messages: Vec<Message>) {
        for message in messages {
            match message {
                Message::Work(_, reply) => tell(reply, Err(DeskError::Unavailable)),
                Message::Claim(most, reply) => self.claims.push((most, reply)),
                Message::Defer { id, until, uncertain, counts } => self.outbox.defer(id, until, uncertain, counts),
                Message::Ask(asked) => self.answer(asked),
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
            commits: self.counts.commits,
            commit_time: self.counts.commit_time,
            is_stuck: self.stuck || self.fails,
        }
    }

    /// An interaction for whoever asks; in memory or not.
    pub(super) fn find_interaction(&self, id: InteractionId) -> Option<Interaction> {
        self.shelf.get(id).cloned().or_else(|| persist::get_interaction(id, &*self.store, &self.keys).ok().flatten())
    }

    /// A record that belongs to nobody, for what must be in the log but changes nothing.
    pub(super) fn enter_for_nobody(
        &self,
        pending: &mut Pending,
        subject: SubjectId,
        input: Input,
        body: &[u8],
    ) -> Result<(), RecordError> {
        self.enter(
            pending,
            Entering { owner: Owner::Nobody, subject, opens: None, input, facts: Vec::new(), steps: Vec::new(), body },
        )
    }
}

/// What becomes of an input that failed.
enum Failed {
    /// Its sender is told.
    Answer(DeskError),
    /// This is taken in its place.
    Instead(Box<Work>),
}

/// What is taken in place of an input that can never be taken. Nothing in place of what is in its place.
fn instead_of(work: &Work) -> Option<Box<Work>> {
    match work {
        Work::Envelope(incoming) if !matches!(incoming.decoded, Decoded::Malformed { .. }) => {
            let (instance, envelope, mapping) =
                (incoming.instance.clone(), incoming.envelope.clone(), incoming.mapping.clone());
            let decoded = Decoded::Malformed { problem: "the desk cannot take it".to_owned() };
            Some(Box::new(Work::Envelope(Box::new(Incoming { instance, envelope, decoded, mapping }))))
        }
        Work::Outcome { command, result: Ok(_), secrets, repeated } => {
            let error = AdapterError::new(ErrorKind::Unexpected, "outcome", "the desk cannot take it");
            Some(Box::new(Work::Outcome {
                command: *command,
                result: Err(error.perhaps_done()),
                secrets: secrets.clone(),
                repeated: *repeated,
            }))
        }
        _ => None,
    }
}
