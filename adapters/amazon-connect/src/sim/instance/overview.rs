//! What a judge is shown.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::transcript::view;
use super::{Contact, Instance};
use crate::sim::errors::Refused;

/// What is to change about an agent. What is left out stays; null switches off what happens by itself.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(in crate::sim) struct AgentChange {
    #[serde(deserialize_with = "given")]
    auto_accept_ms: Option<Option<u64>>,
    #[serde(deserialize_with = "given")]
    after_contact_ms: Option<Option<u64>>,
    max_chats: Option<usize>,
}

/// Tells null from absent.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<u64>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl Instance {
    pub(in crate::sim) fn change_agent(
        &mut self,
        id: &str,
        change: &AgentChange,
        now: Timestamp,
    ) -> Result<(), Refused> {
        let agent = self.roster.agent_mut(id).ok_or_else(|| Refused::not_found("no such agent"))?;
        if let Some(wait) = change.auto_accept_ms {
            agent.auto_accept = wait.map(Duration::from_millis);
        }
        if let Some(wait) = change.after_contact_ms {
            agent.after_contact = wait.map(Duration::from_millis);
        }
        if let Some(chats) = change.max_chats {
            agent.max_chats = chats;
        }
        self.offer_waiting(now);
        Ok(())
    }

    /// Every contact in a line.
    pub(in crate::sim) fn overview(&self) -> Value {
        let mut contacts: Vec<&Contact> = self.contacts.values().collect();
        contacts.sort_by(|a, b| (a.initiated_at, &a.id).cmp(&(b.initiated_at, &b.id)));
        json!({ "contacts": contacts.into_iter().map(summary).collect::<Vec<_>>() })
    }

    /// One contact with its chat's attributes and all of its items, those included that customers do not see.
    pub(in crate::sim) fn everything_about(&self, contact_id: &str) -> Result<Value, Refused> {
        let contact = self.contacts.get(contact_id).ok_or_else(Refused::gone)?;
        let chat = self.chats.get(&contact.initial_id).ok_or_else(Refused::gone)?;
        let mut shown = summary(contact);
        shown["attributes"] = json!(chat.attributes);
        shown["segments"] = json!(chat.segments);
        shown["connected"] = json!(chat.connected);
        let items = chat.items.iter().map(|item| {
            let mut item_view = view(item);
            item_view["MessageVisibility"] = json!(item.visibility.name());
            item_view
        });
        shown["transcript"] = json!(items.collect::<Vec<_>>());
        Ok(shown)
    }

    /// Taken slots and lengths of queues.
    pub(in crate::sim) fn capacity(&self) -> Value {
        let agents = self.roster.agents.iter().map(|agent| {
            json!({ "userId": agent.id, "username": agent.username, "taken": agent.occupied_by.len(), "max": agent.max_chats })
        });
        let queues = self.roster.queues.iter().map(|queue| {
            json!({ "id": queue.id, "name": queue.name, "waiting": self.queue_length(&queue.id), "max": queue.max_contacts })
        });
        json!({
            "activeChats": self.active,
            "agents": agents.collect::<Vec<_>>(),
            "queues": queues.collect::<Vec<_>>(),
        })
    }
}

fn summary(contact: &Contact) -> Value {
    json!({
        "contactId": contact.id,
        "initialContactId": contact.initial_id,
        "previousContactId": contact.previous_id,
        "initiationMethod": contact.method,
        "stage": contact.stage.name(),
        "queue": contact.placement.as_ref().map(|placement| placement.queue.id()),
        "ringsAt": contact.offer.as_ref().map(|offer| &offer.user_id),
        "agent": contact.serving.as_ref().map(|serving| &serving.user_id),
        "reason": contact.reason,
        "completed": contact.completed,
    })
}
