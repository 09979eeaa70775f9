//! `/v1/deadletters`: commands that will not be tried again by themselves; look at them, send them back.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use tandem_sdk::error::AdapterError;
use tandem_sdk::model::{Action, CommandId, InstanceName, InteractionId, LegRef, Personal};

use super::following::{Following, Refused, either, json as answer, not_now};
use super::problem::{Code, problem};
use super::query::{Query, wrong};
use super::segment::Named;
use crate::config::Scope;
use crate::delivery::Sight;
use crate::desk::{Done, Priority, Work};
use crate::interactions::{Dead, Interaction};

/// Entries of one list at most.
const LISTED: usize = 200;

#[derive(Serialize)]
struct DeadLetter {
    id: CommandId,
    interaction: InteractionId,
    instance: InstanceName,
    action: &'static str,
    purpose: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    leg: Option<LegRef>,
    /// What it was to say.
    #[serde(skip_serializing_if = "Personal::is_none")]
    text: Personal,
    error: AdapterError,
    expires_at: Timestamp,
    /// Why it cannot be sent back, if it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    cannot_redrive: Option<&'static str>,
}

pub(super) fn routes(following: Following) -> Router {
    Router::new()
        .route("/v1/deadletters", get(list))
        .route("/v1/deadletters/{id}/redrive", post(redrive))
        .with_state(following)
}

/// In the order of their ids. `next` is what comes into `after` for more.
async fn list(State(following): State<Following>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let listed = async {
        following.admit(&headers, Scope::Operate)?;
        let query = Query::read(query.as_deref(), &["after", "limit"])?;
        let most = query.limit(LISTED)?;
        let after = query.get("after").map(str::parse).transpose();
        let after = after.map_err(|_| wrong("after is the id of a dead letter, a UUID"))?.map(CommandId);
        let found = following.read(move |reader| reader.dead_commands(after, most)).await?;
        let next = found.last().filter(|_| found.len() == most).map(|(command, _)| *command);
        let mut of: BTreeMap<InteractionId, Option<Interaction>> = BTreeMap::new();
        let mut letters = Vec::with_capacity(found.len());
        for (command, id) in found {
            if let Entry::Vacant(place) = of.entry(id) {
                place.insert(following.desk.interaction(id).await.map_err(|error| Box::new(not_now(error)))?);
            }
            // Between the two looks somebody may have sent it back.
            if let Some(it) = of.get(&id).and_then(Option::as_ref)
                && let Some(dead) = it.dead.get(&command)
            {
                letters.push(DeadLetter::new(it, dead, following.sight(&headers)));
            }
        }
        Ok::<_, Refused>(answer(&json!({ "deadletters": letters, "next": next })))
    };
    either(listed.await)
}

async fn redrive(State(following): State<Following>, headers: HeaderMap, Named(id): Named<String>) -> Response {
    let redriven = async {
        following.admit(&headers, Scope::Operate)?;
        let command = id.parse().map(CommandId).map_err(|_| nothing())?;
        let interaction = following.read(move |reader| reader.owner_of_dead(command)).await?.ok_or_else(nothing)?;
        let it = following.desk.interaction(interaction).await.map_err(|error| Box::new(not_now(error)))?;
        let it = it.ok_or_else(nothing)?;
        let dead = it.dead.get(&command).ok_or_else(nothing)?;
        if let Some(why) = it.cannot_redrive(&dead.command) {
            return Err(Box::new(problem(Code::Conflict, &format!("it cannot be sent back: {why}"))));
        }
        match following.desk.submit(Priority::Webhook, Work::Revive { interaction, command }).await {
            Ok(Done { duplicate: true, .. }) => Err(nothing()),
            Ok(_) => {
                let body = answer(&json!({ "id": command, "interaction": interaction }));
                Ok((StatusCode::ACCEPTED, body).into_response())
            }
            Err(error) => Err(Box::new(not_now(error))),
        }
    };
    either(redriven.await)
}

impl DeadLetter {
    fn new(it: &Interaction, dead: &Dead, sight: Sight) -> Self {
        let command = &dead.command;
        let text = match &command.action {
            Action::Say { content, .. } if sight == Sight::Text => content.text.clone(),
            _ => Personal::NONE,
        };
        DeadLetter {
            id: command.id,
            interaction: it.id,
            instance: command.instance.clone(),
            action: command.action.name(),
            purpose: command.purpose.0.clone(),
            leg: command.action.leg().cloned(),
            text,
            error: dead.error.clone(),
            expires_at: command.expires_at,
            cannot_redrive: it.cannot_redrive(command),
        }
    }
}

fn nothing() -> Refused {
    Box::new(problem(Code::NotFound, "no dead letter of this id"))
}
