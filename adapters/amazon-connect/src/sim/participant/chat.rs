//! Connecting, talking, reading, leaving.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};

use super::bearer::Bearing;
use crate::sim::cloud::Cloud;
use crate::sim::errors::Refused;
use crate::sim::instance::{ConnectionWish, EventWish, MessageWish, TranscriptWish};
use crate::sim::quotas::Operation;

type Answer = Result<Json<Value>, Refused>;

/// `POST /participant/connection`, with the participant token.
pub(super) async fn connect(State(cloud): State<Arc<Cloud>>, bearing: Bearing) -> Answer {
    let wish: ConnectionWish = bearing.read(&cloud, Operation::CreateParticipantConnection)?;
    cloud.with(|instance, now| instance.connect(&bearing.token, &wish, now)).map(Json)
}

/// `POST /participant/message`, with a connection token like all that follow.
pub(super) async fn send_message(State(cloud): State<Arc<Cloud>>, bearing: Bearing) -> Answer {
    let wish: MessageWish = bearing.read(&cloud, Operation::SendMessage)?;
    let sent = cloud.with(|instance, now| instance.send_message(&bearing.token, &wish, now))?;
    Ok(Json(sent.answer()))
}

/// `POST /participant/event`
pub(super) async fn send_event(State(cloud): State<Arc<Cloud>>, bearing: Bearing) -> Answer {
    let wish: EventWish = bearing.read(&cloud, Operation::SendEvent)?;
    let sent = cloud.with(|instance, now| instance.send_event(&bearing.token, &wish, now))?;
    Ok(Json(sent.answer()))
}

/// `POST /participant/transcript`
pub(super) async fn transcript(State(cloud): State<Arc<Cloud>>, bearing: Bearing) -> Answer {
    let wish: TranscriptWish = bearing.read(&cloud, Operation::GetTranscript)?;
    cloud.with(|instance, now| instance.transcript(&bearing.token, &wish, now)).map(Json)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DisconnectWish {
    client_token: Option<String>,
}

/// `POST /participant/disconnect`
pub(super) async fn disconnect(State(cloud): State<Arc<Cloud>>, bearing: Bearing) -> Answer {
    let wish: DisconnectWish = bearing.read(&cloud, Operation::DisconnectParticipant)?;
    cloud.with(|instance, now| instance.disconnect(&bearing.token, wish.client_token, now))?;
    Ok(Json(json!({})))
}
