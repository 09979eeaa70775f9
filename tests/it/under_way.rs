//! While one commit is under way the desk puts the next batch together: nobody hears of it before it is durable, and what
//! fails takes along what was thought on it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use jiff::SignedDuration;
use tandem::clock::{Clock, SetClock};
use tandem::desk::{self, Claim, Desk, DeskError, Done, Incoming, Priority, Work};
use tandem::interactions::Settings;
use tandem::routing::Rules;
use tandem::store::{Log, Memory};
use tandem_sdk::doors::{Decoded, Envelope};
use tandem_sdk::model::Action;
use tandem_sdk::secret::Secret;
use tokio::task::JoinHandle;

use crate::desk_house::{CUSTOMER, RULES, said, setup, thread, usual_outcome};
use crate::disk::Disk;
use crate::play;

/// Long enough for a desk that would answer too early.
const A_WHILE: Duration = Duration::from_millis(60);

type Answer<T> = JoinHandle<Result<T, DeskError>>;

#[expect(clippy::disallowed_methods, reason = "a test has tasks of its own")]
fn spawned<T: Send + 'static>(task: impl Future<Output = Result<T, DeskError>> + Send + 'static) -> Answer<T> {
    tokio::spawn(task)
}

/// A desk that is awake, over a disk.
struct Scene {
    disk: Arc<Disk>,
    clock: Arc<SetClock>,
    desk: Desk,
    /// What the house owes from its beginning, in somebody's hands.
    house: Claim,
}

impl Scene {
    async fn open(at: &str) -> Self {
        let (disk, clock) = (Disk::over(Memory::new()), Arc::new(SetClock::at(at.parse().unwrap())));
        let (rules, keys) = (Arc::new(Rules::parse("rules.toml", RULES).unwrap()), play::keys(&disk, 1));
        let (setup, now) = (setup(Settings::default(), false), Arc::clone(&clock) as Arc<dyn Clock>);
        let (desk, _) = desk::open(setup, rules, Arc::<Disk>::clone(&disk), keys, now).unwrap();
        let house = desk.claim(9).await.unwrap().remove(0);
        Scene { disk, clock, desk, house }
    }

    /// The customer writes.
    fn sends(&self, key: &str) -> Answer<Done> {
        let envelope = Envelope {
            door: "test".into(),
            kind: None,
            dedupe: vec![key.to_owned()],
            origin: vec![],
            body: Bytes::from_static(b"{}"),
        };
        let decoded = Decoded::Facts(vec![said(thread(), self.clock.now(), key, CUSTOMER, None, "I need help")]);
        let incoming = Incoming { instance: "acs".into(), envelope, decoded, mapping: "m".into() };
        self.submits(Priority::Webhook, Work::Envelope(Box::new(incoming)))
    }

    /// What the house owed is done: the token with which the hub itself speaks.
    fn settles_the_house(&self) -> Answer<Done> {
        let (outcome, secrets) = usual_outcome(self.clock.now(), &self.house.command.action);
        let secrets = secrets.into_iter().map(|(role, value)| (role, Secret::new(value))).collect();
        let command = self.house.command.id;
        self.submits(Priority::Outcome, Work::Outcome { command, result: Ok(outcome), secrets, repeated: false })
    }

    fn submits(&self, priority: Priority, work: Work) -> Answer<Done> {
        let desk = self.desk.clone();
        spawned(async move { desk.submit(priority, work).await })
    }

