//! What is asked of the Connect API: start, stream, stop, describe and trace contacts; describe users.

use std::collections::HashMap;

use aws_sdk_connect::types::{
    AssociatedContactSummary, ChatStreamingConfiguration, Contact, ParticipantConfiguration, ParticipantDetails,
    ResponseMode,
};
use tandem_sdk::error::{AdapterError, ErrorKind, Retry};
use tandem_sdk::model::{Attribute, Carried, LegRef, Outcome, Personal, Target};
use tandem_sdk::secret::{Secret, SecretRole};

use super::failure::incomplete;
use super::{Clouds, Relate, explain};
use crate::{CONTACT, SYSTEM};

/// Contacts on one page of a contact's tree: the documented maximum.
const TREE_PAGE: i32 = 100;
/// Pages of a tree that are read. A chat has a hundred segments at most.
const TREE_PAGES: usize = 3;
/// Longest display name, in characters.
const LONGEST_NAME: usize = 256;
/// The attribute that tells the flow how urgent a contact is, where the target says so.
const PRIORITY: &str = "tandem_priority";

impl Clouds {
    /// Starts a chat. The flow does not run before somebody [enters](Clouds::enter), which must happen within five
    /// minutes.
    pub(super) async fn place(
        &self,
        token: String,
        target: &Target,
        name: &Personal,
        attributes: &[Attribute],
    ) -> Result<Carried, AdapterError> {
        const OPERATION: &str = "StartChatContact";
        let customer = ParticipantDetails::builder()
            .display_name(display_name(name))
            .build()
            .map_err(|_| AdapterError::new(ErrorKind::Malformed, OPERATION, "no display name"))?;
        let answer = self
            .connect
            .start_chat_contact()
            .instance_id(&self.terms.instance_id)
            .contact_flow_id(&target.flow)
            .client_token(token)
            .participant_details(customer)
            .set_attributes(Some(told(target, attributes)))
            .set_chat_duration_in_minutes(self.terms.chat_minutes)
            .set_supported_messaging_content_types(Some(self.terms.content_types.clone()))
            // Whole messages: increments of a bot's answer would look like the same message again.
            .participant_configuration(
                ParticipantConfiguration::builder().response_mode(ResponseMode::Complete).build(),
            )
            .send()
            .await
            .map_err(|error| explain(OPERATION, &error, self.terms.quota_pause))?;
        let contact = answer.contact_id.ok_or_else(|| incomplete(OPERATION, "ContactId"))?;
        let participant = answer.participant_id.ok_or_else(|| incomplete(OPERATION, "ParticipantId"))?;
        let token = answer.participant_token.ok_or_else(|| incomplete(OPERATION, "ParticipantToken"))?;
        let leg = LegRef {
            system: SYSTEM.to_owned(),
            account: self.terms.instance_id.clone(),
            kind: CONTACT.to_owned(),
            native: contact,
        };
        Ok(Carried {
            outcome: Outcome::Placed { leg, participant },
            secrets: vec![(SecretRole::ParticipantToken, Secret::new(token))],
        })
    }

    /// Has the chat streamed to our topic.
    pub(super) async fn listen(&self, token: String, leg: &LegRef) -> Result<Carried, AdapterError> {
        const OPERATION: &str = "StartContactStreaming";
        let misconfigured = |detail: &str| AdapterError::new(ErrorKind::Misconfigured, OPERATION, detail);
        let topic =
            self.terms.streaming_topic.as_ref().ok_or_else(|| misconfigured("chat.streaming_topic is not set"))?;
        let configuration = ChatStreamingConfiguration::builder()
            .streaming_endpoint_arn(topic)
            .build()
            .map_err(|_| misconfigured("chat.streaming_topic is not set"))?;
        self.connect
            .start_contact_streaming()
            .instance_id(&self.terms.instance_id)
            .contact_id(&leg.native)
            .chat_streaming_configuration(configuration)
            .client_token(token)
            .send()
            .await
            .map(|_| Outcome::Done {}.into())
            .map_err(|error| {
                let failure = explain(OPERATION, &error, self.terms.quota_pause);
                // A contact that has just been started is not known everywhere at once.
                if failure.kind == ErrorKind::NotFound { failure.retry(Retry::Later) } else { failure }
            })
    }

    /// Stops a contact. One that is not there any more is stopped.
    pub(super) async fn stop(&self, leg: &LegRef) -> Result<Carried, AdapterError> {
        const OPERATION: &str = "StopContact";
        let answer =
            self.connect.stop_contact().instance_id(&self.terms.instance_id).contact_id(&leg.native).send().await;
        match answer.map_err(|error| explain(OPERATION, &error, self.terms.quota_pause)) {
            Err(error) if error.kind != ErrorKind::NotFound => Err(error),
            Ok(_) | Err(_) => Ok(Outcome::Done {}.into()),
        }
    }

