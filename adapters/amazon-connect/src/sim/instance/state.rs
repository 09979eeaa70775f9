//! The instance itself: what it is made of, and how its parts are found.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::attachments::Attachment;
use super::chat::{Chat, Participant};
use super::contact::QueueRef;
use super::roster::{Agent, Queue, Roster};
use super::timers::Due;
use super::{AttachmentRef, Contact, Emission, Item, ItemKind, Receipt, Role, Visibility};
use crate::sim::errors::Refused;
use crate::sim::eventbridge;
use crate::sim::flow::Flow;
use crate::sim::ids::Ids;
use crate::sim::quotas::{Operation, Quotas};
use crate::sim::settings::Settings;

/// What names the instance.
#[derive(Debug, Clone)]
pub(in crate::sim) struct Facts {
    pub(in crate::sim) region: String,
    pub(in crate::sim) account: String,
    pub(in crate::sim) instance_id: String,
    pub(in crate::sim) instance_arn: String,
}

/// The durations and switches that hold in this instance, in real time.
#[derive(Debug, Clone)]
pub(in crate::sim) struct Rules {
    /// How long the customer has to connect after the chat was started.
    pub(in crate::sim) connect_within: Duration,
    /// What one documented minute of chat takes.
    pub(in crate::sim) minute: Duration,
    pub(in crate::sim) connection_token_lifetime: Duration,
    pub(in crate::sim) completed_events: bool,
    pub(in crate::sim) retained: usize,
}

/// A Connect instance.
pub(in crate::sim) struct Instance {
    pub(in crate::sim) facts: Facts,
    pub(super) rules: Rules,
    pub(super) ids: Ids,
    pub(super) quotas: Quotas,
    pub(super) flows: HashMap<String, Flow>,
    pub(super) topics: Vec<String>,
    pub(in crate::sim) roster: Roster,
    pub(super) chats: HashMap<String, Chat>,
    pub(super) contacts: HashMap<String, Contact>,
    /// Chats that have not ended.
    pub(super) active: usize,
    /// Contacts that wait for an agent, in the order in which it is their turn.
    pub(super) waiting: Vec<String>,
    /// Initial contact ids in the order in which the chats began.
    pub(super) begun: VecDeque<String>,
    pub(super) tokens: HashMap<String, Grant>,
    /// `ClientToken` of a start to the initial contact id.
    pub(super) starts: HashMap<String, String>,
    pub(super) attachments: HashMap<String, Attachment>,
    pub(super) timers: BTreeMap<(Timestamp, u64), Due>,
    pub(super) ordinal: u64,
    pub(super) emitted: Vec<Emission>,
    /// Contact event types that get lost.
    pub(super) forgotten: HashSet<String>,
}

/// What a bearer token grants.
#[derive(Debug, Clone)]
pub(super) struct Grant {
    pub(super) chat: String,
    pub(super) scope: Scope,
    pub(super) expires_at: Option<Timestamp>,
}

/// Which calls a token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// `CreateParticipantConnection` and nothing else.
    Participant,
    /// Everything else.
    Connection,
}

impl Instance {
    pub(in crate::sim) fn new(settings: &Settings, flows: HashMap<String, Flow>, roster: Roster, ids: Ids) -> Self {
        let scale = settings.time_scale;
        Self {
            facts: Facts {
                region: settings.region.clone(),
                account: settings.account.clone(),
                instance_id: settings.instance_id.to_string(),
                instance_arn: settings.instance_arn(),
            },
            rules: Rules {
                connect_within: scale.real(Duration::from_secs(300)),
                minute: scale.real(Duration::from_secs(60)),
                connection_token_lifetime: Duration::from_secs(settings.connection_token_seconds.into()),
                completed_events: settings.completed_events,
                retained: settings.retained_contacts.max(1),
            },
            ids,
            quotas: Quotas::new(settings.limits),
            flows,
            topics: settings.sns.as_ref().map(|sns| sns.topics.clone()).unwrap_or_default(),
            roster,
            chats: HashMap::new(),
            contacts: HashMap::new(),
            active: 0,
            waiting: Vec::new(),
            begun: VecDeque::new(),
            tokens: HashMap::new(),
            starts: HashMap::new(),
            attachments: HashMap::new(),
            timers: BTreeMap::new(),
            ordinal: 0,
            emitted: Vec::new(),
            forgotten: HashSet::new(),
        }
    }

    /// What was emitted since the last call.
    pub(in crate::sim) fn take_emitted(&mut self) -> Vec<Emission> {
        std::mem::take(&mut self.emitted)
    }

    /// Contact events of these types get lost from now on; an empty list loses none.
    pub(in crate::sim) fn forget(&mut self, kinds: Vec<String>) {
        self.forgotten = kinds.into_iter().collect();
    }

    /// Takes one of an operation's tokens, see [`Quotas::take`].
    pub(in crate::sim) fn take_quota(&mut self, operation: Operation, now: Timestamp) -> Result<(), Refused> {
        self.quotas.take(operation, now)
    }

    /// Whether a request means this instance, by id or ARN.
    pub(in crate::sim) fn check_instance(&self, given: &str) -> Result<(), Refused> {
        if given == self.facts.instance_id || given == self.facts.instance_arn {
            Ok(())
        } else {
            Err(Refused::not_found("The specified instance was not found."))
        }
    }

