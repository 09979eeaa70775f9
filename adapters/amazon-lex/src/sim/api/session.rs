//! PutSession, GetSession, DeleteSession at
//! `/bots/{botId}/botAliases/{botAliasId}/botLocales/{localeId}/sessions/{sessionId}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::front::{Call, check_state};
use crate::sim::dialog::Wish;
use crate::sim::errors::Refused;
use crate::sim::gzip::packed;
use crate::sim::limits;
use crate::sim::quotas::Kind;
use crate::sim::runtime::Runtime;
use crate::sim::settings::MissingSession;
use crate::sim::shapes::{Attributes, Message, SessionState};

/// The only answer without speech.
const TEXT: &str = "text/plain; charset=utf-8";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    session_state: SessionState,
    #[serde(default)]
    messages: Option<Vec<Message>>,
    #[serde(default)]
    request_attributes: Option<Attributes>,
}

/// Answers in headers; the body would be speech.
pub(super) async fn put(State(runtime): State<Arc<Runtime>>, call: Call) -> Result<Response, Refused> {
    let (bot, _running) = call.admit(&runtime, Kind::Session)?;
    if call.response_content_type.as_deref().is_some_and(|wanted| !wanted.starts_with("text/plain")) {
        return Err(Refused::validation("ResponseContentType: the simulator does not speak, only text/plain"));
    }
    let body: Body = call.read()?;
    let most = runtime.settings.session_attribute_bytes;
    check_state(&body.session_state, most)?;
    let messages = body.messages.unwrap_or_default();
    limits::messages(&messages).map_err(Refused::validation)?;
    limits::attributes("requestAttributes", body.request_attributes.as_ref().unwrap_or(&Attributes::new()), most)
        .map_err(Refused::validation)?;
    let idle = bot.idle(runtime.settings.time_scale);
    let (held, remembered) = runtime.sessions.hold(&call.key, idle, Timestamp::now())?;
    let wish = Wish {
        state: Some(body.session_state),
        messages,
        request_attributes: body.request_attributes,
        request_id: call.request_id.clone(),
    };
    let turn = runtime.take_turn(bot, &call.key, remembered, wish, None).await?;
    runtime.enter("session.put", &call.key, &turn);
    let mut headers = HeaderMap::new();
    let mut say = |name: &'static str, value: String| {
        let value = HeaderValue::from_str(&value).map_err(|_| Refused::internal())?;
        headers.insert(HeaderName::from_static(name), value);
        Ok(())
    };
    say("x-amz-lex-messages", packed(&json!(turn.remembered.messages).to_string()))?;
    say("x-amz-lex-session-state", packed(&json!(turn.remembered.state).to_string()))?;
    say("x-amz-lex-request-attributes", packed(&json!(turn.request_attributes.unwrap_or_default()).to_string()))?;
    say("x-amz-lex-session-id", call.key.session.clone())?;
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(TEXT));
    held.keep(turn.remembered, Timestamp::now());
    Ok((headers, ()).into_response())
}

/// Reading does not keep a session from ending.
pub(super) async fn get(State(runtime): State<Arc<Runtime>>, call: Call) -> Result<Json<Value>, Refused> {
    let (_bot, _running) = call.admit(&runtime, Kind::Session)?;
    let remembered = runtime.sessions.read(&call.key, Timestamp::now()).ok_or_else(|| missing(&runtime))?;
    Ok(Json(json!({
        "sessionId": call.key.session,
        "messages": remembered.messages,
        "interpretations": remembered.interpretations,
        "sessionState": remembered.state,
    })))
}

pub(super) async fn delete(State(runtime): State<Arc<Runtime>>, call: Call) -> Result<Json<Value>, Refused> {
    let (bot, _running) = call.admit(&runtime, Kind::Session)?;
    let idle = bot.idle(runtime.settings.time_scale);
    let (held, remembered) = runtime.sessions.hold(&call.key, idle, Timestamp::now())?;
    if remembered.is_none() {
        return Err(missing(&runtime));
    }
    held.forget();
    runtime.ledger.enter("session.deleted", &call.request_id, json!({ "session": call.key.session }));
    let key = call.key;
    Ok(Json(json!({
        "botId": key.bot, "botAliasId": key.alias, "localeId": key.locale, "sessionId": key.session,
    })))
}

fn missing(runtime: &Runtime) -> Refused {
    let message = "The session does not exist.";
    match runtime.settings.missing_session {
        MissingSession::ResourceNotFoundException => Refused::not_found(message),
        MissingSession::BadRequestException => Refused::new(StatusCode::BAD_REQUEST, "BadRequestException", message),
    }
}