    /// Asks what became of a contact, and tells it in the facts that the events would have told.
    pub(super) async fn inquire(&self, relate: &Relate, leg: &LegRef) -> Result<Carried, AdapterError> {
        const OPERATION: &str = "DescribeContact";
        let answer = self
            .connect
            .describe_contact()
            .instance_id(&self.terms.instance_id)
            .contact_id(&leg.native)
            .send()
            .await
            .map_err(|error| explain(OPERATION, &error, self.terms.quota_pause))?;
        let contact = answer.contact.ok_or_else(|| incomplete(OPERATION, "Contact"))?;
        let facts = relate.contact(&self.terms, leg, &contact);
        Ok(Outcome::Observed { facts }.into())
    }

    /// Asks which contacts follow one, and tells each in the facts that its events would have told. The answer holds the
    /// whole tree around the contact; those that are no part of its chain are left out.
    pub(super) async fn trace(&self, relate: &Relate, leg: &LegRef) -> Result<Carried, AdapterError> {
        const OPERATION: &str = "ListAssociatedContacts";
        let mut facts = Vec::new();
        let mut page = None;
        for _ in 0..TREE_PAGES {
            let answer = self
                .connect
                .list_associated_contacts()
                .instance_id(&self.terms.instance_id)
                .contact_id(&leg.native)
                .max_results(TREE_PAGE)
                .set_next_token(page)
                .send()
                .await
                .map_err(|error| explain(OPERATION, &error, self.terms.quota_pause))?;
            for contact in answer.contact_summary_list() {
                let (Some(id), Some(_)) = (&contact.contact_id, &contact.previous_contact_id) else { continue };
                if *id != leg.native {
                    facts.extend(relate.contact(&self.terms, &leg.sibling(id), &described(contact)));
                }
            }
            page = answer.next_token;
            if page.is_none() {
                break;
            }
        }
        Ok(Outcome::Observed { facts }.into())
    }

    /// Asks what an agent is called.
    pub(super) async fn describe(&self, agent: &str) -> Result<Carried, AdapterError> {
        const OPERATION: &str = "DescribeUser";
        let answer = self
            .connect
            .describe_user()
            .instance_id(&self.terms.instance_id)
            .user_id(agent)
            .send()
            .await
            .map_err(|error| explain(OPERATION, &error, self.terms.quota_pause))?;
        let user = answer.user.ok_or_else(|| incomplete(OPERATION, "User"))?;
        let identity = user.identity_info.as_ref();
        let parts = [
            identity.and_then(|identity| identity.first_name.as_deref()),
            identity.and_then(|identity| identity.last_name.as_deref()),
        ];
        let name =
            parts.into_iter().flatten().map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
        Ok(Outcome::Described { name: if name.is_empty() { Personal::NONE } else { name.into() } }.into())
    }
}

/// What a tree says of a contact, as the contact itself.
fn described(summary: &AssociatedContactSummary) -> Contact {
    Contact::builder()
        .set_arn(summary.contact_arn.clone())
        .set_id(summary.contact_id.clone())
        .set_initial_contact_id(summary.initial_contact_id.clone())
        .set_previous_contact_id(summary.previous_contact_id.clone())
        .set_related_contact_id(summary.related_contact_id.clone())
        .set_initiation_method(summary.initiation_method.clone())
        .set_channel(summary.channel.clone())
        .set_initiation_timestamp(summary.initiation_timestamp)
        .set_disconnect_timestamp(summary.disconnect_timestamp)
        .build()
}

/// A name that Connect takes. A customer whose name was erased meanwhile is still a customer.
fn display_name(name: &Personal) -> String {
    let name: String = name.reveal().unwrap_or_default().trim().chars().take(LONGEST_NAME).collect();
    if name.is_empty() { "Customer".to_owned() } else { name }
}

/// What the flow and the agent get to know: the attributes, the queue where the flow looks for it, and the priority.
fn told(target: &Target, attributes: &[Attribute]) -> HashMap<String, String> {
    let mut told: HashMap<String, String> = attributes
        .iter()
        .filter_map(|attribute| Some((attribute.name.clone(), attribute.value.reveal()?.to_owned())))
        .collect();
    told.insert(target.queue_attribute.clone(), target.queue.clone());
    if let Some(priority) = target.priority {
        told.insert(PRIORITY.to_owned(), priority.to_string());
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_display_name_is_never_empty_and_never_too_long() {
        assert_eq!(display_name(&Personal::new(" Ada ")), "Ada");
        assert_eq!(display_name(&Personal::NONE), "Customer");
        assert_eq!(display_name(&Personal::new("  ")), "Customer");
        assert_eq!(display_name(&Personal::new("ü".repeat(300))).chars().count(), 256);
    }

    #[test]
    fn the_flow_finds_the_queue_where_the_target_says() {
        let target = Target {
            instance: "connect".into(),
            flow: "f".to_owned(),
            queue: "q".to_owned(),
            queue_attribute: "tandem_queue".to_owned(),
            priority: Some(2),
        };
        let attribute = |name: &str, value: Personal| Attribute { name: name.to_owned(), value };
        let told = told(&target, &[attribute("tandem_interaction", "i".into()), attribute("gone", Personal::NONE)]);
        let mut told: Vec<_> = told.into_iter().collect();
        told.sort();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(told, [pair("tandem_interaction", "i"), pair("tandem_priority", "2"), pair("tandem_queue", "q")]);
    }
}
