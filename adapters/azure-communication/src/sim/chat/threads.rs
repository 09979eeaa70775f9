//! Threads.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::answer::Refusal;
use super::super::calls::{Caller, Paging, parse};
use super::super::events::{What, Who};
use super::super::limits::Limit;
use super::super::state::Sim;
use super::participants::{admit, entered, join};
use super::thread::{Content, Member, Thread, joined};
use super::wire::{Joining, page};

#[derive(Deserialize)]
struct Create {
    topic: String,
    #[serde(default)]
    participants: Vec<Joining>,
}

/// Creates a thread, once for each `repeatability-request-id` of a caller. The creator becomes its first participant.
pub(in super::super) async fn create(
    State(sim): State<Arc<Sim>>,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let wish: Create = parse(&body)?;
    let topic = checked_topic(wish.topic)?;
    caller.may_create()?;
    let repeatability = repeatability(&headers)?;
    let now = Timestamp::now();
    let mut world = sim.world();
    if let Some(answer) = repeatability.and_then(|id| world.repeated.answer(&caller.id, id)) {
        return Ok(created(answer));
    }
    sim.limits.spend(&Limit::create_thread(&caller.id), Instant::now())?;
    if world.threads.len() >= sim.settings.bounds.threads {
        return Err(Refusal::unavailable());
    }
    let (valid, invalid) = admit(&mut world, &sim.settings.resource_id.to_string(), wish.participants)?;

    let mut thread = Thread::new(topic.clone(), caller.id.clone(), now);
    let creator = Who { id: caller.id.clone(), display_name: None };
    thread.members.push(Member { who: creator, share_history_time: None, sees_from: Timestamp::MIN });
    join(&mut thread, valid, now)?;
    // Whoever is there from the start has missed nothing.
    for member in &mut thread.members {
        member.sees_from = Timestamp::MIN;
    }
    let everybody: Vec<Who> = thread.members.iter().map(|member| member.who.clone()).collect();
    thread.say(Content::ParticipantsAdded { by: caller.id.clone(), who: everybody.clone() }, now);
    thread.say(Content::TopicUpdated { by: caller.id.clone(), topic: topic.clone() }, now);

    let mut answer = json!({"chatThread": thread.properties()});
    if !invalid.is_empty() {
        answer["invalidParticipants"] = json!(invalid);
    }
    let key = repeatability.map_or_else(|| thread.id.clone(), |id| id.to_string());
    let detail = json!({"threadId": thread.id, "topic": topic, "createdBy": caller.id, "invalid": invalid.len()});
    sim.ledger.enter("thread.created", &key, detail);
    for who in &everybody {
        entered(&sim, &thread, who, &caller.id);
    }
    sim.grid.publish(&thread.occurrence(&caller.id, now, What::ThreadCreated));
    if let Some(id) = repeatability {
        world.repeated.keep(&caller.id, id, answer.clone(), sim.settings.bounds.repeatable);
    }
    world.threads.insert(thread.id.clone(), thread);
    Ok(created(&answer))
}

fn created(answer: &Value) -> Response {
    let id = answer["chatThread"]["id"].as_str().unwrap_or_default();
    let location = format!("/chat/threads/{}", id.replace(':', "%3A"));
    (StatusCode::CREATED, [(header::LOCATION, location)], Json(answer)).into_response()
}

fn repeatability(headers: &HeaderMap) -> Result<Option<Uuid>, Refusal> {
    let wrong = || Refusal::bad_request("repeatability-request-id is not a GUID.");
    match headers.get("repeatability-request-id") {
        None => Ok(None),
        Some(value) => value.to_str().ok().and_then(|text| text.parse().ok()).map(Some).ok_or_else(wrong),
    }
}

fn checked_topic(topic: String) -> Result<String, Refusal> {
    if topic.trim().is_empty() { Err(Refusal::bad_request("The topic must not be empty.")) } else { Ok(topic) }
}

/// The caller's threads, deleted ones among them, most recently spoken in first.
pub(in super::super) async fn list(
    State(sim): State<Arc<Sim>>,
    caller: Caller,
    paging: Paging,
) -> Result<Json<Value>, Refusal> {
    let world = sim.world();
    let spoken = |thread: &Thread| thread.messages.last().map_or(thread.created_on, |last| last.created_on);
    let mut mine: Vec<&Thread> = world
        .threads
        .values()
        .filter(|thread| thread.member(&caller.id).is_some())
        .filter(|thread| paging.start.is_none_or(|start| spoken(thread) >= start))
        .collect();
    mine.sort_by(|one, two| spoken(two).cmp(&spoken(one)).then_with(|| one.id.cmp(&two.id)));
    let start = paging.after.and_then(|after| usize::try_from(after).ok()).unwrap_or(0);
    let value: Vec<Value> = mine.iter().skip(start).take(paging.size).map(|thread| thread.item()).collect();
    let end = start.saturating_add(value.len());
    let next = (end < mine.len()).then(|| paging.next("threads", &format!("syncState={end:x}")));
    Ok(Json(page(&value, next)))
}

pub(in super::super) async fn read(
    State(sim): State<Arc<Sim>>,
    caller: Caller,
    Path(thread): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let mut world = sim.world();
    Ok(Json(joined(&mut world, &thread, &caller.id)?.properties()))
}

#[derive(Deserialize)]
struct Update {
    topic: Option<String>,
}

pub(in super::super) async fn update(
    State(sim): State<Arc<Sim>>,
    caller: Caller,
    Path(thread): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Refusal> {
    let wish: Update = parse(&body)?;
    let topic = wish.topic.map(checked_topic).transpose()?;
    let now = Timestamp::now();
    let mut world = sim.world();
    let thread = joined(&mut world, &thread, &caller.id)?;
    if let Some(topic) = topic {
        thread.topic.clone_from(&topic);
        thread.say(Content::TopicUpdated { by: caller.id.clone(), topic: topic.clone() }, now);
        sim.ledger.enter("thread.updated", &thread.id, json!({"topic": topic, "by": caller.id}));
        sim.grid.publish(&thread.occurrence(&caller.id, now, What::PropertiesUpdated));
    }
    Ok(StatusCode::NO_CONTENT)
}

pub(in super::super) async fn remove(
    State(sim): State<Arc<Sim>>,
    caller: Caller,
    Path(thread): Path<String>,
) -> Result<StatusCode, Refusal> {
    let now = Timestamp::now();
    let mut world = sim.world();
    let thread = joined(&mut world, &thread, &caller.id)?;
    thread.deleted_on = Some(now);
    thread.next_version(now);
    sim.ledger.enter("thread.deleted", &thread.id, json!({"by": caller.id}));
    sim.grid.publish(&thread.occurrence(&caller.id, now, What::ThreadDeleted));
    Ok(StatusCode::NO_CONTENT)
}
