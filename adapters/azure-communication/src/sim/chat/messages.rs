//! Messages.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{StatusCode, header};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::answer::Refusal;
use super::super::calls::{Caller, Paging, parse};
use super::super::events::What;
use super::super::limits::Limit;
use super::super::state::Sim;
use super::thread::{Content, Message, Thread, joined};
use super::wire::page;

/// Documented: the size of a message, 28 KB.
const MAX_MESSAGE: usize = 28 * 1024;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Send {
    content: String,
    #[serde(default)]
    sender_display_name: String,
    #[serde(default, rename = "type")]
    kind: Kind,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    #[default]
    Text,
    Html,
}

/// Counts the text and the metadata; what else the service counts is not documented.
fn checked_size(content: &str, metadata: &BTreeMap<String, String>) -> Result<(), Refusal> {
    let size = metadata.iter().fold(content.len(), |size, (key, value)| size + key.len() + value.len());
    if size > MAX_MESSAGE {
        return Err(Refusal::too_large("The message is larger than 28 KB."));
    }
    Ok(())
}

pub(in super::super) async fn send(
    State(sim): State<Arc<Sim>>,
    caller: Caller,
    Path(thread): Path<String>,
    body: Bytes,
) -> Result<Response, Refusal> {
    let wish: Send = parse(&body)?;
    if wish.content.is_empty() {
        return Err(Refusal::bad_request("The content must not be empty."));
    }
    checked_size(&wish.content, &wish.metadata)?;
    let now = Timestamp::now();
    let mut world = sim.world();
    let thread = joined(&mut world, &thread, &caller.id)?;
    sim.limits.spend(&Limit::messages(&thread.id), Instant::now())?;
    if thread.messages.len() >= sim.settings.bounds.messages_per_thread {
        return Err(Refusal::unavailable());
    }
    let content = Content::Said {
        sender: caller.id.clone(),
        display_name: wish.sender_display_name.clone(),
        text: wish.content.clone(),
        html: wish.kind == Kind::Html,
        metadata: wish.metadata.clone(),
        attachments: Vec::new(),
    };
    let message = thread.say(content, now);
    let (id, at, said) = (message.id.clone(), message.created_on, message.said());
    // A sender that marks its messages shows doubles by its own marker.
    let key = wish.metadata.get("tandem").unwrap_or(&id);
    let detail = json!({
        "threadId": thread.id, "messageId": id, "sender": caller.id, "content": wish.content,
        "metadata": wish.metadata, "senderDisplayName": wish.sender_display_name,
    });
    sim.ledger.enter("message.posted", key, detail);
    if let Some(said) = said {
        sim.grid.publish(&thread.occurrence(&caller.id, at, What::MessageReceived(said)));
    }
    let location = format!("/chat/threads/{}/messages/{id}", thread.id.replace(':', "%3A"));
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(json!({"id": id}))).into_response())
}

/// What a Teams client sends: the Chat API itself takes no files.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct Attach {
    thread_id: String,
    sender: String,
    #[serde(default)]
    content: String,
    attachments: Vec<File>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    name: String,
    #[serde(default = "a_file")]
    attachment_type: String,
}

fn a_file() -> String {
    "file".to_owned()
}

/// A participant sends files from a Teams client. The list names them, the events do not.
pub(in super::super) async fn attach(
    State(sim): State<Arc<Sim>>,
    Json(wish): Json<Attach>,
) -> Result<Json<Value>, Refusal> {
    let now = Timestamp::now();
    let mut world = sim.world();
    let thread = joined(&mut world, &wish.thread_id, &wish.sender)?;
    if thread.messages.len() >= sim.settings.bounds.messages_per_thread {
        return Err(Refusal::unavailable());
    }
    let listed = |file: File| {
        let (id, name) = (Uuid::new_v4(), file.name);
        let url = format!("https://contoso.sharepoint.example/{id}");
        json!({"id": id, "attachmentType": file.attachment_type, "name": name, "url": url})
    };
    let attachments: Vec<Value> = wish.attachments.into_iter().map(listed).collect();
    let names: Vec<Value> = attachments.iter().map(|one| one["name"].clone()).collect();
    let content = Content::Said {
        sender: wish.sender.clone(),
        display_name: thread
            .member(&wish.sender)
            .and_then(|member| member.who.display_name.clone())
            .unwrap_or_default(),
        text: wish.content.clone(),
        html: true,
        metadata: BTreeMap::new(),
        attachments,
    };
    let message = thread.say(content, now);
    let (id, at, said) = (message.id.clone(), message.created_on, message.said());
    let detail = json!({
        "threadId": thread.id, "messageId": id, "sender": wish.sender, "content": wish.content, "attachments": names,
    });
    sim.ledger.enter("message.posted", &id, detail);
    if let Some(said) = said {
        sim.grid.publish(&thread.occurrence(&wish.sender, at, What::MessageReceived(said)));
    }
    Ok(Json(json!({"id": id})))
}

