//! What the rooms share in which CDP, CRM and people follow.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tandem_sdk::doors::Decode;
use tandem_sdk::model::{InstanceName, InteractionId};
use tokio::sync::Semaphore;

use super::access::Gate;
use super::problem::{Code, problem};
use crate::config::{Delivery, Scope};
use crate::delivery::{Cursor, ReadError, Reader, Redriving, Sight};
use crate::desk::{Desk, DeskError};
use crate::interactions::Interaction;
use crate::shutdown::Tasks;

/// The rooms behind `/v1` in which consumers follow. Cheap to clone.
#[derive(Clone)]
pub struct Following {
    pub(super) desk: Desk,
    pub(super) reader: Reader,
    pub(super) redriving: Redriving,
    pub(super) gate: Gate,
    pub(super) tasks: Tasks,
    pub(super) settings: Delivery,
    /// Places for streams.
    pub(super) places: Arc<Semaphore>,
    /// Largest body of a request.
    pub(super) body: usize,
}

/// An answer instead of the one that was wanted.
pub(super) type Refused = Box<Response>;

impl Following {
    /// Opens the rooms. `doors` decode what is redriven, `body` caps requests in bytes.
    pub fn new(
        desk: Desk,
        reader: Reader,
        doors: BTreeMap<InstanceName, Arc<dyn Decode>>,
        gate: Gate,
        tasks: Tasks,
        settings: Delivery,
        body: usize,
    ) -> Self {
        let redriving = Redriving::new(reader.clone(), doors);
        let places = Arc::new(Semaphore::new(settings.streams));
        Following { desk, reader, redriving, gate, tasks, settings, places, body }
    }

    /// Lets in who may do this.
    pub(super) fn admit(&self, headers: &HeaderMap, scope: Scope) -> Result<(), Refused> {
        self.gate.check(headers, scope)
    }

    /// What the caller may see.
    pub(super) fn sight(&self, headers: &HeaderMap) -> Sight {
        if self.gate.allows(headers, Scope::Text) { Sight::Text } else { Sight::Redacted }
    }

    /// Reads on a thread where reading may block.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reader) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, Refused> {
        let reader = self.reader.clone();
        let done = self.tasks.blocking(move || read(&reader)).await;
        done.map_err(|error| Box::new(self.unreadable(&error)))
    }

    /// The problem document for what could not be read.
    pub(super) fn unreadable(&self, error: &ReadError) -> Response {
        match error {
            ReadError::Gone { first } => {
                let first = first.write(self.reader.source());
                problem(Code::Gone, &format!("{error}; the oldest that is kept comes after the cursor {first}"))
            }
            ReadError::Ahead => problem(Code::Malformed, &error.to_string()),
            ReadError::Store(error) => {
                tracing::error!(%error, "the log could not be read");
                problem(Code::NotNow, "the store cannot be read at the moment")
            }
            ReadError::Record(error) => {
                tracing::error!(%error, "a record could not be read");
                problem(Code::Unexpected, "a record of the log cannot be read; the log lines say which")
            }
        }
    }

    /// The interaction of an address.
    pub(super) async fn interaction(&self, id: &str) -> Result<Interaction, Refused> {
        let none = || Box::new(problem(Code::NotFound, "no interaction of this id"));
        let id = id.parse().map(InteractionId).map_err(|_| none())?;
        self.desk.interaction(id).await.map_err(|error| Box::new(not_now(error)))?.ok_or_else(none)
    }

    /// The cursor that a caller gave.
    pub(super) fn cursor(&self, text: &str) -> Result<Cursor, Refused> {
        Cursor::read(text, self.reader.source()).map_err(|error| Box::new(problem(Code::Malformed, &error.to_string())))
    }
}

/// A JSON answer that no cache may keep.
pub(super) fn json<T: Serialize>(body: &T) -> Response {
    let mut response = axum::Json(body).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The desk did not answer.
pub(super) fn not_now(error: DeskError) -> Response {
    problem(Code::NotNow, &error.to_string())
}

/// Whichever of the two it is.
pub(super) fn either(answer: Result<Response, Refused>) -> Response {
    answer.unwrap_or_else(|refused| *refused)
}
