//! The desk's handle: cheap to clone, hides the lanes.

use std::sync::Arc;

use jiff::Timestamp;
use tandem_sdk::model::{CommandId, InteractionId, SubjectId};
use tokio::sync::{oneshot, watch};

use super::answer::{AskedChat, DeskError, Done, Overview, Status};
use super::claims::{Asked, Claim, Whose};
use super::lanes::{Lanes, Priority};
use super::run::Message;
use super::work::Work;
use crate::interactions::{Agent, House, Interaction};

/// A way to the desk.
#[derive(Clone)]
pub struct Desk {
    lanes: Arc<Lanes<Message>>,
    committed: watch::Receiver<u64>,
}

impl Desk {
    pub(super) fn new(lanes: Arc<Lanes<Message>>, committed: watch::Receiver<u64>) -> Self {
        Desk { lanes, committed }
    }

    /// Gives the desk an input. The answer comes when its record is durable. Full lanes answer at once.
    pub async fn submit(&self, priority: Priority, work: Work) -> Result<Done, DeskError> {
        let answer = self.put(priority, work)?;
        answer.await.unwrap_or(Err(DeskError::Closed))
    }

    /// Gives the desk several inputs, all or none of them; they go into as few commits as they can. The first that cannot
    /// be taken is the answer for all: sending them again is safe.
    pub async fn submit_all(&self, priority: Priority, works: Vec<Work>) -> Result<Vec<Done>, DeskError> {
        let (mut answers, mut messages) = (Vec::with_capacity(works.len()), Vec::with_capacity(works.len()));
        for work in works {
            let (reply, answer) = oneshot::channel();
            messages.push(Message::Work(Box::new(work), reply));
            answers.push(answer);
        }
        match self.lanes.put_all(priority, messages) {
            Ok(()) => {}
            Err((_, true)) => return Err(DeskError::Closed),
            Err((_, false)) => return Err(DeskError::Full),
        }
        let mut done = Vec::with_capacity(answers.len());
        for answer in answers {
            done.push(answer.await.unwrap_or(Err(DeskError::Closed))?);
        }
        Ok(done)
    }

    fn put(&self, priority: Priority, work: Work) -> Result<oneshot::Receiver<Result<Done, DeskError>>, DeskError> {
        let (reply, answer) = oneshot::channel();
        match self.lanes.put(priority, Message::Work(Box::new(work), reply)) {
            Ok(()) => Ok(answer),
            Err((_, true)) => Err(DeskError::Closed),
            Err((_, false)) => Err(DeskError::Full),
        }
    }

    /// Waits for commands that may go; at most `most`.
    pub async fn claim(&self, most: usize) -> Result<Vec<Claim>, DeskError> {
        let (reply, answer) = oneshot::channel();
        match self.lanes.put(Priority::Control, Message::Claim(most, reply)) {
            Ok(()) => answer.await.map_err(|_| DeskError::Closed),
            Err((_, true)) => Err(DeskError::Closed),
            Err((_, false)) => Err(DeskError::Full),
        }
    }

    /// Puts a claimed command back, not to be tried before `until`. `uncertain`: it may have had its effect. `counts`:
    /// whether it was an attempt.
    pub fn defer(&self, id: CommandId, until: Timestamp, uncertain: bool, counts: bool) {
        // A full lane loses nothing: the command stays in flight until the next life of the desk.
        if self.lanes.put(Priority::Outcome, Message::Defer { id, until, uncertain, counts }).is_err() {
            tracing::warn!(command.id = %id, "a command could not be put back");
        }
    }

    async fn ask<T>(&self, ask: impl FnOnce(oneshot::Sender<T>) -> Message) -> Result<T, DeskError> {
        let (reply, answer) = oneshot::channel();
        match self.lanes.put(Priority::Control, ask(reply)) {
            Ok(()) => answer.await.map_err(|_| match self.lanes.is_closed() {
                true => DeskError::Closed,
                // What would have been told never became durable.
                false => DeskError::Unavailable,
            }),
            Err((_, true)) => Err(DeskError::Closed),
            Err((_, false)) => Err(DeskError::Full),
        }
    }

    /// One interaction.
    pub async fn interaction(&self, id: InteractionId) -> Result<Option<Interaction>, DeskError> {
        self.ask(|reply| Message::Ask(Asked::Interaction(id, reply))).await
    }

    /// The interactions in memory, newest change first, at most `most`.
    pub async fn interactions(&self, most: usize) -> Result<Vec<Overview>, DeskError> {
        self.ask(|reply| Message::Ask(Asked::Interactions(most, reply))).await
    }

    /// The house.
    pub async fn house(&self) -> Result<House, DeskError> {
        self.ask(|reply| Message::Ask(Asked::House(reply))).await
    }

    /// The agents that the hub has met.
    pub async fn agents(&self) -> Result<Vec<Agent>, DeskError> {
        self.ask(|reply| Message::Ask(Asked::Agents(reply))).await
    }

    /// How far a chat has come that a verified caller asked for.
    pub async fn asked_chat(&self, id: InteractionId) -> Result<Option<AskedChat>, DeskError> {
        self.ask(|reply| Message::Ask(Asked::Chat(id, reply))).await
    }

    /// Every subject under whose key a person's data may be sealed.
    pub async fn subjects_of(&self, whose: Whose) -> Result<Vec<SubjectId>, DeskError> {
        self.ask(|reply| Message::Ask(Asked::Subjects(whose, reply))).await?.ok_or(DeskError::Unavailable)
    }

    /// Destroys the keys of these subjects, for ever, and records that it was done. Subjects that have none are fine.
    pub async fn erase(&self, subjects: Vec<SubjectId>) -> Result<(), DeskError> {
        self.submit(Priority::Webhook, Work::Erase { subjects }).await.map(|_| ())
    }

    /// How the desk is.
    pub async fn status(&self) -> Result<Status, DeskError> {
        self.ask(Message::Status).await
    }

    /// The sequence number of the next record, whenever it grows.
    pub fn committed(&self) -> watch::Receiver<u64> {
        self.committed.clone()
    }

    /// Lets nothing more in. What waits is still done.
    pub fn close(&self) {
        self.lanes.close();
    }
}
