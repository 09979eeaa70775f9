//! One batch becomes durable while the desk puts the next one together.
//!
//! The desk hands a batch over to a thread of its own, the only one that appends, and goes on thinking as if it were
//! durable: it reads the store with that batch before it ([`Ahead`](crate::store::Ahead)). Nobody else may think so.
//! Whoever waits for an input of the batch is answered when it has landed, commands that it owes go then, and readers of
//! the log see it then. One batch at most is under way; should it fail, so does what was thought since, and memory is read
//! back from the store.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tandem_sdk::model::InteractionId;
use tokio::sync::oneshot;

use super::answer::{DeskError, Done, tell};
use super::lanes::Lanes;
use super::persist;
use super::run::{Message, Writer};
use super::work::Pending;
use crate::store::rows::meta::{MetaKey, MetaName};
use crate::store::{Append, AppendError, Keyspace, Log, LogBatch, Mark, Store};

/// States that are written down at once when nothing else is to be done: whoever comes meanwhile waits for it.
const WHEN_IDLE: usize = 128;
/// Legs whose interaction is remembered after a batch. Forgetting them costs a read each.
const LEGS: usize = 50_000;

/// Somebody who waits for a batch, and what they are told when it is durable.
pub(super) enum Waits {
    /// Whoever brought an input.
    Input(oneshot::Sender<Result<Done, DeskError>>, Result<Done, DeskError>),
    /// Whoever asked about the state, which may come from that batch. Should it fail, nobody answers.
    Question(Box<dyn FnOnce() + Send>),
}

/// The batch that is being put together.
#[derive(Default)]
pub(super) struct Open {
    pub(super) pending: Pending,
    pub(super) waiting: Vec<Waits>,
}

impl Open {
    /// Its records.
    pub(super) fn len(&self) -> usize {
        self.pending.entries.len()
    }

    /// Whether it would change nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.pending.entries.is_empty() && self.pending.rows.is_empty()
    }
}

/// The batch that was handed over and has not landed.
pub(super) struct Underway {
    /// Its number in the outbox.
    batch: u64,
    /// The keys that it makes durable or destroys.
    keys: Mark,
    /// Names of the secrets that it keeps.
    pub(super) kept: HashSet<String>,
}

/// The thread that appends, and tells whoever waits for it.
pub(super) struct Committer {
    /// Until it is to end.
    batches: Option<SyncSender<(Arc<Append>, Vec<Waits>)>>,
    landings: Receiver<Landing>,
    thread: Option<JoinHandle<()>>,
}

/// What became of a batch, and how long it took.
struct Landing {
    appended: Result<u64, AppendError>,
    took: Duration,
}

/// Rings when the thread has something to say, its end among it.
struct Bell(Arc<Lanes<Message>>);

impl Drop for Bell {
    fn drop(&mut self) {
        self.0.ring();
    }
}

impl Committer {
    /// Starts the thread. It rings at the lanes when a batch has landed.
    pub(super) fn start(log: Log<dyn Store>, lanes: Arc<Lanes<Message>>) -> Self {
        let (batches, handed_over) = sync_channel::<(Arc<Append>, Vec<Waits>)>(1);
        let (land, landings) = sync_channel(1);
        let work = move || {
            let bell = Bell(lanes);
            let mut last = None;
            while let Ok((append, waiting)) = handed_over.recv() {
                let begun = Instant::now();
                let appended = log.commit(&append);
                let is_durable = appended.is_ok();
                // The desk hears of it before anybody who may ask it about it.
                if land.send(Landing { appended, took: begun.elapsed() }).is_err() {
                    return;
                }
                bell.0.ring();
                match is_durable {
                    true => tell_all(waiting),
                    false => refuse_all(waiting),
                }
                // Freed here and not by the desk, which has let go of it when the next one comes.
                drop(last.replace(append));
            }
        };
        #[expect(clippy::expect_used, reason = "a machine that cannot start one thread cannot run the hub")]
        let thread = std::thread::Builder::new().name("commit".to_owned()).spawn(work).expect("a thread for commits");
        Committer { batches: Some(batches), landings, thread: Some(thread) }
    }

    /// Its thread has ended, which it does only by panicking: so does the desk's.
    fn end(&mut self) -> ! {
        let ended = self.thread.take().map(JoinHandle::join);
        std::panic::resume_unwind(
            ended.and_then(Result::err).unwrap_or_else(|| Box::new("the thread for commits ended")),
        )
    }

    fn give(&mut self, append: Arc<Append>, waiting: Vec<Waits>) {
        if self.batches.as_ref().is_none_or(|batches| batches.send((append, waiting)).is_err()) {
            self.end();
        }
    }

    fn look(&mut self) -> Option<Landing> {
        match self.landings.try_recv() {
            Ok(landing) => Some(landing),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => self.end(),
        }
    }

