//! Tasks and how they end. The only place that starts a task.
//!
//! Stopping has two steps. *Soft*: take nothing new, finish what is in hand. *Hard*: drop what is in hand; everything
//! that matters is durable and is taken up again after the next start. A first signal stops softly and hard when the
//! grace is over, a second one stops hard at once. A task that was to last and ends by itself, or any task that panics,
//! stops the house too, and the process ends with 1, so that whoever runs it starts it again.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::config::Period;

/// How long tasks have to let go after a hard stop.
const LETTING_GO: Duration = Duration::from_secs(1);

/// `[shutdown]` in the config.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// How long work in hand may take after the first signal.
    pub grace: Period,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { grace: Period::secs(20) }
    }
}

/// Starts tasks and knows which are running. Cheap to clone; all clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Tasks(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    soft: CancellationToken,
    hard: CancellationToken,
    tracker: TaskTracker,
    /// Whether somebody has asked to stop.
    asked: AtomicBool,
    /// What went wrong first.
    failure: OnceLock<String>,
    /// Running tasks: name → how many.
    running: Mutex<BTreeMap<&'static str, usize>>,
}

/// How the house ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The task that ended by itself or panicked, and which of the two.
    pub failure: Option<String>,
    /// Tasks that had not finished when the grace was over or a second signal came.
    pub unfinished: Vec<String>,
}

impl Ending {
    /// Exit code of the process: 0 when it was asked to stop and everything in hand was finished.
    pub fn exit_code(&self) -> u8 {
        u8::from(self.failure.is_some() || !self.unfinished.is_empty())
    }
}

impl Tasks {
    /// No tasks yet.
    pub fn new() -> Self {
        Tasks::default()
    }

    /// Cancelled when nothing new is to be taken any more.
    pub fn soft(&self) -> &CancellationToken {
        &self.0.soft
    }

    /// Cancelled when everything is to be dropped.
    pub fn hard(&self) -> &CancellationToken {
        &self.0.hard
    }

    /// Starts a task that lasts until [`Tasks::soft`] is cancelled, and may then finish what it has in hand. It ends at
    /// the latest when [`Tasks::hard`] is cancelled: it is dropped at whatever it awaits.
    pub fn lasting(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.start(name, true, task);
    }

    /// Starts a task that ends by itself, for instance one delivery. It too is dropped by a hard stop, and its panic
    /// stops the house.
    pub fn passing(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.start(name, false, task);
    }

    /// Runs `work` on a thread where it may block, for instance on the disk. A hard stop cannot interrupt it. Its panic
    /// is the caller's.
    pub async fn blocking<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        #[expect(clippy::disallowed_methods, reason = "here and nowhere else")]
        let thread = tokio::task::spawn_blocking(work);
        match thread.await {
            Ok(done) => done,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }

    /// Asks to stop: softly the first time, hard the second time.
    pub fn stop(&self) {
        if self.0.asked.swap(true, Ordering::AcqRel) {
            self.0.hard.cancel();
        }
        self.0.soft.cancel();
    }

    /// Names of the running tasks.
    pub fn running(&self) -> Vec<String> {
        self.names().keys().map(|name| (*name).to_owned()).collect()
    }

