//! Operations that change a contact.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::front::Signed;
use crate::sim::cloud::Cloud;
use crate::sim::errors::Refused;
use crate::sim::instance::{StartWish, StreamEnd, StreamWish};
use crate::sim::quotas::Operation;

type Answer = Result<Json<Value>, Refused>;

/// `PUT /contact/chat`
pub(super) async fn start_chat(State(cloud): State<Arc<Cloud>>, signed: Signed) -> Answer {
    let wish: StartWish = signed.read(&cloud, Operation::StartChatContact)?;
    cloud.with(|instance, now| instance.start_chat(&wish, now)).map(Json)
}

/// `POST /contact/start-streaming`
pub(super) async fn start_streaming(State(cloud): State<Arc<Cloud>>, signed: Signed) -> Answer {
    let wish: StreamWish = signed.read(&cloud, Operation::StartContactStreaming)?;
    cloud.with(|instance, now| instance.start_streaming(&wish, now)).map(Json)
}

/// `POST /contact/stop-streaming`
pub(super) async fn stop_streaming(State(cloud): State<Arc<Cloud>>, signed: Signed) -> Answer {
    let wish: StreamEnd = signed.read(&cloud, Operation::StopContactStreaming)?;
    cloud.with(|instance, _| instance.stop_streaming(&wish)).map(Json)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StopWish {
    instance_id: String,
    contact_id: String,
}

/// `POST /contact/stop`
pub(super) async fn stop(State(cloud): State<Arc<Cloud>>, signed: Signed) -> Answer {
    let wish: StopWish = signed.read(&cloud, Operation::StopContact)?;
    cloud.with(|instance, now| {
        instance.check_instance(&wish.instance_id)?;
        instance.stop_contact(&wish.contact_id, now)
    })?;
    Ok(Json(json!({})))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AttributesWish {
    instance_id: String,
    initial_contact_id: String,
    attributes: BTreeMap<String, String>,
}

/// `POST /contact/attributes`
pub(super) async fn update_attributes(State(cloud): State<Arc<Cloud>>, signed: Signed) -> Answer {
    let wish: AttributesWish = signed.read(&cloud, Operation::UpdateContactAttributes)?;
    cloud.with(|instance, now| {
        instance.check_instance(&wish.instance_id)?;
        instance.update_attributes(&wish.initial_contact_id, &wish.attributes, now)
    })?;
    Ok(Json(json!({})))
}

/// `GET /contact/attributes/{InstanceId}/{InitialContactId}`
pub(super) async fn get_attributes(
    State(cloud): State<Arc<Cloud>>,
    Path((given, contact)): Path<(String, String)>,
    signed: Signed,
) -> Answer {
    signed.take_quota(&cloud, Operation::GetContactAttributes)?;
    cloud.with(|instance, _| {
        instance.check_instance(&given)?;
        Ok(Json(json!({ "Attributes": instance.attributes(&contact)? })))
    })
}
