//! What a judge asks about contacts, and how it makes the cloud lossy.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::sim::cloud::Cloud;
use crate::sim::errors::Refused;

pub(super) async fn list(State(cloud): State<Arc<Cloud>>) -> Json<Value> {
    Json(cloud.with(|instance, _| instance.overview()))
}

pub(super) async fn show(State(cloud): State<Arc<Cloud>>, Path(id): Path<String>) -> Result<Json<Value>, Refused> {
    cloud.with(|instance, _| instance.everything_about(&id)).map(Json)
}

pub(super) async fn capacity(State(cloud): State<Arc<Cloud>>) -> Json<Value> {
    Json(cloud.with(|instance, _| instance.capacity()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ForgetWish {
    event_types: Vec<String>,
}

pub(super) async fn forget(State(cloud): State<Arc<Cloud>>, Json(wish): Json<ForgetWish>) -> Json<Value> {
    cloud.with(|instance, _| instance.forget(wish.event_types));
    Json(json!({}))
}

pub(super) async fn subscribe(State(cloud): State<Arc<Cloud>>) -> Json<Value> {
    cloud.ask_to_confirm().await;
    Json(json!({}))
}
