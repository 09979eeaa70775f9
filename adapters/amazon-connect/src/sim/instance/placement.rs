//! The flow runs, the contact waits, and an agent is found.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::contact::{Offer, Placement};
use super::ending::system;
use super::start::after;
use super::state::{Draft, Instance};
use super::timers::Due;
use super::{Contact, QueueRef, Role, Stage, Visibility};
use crate::sim::flow::{Ending, Routing, Scene, interpret};

impl Instance {
    /// Runs the chat's flow for a contact that nobody has placed yet.
    pub(super) fn run_flow(&mut self, contact_id: &str, now: Timestamp) {
        let Some(chat) = self.chat_of(contact_id).filter(|chat| !chat.ended) else { return };
        let Some(flow) = self.flows.get(&chat.flow_id) else { return };
        let flow_id = chat.flow_id.clone();
        let scene = Scene {
            contact_id,
            initial_contact_id: &chat.id,
            instance_arn: &self.facts.instance_arn,
            attributes: chat.attributes.clone(),
            queue: &|wanted| self.queue(wanted).map(|queue| queue.id.clone()),
            is_full: &|queue| self.is_full(queue),
            fits: &|attributes| super::attributes::check(attributes).is_ok(),
        };
        let (chat_id, before) = (chat.id.clone(), chat.attributes.clone());
        let walk = interpret(flow, scene);
        self.enter("flow.started", contact_id, json!({ "flow": flow_id, "steps": walk.steps }));
        if let Some(chat) = self.chats.get_mut(&chat_id)
            && walk.attributes != before
        {
            chat.attributes = walk.attributes;
            self.announce(contact_id, "CONTACT_DATA_UPDATED", &["UserDefinedAttributes"], now);
        }
        for text in walk.said {
            self.post(contact_id, Draft::message(Role::System, system(), "text/plain", text), now);
        }
        if let Some(contact) = self.contacts.get_mut(contact_id) {
            match walk.routing {
                Some(Routing::Priority(priority)) => contact.queue_priority = priority,
                Some(Routing::Age(seconds)) => contact.queue_time_adjustment_seconds = seconds,
                None => {}
            }
        }
        match walk.ending {
            Ending::Queued(queue) => self.enqueue(contact_id, QueueRef::Standard(queue), now),
            Ending::Disconnected => self.end_chat(&chat_id, "CONTACT_FLOW_DISCONNECT", None, now),
        }
    }

    pub(super) fn enqueue(&mut self, contact_id: &str, queue: QueueRef, now: Timestamp) {
        let (arn, kind) = (self.queue_arn(&queue), queue.kind());
        let Some(contact) = self.contacts.get_mut(contact_id) else { return };
        contact.stage = Stage::Queued;
        let detail = json!({
            "queue": queue.id(), "queueArn": arn, "queueType": kind, "initialContactId": contact.initial_id,
            "priority": contact.queue_priority,
        });
        contact.placement = Some(Placement { queue, enqueued_at: now });
        let place = self.waiting.partition_point(|before| self.turn_of(before) <= self.turn_of(contact_id));
        self.waiting.insert(place, contact_id.to_owned());
        self.enter("contact.queued", contact_id, detail);
        self.announce(contact_id, "QUEUED", &[], now);
        self.offer_waiting(now);
    }

    /// What decides whose turn it is: the priority, then how long a contact counts as having waited.
    fn turn_of(&self, contact_id: &str) -> Option<(i64, Timestamp)> {
        let contact = self.contacts.get(contact_id)?;
        let older = SignedDuration::from_secs(contact.queue_time_adjustment_seconds);
        let since = contact.placement.as_ref()?.enqueued_at.checked_sub(older).unwrap_or(Timestamp::MIN);
        Some((contact.queue_priority, since))
    }

    /// Lets waiting contacts ring at agents who take them by themselves, in the order of their turns.
    pub(super) fn offer_waiting(&mut self, now: Timestamp) {
        for at in 0..self.waiting.len() {
            if !self.roster.agents.iter().any(|agent| agent.auto_accept.is_some() && agent.is_free()) {
                return;
            }
            let Some(contact) = self.waiting.get(at).and_then(|id| self.contacts.get(id)) else { continue };
            if let Some((user_id, wait)) = self.whom_to_ask(contact) {
                let contact_id = contact.id.clone();
                self.ring(&contact_id, &user_id, wait, now);
            }
        }
    }

    /// The least busy agent who may take the contact, and how long that agent takes to answer.
    fn whom_to_ask(&self, contact: &Contact) -> Option<(String, Duration)> {
        let queue = &contact.placement.as_ref().filter(|_| contact.offer.is_none())?.queue;
        let agents = self.roster.agents.iter().filter(|agent| agent.is_free() && agent.serves(queue));
        let willing = agents.filter(|agent| !contact.missed_by.iter().any(|(user, _)| *user == agent.id));
        let asked = willing.filter_map(|agent| Some((agent, agent.auto_accept?)));
        let (agent, wait) = asked.min_by_key(|(agent, _)| agent.occupied_by.len())?;
        Some((agent.id.clone(), wait))
    }

    fn ring(&mut self, contact_id: &str, user_id: &str, answers_after: Duration, now: Timestamp) {
        let number = self.next_ordinal();
        let Some(contact) = self.contacts.get_mut(contact_id) else { return };
        contact.offer = Some(Offer { user_id: user_id.to_owned(), number });
        self.roster.occupy(user_id, contact_id);
        // Only agents are told who is being asked.
        let invited =
            Draft { visibility: Visibility::Agent, ..Draft::event(Role::System, system(), "participant.invited") };
        self.post(contact_id, invited, now);
        let due = Due::Accept { contact: contact_id.to_owned(), user_id: user_id.to_owned(), offer: number };
        self.schedule(after(now, answers_after), due);
    }

    /// How many contacts wait in a queue of the instance.
    pub(in crate::sim) fn queue_length(&self, id: &str) -> usize {
        let in_queue = |contact_id: &&String| {
            let placement = self.contacts.get(*contact_id).and_then(|contact| contact.placement.as_ref());
            placement.is_some_and(|placement| placement.queue == QueueRef::Standard(id.to_owned()))
        };
        self.waiting.iter().filter(in_queue).count()
    }

    pub(super) fn is_full(&self, id: &str) -> bool {
        let limit = self.queue(id).and_then(|queue| queue.max_contacts);
        limit.is_some_and(|limit| self.queue_length(id) >= usize::try_from(limit).unwrap_or(usize::MAX))
    }
}
