//! Who is in a thread.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::answer::Refusal;
use super::super::calls::{Caller, Paging, parse};
use super::super::events::{What, Who};
use super::super::state::{Sim, World};
use super::thread::{Content, Member, Thread, joined};
use super::wire::{Identifier, Joining, page};

/// Documented: participants of a thread, and of one call that adds them.
const MAX_PARTICIPANTS: usize = 250;
const MAX_PER_CALL: usize = 200;

#[derive(Deserialize)]
struct Add {
    participants: Vec<Joining>,
}

pub(in super::super) async fn add(
    State(sim): State<Arc<Sim>>,
    caller: Caller,
    Path(thread): Path<String>,
    body: Bytes,
) -> Result<Response, Refusal> {
    let wish: Add = parse(&body)?;
    if wish.participants.is_empty() {
        return Err(Refusal::bad_request("At least one participant is required."));
    }
    caller.may_change_participants()?;
    let now = Timestamp::now();
    let mut world = sim.world();
    joined(&mut world, &thread, &caller.id)?;
    let (valid, invalid) = admit(&mut world, &sim.settings.resource_id.to_string(), wish.participants)?;
    let thread = joined(&mut world, &thread, &caller.id)?;
    let added = join(thread, valid, now)?;
    if !added.is_empty() {
        thread.say(Content::ParticipantsAdded { by: caller.id.clone(), who: added.clone() }, now);
    }
    for who in added {
        entered(&sim, thread, &who, &caller.id);
        sim.grid.publish(&thread.occurrence(&caller.id, now, What::ParticipantAdded(who)));
    }
    let answer = if invalid.is_empty() { json!({}) } else { json!({"invalidParticipants": invalid}) };
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

pub(in super::super) async fn remove(
    State(sim): State<Arc<Sim>>,
    caller: Caller,
    Path(thread): Path<String>,
    body: Bytes,
) -> Result<Response, Refusal> {
    let id = parse::<Identifier>(&body)?.id()?;
    caller.may_change_participants()?;
    let now = Timestamp::now();
    let mut world = sim.world();
    let thread = joined(&mut world, &thread, &caller.id)?;
    let member = thread.members.iter().position(|member| member.who.id == id);
    // What the service says to a second removal is not documented: chosen.
    let index = member.ok_or_else(|| Refusal::not_found("The participant"))?;
    let who = thread.members[index].who.clone();
    thread.say(Content::ParticipantsRemoved { by: caller.id.clone(), who: vec![who.clone()] }, now);
    // Told while it is still a member: the removed one hears of it too.
    sim.ledger.enter("participant.removed", &format!("{}/{id}", thread.id), json!({"by": caller.id}));
    sim.grid.publish(&thread.occurrence(&caller.id, now, What::ParticipantRemoved(who)));
    thread.members.remove(index);
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(in super::super) async fn list(
    State(sim): State<Arc<Sim>>,
    caller: Caller,
    Path(thread): Path<String>,
    paging: Paging,
) -> Result<Json<Value>, Refusal> {
    let mut world = sim.world();
    let thread = joined(&mut world, &thread, &caller.id)?;
    let value: Vec<Value> = thread.members.iter().skip(paging.skip).take(paging.size).map(Member::body).collect();
    let end = paging.skip.saturating_add(value.len());
    let more = end < thread.members.len();
    let next = more.then(|| paging.next(&format!("threads/{}/participants", thread.id), &format!("skip={end}")));
    Ok(Json(page(&value, next)))
}

/// Divides those who are to join into those who may and `invalidParticipants`: 404 for an identity that does not exist
/// or was deleted, 403 for one of another resource or one that a test refuses.
pub(super) fn admit(
    world: &mut World,
    resource_id: &str,
    joining: Vec<Joining>,
) -> Result<(Vec<Joining>, Vec<Value>), Refusal> {
    if joining.len() > MAX_PER_CALL {
        return Err(Refusal::bad_request(format!("At most {MAX_PER_CALL} participants may be added at once.")));
    }
    let ours = format!("8:acs:{resource_id}_");
    let (mut valid, mut invalid) = (Vec::new(), Vec::new());
    for mut one in joining {
        let id = one.communication_identifier.id()?;
        let problem = if world.refuses(&id) || !(id.starts_with(&ours) || world.identities.contains_key(&id)) {
            Some(("403", "Permissions check failed"))
        } else if world.living(&id).is_none() {
            Some(("404", "Not found"))
        } else {
            None
        };
        match problem {
            Some((code, message)) => invalid.push(json!({"target": id, "code": code, "message": message})),
            None => {
                one.communication_identifier = Identifier::of(id);
                valid.push(one);
            }
        }
    }
    Ok((valid, invalid))
}

/// Puts participants into a thread and gives those who were not there yet. Who was there gets the new display name.
pub(super) fn join(thread: &mut Thread, joining: Vec<Joining>, now: Timestamp) -> Result<Vec<Who>, Refusal> {
    let mut added = Vec::new();
    for one in joining {
        let id = one.communication_identifier.id()?;
        if let Some(member) = thread.members.iter_mut().find(|member| member.who.id == id) {
            member.who.display_name = one.display_name.or(member.who.display_name.take());
            continue;
        }
        if thread.members.len() >= MAX_PARTICIPANTS {
            return Err(Refusal::bad_request(format!("A thread has at most {MAX_PARTICIPANTS} participants.")));
        }
        let who = Who { id, display_name: one.display_name };
        added.push(who.clone());
        let share_history_time = one.share_history_time;
        thread.members.push(Member { who, share_history_time, sees_from: share_history_time.unwrap_or(now) });
    }
    Ok(added)
}

/// Enters an addition.
pub(super) fn entered(sim: &Sim, thread: &Thread, who: &Who, by: &str) {
    let detail = json!({"displayName": who.display_name, "by": by});
    sim.ledger.enter("participant.added", &format!("{}/{}", thread.id, who.id), detail);
}
