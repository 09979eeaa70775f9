//! The desk's loop: drain, take, hand over, answer everybody when it is durable.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tandem_sdk::model::{InteractionId, LegId, PartyKey, SubjectId};
use tokio::sync::{oneshot, watch};

use super::answer::{DeskError, Done, Status, tell};
use super::claims::{Asked, Claim};
use super::committing::{Committer, Open, Underway, Waits};
use super::guarding::Failed;
use super::lanes::{Lanes, Taken};
use super::loading::Setup;
use super::outbox::Outbox;
use super::shelf::Shelf;
use super::timers::Timers;
use super::work::{Entering, Pending, Work};
use super::{persist, recover};
use crate::clock::Clock;
use crate::interactions::{House, Input, Interaction, Owner};
use crate::record::RecordError;
use crate::routing::Rules;
use crate::store::rows::dedupe::{Day, days_with_any};
use crate::store::{Ahead, Keys, Keyspace, Log, Store, SubjectId as StoredSubject, Vault};

/// How long the desk sleeps at most when nothing is due.
const IDLE: Duration = Duration::from_millis(500);
/// How long it waits before it tries a stuck store again.
const STUCK: Duration = Duration::from_millis(200);
/// Timers that fire at once at most.
const TIMERS_AT_ONCE: usize = 128;

/// What reaches the desk's thread.
pub(super) enum Message {
    /// An input.
    Work(Box<Work>, oneshot::Sender<Result<Done, DeskError>>),
    /// A worker that wants commands.
    Claim(usize, oneshot::Sender<Vec<Claim>>),
    /// A command to be tried again.
    Defer { id: tandem_sdk::model::CommandId, until: Timestamp, uncertain: bool, counts: bool },
    /// A question about the state. The answer comes when what it tells is durable.
    Ask(Asked),
    /// A question about the desk itself, which is answered whatever the store does.
    Status(oneshot::Sender<Status>),
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
pub(super) struct Writer {
    pub(super) setup: Arc<Setup>,
    pub(super) rules: Arc<Rules>,
    /// The store as it will be when the commit under way has landed.
    pub(super) store: Arc<Ahead>,
    pub(super) log: Log<dyn Store>,
    pub(super) keys: Arc<Keys>,
    pub(super) vault: Vault,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) lanes: Arc<Lanes<Message>>,
    pub(super) committer: Committer,
    /// The commit under way.
    pub(super) underway: Option<Underway>,
    /// The sequence number of the next record that will be durable.
    pub(super) committed: watch::Sender<u64>,
    pub(super) epoch: u64,
    /// The sequence number of the first record of the batch being put together.
    pub(super) next_seq: u64,
    pub(super) now: Timestamp,
    pub(super) house: House,
    pub(super) house_dirty: Option<u64>,
    pub(super) shelf: Shelf,
    /// Whose data a subject's are, as far as it was written down lately.
    pub(super) told: HashSet<(PartyKey, SubjectId)>,
    /// To which interaction a leg belongs, as far as it was asked or said lately: in the store, on its way there, or in the
    /// batch being put together.
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
    /// Another writer took over this domain.
    pub(super) replaced: bool,
    pub(super) today: Option<Day>,
    /// The days in which an envelope that comes today may have been taken before.
    pub(super) dedupe_days: Vec<Day>,
    /// Timers that can never be taken.
    pub(super) let_go_of: BTreeSet<(Owner, String, Timestamp)>,
}

impl Writer {
    /// Works until the lanes are closed and empty. Returns whether it ended because another writer took over.
    pub(super) fn run(mut self) -> bool {
        let mut open = Open::default();
        self.wake(&mut open);
        while !self.replaced {
            if open.len() >= self.setup.max_batch {
                // Only because another one is under way.
                self.make_room(&mut open);
            }
            let most = self.setup.max_batch.saturating_sub(open.len()).max(1);
            let messages = match self.lanes.take(most, self.patience()) {
                Taken::Closed => {
                    self.flush(&mut open);
                    if !self.stuck {
                        self.write_everything_down();
                    }
                    break;
                }
                Taken::Some(messages) => messages,
            };
            self.tell_time();
            let has_landed = self.look(&mut open);
            let idle = messages.is_empty() && !has_landed && self.underway.is_none();
            if !self.awake && (!self.stuck || self.recover_again(&mut open)) {
                self.wake(&mut open);
            }
            if self.stuck && !self.recover_again(&mut open) {
                self.refuse(messages);
                std::thread::sleep(STUCK);
                continue;
            }
            self.let_go_of_days(&mut open);
            self.work_through(&mut open, messages.into());
            self.serve_claims(&mut open);
            if self.underway.is_none() {
                self.hand_over(&mut open, idle);
            }
        }
        self.replaced
    }

