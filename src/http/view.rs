//! An interaction as callers of `/v1` see it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use tandem_sdk::model::{
    Attribute, Channel, CommandId, FactKind, Identity, InstanceName, InteractionId, LegRef, PartyKey, Personal,
    Personals, Role,
};

use crate::delivery::{Completeness, Sight};
use crate::interactions::{Assignment, Closed, Interaction, Leg, LegState, Placement, ProfileState, Side, State};

/// One interaction.
#[derive(Serialize)]
pub(super) struct View {
    id: InteractionId,
    state: State,
    generation: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    continued_from: Option<InteractionId>,
    channel: Channel,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<String>,
    customer: CustomerView,
    legs: Vec<LegView>,
    placements: Vec<Placement>,
    #[serde(skip_serializing_if = "Option::is_none")]
    assignment: Option<Assignment>,
    hub_absent: bool,
    clock: Clock,
    #[serde(skip_serializing_if = "Option::is_none")]
    closed: Option<Closed>,
    owed: Vec<Owed>,
    timers: BTreeMap<String, Timestamp>,
    completeness: Completeness,
    changed_at: Timestamp,
    /// Whether personal values were left out for want of the scope `text`.
    redacted: bool,
    /// Whether personal values are gone because their subject was erased.
    erased: bool,
}

#[derive(Serialize)]
struct CustomerView {
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<PartyKey>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<PartyKey>,
    #[serde(skip_serializing_if = "Personal::is_none")]
    address: Personal,
    #[serde(skip_serializing_if = "Personal::is_none")]
    name: Personal,
    #[serde(skip_serializing_if = "Personal::is_none")]
    topic: Personal,
    identities: Vec<Identity>,
    attributes: Vec<Attribute>,
    profile: ProfileView,
}

#[derive(Serialize)]
struct ProfileView {
    state: ProfileState,
    /// As the CDP gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<serde_json::Value>,
}

#[derive(Serialize)]
struct LegView {
    #[serde(flatten)]
    leg: LegRef,
    side: Side,
    state: &'static str,
    /// What happened on it, and when last, by its cloud's clock.
    reached: BTreeMap<FactKind, Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    participants: Vec<ParticipantView>,
}

#[derive(Serialize)]
struct ParticipantView {
    party: PartyKey,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<Role>,
    present: bool,
    #[serde(skip_serializing_if = "Personal::is_none")]
    address: Personal,
    #[serde(skip_serializing_if = "Personal::is_none")]
    name: Personal,
}

/// The moments that service levels are counted from.
#[derive(Serialize)]
struct Clock {
    opened: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_queued: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_answered: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    closed: Option<Timestamp>,
}

#[derive(Serialize)]
struct Owed {
    id: CommandId,
    instance: InstanceName,
    action: &'static str,
    purpose: String,
    expires_at: Timestamp,
}

impl View {
    /// The interaction as a caller with this sight sees it.
    pub(super) fn new(completeness: Completeness, erased: bool, mut it: Interaction, sight: Sight) -> Self {
        if sight == Sight::Redacted {
            drop(it.detach());
        }
        let clock = Clock::of(&it);
        View {
            id: it.id,
            state: it.state(),
            generation: it.generation,
            continued_from: it.continued_from,
            legs: it.legs.iter().map(LegView::of).collect(),
            owed: it.owed.values().map(|command| Owed::of(command)).collect(),
            channel: it.channel,
            language: it.language,
            customer: CustomerView {
                key: it.customer.key,
                account: it.customer.account,
                address: it.customer.address,
                name: it.customer.name,
                topic: it.customer.topic,
                identities: it.customer.identities,
                attributes: it.customer.attributes,
                profile: ProfileView {
                    state: it.profile,
                    document: it.customer.profile.reveal().and_then(|text| serde_json::from_str(text).ok()),
                },
            },
            placements: it.placements,
            assignment: it.assignment,
            hub_absent: it.hub_absent,
            clock,
            closed: it.closed,
            timers: it.timers,
            completeness,
            changed_at: it.changed_at,
            redacted: sight == Sight::Redacted,
            erased,
        }
    }
}

impl LegView {
    fn of(leg: &Leg) -> Self {
        let participants = leg.members.iter().map(|(party, member)| ParticipantView {
            party: *party,
            role: member.role,
            present: member.is_present(),
            address: member.address.clone(),
            name: member.name.clone(),
        });
        LegView {
            leg: leg.leg.clone(),
            side: leg.side,
            state: leg.state().name(),
            reached: leg.reached.clone(),
            agent: leg.agent.as_ref().map(|agent| agent.value.clone()),
            queue: leg.queue.as_ref().map(|queue| queue.value.clone()),
            reason: leg.reason.as_ref().map(|reason| reason.value.clone()),
            participants: participants.collect(),
        }
    }
}

impl Clock {
    fn of(it: &Interaction) -> Self {
        let reached = |kind| it.agents_legs().filter_map(move |leg| leg.reached.get(&kind).copied());
        let is_over = it.agents_legs().next().is_some() && it.agents_legs().all(|leg| leg.state().is_over());
        let ends = it.agents_legs().filter(|leg| matches!(leg.state(), LegState::Ended | LegState::Failed));
        let ended = ends
            .filter_map(|leg| {
                [FactKind::LegEnded, FactKind::LegFailed, FactKind::LegCompleted]
                    .iter()
                    .find_map(|kind| leg.reached.get(kind).copied())
            })
            .max();
        Clock {
            opened: it.opened_at,
            first_queued: reached(FactKind::LegQueued).min(),
            first_answered: reached(FactKind::LegConnected).min(),
            ended: ended.filter(|_| is_over),
            closed: it.closed.map(|closed| closed.at),
        }
    }
}

impl Owed {
    fn of(command: &tandem_sdk::model::Command) -> Self {
        Owed {
            id: command.id,
            instance: command.instance.clone(),
            action: command.action.name(),
            purpose: command.purpose.0.clone(),
            expires_at: command.expires_at,
        }
    }
}
