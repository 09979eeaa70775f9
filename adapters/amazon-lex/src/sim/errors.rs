//! How the runtime says no: status, `x-amzn-ErrorType`, `{"message"}`.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, StatusCode};
use serde_json::json;
use tandem_sdk::sim::sigv4;

/// A refusal in the vendor's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    /// The exception's name in the service model.
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl Refused {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    pub(super) fn validation(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "ValidationException", message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "ResourceNotFoundException", message)
    }

    /// Two requests for one session at once.
    pub(super) fn conflict() -> Self {
        let message = "The session is in use by another request.";
        Self::new(StatusCode::CONFLICT, "ConflictException", message)
    }

    pub(super) fn throttled() -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "ThrottlingException", "Rate exceeded")
    }

    /// A code hook failed, answered nonsense, or did not answer.
    pub(super) fn dependency_failed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FAILED_DEPENDENCY, "DependencyFailedException", message)
    }

    pub(super) fn bad_gateway() -> Self {
        Self::new(StatusCode::BAD_GATEWAY, "BadGatewayException", "A service that Lex depends on gave an error.")
    }

    pub(super) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerException", "Internal server error")
    }

    pub(super) fn unauthentic(refusal: &sigv4::Refusal) -> Self {
        Self::new(StatusCode::FORBIDDEN, refusal.code(), refusal.to_string())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let named = [(HeaderName::from_static("x-amzn-errortype"), self.code)];
        (self.status, named, Json(json!({ "message": self.message }))).into_response()
    }
}