    /// Takes messages in order. An input that spoils what is in memory ends the batch before it; the rest goes on from what
    /// the store holds.
    fn work_through(&mut self, open: &mut Open, mut messages: VecDeque<Message>) {
        let mut spoiled = !self.fire_timers(&mut open.pending);
        loop {
            if spoiled {
                self.stuck = true;
                self.flush(open);
            }
            if self.replaced || self.stuck && !self.recover_again(open) {
                return self.refuse(messages.into());
            }
            spoiled = false;
            let Some(message) = messages.pop_front() else { return };
            match message {
                Message::Work(work, reply) => match self.take_guarded(&mut open.pending, *work) {
                    Ok(done) => open.waiting.push(Waits::Input(reply, Ok(done))),
                    Err(failed) => {
                        spoiled = true;
                        match failed {
                            Failed::Answer(error) => open.waiting.push(Waits::Input(reply, Err(error))),
                            Failed::Instead(work) => messages.push_front(Message::Work(work, reply)),
                        }
                    }
                },
                Message::Claim(most, reply) => self.claims.push((most, reply)),
                Message::Defer { id, until, uncertain, counts } => self.outbox.defer(id, until, uncertain, counts),
                Message::Ask(asked) => {
                    let answer = self.answer(asked);
                    match open.is_empty() && self.underway.is_none() {
                        true => answer(),
                        false => open.waiting.push(Waits::Question(answer)),
                    }
                }
                Message::Status(reply) => tell(reply, self.status()),
            }
            // The disk does not wait for the rest of these.
            if !spoiled && self.look(open) && !self.stuck {
                self.hand_over(open, false);
            }
        }
    }

    pub(super) fn tell_time(&mut self) {
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
    fn wake(&mut self, open: &mut Open) {
        self.tell_time();
        let pending = &mut open.pending;
        let activated = Input::Activated { rules: self.rules.version().to_owned() };
        let text = self.rules.text().as_bytes().to_vec();
        // Nobody's either, but it is to be had as long as the log.
        let house = SubjectId(uuid::Uuid::from_bytes(StoredSubject::HOUSE.0));
        if let Err(error) = self.enter_for_nobody(pending, house, activated, &text) {
            tracing::error!(%error, "the rules could not be written down");
        }
        if let Err(error) = self.house_turn(pending, Input::Resumed {}, None, &[]) {
            tracing::error!(%error, "the house could not resume");
        }
        let alive: Vec<_> = self.shelf.iter().filter(|it| it.closed.is_none()).map(|it| it.id).collect();
        for id in alive {
            let resumed = self.guarded(&mut open.pending, |writer, pending| match writer.load(id)? {
                Some(it) => writer.turn(pending, it, None, Input::Resumed {}, None, Vec::new(), Vec::new(), &[]),
                None => Ok(()),
            });
            if resumed.is_err() {
                tracing::error!(interaction.id = %id, "an interaction could not resume");
            }
            if open.len() >= self.setup.max_batch {
                self.flush(open);
                if self.fails {
                    return;
                }
            }
        }
        self.flush(open);
        self.awake = !self.fails;
    }

    /// Once a day: what is remembered for a while only is let go, in whole days.
    fn let_go_of_days(&mut self, open: &mut Open) {
        let today = Day::of(self.now);
        if self.today == Some(today) {
            return;
        }
        self.today = Some(today);
        // What was taken yesterday must be in the store before it is looked which days have anything.
        self.flush(open);
        self.dedupe_days = days_with_any(&*self.store, today).unwrap_or_else(|error| {
            tracing::warn!(%error, "days could not be looked at; every one of them is asked today");
            today.remembered().rev().map(Day).collect()
        });
        let oldest = Day(*today.remembered().start());
        if let Err(error) = self.store.drop_before(Keyspace::Dedupe, oldest.bucket()) {
            tracing::warn!(%error, "old dedupe keys were not let go; tomorrow again");
        }
        let let_go = self.guarded(&mut open.pending, |writer, pending| writer.let_go_of_unfiled(pending));
        if let Err(error) = let_go {
            tracing::warn!(?error, "what belonged to nobody was not let go; tomorrow again");
        }
    }

    /// Fires what is due. A timer that cannot be taken is let go of, and `false` says that memory must be read back.
    fn fire_timers(&mut self, pending: &mut Pending) -> bool {
        for _ in 0..TIMERS_AT_ONCE {
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

    pub(super) fn take(&mut self, pending: &mut Pending, work: Work) -> Result<Done, RecordError> {
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

    /// Reads everything back from the store, after a commit whose outcome nobody knows.
    fn recover_again(&mut self, open: &mut Open) -> bool {
        // Not while a batch is under way: nobody knows yet what the store will hold.
        self.flush(open);
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
                // What is in memory may never become durable.
                Message::Ask(asked) => drop(asked),
                Message::Status(reply) => tell(reply, self.status()),
            }
        }
    }

    pub(super) fn status(&self) -> Status {
        Status {
            next_seq: *self.committed.borrow(),
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
