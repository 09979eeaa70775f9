//! The agents' desktop.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::sim::cloud::Cloud;
use crate::sim::errors::Refused;
use crate::sim::instance::{AgentChange, Target};

type Answer = Result<Json<Value>, Refused>;
type At = (State<Arc<Cloud>>, Path<String>);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AcceptWish {
    user_id: String,
}

pub(super) async fn accept((State(cloud), Path(id)): At, Json(wish): Json<AcceptWish>) -> Answer {
    cloud.with(|instance, now| instance.accept(&id, &wish.user_id, now))?;
    Ok(Json(json!({})))
}

pub(super) async fn miss((State(cloud), Path(id)): At) -> Answer {
    cloud.with(|instance, now| instance.miss(&id, now))?;
    Ok(Json(json!({})))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct MessageWish {
    text: String,
    #[serde(default = "plain")]
    content_type: String,
}

fn plain() -> String {
    "text/plain".to_owned()
}

pub(super) async fn message((State(cloud), Path(id)): At, Json(wish): Json<MessageWish>) -> Answer {
    let sent = cloud.with(|instance, now| instance.agent_says(&id, &wish.content_type, &wish.text, now))?;
    Ok(Json(sent.answer()))
}

pub(super) async fn typing((State(cloud), Path(id)): At) -> Answer {
    cloud.with(|instance, now| instance.agent_types(&id, now))?;
    Ok(Json(json!({})))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AttachmentWish {
    name: String,
    content_type: String,
    base64: String,
}

pub(super) async fn attachment((State(cloud), Path(id)): At, Json(wish): Json<AttachmentWish>) -> Answer {
    let bytes = STANDARD.decode(&wish.base64).map_err(|_| Refused::validation("base64 is not base64"))?;
    let sent = cloud.with(|instance, now| instance.agent_attaches(&id, &wish.name, &wish.content_type, bytes, now))?;
    Ok(Json(sent.answer()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct TransferWish {
    user_id: Option<String>,
    queue_id: Option<String>,
}

pub(super) async fn transfer((State(cloud), Path(id)): At, Json(wish): Json<TransferWish>) -> Answer {
    let target = match (wish.user_id, wish.queue_id) {
        (Some(user), None) => Target::Agent(user),
        (None, Some(queue)) => Target::Queue(queue),
        _ => return Err(Refused::validation("either userId or queueId is needed")),
    };
    let next = cloud.with(|instance, now| instance.transfer(&id, &target, now))?;
    Ok(Json(json!({ "contactId": next })))
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct DisconnectWish {
    /// The agent's connection broke.
    lost: bool,
}

pub(super) async fn disconnect((State(cloud), Path(id)): At, wish: Option<Json<DisconnectWish>>) -> Answer {
    let lost = wish.is_some_and(|Json(wish)| wish.lost);
    cloud.with(|instance, now| if lost { instance.agent_is_lost(&id, now) } else { instance.agent_ends(&id, now) })?;
    Ok(Json(json!({})))
}

pub(super) async fn complete((State(cloud), Path(id)): At) -> Answer {
    cloud.with(|instance, now| instance.complete(&id, now));
    Ok(Json(json!({})))
}

pub(super) async fn change((State(cloud), Path(id)): At, Json(change): Json<AgentChange>) -> Answer {
    cloud.with(|instance, now| instance.change_agent(&id, &change, now))?;
    Ok(Json(json!({})))
}
