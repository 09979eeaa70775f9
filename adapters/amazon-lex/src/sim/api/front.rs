//! What every call passes before its operation: the signature, the ids in its path, the quotas.

use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::{FromRequest, FromRequestParts as _, Path, Request};
use bytes::Bytes;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use tandem_sdk::sim::sigv4::{Arrived, verify};

use super::routes::RequestId;
use crate::sim::errors::Refused;
use crate::sim::limits;
use crate::sim::quotas::{Kind, Running};
use crate::sim::runtime::{Bot, Runtime};
use crate::sim::sessions::Key;
use crate::sim::shapes::{Attributes, SessionState};

/// The largest body of a call, in bytes: messages and attributes are far smaller.
const MAX_BODY: usize = 256 * 1024;

/// A call whose signature and ids were checked.
pub(super) struct Call {
    pub(super) key: Key,
    pub(super) request_id: String,
    pub(super) response_content_type: Option<String>,
    body: Bytes,
}

impl FromRequest<Arc<Runtime>> for Call {
    type Rejection = Refused;

    async fn from_request(request: Request, runtime: &Arc<Runtime>) -> Result<Self, Refused> {
        let (mut parts, body) = request.into_parts();
        let body = to_bytes(body, MAX_BODY).await.map_err(|_| Refused::validation("the body is too large"))?;
        let arrived = Arrived {
            method: parts.method.as_str(),
            path: parts.uri.path(),
            query: parts.uri.query().unwrap_or_default(),
            headers: &parts.headers,
            authority: parts.uri.authority().map(http::uri::Authority::as_str),
            body: &body,
        };
        verify(&arrived, &runtime.expected(), Timestamp::now()).map_err(|refusal| Refused::unauthentic(&refusal))?;
        let ids = Path::<(String, String, String, String)>::from_request_parts(&mut parts, runtime).await;
        let Path((bot, alias, locale, session)) = ids.map_err(|_| Refused::validation("the path cannot be read"))?;
        let key = Key { bot, alias, locale, session };
        check_ids(&key).map_err(Refused::validation)?;
        let given = parts.headers.get("responsecontenttype").and_then(|value| value.to_str().ok());
        let response_content_type = given.map(str::to_owned);
        let request_id = parts.extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
        Ok(Self { key, request_id, response_content_type, body })
    }
}

impl Call {
    /// The bot that is called, and a place among the calls that run at once.
    pub(super) fn admit<'a>(&self, runtime: &'a Runtime, kind: Kind) -> Result<(&'a Bot, Running), Refused> {
        let bot = runtime.bot(&self.key)?;
        Ok((bot, runtime.quotas.take(&self.key.bot, &self.key.alias, kind, Timestamp::now())?))
    }

    /// The body; a member that is missing, of the wrong type or no word of its enumeration is a ValidationException.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Refused> {
        serde_json::from_slice(&self.body).map_err(|error| Refused::validation(error.to_string()))
    }
}

/// Patterns and lengths of the service model.
fn check_ids(key: &Key) -> Result<(), String> {
    let ten = |id: &str| id.len() == 10 && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let session = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
    if !ten(&key.bot) {
        return Err("botId: must be 10 characters of ^[0-9a-zA-Z]+$".to_owned());
    }
    if !(2..=100).contains(&key.session.len()) || !key.session.bytes().all(session) {
        return Err("sessionId: must be 2 to 100 characters of [0-9a-zA-Z._:-]+".to_owned());
    }
    // The model has no bounds for these two; what is no id at all is an unknown one.
    Ok(())
}

/// Sizes and names in what a client sets.
pub(super) fn check_state(state: &SessionState, most_bytes: usize) -> Result<(), Refused> {
    let checked = || {
        state.dialog_action.as_ref().map_or(Ok(()), limits::action)?;
        state.intent.as_ref().map_or(Ok(()), limits::intent)?;
        limits::contexts(state.active_contexts.as_deref().unwrap_or_default())?;
        let none = Attributes::new();
        limits::attributes("sessionAttributes", state.session_attributes.as_ref().unwrap_or(&none), most_bytes)
    };
    checked().map_err(Refused::validation)
}
