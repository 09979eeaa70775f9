//! How contacts and chats end, and the calls that end them.

use jiff::Timestamp;
use serde_json::json;

use super::chat::{Chat, Participant};
use super::start::after;
use super::state::{Draft, Grant, Instance, Scope};
use super::timers::Due;
use super::{Role, Stage};
use crate::sim::errors::Refused;

impl Instance {
    /// `DisconnectParticipant`: the customer leaves. The same `ClientToken` leaves once.
    pub(in crate::sim) fn disconnect(
        &mut self,
        token: &str,
        client_token: Option<String>,
        now: Timestamp,
    ) -> Result<(), Refused> {
        let repeated = |chat: &Chat| client_token.as_ref().is_some_and(|token| chat.departures.contains(token));
        if let Some(Grant { chat, scope: Scope::Connection, .. }) = self.tokens.get(token)
            && self.chats.get(chat).is_some_and(repeated)
        {
            return Ok(());
        }
        let id = self.connected_chat(token, now)?;
        let Some(chat) = self.chats.get_mut(&id) else { return Err(Refused::access_denied()) };
        chat.departures.extend(client_token.clone());
        let detail = json!({ "contactId": chat.current, "initialContactId": id, "participantRole": "CUSTOMER" });
        self.enter("participant.disconnected", client_token.unwrap_or_else(|| id.clone()), detail);
        self.end_chat(&id, "CUSTOMER_DISCONNECT", Some(Role::Customer), now);
        Ok(())
    }

    /// `StopContact`.
    ///
    /// # Errors
    /// 410 when the contact has ended or never was.
    pub(in crate::sim) fn stop_contact(&mut self, contact_id: &str, now: Timestamp) -> Result<(), Refused> {
        let contact = self.contacts.get(contact_id).filter(|contact| contact.stage != Stage::Ended);
        let chat = contact.map(|contact| contact.initial_id.clone()).ok_or_else(Refused::gone)?;
        self.enter("contact.stopped", contact_id, json!({ "initialContactId": chat }));
        self.end_chat(&chat, "API", None, now);
        Ok(())
    }

    /// Ends a chat with the segment that is going on. `leaver` is who went; the system ends it otherwise.
    pub(super) fn end_chat(&mut self, id: &str, reason: &'static str, leaver: Option<Role>, now: Timestamp) {
        let Some(chat) = self.chats.get_mut(id).filter(|chat| !chat.ended) else { return };
        let (contact, customer) = (chat.current.clone(), chat.customer.clone());
        match leaver {
            Some(Role::Agent) => self.post_agent_left(&contact, now),
            Some(_) => {
                self.post(&contact, Draft::event(Role::Customer, customer, "participant.left"), now);
            }
            None => {}
        }
        self.post(&contact, Draft::event(Role::System, system(), "chat.ended"), now);
        if let Some(chat) = self.chats.get_mut(id) {
            chat.ended = true;
            self.active -= 1;
            chat.deadlines.drain(..).for_each(|key| drop(self.timers.remove(&key)));
        }
        self.end_contact(&contact, reason, now);
    }

    /// Ends one segment. After-contact work begins when an agent had it.
    pub(super) fn end_contact(&mut self, contact_id: &str, reason: &'static str, now: Timestamp) {
        let Some(contact) = self.contacts.get_mut(contact_id).filter(|contact| contact.stage != Stage::Ended) else {
            return;
        };
        contact.stage = Stage::Ended;
        contact.disconnected_at = Some(now);
        contact.reason = Some(reason);
        let offer = contact.offer.take();
        let served_by = contact.serving.as_mut().map(|serving| {
            serving.after_work_started_at = Some(now);
            serving.user_id.clone()
        });
        let initial = contact.initial_id.clone();
        self.waiting.retain(|waiting| waiting != contact_id);
        if let Some(offer) = offer {
            self.roster.release(&offer.user_id, contact_id);
        }
        let detail = json!({ "initialContactId": initial, "reason": reason, "agent": served_by });
        self.enter("contact.ended", contact_id, detail);
        self.announce(contact_id, "DISCONNECTED", &[], now);
        let Some(agent) = served_by else { return self.complete(contact_id, now) };
        if let Some(after_work) = self.agent(&agent).and_then(|agent| agent.after_contact) {
            self.schedule(after(now, after_work), Due::Complete { contact: contact_id.to_owned() });
        }
    }

    /// After-contact work is over: the contact is final and the agent's slot free.
    pub(in crate::sim) fn complete(&mut self, contact_id: &str, now: Timestamp) {
        let ended = |contact: &&mut super::Contact| contact.stage == Stage::Ended && !contact.completed;
        let Some(contact) = self.contacts.get_mut(contact_id).filter(ended) else { return };
        contact.completed = true;
        if let Some(serving) = &mut contact.serving {
            serving.after_work_ended_at = Some(now);
            self.roster.release(&serving.user_id, contact_id);
        }
        if self.rules.completed_events {
            self.announce(contact_id, "COMPLETED", &[], now);
        }
        self.offer_waiting(now);
    }

    /// Tells the chat that the contact's agent left.
    pub(super) fn post_agent_left(&mut self, contact_id: &str, now: Timestamp) {
        if let Some(agent) = self.agent_participant(contact_id) {
            self.post(contact_id, Draft::event(Role::Agent, agent, "participant.left"), now);
        }
    }

    /// The agent of a contact as a participant, by the name that customers see.
    pub(super) fn agent_participant(&self, contact_id: &str) -> Option<Participant> {
        let serving = self.contacts.get(contact_id)?.serving.as_ref()?;
        let name = self.agent(&serving.user_id).map(|agent| agent.first_name.clone()).unwrap_or_default();
        Some(Participant { id: serving.participant_id.clone(), name })
    }
}

/// The author of what the system says.
pub(super) fn system() -> Participant {
    Participant { id: "00000000-0000-4000-8000-00000000c0de".to_owned(), name: "SYSTEM_MESSAGE".to_owned() }
}
