//! What agents do at their desks.

use jiff::Timestamp;
use serde_json::json;

use super::contact::Serving;
use super::messages::typing;
use super::state::{Draft, Instance};
use super::{Contact, ItemKind, Role, Sent, Stage};
use crate::sim::errors::Refused;

impl Instance {
    /// What rang at the agent is taken, unless it rings no more.
    pub(super) fn take_offer(&mut self, contact_id: &str, user_id: &str, offer: u64, now: Timestamp) {
        let current = self.contacts.get(contact_id).and_then(|contact| contact.offer.as_ref());
        if current.is_some_and(|current| current.number == offer && current.user_id == user_id) {
            self.assign(contact_id, user_id, now);
        }
    }

    /// An agent takes a contact that waits, ringing or not.
    ///
    /// # Errors
    /// When nothing waits under this id, or the agent may not take it or has no slot left.
    pub(in crate::sim) fn accept(&mut self, contact_id: &str, user_id: &str, now: Timestamp) -> Result<(), Refused> {
        let contact = self.contacts.get(contact_id).ok_or_else(Refused::gone)?;
        if contact.stage != Stage::Queued {
            return Err(Refused::conflict(format!("the contact is {}", contact.stage.name())));
        }
        let agent = self.roster.agent(user_id).ok_or_else(|| Refused::not_found("no such agent"))?;
        if !contact.placement.as_ref().is_some_and(|placement| agent.serves(&placement.queue)) {
            return Err(Refused::conflict("the queue is not in the agent's routing profile"));
        }
        if !agent.is_free() && !agent.occupied_by.contains(contact_id) {
            return Err(Refused::conflict("the agent has no slot left"));
        }
        if let Some(offer) = contact.offer.clone() {
            self.roster.release(&offer.user_id, contact_id);
        }
        self.roster.occupy(user_id, contact_id);
        self.assign(contact_id, user_id, now);
        Ok(())
    }

    fn assign(&mut self, contact_id: &str, user_id: &str, now: Timestamp) {
        let participant_id = self.ids.uuid();
        let Some(contact) = self.contacts.get_mut(contact_id) else { return };
        contact.stage = Stage::Connected;
        contact.offer = None;
        contact.serving = Some(Serving {
            user_id: user_id.to_owned(),
            participant_id,
            connected_at: now,
            after_work_started_at: None,
            after_work_ended_at: None,
        });
        let initial = contact.initial_id.clone();
        self.waiting.retain(|waiting| waiting != contact_id);
        self.enter("contact.assigned", contact_id, json!({ "agent": user_id, "initialContactId": initial }));
        if let Some(agent) = self.agent_participant(contact_id) {
            self.post(contact_id, Draft::event(Role::Agent, agent, "participant.joined"), now);
        }
        self.announce(contact_id, "CONNECTED_TO_AGENT", &[], now);
    }

    /// What rang at an agent was not taken: it goes on waiting for somebody else.
    pub(in crate::sim) fn miss(&mut self, contact_id: &str, now: Timestamp) -> Result<(), Refused> {
        let contact = self.contacts.get_mut(contact_id).ok_or_else(Refused::gone)?;
        let offer = contact.offer.take().ok_or_else(|| Refused::conflict("the contact rings at nobody"))?;
        contact.missed_by.push((offer.user_id.clone(), now));
        self.roster.release(&offer.user_id, contact_id);
        self.enter("contact.missed", contact_id, json!({ "agent": offer.user_id }));
        self.offer_waiting(now);
        Ok(())
    }

    /// The contact's agent writes something.
    pub(in crate::sim) fn agent_says(
        &mut self,
        contact_id: &str,
        content_type: &str,
        text: &str,
        now: Timestamp,
    ) -> Result<Sent, Refused> {
        self.connected_contact(contact_id)?;
        let agent = self.agent_participant(contact_id).ok_or_else(Refused::gone)?;
        let draft = Draft::message(Role::Agent, agent, content_type, text.to_owned());
        let sent = Sent { id: self.post(contact_id, draft, now), at: now };
        let initial = self.contacts.get(contact_id).map(|contact| contact.initial_id.clone());
        let detail = json!({
            "contactId": contact_id, "initialContactId": initial, "messageId": sent.id,
            "participantRole": "AGENT", "contentType": content_type, "content": text,
        });
        self.enter("message.sent", sent.id.clone(), detail);
        Ok(sent)
    }

    /// The contact's agent types.
    pub(in crate::sim) fn agent_types(&mut self, contact_id: &str, now: Timestamp) -> Result<(), Refused> {
        self.connected_contact(contact_id)?;
        let agent = self.agent_participant(contact_id).ok_or_else(Refused::gone)?;
        self.post(contact_id, typing(Role::Agent, agent), now);
        Ok(())
    }

    /// The contact's agent sends a file.
    pub(in crate::sim) fn agent_attaches(
        &mut self,
        contact_id: &str,
        name: &str,
        content_type: &str,
        bytes: Vec<u8>,
        now: Timestamp,
    ) -> Result<Sent, Refused> {
        self.connected_contact(contact_id)?;
        let agent = self.agent_participant(contact_id).ok_or_else(Refused::gone)?;
        let initial = self.contacts.get(contact_id).map(|contact| contact.initial_id.clone()).unwrap_or_default();
        let attachment = self.keep_attachment(&initial, name, content_type, bytes)?;
        let mut draft = Draft::event(Role::Agent, agent, "");
        draft.kind = ItemKind::Attachment;
        draft.content_type = content_type.to_owned();
        draft.attachment = Some(attachment);
        Ok(Sent { id: self.post(contact_id, draft, now), at: now })
    }

    /// The contact's agent ends the chat.
    pub(in crate::sim) fn agent_ends(&mut self, contact_id: &str, now: Timestamp) -> Result<(), Refused> {
        let initial = self.connected_contact(contact_id)?.initial_id.clone();
        self.end_chat(&initial, "AGENT_DISCONNECT", Some(Role::Agent), now);
        Ok(())
    }

    /// The connection of the contact's agent breaks.
    pub(in crate::sim) fn agent_is_lost(&mut self, contact_id: &str, now: Timestamp) -> Result<(), Refused> {
        let initial = self.connected_contact(contact_id)?.initial_id.clone();
        self.end_chat(&initial, "AGENT_NETWORK_DISCONNECT", Some(Role::Agent), now);
        Ok(())
    }

    pub(super) fn connected_contact(&self, contact_id: &str) -> Result<&Contact, Refused> {
        let contact = self.contacts.get(contact_id).ok_or_else(Refused::gone)?;
        if contact.stage == Stage::Connected {
            Ok(contact)
        } else {
            Err(Refused::conflict(format!("the contact is {}", contact.stage.name())))
        }
    }
}
