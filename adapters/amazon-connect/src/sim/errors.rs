//! How both APIs say no: status, `x-amzn-ErrorType`, `{"Message"}`.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, StatusCode};
use serde_json::json;

/// A refusal in the vendor's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    /// The exception's name in the service model.
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl Refused {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    pub(super) fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "InvalidRequestException", message)
    }

    pub(super) fn invalid_parameter(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "InvalidParameterException", message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "ResourceNotFoundException", message)
    }

    /// The contact is gone: 410, told apart from an unknown resource.
    pub(super) fn gone() -> Self {
        Self::new(StatusCode::GONE, "ContactNotFoundException", "The contact with the specified ID does not exist.")
    }

    /// A quota of the instance is used up.
    pub(super) fn limit_exceeded(message: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "LimitExceededException", message)
    }

    /// The rate of one operation is used up; the code differs by operation.
    pub(super) fn throttled(code: &'static str) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, code, "Rate exceeded")
    }

    /// The answer of the participant API to a wrong, expired or ended token.
    pub(super) fn access_denied() -> Self {
        Self::new(StatusCode::FORBIDDEN, "AccessDeniedException", "Access denied")
    }

    /// The participant API's word for a bad argument.
    pub(super) fn validation(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "ValidationException", message)
    }

    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "ConflictException", message)
    }

    pub(super) fn quota_exceeded(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYMENT_REQUIRED, "ServiceQuotaExceededException", message)
    }

    pub(super) fn unauthentic(refusal: &tandem_sdk::sim::sigv4::Refusal) -> Self {
        Self::new(StatusCode::FORBIDDEN, refusal.code(), refusal.to_string())
    }

    pub(super) fn internal(code: &'static str) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, code, "Internal service error")
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let named = [(HeaderName::from_static("x-amzn-errortype"), format!("{}:", self.code))];
        (self.status, named, Json(json!({ "Message": self.message }))).into_response()
    }
}
