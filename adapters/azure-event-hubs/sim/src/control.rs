//! What a judge asks and tells the simulator from outside.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tandem_sdk::sim::control_routes;
use tokio::net::TcpListener;

use crate::disturb::{Disturbance, disturb};
use crate::event;
use crate::inject::{Injection, inject};
use crate::namespace::{Hub, Namespace};

/// Largest request that is read, in bytes.
const MAX_BODY: usize = 8 << 20;
/// Events of one page where no limit is asked for.
const PAGE: usize = 1_000;

/// Serves the control routes until it is dropped.
pub(crate) async fn serve(listener: TcpListener, namespace: Arc<Namespace>) {
    let shared = control_routes(namespace.ledger.clone(), namespace.faults.clone());
    let router = Router::new()
        .route("/sim/event-hubs", get(tell))
        .route("/sim/event-hubs/disturb", post(trouble))
        .route("/sim/event-hubs/{hub}/inject", post(deliver))
        .route("/sim/event-hubs/{hub}/{partition}", get(tell_events))
        .with_state(namespace)
        .merge(shared)
        .layer(DefaultBodyLimit::max(MAX_BODY));
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(%error, "the control routes are not served any more");
    }
}

async fn tell(State(namespace): State<Arc<Namespace>>) -> Json<Value> {
    let hubs: Vec<Value> = namespace.hubs.iter().map(hub_told).collect();
    Json(json!({"hubs": hubs, "connections": namespace.connected().len()}))
}

fn hub_told(hub: &Hub) -> Value {
    let partitions = hub.partitions.iter().map(|partition| {
        let standing = partition.standing();
        let mut readers = Vec::new();
        for (group, in_group) in partition.readers().iter() {
            for (name, epoch) in in_group.list() {
                readers.push(json!({"group": group, "name": name, "epoch": epoch}));
            }
        }
        json!({"id": partition.id, "begin": standing.begin, "last": standing.last,
               "last_offset": standing.last_offset.to_string(), "readers": readers})
    });
    json!({"name": hub.name, "groups": hub.groups(), "partitions": partitions.collect::<Vec<_>>()})
}

#[derive(Deserialize)]
struct Page {
    after: Option<i64>,
    limit: Option<usize>,
}

async fn tell_events(
    State(namespace): State<Arc<Namespace>>,
    Path((hub, partition)): Path<(String, String)>,
    Query(page): Query<Page>,
) -> Response {
    let Some(partition) = namespace.hub(&hub).and_then(|hub| hub.partition(&partition)) else {
        return (StatusCode::NOT_FOUND, "there is no such partition").into_response();
    };
    let mut lines = String::new();
    for stored in partition.read(page.after.map_or(0, |after| after.saturating_add(1)), page.limit.unwrap_or(PAGE)) {
        let mut told = event::told(&stored.delivery.message, usize::MAX);
        told.insert("sequence".to_owned(), json!(stored.sequence));
        told.insert("offset".to_owned(), json!(stored.offset.to_string()));
        told.insert("enqueued_ms".to_owned(), json!(stored.enqueued));
        lines.push_str(&Value::Object(told).to_string());
        lines.push('\n');
    }
    ([(header::CONTENT_TYPE, "application/x-ndjson")], lines).into_response()
}

async fn deliver(
    State(namespace): State<Arc<Namespace>>,
    Path(hub): Path<String>,
    Json(injection): Json<Injection>,
) -> Response {
    match inject(&namespace, &hub, &injection) {
        Ok(stored) => Json(json!({"stored": stored})).into_response(),
        Err(why) => (StatusCode::NOT_FOUND, why).into_response(),
    }
}

async fn trouble(State(namespace): State<Arc<Namespace>>, Json(wish): Json<Disturbance>) -> Response {
    match disturb(&namespace, &wish) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(why) => (StatusCode::CONFLICT, why).into_response(),
    }
}