/// Newest first, the service's own messages included; only what the caller's `shareHistoryTime` lets it see.
pub(in super::super) async fn list(
    State(sim): State<Arc<Sim>>,
    caller: Caller,
    Path(thread): Path<String>,
    paging: Paging,
) -> Result<Json<Value>, Refusal> {
    let mut world = sim.world();
    let thread = joined(&mut world, &thread, &caller.id)?;
    sim.limits.spend(&Limit::list(&caller.id, &thread.id), Instant::now())?;
    let from = thread.member(&caller.id).map_or(Timestamp::MAX, |member| member.sees_from);
    let from = paging.start.map_or(from, |start| start.max(from));
    let wanted = |message: &&Message| {
        message.created_on >= from && paging.after.is_none_or(|sequence| message.sequence < sequence)
    };
    let mut messages = thread.messages.iter().rev().filter(wanted).peekable();
    let mut value = Vec::new();
    let mut last = 0;
    while value.len() < paging.size
        && let Some(message) = messages.next()
    {
        last = message.sequence;
        value.push(message.body());
    }
    let more = messages.peek().is_some();
    let next = more.then(|| paging.next(&format!("threads/{}/messages", thread.id), &format!("syncState={last:x}")));
    Ok(Json(page(&value, next)))
}

pub(in super::super) async fn read(
    State(sim): State<Arc<Sim>>,
    caller: Caller,
    Path((thread, message)): Path<(String, String)>,
) -> Result<Json<Value>, Refusal> {
    let mut world = sim.world();
    let thread = joined(&mut world, &thread, &caller.id)?;
    Ok(Json(found(thread, &message)?.body()))
}

#[derive(Deserialize)]
struct Update {
    content: Option<String>,
    metadata: Option<BTreeMap<String, String>>,
}

pub(in super::super) async fn update(
    State(sim): State<Arc<Sim>>,
    caller: Caller,
    Path((thread, message)): Path<(String, String)>,
    body: Bytes,
) -> Result<StatusCode, Refusal> {
    let wish: Update = parse(&body)?;
    checked_size(wish.content.as_deref().unwrap_or_default(), wish.metadata.as_ref().unwrap_or(&BTreeMap::new()))?;
    let now = Timestamp::now();
    let mut world = sim.world();
    let thread = joined(&mut world, &thread, &caller.id)?;
    sim.limits.spend(&Limit::messages(&thread.id), Instant::now())?;
    let version = thread.next_version(now);
    let message = own(thread, &message, &caller)?;
    message.version = version;
    message.edited_on = Some(now);
    if let Content::Said { text, metadata, .. } = &mut message.content {
        *text = wish.content.unwrap_or_else(|| std::mem::take(text));
        *metadata = wish.metadata.unwrap_or_else(|| std::mem::take(metadata));
    }
    let (id, said) = (message.id.clone(), message.said());
    sim.ledger.enter("message.edited", &format!("{}/{id}", thread.id), json!({"by": caller.id, "version": version}));
    if let Some(said) = said {
        sim.grid.publish(&thread.occurrence(&caller.id, now, What::MessageEdited(said)));
    }
    Ok(StatusCode::NO_CONTENT)
}

pub(in super::super) async fn remove(
    State(sim): State<Arc<Sim>>,
    caller: Caller,
    Path((thread, message)): Path<(String, String)>,
) -> Result<StatusCode, Refusal> {
    let now = Timestamp::now();
    let mut world = sim.world();
    let thread = joined(&mut world, &thread, &caller.id)?;
    sim.limits.spend(&Limit::messages(&thread.id), Instant::now())?;
    let version = thread.next_version(now);
    let message = own(thread, &message, &caller)?;
    message.version = version;
    message.deleted_on = Some(now);
    let (id, said) = (message.id.clone(), message.said());
    sim.ledger.enter("message.deleted", &format!("{}/{id}", thread.id), json!({"by": caller.id}));
    if let Some(said) = said {
        sim.grid.publish(&thread.occurrence(&caller.id, now, What::MessageDeleted(said)));
    }
    Ok(StatusCode::NO_CONTENT)
}

fn found<'a>(thread: &'a Thread, id: &str) -> Result<&'a Message, Refusal> {
    thread.messages.iter().rev().find(|message| message.id == id).ok_or_else(|| Refusal::not_found("The message"))
}

/// A message that the caller sent and that was not deleted: 403 for somebody else's.
fn own<'a>(thread: &'a mut Thread, id: &str, caller: &Caller) -> Result<&'a mut Message, Refusal> {
    let message = thread.messages.iter_mut().rev().find(|message| message.id == id && message.deleted_on.is_none());
    let message = message.ok_or_else(|| Refusal::not_found("The message"))?;
    if message.sender() == Some(caller.id.as_str()) { Ok(message) } else { Err(Refusal::forbidden()) }
}
