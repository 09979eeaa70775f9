//! The cloud says who has it: bring that agent into the customer's conversation, and the one before out.

use jiff::Timestamp;
use tandem_sdk::model::{Action, Content, ContentType, EventKind, LegRef, Member, PartyKey, Personal, Speaker};
use tandem_sdk::secret::SecretRole;

use super::opening::or_else;
use super::turn::{Owed, Turn, agent_secret};
use crate::content::Template;
use crate::interactions::{LegState, Note, Side, Stage};

impl Turn<'_> {
    pub(super) fn leg_moved(&mut self, leg: &LegRef, from: LegState, to: LegState, at: Timestamp) {
        let Some(known) = self.it.leg(leg) else { return };
        let (side, agent) = (known.side, known.agent.as_ref().map(|agent| agent.value.clone()));
        let reason = known.reason.as_ref().map(|reason| reason.value.clone()).filter(|_| to.is_over());
        self.event(EventKind::LegChanged { leg: leg.clone(), state: to.name().to_owned(), reason }, at);
        match (side, to) {
            (Side::Agents, LegState::Connected | LegState::Held)
                if !matches!(from, LegState::Connected | LegState::Held) =>
            {
                self.assigned(leg, agent, at);
            }
            (Side::Agents, state) if state.is_over() => self.agents_leg_ended(leg),
            (Side::Customer, state) if state.is_over() => self.close_as_it_stands(),
            _ => {}
        }
    }

    fn assigned(&mut self, leg: &LegRef, agent: Option<String>, at: Timestamp) {
        let Some(agent) = agent else { return };
        let was_before =
            self.it.assignment.as_ref().is_some_and(|has| has.leg != *leg && self.came_after(&has.leg, at));
        if was_before || self.is_old_news(leg) {
            // News of an agent who had it before the one who has it now.
            return;
        }
        self.successor_came();
        self.cancel_timer("overdue");
        self.cancel_timer("patience");
        self.agent_out();
        self.note(Note::Assigned { agent: agent.clone(), leg: leg.clone() });
        self.event(EventKind::AssignmentConfirmed { agent: agent.clone(), leg: leg.clone(), name: Personal::NONE }, at);
        self.waiting_delivered();
        self.set_timer("silence", self.context.settings.silence);
        if self.it.conversation().is_some() && self.it.closed.is_none() {
            let instance = self.agents_instance(leg);
            self.note(Note::AgentWanted { instance, agent, interaction: self.it.id });
        }
    }

    /// Whether an agent was on this leg only after that time.
    fn came_after(&self, leg: &LegRef, at: Timestamp) -> bool {
        self.it.leg(leg).and_then(|leg| leg.connected_at()).is_some_and(|since| since > at)
    }

    /// Whether a leg was given up, or is followed by the one that an agent has: what is told of it is old news.
    fn is_old_news(&self, leg: &LegRef) -> bool {
        let Some(leg) = self.it.leg(leg) else { return true };
        let has = self.it.assignment.as_ref().and_then(|has| self.it.leg(&has.leg));
        has.is_some_and(|has| has.succeeds(leg))
            || self.it.placement_of(leg).is_some_and(|placement| placement.stage == Stage::Over)
    }

    /// When the agent who had it is gone and another one is still on a leg of theirs, it is theirs.
    fn falls_to_who_is_left(&mut self) {
        if self.it.closed.is_some() {
            return;
        }
        let Some(leg) = self.it.attended_leg() else { return };
        let (leg, agent, at) = (leg.leg.clone(), leg.agent.clone().map(|agent| agent.value), leg.connected_at());
        self.assigned(&leg, agent, at.unwrap_or(self.context.now));
    }

    /// The leg of whoever had it ended.
    pub(super) fn agent_gone(&mut self) {
        self.agent_out();
        self.falls_to_who_is_left();
        if self.it.assignment.is_none() && self.it.open_legs().next().is_some() {
            self.watch();
        }
    }

    /// The instance whose cloud a leg is in.
    pub(super) fn agents_instance(&self, leg: &LegRef) -> tandem_sdk::model::InstanceName {
        let placed = self.it.placements.iter().rev().find(|placement| {
            placement.leg.as_ref().is_some_and(|known| known.system == leg.system && known.account == leg.account)
        });
        let configured = || {
            self.context
                .clouds
                .iter()
                .find(|(_, cloud)| cloud.system == leg.system && cloud.account == leg.account)
                .map(|(name, _)| name.clone())
        };
        placed
            .map(|placement| placement.target.instance.clone())
            .or_else(configured)
            .unwrap_or_else(|| self.context.settings.customer.clone())
    }

    /// The agent's identity is ready: into the conversation with it, a greeting, and what the agent said meanwhile.
    pub(super) fn bring_in(&mut self, agent: &str, address: &Personal, name: &Personal, party: PartyKey) {
        let wanted = self.it.assignment.as_ref().is_some_and(|has| has.agent == agent && !has.joined);
        let Some(conversation) = self.it.conversation().map(|leg| leg.leg.clone()).filter(|_| wanted) else { return };
        let name = or_else(name, &self.context.settings.agent_name);
        self.note(Note::AgentIn { address: address.clone(), name: name.clone(), party });
        let member = Member { address: address.clone(), name: name.clone() };
        self.owe(
            Owed::new(
                "customer",
                self.customer_instance(),
                format!("join/{party}"),
                Action::Join { leg: conversation.clone(), member },
            )
            .uses(SecretRole::UserToken, self.hub_token()),
        );
        let greeting = self.greeting(&name);
        if !greeting.is_empty() {
            let content = Content { content_type: ContentType::Text, text: greeting.into(), name };
            self.event(
                EventKind::NoticePosted { notice: "greeting".to_owned(), content: content.clone() },
                self.context.now,
            );
            let token = self.voice(Speaker::Agent);
            self.say_to_customer(&conversation, format!("greeting/{party}"), Speaker::Agent, content, token);
        }
        self.cancel_timer("voice");
        self.release_held(|held| held.release.is_none());
    }

    fn greeting(&self, name: &Personal) -> String {
        let text = &self.context.settings.texts.greeting;
        // Places were checked when the config was loaded; a text that slipped through is said as it stands.
        Template::parse(text, &["agent"])
            .map_or_else(|_| text.clone(), |template| template.render(&[("agent", name.reveal().unwrap_or_default())]))
    }

    /// Whoever had it has it no longer.
    pub(super) fn agent_out(&mut self) {
        self.release_words_of_assigned();
        let Some(assignment) = self.it.assignment.clone() else { return };
        self.event(EventKind::AssignmentEnded { agent: assignment.agent.clone() }, self.context.now);
        self.note(Note::AgentOut {});
        self.cancel_timer("silence");
        let conversation = self.it.conversation().map(|leg| leg.leg.clone());
        if let (Some(leg), true) = (conversation, assignment.joined) {
            self.owe(
                Owed::new(
                    "customer",
                    self.customer_instance(),
                    format!("leave/{}", assignment.agent),
                    Action::Leave { leg, address: assignment.address },
                )
                .uses(SecretRole::UserToken, self.hub_token()),
            );
        }
    }

    /// Which token speaks in the customer's conversation.
    pub(super) fn voice(&self, speaker: Speaker) -> String {
        match (&self.it.assignment, speaker) {
            (Some(assignment), Speaker::Agent) if assignment.joined => {
                agent_secret(&self.context.settings.customer, &assignment.agent)
            }
            _ => self.hub_token(),
        }
    }
}
