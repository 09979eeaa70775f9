//! Typing notifications and read receipts.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::{Path, State};
use bytes::Bytes;
use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::answer::Refusal;
use super::super::calls::{Caller, Paging, parse};
use super::super::events::What;
use super::super::limits::Limit;
use super::super::stamps::seven_digits;
use super::super::state::Sim;
use super::thread::{Thread, joined};
use super::wire::{identifier, page};

/// Documented: neither is supported in larger threads. The answer to an attempt is not documented: chosen.
const MAX_PARTICIPANTS: usize = 20;

fn small_enough(thread: &Thread) -> Result<(), Refusal> {
    if thread.members.len() > MAX_PARTICIPANTS {
        return Err(Refusal::bad_request(format!("Not supported above {MAX_PARTICIPANTS} participants.")));
    }
    Ok(())
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Typing {
    sender_display_name: Option<String>,
}

pub(in super::super) async fn typing(
    State(sim): State<Arc<Sim>>,
    caller: Caller,
    Path(thread): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Refusal> {
    let wish: Typing = if body.is_empty() { Typing::default() } else { parse(&body)? };
    let mut world = sim.world();
    let thread = joined(&mut world, &thread, &caller.id)?;
    small_enough(thread)?;
    sim.limits.spend(&Limit::typing(&caller.id), Instant::now())?;
    let display_name = wish.sender_display_name.unwrap_or_default();
    sim.ledger.enter("typing.sent", &thread.id, json!({"by": caller.id}));
    sim.grid.publish(&thread.occurrence(&caller.id, Timestamp::now(), What::Typing { display_name }));
    Ok(StatusCode::OK)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Receipt {
    chat_message_id: String,
}

pub(in super::super) async fn receive(
    State(sim): State<Arc<Sim>>,
    caller: Caller,
    Path(thread): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Refusal> {
    let wish: Receipt = parse(&body)?;
    let mut world = sim.world();
    let thread = joined(&mut world, &thread, &caller.id)?;
    small_enough(thread)?;
    if !thread.messages.iter().any(|message| message.id == wish.chat_message_id) {
        return Err(Refusal::not_found("The message"));
    }
    thread.receipts.insert(caller.id, (wish.chat_message_id, Timestamp::now()));
    Ok(StatusCode::OK)
}

pub(in super::super) async fn receipts(
    State(sim): State<Arc<Sim>>,
    caller: Caller,
    Path(thread): Path<String>,
    paging: Paging,
) -> Result<Json<Value>, Refusal> {
    let mut world = sim.world();
    let thread = joined(&mut world, &thread, &caller.id)?;
    let receipt = |(reader, (message, at)): (&String, &(String, Timestamp))| {
        json!({
            "senderCommunicationIdentifier": identifier(reader), "chatMessageId": message, "readOn": seven_digits(*at),
        })
    };
    let value: Vec<Value> = thread.receipts.iter().skip(paging.skip).take(paging.size).map(receipt).collect();
    let end = paging.skip.saturating_add(value.len());
    let more = end < thread.receipts.len();
    let next = more.then(|| paging.next(&format!("threads/{}/readReceipts", thread.id), &format!("skip={end}")));
    Ok(Json(page(&value, next)))
}