    /// Until a commit waits for the disk.
    async fn waits_for_the_disk(&self) {
        while !self.disk.keeps_waiting.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Whatever may go within a while.
    async fn claimed(&self) -> Vec<Claim> {
        tokio::time::timeout(A_WHILE, self.desk.claim(99)).await.map_or(Vec::new(), Result::unwrap)
    }

    fn records(&self) -> usize {
        Log::new(Arc::clone(&self.disk)).read(1, 1000, usize::MAX).unwrap().len()
    }

    /// Two messages and the first one's duplicate, and a question, while the first one's commit waits.
    async fn three_and_a_question(&self) -> ([Answer<Done>; 3], Answer<usize>) {
        self.disk.hold(true);
        let first = self.sends("1");
        self.waits_for_the_disk().await;
        let (twin, second) = (self.sends("1"), self.sends("2"));
        tokio::time::sleep(A_WHILE).await;
        let desk = self.desk.clone();
        let asks = spawned(async move { desk.interactions(9).await.map(|all| all.len()) });
        assert_eq!(self.claimed().await.len(), 0, "what is owed is not durable");
        assert!(!first.is_finished() && !twin.is_finished() && !second.is_finished());
        assert!(!asks.is_finished(), "nor is what could be told");
        ([first, twin, second], asks)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_answered_and_nothing_goes_before_it_is_durable() {
    let scene = Scene::open("2026-01-01T12:00:00Z").await;
    let before = scene.records();
    let (sent, asks) = scene.three_and_a_question().await;
    assert_eq!(scene.records(), before);
    scene.disk.hold(false);
    let mut duplicates = Vec::new();
    for sent in sent {
        duplicates.push(sent.await.unwrap().unwrap().duplicate);
    }
    assert_eq!((duplicates, asks.await.unwrap()), (vec![false, true, false], Ok(1)));
    assert_eq!(scene.desk.claim(1).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_thought_on_a_commit_that_failed_is_refused_with_it_and_taken_once_when_it_comes_again() {
    let scene = Scene::open("2026-01-01T12:00:00Z").await;
    let before = scene.records();
    let (sent, asks) = scene.three_and_a_question().await;
    scene.disk.refuses.store(true, Ordering::SeqCst);
    scene.disk.hold(false);
    for sent in sent {
        assert_eq!(sent.await.unwrap(), Err(DeskError::Unavailable));
    }
    assert_eq!(asks.await.unwrap(), Err(DeskError::Unavailable));
    scene.disk.refuses.store(false, Ordering::SeqCst);
    assert_eq!(scene.records(), before);
    let mut duplicates = Vec::new();
    for key in ["1", "2", "1"] {
        duplicates.push(scene.sends(key).await.unwrap().unwrap().duplicate);
    }
    assert_eq!((duplicates, scene.records()), (vec![false, false, true], before + 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_waits_for_its_secret_to_be_durable_and_then_goes_at_once() {
    let scene = Scene::open("2026-01-01T12:00:00Z").await;
    scene.sends("1").await.unwrap().unwrap();
    scene.disk.hold(true);
    let settled = scene.settles_the_house();
    scene.waits_for_the_disk().await;
    let with_token = |claims: &[Claim]| claims.iter().filter(|claim| !claim.secrets.is_empty()).count();
    let early = scene.claimed().await;
    assert!(early.iter().any(|claim| matches!(claim.command.action, Action::Place { .. })), "this one needs none");
    assert_eq!(with_token(&early), 0, "a crash would lose the token and not what was done with it");

    scene.disk.hold(false);
    settled.await.unwrap().unwrap();
    assert!(with_token(&scene.claimed().await) > 0, "the clock stands still: what waits for a time does not go");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_waits_also_for_a_secret_that_comes_with_the_batch_after_the_one_under_way() {
    let scene = Scene::open("2026-01-01T12:00:00Z").await;
    scene.sends("1").await.unwrap().unwrap();
    scene.disk.hold(true);
    let sent = scene.sends("2");
    scene.waits_for_the_disk().await;
    let settled = scene.settles_the_house();
    tokio::time::sleep(A_WHILE).await;
    assert!(scene.claimed().await.iter().all(|claim| claim.secrets.is_empty()));

    scene.disk.hold(false);
    sent.await.unwrap().unwrap();
    settled.await.unwrap().unwrap();
    assert!(scene.claimed().await.iter().any(|claim| !claim.secrets.is_empty()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_came_just_before_midnight_is_a_duplicate_after_it() {
    let scene = Scene::open("2026-01-01T23:59:59Z").await;
    scene.disk.hold(true);
    let settled = scene.settles_the_house();
    scene.waits_for_the_disk().await;
    let before_midnight = scene.sends("1");
    tokio::time::sleep(A_WHILE).await;
    scene.clock.advance(SignedDuration::from_secs(2));
    let after_midnight = scene.sends("2");
    tokio::time::sleep(A_WHILE).await;
    scene.disk.hold(false);
    settled.await.unwrap().unwrap();
    for sent in [before_midnight, after_midnight] {
        assert!(!sent.await.unwrap().unwrap().duplicate);
    }
    assert!(scene.sends("1").await.unwrap().unwrap().duplicate);
}
