//! `GET /v1/agents`: the agents that the hub has met, and their identities in the customer's cloud.

use std::collections::BTreeSet;

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use tandem_sdk::model::{InstanceName, InteractionId, Personal};

use super::following::{Following, Refused, either, json as answer, not_now};
use crate::config::Scope;
use crate::delivery::Sight;
use crate::interactions::Agent;

#[derive(Serialize)]
struct AgentView {
    instance: InstanceName,
    agent: String,
    #[serde(skip_serializing_if = "Personal::is_none")]
    name: Personal,
    /// Identity in the customer's cloud.
    #[serde(skip_serializing_if = "Personal::is_none")]
    address: Personal,
    has_identity: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_until: Option<Timestamp>,
    /// Interactions that wait for the identity.
    waiting: BTreeSet<InteractionId>,
}

pub(super) fn routes(following: Following) -> Router {
    Router::new().route("/v1/agents", get(list)).with_state(following)
}

async fn list(State(following): State<Following>, headers: HeaderMap) -> Response {
    let listed = async {
        following.admit(&headers, Scope::Read)?;
        let agents = following.desk.agents().await.map_err(|error| Box::new(not_now(error)))?;
        let sight = following.sight(&headers);
        let agents: Vec<AgentView> = agents.into_iter().map(|agent| AgentView::new(agent, sight)).collect();
        Ok::<_, Refused>(answer(&json!({ "agents": agents, "redacted": sight == Sight::Redacted })))
    };
    either(listed.await)
}

impl AgentView {
    fn new(agent: Agent, sight: Sight) -> Self {
        let has_identity = !agent.address.is_none();
        let shown = |value: Personal| if sight == Sight::Text { value } else { Personal::NONE };
        AgentView {
            instance: agent.instance,
            agent: agent.native,
            name: shown(agent.name),
            address: shown(agent.address),
            has_identity,
            token_until: agent.token_until,
            waiting: agent.waiting,
        }
    }
}