    /// Waits until the house has been stopped, by a signal, by [`Tasks::stop`] or by a task's failure, and all tasks
    /// have ended or `grace` is over. Each message on `signals` counts as a signal.
    pub async fn ended(&self, grace: Duration, mut signals: mpsc::Receiver<&'static str>) -> Ending {
        loop {
            tokio::select! {
                () = self.0.soft.cancelled() => break,
                Some(signal) = signals.recv() => {
                    tracing::info!(signal, "stopping");
                    self.stop();
                }
            }
        }
        self.0.tracker.close();
        let over = tokio::time::sleep(grace);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = self.0.tracker.wait() => break,
                () = self.0.hard.cancelled() => break,
                () = &mut over => break,
                Some(signal) = signals.recv() => {
                    tracing::warn!(signal, "stopping at once");
                    self.stop();
                }
            }
        }
        let unfinished = self.running();
        self.0.hard.cancel();
        if tokio::time::timeout(LETTING_GO, self.0.tracker.wait()).await.is_err() {
            tracing::warn!(tasks = ?self.running(), "left behind");
        }
        Ending { failure: self.0.failure.get().cloned(), unfinished }
    }

    fn start(&self, name: &'static str, lasting: bool, task: impl Future<Output = ()> + Send + 'static) {
        let tasks = self.clone();
        *self.names().entry(name).or_default() += 1;
        let task = async move {
            let ended = tokio::select! {
                ended = AssertUnwindSafe(task).catch_unwind() => ended,
                () = tasks.0.hard.cancelled() => Ok(()),
            };
            tasks.note_end(name, lasting, ended.is_err());
        };
        #[expect(clippy::disallowed_methods, reason = "here and nowhere else")]
        drop(self.0.tracker.spawn(task.instrument(tracing::info_span!("task", name))));
    }

    fn note_end(&self, name: &'static str, lasting: bool, panicked: bool) {
        let mut names = self.names();
        if let Some(count) = names.get_mut(name) {
            *count -= 1;
            if *count == 0 {
                names.remove(name);
            }
        }
        drop(names);
        let failure = match (panicked, lasting) {
            (true, _) => "panicked",
            (false, true) if !self.0.soft.is_cancelled() => "ended by itself",
            (false, _) => return,
        };
        tracing::error!(task = name, "task {failure}, stopping");
        // Only the first failure is told: those after it are its consequences.
        self.0.failure.get_or_init(|| format!("task {name} {failure}"));
        self.0.soft.cancel();
    }

    fn names(&self) -> MutexGuard<'_, BTreeMap<&'static str, usize>> {
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The signals of the operating system that mean stop: SIGTERM and SIGINT, or Ctrl-C where there are none.
pub fn signals() -> std::io::Result<mpsc::Receiver<&'static str>> {
    // Two are all that mean anything.
    let (sender, receiver) = mpsc::channel(2);
    #[cfg(unix)]
    let mut next = {
        use tokio::signal::unix::{SignalKind, signal};
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
    };
    let forward = async move {
        loop {
            #[cfg(unix)]
            let signal = tokio::select! {
                _ = next.0.recv() => "SIGTERM",
                _ = next.1.recv() => "SIGINT",
            };
            #[cfg(not(unix))]
            let signal = match tokio::signal::ctrl_c().await {
                Ok(()) => "Ctrl-C",
                Err(_) => return,
            };
            if sender.send(signal).await.is_err() {
                return;
            }
        }
    };
    #[expect(clippy::disallowed_methods, reason = "it must outlast the tracked tasks, for the second signal")]
    drop(tokio::spawn(forward));
    Ok(receiver)
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_millis(20);

    fn no_signals() -> mpsc::Receiver<&'static str> {
        mpsc::channel(1).1
    }

    fn ending(failure: Option<&str>, unfinished: &[&str]) -> Ending {
        Ending {
            failure: failure.map(str::to_owned),
            unfinished: unfinished.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    #[tokio::test]
    async fn work_in_hand_is_finished_after_the_first_signal() {
        let tasks = Tasks::new();
        let soft = tasks.soft().clone();
        let finished = Arc::new(AtomicBool::new(false));
        let finishing = Arc::clone(&finished);
        tasks.lasting("worker", async move {
            soft.cancelled().await;
            tokio::time::sleep(SHORT).await;
            finishing.store(true, Ordering::Release);
        });
        tasks.passing("errand", async {});
        let (signal, signals) = mpsc::channel(2);
        assert_eq!(signal.send("SIGTERM").await, Ok(()));
        let ended = tasks.ended(LONG, signals).await;
        assert_eq!((ended.clone(), ended.exit_code()), (ending(None, &[]), 0));
        assert!(finished.load(Ordering::Acquire));
    }

    #[tokio::test]
    async fn a_second_signal_is_now() {
        let tasks = Tasks::new();
        tasks.lasting("stubborn", pending());
        let (signal, signals) = mpsc::channel(2);
        assert_eq!(signal.send("SIGTERM").await, Ok(()));
        assert_eq!(signal.send("SIGTERM").await, Ok(()));
        let ended = tasks.ended(LONG, signals).await;
        assert_eq!((ended.clone(), ended.exit_code()), (ending(None, &["stubborn"]), 1));
        assert!(tasks.running().is_empty(), "a hard stop drops what is in hand");
    }

    #[tokio::test]
    async fn the_grace_is_not_exceeded() {
        let tasks = Tasks::new();
        tasks.passing("slow", pending());
        tasks.stop();
        assert_eq!(tasks.ended(SHORT, no_signals()).await, ending(None, &["slow"]));
    }

    #[tokio::test]
    async fn a_lasting_task_that_returns_stops_the_house() {
        let tasks = Tasks::new();
        let soft = tasks.soft().clone();
        tasks.lasting("other", async move { soft.cancelled().await });
        tasks.lasting("leaver", async {});
        let ended = tasks.ended(LONG, no_signals()).await;
        assert_eq!((ended.clone(), ended.exit_code()), (ending(Some("task leaver ended by itself"), &[]), 1));
    }

    #[tokio::test]
    async fn any_task_that_panics_stops_the_house() {
        let tasks = Tasks::new();
        tasks.lasting("desk", pending());
        tasks.passing("errand", async { panic!("on purpose") });
        let ended = tasks.ended(SHORT, no_signals()).await;
        assert_eq!((ended.clone(), ended.exit_code()), (ending(Some("task errand panicked"), &["desk"]), 1));
    }

    #[tokio::test]
    async fn blocking_work_gives_its_result() {
        assert_eq!(Tasks::new().blocking(|| 7).await, 7);
    }
}
