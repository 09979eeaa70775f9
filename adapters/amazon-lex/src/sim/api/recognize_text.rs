//! `POST /bots/{botId}/botAliases/{botAliasId}/botLocales/{localeId}/sessions/{sessionId}/text`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::front::{Call, check_state};
use crate::sim::dialog::Wish;
use crate::sim::errors::Refused;
use crate::sim::limits;
use crate::sim::quotas::Kind;
use crate::sim::runtime::Runtime;
use crate::sim::shapes::{Attributes, SessionState};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    text: String,
    #[serde(default)]
    session_state: Option<SessionState>,
    #[serde(default)]
    request_attributes: Option<Attributes>,
}

pub(super) async fn recognize_text(State(runtime): State<Arc<Runtime>>, call: Call) -> Result<Json<Value>, Refused> {
    let (bot, _running) = call.admit(&runtime, Kind::Conversation)?;
    let body: Body = call.read()?;
    let most = runtime.settings.session_attribute_bytes;
    limits::text("text", &body.text).map_err(Refused::validation)?;
    body.session_state.as_ref().map_or(Ok(()), |state| check_state(state, most))?;
    limits::attributes("requestAttributes", body.request_attributes.as_ref().unwrap_or(&Attributes::new()), most)
        .map_err(Refused::validation)?;
    let idle = bot.idle(runtime.settings.time_scale);
    let (held, remembered) = runtime.sessions.hold(&call.key, idle, Timestamp::now())?;
    let wish = Wish {
        state: body.session_state,
        messages: Vec::new(),
        request_attributes: body.request_attributes,
        request_id: call.request_id.clone(),
    };
    let turn = runtime.take_turn(bot, &call.key, remembered, wish, Some(&body.text)).await?;
    runtime.enter("turn.taken", &call.key, &turn);
    let remembered = turn.remembered;
    let answer = json!({
        "messages": remembered.messages,
        "sessionState": remembered.state,
        "interpretations": remembered.interpretations,
        "requestAttributes": turn.request_attributes.unwrap_or_default(),
        "sessionId": call.key.session,
    });
    held.keep(remembered, Timestamp::now());
    Ok(Json(answer))
}
