//! Where to? Asking the CDP, deciding, starting the contact, and what happens when it does not work out.

use tandem_sdk::error::AdapterError;
use tandem_sdk::model::{Action, Attribute, ClosingReason, EventKind, InstanceName, LegRef, Personal};
use tandem_sdk::secret::SecretRole;

use super::ending::IDLE;
use super::opening::or_else;
use super::turn::{Owed, Turn, lane_to};
use crate::interactions::{LegState, Note, ProfileState, Side, Stage, Step};
use crate::routing::{self, Decision, Looked, ProfileView, Question, Standing};
use jiff::{SignedDuration, Timestamp};

/// The profile did not come in time.
pub(super) const DEADLINE: &str = "deadline";
/// The CDP could not be asked.
pub(super) const UNAVAILABLE: &str = "unavailable";
/// The CDP does not know them.
const UNKNOWN: &str = "unknown";
/// There is no CDP.
const NOT_CONFIGURED: &str = "not_configured";

/// The attribute by which a contact is known as ours when everything else was forgotten.
pub const INTERACTION_ATTRIBUTE: &str = "tandem_interaction";

impl Turn<'_> {
    /// The customer wants to be served and nobody is on the way: ask who they are, then decide.
    pub(super) fn want_service(&mut self) {
        if self.it.closed.is_some() || self.it.placement().is_some() {
            return;
        }
        match self.it.profile {
            ProfileState::NotAsked if self.context.has_profiles => self.ask_profile(),
            ProfileState::NotAsked => {
                self.event(EventKind::ProfileMissing { reason: NOT_CONFIGURED.to_owned() }, self.context.now);
                self.note(Note::ProfileMissing {});
                self.decide(NOT_CONFIGURED);
            }
            ProfileState::Asked => {}
            ProfileState::Missing | ProfileState::Known | ProfileState::Unknown => self.decide(DEADLINE),
        }
    }

    fn ask_profile(&mut self) {
        let mut identities = self.it.customer.identities.clone();
        if let Some(address) = self.it.customer.address.reveal() {
            identities.push(tandem_sdk::model::Identity {
                kind: tandem_sdk::model::IdentityKind::CommunicationUser,
                value: Personal::from(address),
                source: self.context.settings.customer.to_string(),
                verified: true,
            });
        }
        self.note(Note::ProfileAsked {});
        self.set_timer("profile", self.context.settings.profile_deadline);
        self.owe(Owed::new("profile", "profiles".into(), "lookup", Action::Lookup { identities }));
    }

    /// The CDP did not tell in time, or cannot: decide without it.
    pub(super) fn decide_without_profile(&mut self, missing: &str) {
        if self.it.profile != ProfileState::Asked {
            return;
        }
        self.cancel_timer("profile");
        self.event(EventKind::ProfileMissing { reason: missing.to_owned() }, self.context.now);
        self.note(Note::ProfileMissing {});
        self.decide(missing);
    }

    /// The CDP answered.
    pub(super) fn profile_came(&mut self) {
        let late = !self.it.timers.contains_key("profile");
        self.cancel_timer("profile");
        match self.it.profile {
            ProfileState::Known => self.event(EventKind::ProfileResolved { late }, self.context.now),
            _ => self.event(EventKind::ProfileMissing { reason: UNKNOWN.to_owned() }, self.context.now),
        }
        if !late {
            self.decide(UNKNOWN);
        }
    }

    /// Decides and places. `missing` says why there is no profile, if there is none.
    fn decide(&mut self, missing: &str) {
        if self.it.closed.is_some() || self.it.placement().is_some() {
            return;
        }
        let profile = match (self.it.profile, self.it.customer.profile.reveal()) {
            (ProfileState::Known, Some(document)) => ProfileView::Known(document),
            (ProfileState::Unknown, _) => ProfileView::Missing(UNKNOWN),
            _ => ProfileView::Missing(missing),
        };
        let question = self.question();
        let decision = routing::decide(self.context.rules, &question, profile, self.context.now);
        self.place(decision);
    }

    fn question(&self) -> Question {
        let it = &*self.it;
        let said = u32::try_from(it.waiting.len()).unwrap_or(u32::MAX);
        Question {
            language: it.language.clone(),
            topic: it.customer.topic.clone(),
            attributes: it.customer.attributes.iter().map(|one| (one.name.clone(), one.value.clone())).collect(),
            message_count: said,
            verified: it.customer.identities.iter().any(|identity| identity.verified),
            continued: it.continued_from.is_some(),
            ..Question::new(it.id, it.channel.clone(), it.opened_at)
        }
    }

    fn place(&mut self, decision: Decision) {
        let (rule, target) = (decision.rule.clone(), decision.target.clone());
        self.step(Step::Decision(Box::new(decision)));
        let Some(generation) = self.it.placement().map(|placement| placement.generation) else { return };
        self.cancel_timer(IDLE);
        self.event(EventKind::DecisionMade { rule, queue: target.queue.clone() }, self.context.now);
        self.event(EventKind::OfferIssued { queue: target.queue.clone() }, self.context.now);
        let mut attributes =
            vec![Attribute { name: INTERACTION_ATTRIBUTE.to_owned(), value: Personal::new(self.it.id.to_string()) }];
        let allowed = |name: &String| self.context.settings.attributes.contains(name);
        attributes.extend(self.it.customer.attributes.iter().filter(|one| allowed(&one.name)).cloned());
        let name = or_else(&self.it.customer.name, &self.context.settings.customer_name);
        let token = self.secret(&format!("{generation}/participant"));
        self.owe(
            Owed::new(
                lane_to(Side::Agents, generation),
                target.instance.clone(),
                format!("place/{generation}"),
                Action::Place { target, name, attributes },
            )
            .keeps(SecretRole::ParticipantToken, token),
        );
        self.set_timer("overdue", self.context.settings.overdue);
        self.set_timer("patience", self.context.settings.patience);
        if generation == 1 {
            self.say_notice("waiting");
        }
    }

    /// The cloud made a leg: have it reported, enter it, and say what the customer said meanwhile.
    pub(super) fn placed(&mut self, generation: u32, leg: &LegRef) {
        let Some(placement) = self.it.placements.iter().find(|placement| placement.generation == generation) else {
            return;
        };
        let (instance, over) = (placement.target.instance.clone(), placement.stage == Stage::Over);
        let lane = lane_to(Side::Agents, generation);
        if over || self.it.closed.is_some() {
            // It was given up while the cloud was still at it.
            self.end_leg(generation, leg);
            return;
        }
        let state = LegState::Initiated.name().to_owned();
        self.event(EventKind::LegChanged { leg: leg.clone(), state, reason: None }, self.context.now);
        self.owe(Owed::new(
            &*lane,
            instance.clone(),
            format!("listen/{generation}"),
            Action::Listen { leg: leg.clone() },
        ));
        self.enter(generation, instance, leg);
        self.relay_waiting();
    }

    /// Enters the leg as the customer, or renews the connection to it.
    fn enter(&mut self, generation: u32, instance: InstanceName, leg: &LegRef) {
        let (participant, connection) =
            (self.secret(&format!("{generation}/participant")), self.secret(&format!("{generation}/connection")));
        let lane = lane_to(Side::Agents, generation);
        self.owe(
            Owed::new(lane, instance, format!("enter/{generation}"), Action::Enter { leg: leg.clone() })
                .uses(SecretRole::ParticipantToken, participant)
                .keeps(SecretRole::ConnectionToken, connection),
        );
    }

    /// A connection is renewed when four fifths of its life are over.
    pub(super) fn renew_connection_before(&mut self, generation: u32, expires_at: Timestamp) {
        let life = expires_at.duration_since(self.context.now).max(SignedDuration::from_secs(1));
        self.set_timer(&format!("renew/{generation}"), life.mul_f64(0.8));
    }

    /// A connection is about to expire.
    pub(super) fn renew_connection(&mut self, generation: u32) {
        let standing = self.it.placement().filter(|placement| placement.generation == generation).cloned();
        if let Some((instance, leg)) = standing.and_then(|placement| Some((placement.target.instance, placement.leg?)))
        {
            self.enter(generation, instance, &leg);
        }
    }

    /// The cloud reports a queue.
    pub(super) fn leg_queued(&mut self, leg: &LegRef, queue: &str, at: Timestamp) {
        let decided = self
            .it
            .placements
            .iter()
            .find(|placement| placement.leg.as_ref() == Some(leg))
            .map(|placement| last_segment(&placement.target.queue).to_owned());
        if let Some(decided) = decided.filter(|decided| decided != queue) {
            self.event(EventKind::DecisionDiverged { decided, actual: queue.to_owned() }, at);
        }
    }

    /// The placement came to nothing: the fallback, or the end.
    pub(super) fn placement_lost(&mut self, reason: &str, notice: &str, end: ClosingReason) {
        let Some(placement) = self.it.placement().cloned() else { return };
        if self.it.closed.is_some() {
            self.note(Note::PlacementOver { generation: placement.generation });
            return;
        }
        self.event(EventKind::OfferLost { reason: reason.to_owned() }, self.context.now);
        self.end_legs_of(&placement);
        self.note(Note::PlacementOver { generation: placement.generation });
        for timer in ["overdue", "patience", "grace"] {
            self.cancel_timer(timer);
        }
        match fall_back(self.context.rules, &placement.name, reason) {
            Some(decision) => self.place(decision),
            None => {
                self.say_notice(notice);
                self.close(end);
            }
        }
    }

    /// A command of the placement died.
    pub(super) fn placement_refused(&mut self, generation: u32, error: &AdapterError) {
        if self.it.placement().is_some_and(|placement| placement.generation == generation) {
            let reason = format!("{:?}", error.kind).to_lowercase();
            self.placement_lost(&reason, "refused", ClosingReason::Failed);
        }
    }
}

/// A queue is configured by id or by ARN; clouds report the id.
fn last_segment(queue: &str) -> &str {
    queue.rsplit('/').next().unwrap_or(queue)
}

/// The decision to go where the rules send what a target did not take.
fn fall_back(rules: &routing::Rules, current: &str, reason: &str) -> Option<Decision> {
    let (name, target) = routing::next_target(rules, current)?;
    Some(Decision {
        target_name: name.to_owned(),
        target: target.clone(),
        rule: format!("fallback of {current}"),
        looked_at: vec![Looked { rule: format!("fallback of {current}"), applied: true, why: reason.to_owned() }],
        profile: Standing::Missing { reason: "not looked at again".to_owned() },
        fallbacks: Vec::new(),
        rules_version: rules.version().to_owned(),
    })
}