    pub(super) fn chat_of(&self, contact_id: &str) -> Option<&Chat> {
        self.chats.get(&self.contacts.get(contact_id)?.initial_id)
    }

    /// The last segment of an ARN, or the id itself.
    pub(super) fn local<'a>(&self, id_or_arn: &'a str) -> &'a str {
        let inside = id_or_arn.strip_prefix(self.facts.instance_arn.as_str());
        inside.and_then(|path| path.rsplit('/').next()).unwrap_or(id_or_arn)
    }

    pub(in crate::sim) fn agent(&self, id_or_arn: &str) -> Option<&Agent> {
        self.roster.agent(self.local(id_or_arn))
    }

    pub(in crate::sim) fn queue(&self, id_or_arn: &str) -> Option<&Queue> {
        self.roster.queue(self.local(id_or_arn))
    }

    pub(in crate::sim) fn queue_arn(&self, queue: &QueueRef) -> String {
        format!("{}/queue/{}", self.facts.instance_arn, queue.id())
    }

    /// The chat that a connection token speaks for, while it is good.
    pub(super) fn connected_chat(&self, token: &str, now: Timestamp) -> Result<String, Refused> {
        self.granted(token, Scope::Connection, now)
    }

    pub(super) fn granted(&self, token: &str, scope: Scope, now: Timestamp) -> Result<String, Refused> {
        let grant = self.tokens.get(token).filter(|grant| grant.scope == scope).ok_or_else(Refused::access_denied)?;
        let expired = grant.expires_at.is_some_and(|at| at <= now);
        let ended = self.chats.get(&grant.chat).is_none_or(|chat| chat.ended);
        if expired || ended { Err(Refused::access_denied()) } else { Ok(grant.chat.clone()) }
    }

    pub(super) fn next_ordinal(&mut self) -> u64 {
        self.ordinal += 1;
        self.ordinal
    }

    pub(super) fn enter(&mut self, effect: &'static str, key: impl Into<String>, detail: Value) {
        self.emitted.push(Emission::Effect { effect, key: key.into(), detail });
    }

    /// Says what happened to a contact, unless events of this type get lost.
    pub(super) fn announce(&mut self, contact_id: &str, kind: &'static str, updated: &[&str], now: Timestamp) {
        let Some(contact) = self.contacts.get_mut(contact_id) else { return };
        contact.updated_at = now;
        if self.forgotten.contains(kind) {
            self.enter("delivery.forgotten", contact_id, serde_json::json!({ "eventType": kind }));
            return;
        }
        let contact = &self.contacts[contact_id];
        let customer_id = self.chats.get(&contact.initial_id).and_then(|chat| chat.customer_id.as_deref());
        let detail = eventbridge::detail(&self.facts, contact, kind, updated, customer_id);
        let contact_id = contact_id.to_owned();
        self.emitted.push(Emission::ContactEvent { kind, contact_id, at: now, detail });
    }

    /// Puts an item into the chat and streams it. Typing and receipts are streamed but not kept.
    pub(super) fn post(&mut self, contact_id: &str, draft: Draft, now: Timestamp) -> String {
        let id = self.ids.uuid();
        let Some(contact) = self.contacts.get(contact_id) else { return id };
        let Some(chat) = self.chats.get_mut(&contact.initial_id) else { return id };
        let item = Item {
            id: id.clone(),
            at: now,
            kind: draft.kind,
            content_type: draft.content_type,
            content: draft.content,
            author: draft.author,
            role: draft.role,
            visibility: draft.visibility,
            contact_id: contact.id.clone(),
            initial_contact_id: chat.id.clone(),
            attachment: draft.attachment,
            receipt: draft.receipt,
        };
        if draft.kept {
            chat.items.push(item.clone());
        }
        let topics = chat.topics();
        if !topics.is_empty() {
            self.emitted.push(Emission::ChatItem { topics, item: Box::new(item) });
        }
        id
    }
}

/// An item that has no id yet.
pub(super) struct Draft {
    pub(super) kind: ItemKind,
    pub(super) content_type: String,
    pub(super) content: Option<String>,
    pub(super) author: Participant,
    pub(super) role: Role,
    pub(super) visibility: Visibility,
    pub(super) attachment: Option<AttachmentRef>,
    pub(super) receipt: Option<Receipt>,
    pub(super) kept: bool,
}

impl Draft {
    pub(super) fn message(role: Role, author: Participant, content_type: &str, content: String) -> Self {
        Self {
            kind: ItemKind::Message,
            content_type: content_type.to_owned(),
            content: Some(content),
            author,
            role,
            visibility: Visibility::All,
            attachment: None,
            receipt: None,
            kept: true,
        }
    }

    /// An event; `name` follows the prefix of all event content types.
    pub(super) fn event(role: Role, author: Participant, name: &str) -> Self {
        Self {
            kind: ItemKind::Event,
            content_type: format!("{}{name}", super::chat::EVENT),
            content: None,
            author,
            role,
            visibility: Visibility::All,
            attachment: None,
            receipt: None,
            kept: true,
        }
    }
}
