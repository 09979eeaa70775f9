//! `DescribeContact`, `ListAssociatedContacts`, `DescribeUser`, `DescribeQueue`, `ListQueues`.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Contact, Instance};
use crate::sim::errors::Refused;

impl Instance {
    pub(in crate::sim) fn describe_contact(&self, contact_id: &str) -> Result<Value, Refused> {
        let missing = || Refused::not_found("The contact was not found.");
        let contact = self.contacts.get(contact_id).ok_or_else(missing)?;
        let chat = self.chats.get(&contact.initial_id).ok_or_else(missing)?;
        let mut view = Map::new();
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                view.insert(key.to_owned(), value);
            }
        };
        put("Arn", Some(json!(format!("{}/contact/{}", self.facts.instance_arn, contact.id))));
        put("Id", Some(json!(contact.id)));
        let later = contact.previous_id.is_some();
        put("InitialContactId", later.then(|| json!(contact.initial_id)));
        put("PreviousContactId", contact.previous_id.as_ref().map(|id| json!(id)));
        put("ContactAssociationId", Some(json!(contact.initial_id)));
        put("InitiationMethod", Some(json!(contact.method)));
        put("Channel", Some(json!("CHAT")));
        put("InitiationTimestamp", Some(epoch(contact.initiated_at)));
        put("ConnectedToSystemTimestamp", contact.connected_to_system_at.map(epoch));
        put("DisconnectTimestamp", contact.disconnected_at.map(epoch));
        put("LastUpdateTimestamp", Some(epoch(contact.updated_at)));
        put("DisconnectReason", contact.reason.map(|reason| json!(reason)));
        let queue = contact.placement.as_ref();
        put(
            "QueueInfo",
            queue.map(
                |placement| json!({ "Id": placement.queue.id(), "EnqueueTimestamp": epoch(placement.enqueued_at) }),
            ),
        );
        put("QueuePriority", queue.map(|_| json!(contact.queue_priority)));
        put("QueueTimeAdjustmentSeconds", queue.map(|_| json!(contact.queue_time_adjustment_seconds)));
        put("AgentInfo", agent_info(contact));
        put("Attributes", Some(json!(chat.attributes)));
        put("CustomerId", chat.customer_id.as_ref().map(|id| json!(id)));
        put("SegmentAttributes", Some(json!({ "connect:Subtype": { "ValueString": "connect:Chat" } })));
        put("Tags", Some(json!({ "aws:connect:instanceId": self.facts.instance_id })));
        Ok(json!({ "Contact": view }))
    }

    /// A page of the tree around a contact: every segment of its chat.
    pub(in crate::sim) fn list_associated_contacts(
        &self,
        contact_id: &str,
        size: usize,
        from: usize,
    ) -> Result<Value, Refused> {
        let missing = || Refused::not_found("The contact was not found.");
        let initial = &self.contacts.get(contact_id).ok_or_else(missing)?.initial_id;
        let segments = &self.chats.get(initial).ok_or_else(missing)?.segments;
        let page: Vec<Value> = segments
            .iter()
            .skip(from)
            .take(size)
            .filter_map(|id| self.contacts.get(id))
            .map(|one| self.summary(one))
            .collect();
        let mut answer = json!({ "ContactSummaryList": page });
        if from.saturating_add(size) < segments.len() {
            answer["NextToken"] = json!(from.saturating_add(size).to_string());
        }
        Ok(answer)
    }

    fn summary(&self, contact: &Contact) -> Value {
        let mut view = json!({
            "ContactId": contact.id,
            "ContactArn": format!("{}/contact/{}", self.facts.instance_arn, contact.id),
            "InitiationMethod": contact.method,
            "Channel": "CHAT",
            "InitiationTimestamp": epoch(contact.initiated_at),
        });
        if let Some(previous) = &contact.previous_id {
            view["InitialContactId"] = json!(contact.initial_id);
            view["PreviousContactId"] = json!(previous);
        }
        if let Some(at) = contact.disconnected_at {
            view["DisconnectTimestamp"] = epoch(at);
        }
        view
    }

    pub(in crate::sim) fn describe_user(&self, user_id: &str) -> Result<Value, Refused> {
        let agent = self.agent(user_id).ok_or_else(|| Refused::not_found("The user was not found."))?;
        Ok(json!({ "User": {
            "Id": agent.id,
            "Arn": format!("{}/agent/{}", self.facts.instance_arn, agent.id),
            "Username": agent.username,
            "IdentityInfo": { "FirstName": agent.first_name, "LastName": agent.last_name },
            "PhoneConfig": { "PhoneType": "SOFT_PHONE", "AutoAccept": agent.auto_accept.is_some() },
        } }))
    }

    pub(in crate::sim) fn describe_queue(&self, queue_id: &str) -> Result<Value, Refused> {
        let queue = self.queue(queue_id).ok_or_else(|| Refused::not_found("The queue was not found."))?;
        let mut view = json!({
            "Name": queue.name,
            "QueueId": queue.id,
            "QueueArn": format!("{}/queue/{}", self.facts.instance_arn, queue.id),
            "Status": "ENABLED",
        });
        if let Some(limit) = queue.max_contacts {
            view["MaxContacts"] = json!(limit);
        }
        Ok(json!({ "Queue": view }))
    }

    /// A page of queues: those of the instance, then those that belong to agents, of the types asked for.
    pub(in crate::sim) fn list_queues(&self, kinds: &[String], size: usize, from: usize) -> Value {
        let wants = |kind: &str| kinds.is_empty() || kinds.iter().any(|wanted| wanted == kind);
        let standard = self.roster.queues.iter().filter(|_| wants("STANDARD")).map(|queue| {
            let arn = format!("{}/queue/{}", self.facts.instance_arn, queue.id);
            json!({ "Id": queue.id, "Arn": arn, "Name": queue.name, "QueueType": "STANDARD" })
        });
        let own = self.roster.agents.iter().filter(|_| wants("AGENT")).map(|agent| {
            let arn = format!("{}/queue/agent/{}", self.facts.instance_arn, agent.id);
            json!({ "Id": agent.id, "Arn": arn, "QueueType": "AGENT" })
        });
        let all: Vec<Value> = standard.chain(own).collect();
        let page: Vec<&Value> = all.iter().skip(from).take(size).collect();
        let mut answer = json!({ "QueueSummaryList": page });
        if from.saturating_add(size) < all.len() {
            answer["NextToken"] = json!(from.saturating_add(size).to_string());
        }
        answer
    }
}

fn agent_info(contact: &Contact) -> Option<Value> {
    let transitions: Vec<Value> = contact
        .missed_by
        .iter()
        .map(|(_, at)| json!({ "State": "MISSED", "StateStartTimestamp": epoch(*at), "StateEndTimestamp": epoch(*at) }))
        .collect();
    let Some(serving) = &contact.serving else {
        let (user, _) = contact.missed_by.last()?;
        return Some(json!({ "Id": user, "StateTransitions": transitions }));
    };
    let mut info = json!({
        "Id": serving.user_id,
        "ConnectedToAgentTimestamp": epoch(serving.connected_at),
        "StateTransitions": transitions,
    });
    if let Some(at) = serving.after_work_started_at {
        info["AfterContactWorkStartTimestamp"] = epoch(at);
    }
    if let Some(at) = serving.after_work_ended_at {
        info["AfterContactWorkEndTimestamp"] = epoch(at);
    }
    Some(info)
}

/// Seconds since 1970 as a number with milliseconds, the Connect API's way to write a time.
pub(in crate::sim) fn epoch(at: Timestamp) -> Value {
    json!(at.as_millisecond() as f64 / 1_000.0)
}
