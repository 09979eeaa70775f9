//! Handing a contact over: a new contact in the same chat.

use jiff::Timestamp;
use serde_json::json;

use super::ending::system;
use super::state::{Draft, Instance};
use super::{Contact, QueueRef, Role, Stage};
use crate::sim::errors::Refused;

/// Segments that one chat may have.
const MAX_SEGMENTS: usize = 100;

/// Whom a contact is handed over to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sim) enum Target {
    Agent(String),
    Queue(String),
}

impl Instance {
    /// Hands a contact over and gives the id of the new one. A waiting contact is moved from queue to queue
    /// (`QUEUE_TRANSFER`); one that an agent has is handed over by the agent (`TRANSFER`).
    ///
    /// # Errors
    /// When the contact neither waits nor has an agent, or the target does not exist; the chat is then told so.
    pub(in crate::sim) fn transfer(
        &mut self,
        contact_id: &str,
        target: &Target,
        now: Timestamp,
    ) -> Result<String, Refused> {
        let contact = self.contacts.get(contact_id).ok_or_else(Refused::gone)?;
        let (initial, stage) = (contact.initial_id.clone(), contact.stage);
        let method = match stage {
            Stage::Connected => "TRANSFER",
            Stage::Queued => "QUEUE_TRANSFER",
            Stage::Initiated | Stage::Ended => {
                return Err(Refused::conflict(format!("the contact is {}", stage.name())));
            }
        };
        let queue = match target {
            Target::Agent(user) => self.agent(user).map(|agent| QueueRef::Agent(agent.id.clone())),
            Target::Queue(queue) => self.queue(queue).map(|queue| QueueRef::Standard(queue.id.clone())),
        };
        let Some(queue) = queue else {
            self.post(contact_id, Draft::event(Role::System, system(), "transfer.failed"), now);
            return Err(Refused::not_found("no such agent or queue"));
        };
        let Some(chat) = self.chats.get_mut(&initial).filter(|chat| chat.segments.len() < MAX_SEGMENTS) else {
            return Err(Refused::conflict("the chat has too many segments"));
        };
        let id = self.ids.uuid();
        let next = Contact::new(id.clone(), initial.clone(), Some(contact_id.to_owned()), method, now);
        chat.segments.push(id.clone());
        self.contacts.insert(id.clone(), next);
        let detail = json!({ "to": id, "queue": queue.id(), "method": method, "initialContactId": initial });
        self.enter("contact.transferred", contact_id, detail);
        self.announce(&id, "INITIATED", &[], now);
        self.leave(contact_id, stage, now);
        if let Some(chat) = self.chats.get_mut(&initial) {
            chat.current.clone_from(&id);
        }
        if let Some(next) = self.contacts.get_mut(&id) {
            next.connected_to_system_at = Some(now);
        }
        self.announce(&id, "CONNECTED_TO_SYSTEM", &[], now);
        self.enqueue(&id, queue, now);
        Ok(id)
    }

    /// The old segment ends, and the chat is told.
    fn leave(&mut self, contact_id: &str, stage: Stage, now: Timestamp) {
        self.post(contact_id, Draft::event(Role::System, system(), "transfer.succeeded"), now);
        if stage == Stage::Connected {
            self.post_agent_left(contact_id, now);
            self.post(contact_id, Draft::event(Role::System, system(), "chat.ended"), now);
            self.end_contact(contact_id, "AGENT_DISCONNECT", now);
        } else {
            self.end_contact(contact_id, "OTHER", now);
        }
    }
}
