//! The instance's queues and agents, and which of an agent's slots are taken.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use uuid::Uuid;

use super::QueueRef;
use crate::sim::settings::{AgentSettings, QueueSettings, Settings};

/// The queue that every instance is born with.
const BORN_WITH: &str = "BasicQueue";

/// A queue.
#[derive(Debug, Clone)]
pub(in crate::sim) struct Queue {
    pub(in crate::sim) id: String,
    pub(in crate::sim) name: String,
    pub(in crate::sim) max_contacts: Option<u32>,
}

/// An agent.
#[derive(Debug, Clone)]
pub(in crate::sim) struct Agent {
    pub(in crate::sim) id: String,
    pub(in crate::sim) username: String,
    pub(in crate::sim) first_name: String,
    pub(in crate::sim) last_name: String,
    /// Ids of the queues in the routing profile.
    pub(in crate::sim) queues: HashSet<String>,
    pub(in crate::sim) auto_accept: Option<Duration>,
    pub(in crate::sim) after_contact: Option<Duration>,
    pub(in crate::sim) max_chats: usize,
    /// Contacts that ring, are talked to, or are worked after: each takes a slot.
    pub(in crate::sim) occupied_by: HashSet<String>,
}

/// Queues and agents, found by id.
pub(in crate::sim) struct Roster {
    pub(in crate::sim) queues: Vec<Queue>,
    pub(in crate::sim) agents: Vec<Agent>,
    by_queue_id: HashMap<String, usize>,
    by_user_id: HashMap<String, usize>,
}

impl Roster {
    pub(in crate::sim) fn new(settings: &Settings) -> Self {
        let mut queues: Vec<Queue> = settings.queues.iter().map(Queue::new).collect();
        if !queues.iter().any(|queue| queue.name == BORN_WITH) {
            queues.push(Queue { id: derived(settings.instance_id), name: BORN_WITH.to_owned(), max_contacts: None });
        }
        let agents: Vec<Agent> = settings.agents.iter().map(|agent| Agent::new(agent, &queues)).collect();
        let by_queue_id = queues.iter().enumerate().map(|(at, queue)| (queue.id.clone(), at)).collect();
        let by_user_id = agents.iter().enumerate().map(|(at, agent)| (agent.id.clone(), at)).collect();
        Self { queues, agents, by_queue_id, by_user_id }
    }

    pub(in crate::sim) fn queue(&self, id: &str) -> Option<&Queue> {
        self.queues.get(*self.by_queue_id.get(id)?)
    }

    pub(in crate::sim) fn queue_named(&self, name: &str) -> Option<&Queue> {
        self.queues.iter().find(|queue| queue.name == name)
    }

    pub(in crate::sim) fn agent(&self, id: &str) -> Option<&Agent> {
        self.agents.get(*self.by_user_id.get(id)?)
    }

    pub(in crate::sim) fn agent_mut(&mut self, id: &str) -> Option<&mut Agent> {
        self.agents.get_mut(*self.by_user_id.get(id)?)
    }

    pub(super) fn occupy(&mut self, user_id: &str, contact_id: &str) {
        if let Some(agent) = self.agent_mut(user_id) {
            agent.occupied_by.insert(contact_id.to_owned());
        }
    }

    pub(super) fn release(&mut self, user_id: &str, contact_id: &str) {
        if let Some(agent) = self.agent_mut(user_id) {
            agent.occupied_by.remove(contact_id);
        }
    }
}

impl Queue {
    fn new(settings: &QueueSettings) -> Self {
        Self { id: settings.id.to_string(), name: settings.name.clone(), max_contacts: settings.max_contacts }
    }
}

impl Agent {
    fn new(settings: &AgentSettings, queues: &[Queue]) -> Self {
        let served = |queue: &&Queue| settings.queues.iter().any(|name| *name == queue.name || *name == queue.id);
        Self {
            id: settings.user_id.to_string(),
            username: settings.username.clone(),
            first_name: settings.first_name.clone(),
            last_name: settings.last_name.clone(),
            queues: queues.iter().filter(served).map(|queue| queue.id.clone()).collect(),
            auto_accept: settings.auto_accept_ms.map(Duration::from_millis),
            after_contact: settings.after_contact_ms.map(Duration::from_millis),
            max_chats: usize::try_from(settings.max_chats).unwrap_or(usize::MAX),
            occupied_by: HashSet::new(),
        }
    }

    pub(in crate::sim) fn is_free(&self) -> bool {
        self.occupied_by.len() < self.max_chats
    }

    /// Whether the queue is in the agent's routing profile, or is the agent's own.
    pub(super) fn serves(&self, queue: &QueueRef) -> bool {
        match queue {
            QueueRef::Agent(user) => self.id == *user,
            QueueRef::Standard(id) => self.queues.contains(id),
        }
    }
}

/// An id that is the same at every start.
fn derived(instance_id: Uuid) -> String {
    let mut bytes = *instance_id.as_bytes();
    bytes[15] ^= 0xB0;
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}