    fn wait(&mut self) -> Landing {
        match self.landings.recv() {
            Ok(landing) => landing,
            Err(_) => self.end(),
        }
    }
}

impl Drop for Committer {
    /// Whoever has seen the desk end may open the store again.
    fn drop(&mut self) {
        self.batches = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread for commits panicked");
        }
    }
}

impl Writer {
    /// Hands the batch over, together with states that have waited longest to be written down. None may be under way.
    pub(super) fn hand_over(&mut self, open: &mut Open, idle: bool) {
        let Open { mut pending, waiting } = std::mem::take(open);
        // What is in memory may be ahead of what this batch makes durable: then nothing of it is written down.
        let written = if self.stuck { Vec::new() } else { self.write_down(&mut pending, idle, false) };
        if pending.entries.is_empty() && pending.rows.is_empty() {
            if self.stuck {
                return refuse_all(waiting);
            }
            if !self.fails {
                let batch = self.outbox.complete();
                self.outbox.is_durable(batch);
                return tell_all(waiting);
            }
            // Only writing shows whether the store writes again, and nobody sends anything to a hub that is not ready.
            self.put_watermark(&mut pending, &[]);
        }
        let batch = LogBatch { entries: pending.entries, rows: pending.rows };
        let Some(append) = Append::new(self.next_seq, self.epoch, batch).map(Arc::new) else {
            tracing::error!(seq = self.next_seq, "the log has no room for another record");
            self.stuck = true;
            return refuse_all(waiting);
        };
        self.next_seq = append.next_seq();
        self.shelf.clean(&written);
        self.shelf.let_go(&written, self.setup.in_memory);
        if self.legs.len() > LEGS {
            self.legs.clear();
        }
        let (batch, keys) = (self.outbox.complete(), self.keys.mark());
        self.store.expect(Arc::clone(append.batch()));
        self.underway = Some(Underway { batch, keys, kept: pending.kept });
        self.committer.give(append, waiting);
    }

    /// Looks whether the batch under way has landed, and says so.
    pub(super) fn look(&mut self, open: &mut Open) -> bool {
        let landing = self.committer.look();
        let has_landed = landing.is_some();
        if let Some(landing) = landing {
            self.land(landing, open);
        }
        has_landed
    }

    /// Waits for the batch under way.
    fn wait(&mut self, open: &mut Open) {
        if self.underway.is_some() {
            let landing = self.committer.wait();
            self.land(landing, open);
        }
    }

    /// Waits for the batch under way, and hands over what is there.
    pub(super) fn make_room(&mut self, open: &mut Open) {
        self.wait(open);
        if !self.replaced {
            self.hand_over(open, false);
        }
    }

    /// Waits until all that is there is durable, or has failed.
    pub(super) fn flush(&mut self, open: &mut Open) {
        self.make_room(open);
        self.wait(open);
    }

    fn land(&mut self, landing: Landing, open: &mut Open) {
        let Some(underway) = self.underway.take() else { return };
        self.counts.commits = self.counts.commits.saturating_add(1);
        self.counts.commit_time = self.counts.commit_time.saturating_add(landing.took);
        self.store.settle();
        let error = match landing.appended {
            Ok(next) => {
                if std::mem::take(&mut self.fails) {
                    tracing::info!("the store writes again");
                }
                self.keys.settle_to(underway.keys);
                if !self.stuck {
                    // Else memory is ahead of the store, and what was taken off may be owed again.
                    self.outbox.is_durable(underway.batch);
                }
                self.committed.send_replace(next);
                return;
            }
            Err(error) => error,
        };
        // What was thought since then stood on it.
        self.keys.settle(false);
        self.stuck = true;
        refuse_all(std::mem::take(open).waiting);
        if let AppendError::Fenced { epoch, highest } = error {
            tracing::error!(epoch, highest, "another writer took over this domain");
            self.replaced = true;
        } else if !std::mem::replace(&mut self.fails, true) {
            tracing::error!(%error, "a commit failed; its callers are told to come again until one succeeds");
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

    pub(super) fn write_everything_down(&mut self) {
        let mut pending = Pending::default();
        self.tell_time();
        let written = self.write_down(&mut pending, true, true);
        let batch = LogBatch { entries: pending.entries, rows: pending.rows };
        if let Err(error) = self.log.append(self.next_seq, self.epoch, batch) {
            tracing::warn!(%error, "states were not written down; the next start folds the log instead");
        }
        self.shelf.clean(&written);
    }
}

fn tell_all(waiting: Vec<Waits>) {
    for waits in waiting {
        match waits {
            Waits::Input(reply, answer) => tell(reply, answer),
            Waits::Question(answer) => answer(),
        }
    }
}

fn refuse_all(waiting: Vec<Waits>) {
    for waits in waiting {
        if let Waits::Input(reply, _) = waits {
            tell(reply, Err(DeskError::Unavailable));
        }
    }
}
