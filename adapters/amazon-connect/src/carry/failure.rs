//! What a failed call means: kind, whether to try again, and whether it may have had its effect.

use std::error::Error;
use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use tandem_sdk::error::{AdapterError, ErrorKind, Retry};

/// Longest vendor code or request id that is repeated. They are ours to print: neither is personal.
const LONGEST_WORD: usize = 80;

/// Explains a failure of one call.
///
/// `quota_pause` is the pause asked for when the instance is full, as against too many calls in a second.
pub(crate) fn explain<E>(operation: &str, error: &SdkError<E, HttpResponse>, quota_pause: Duration) -> AdapterError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error {
        SdkError::ServiceError(service) => {
            let raw = service.raw();
            let header = |name: &str| raw.headers().get(name);
            let refusal = Refusal {
                status: raw.status().as_u16(),
                code: service.err().code().unwrap_or_default(),
                request: header("x-amzn-requestid").unwrap_or_default(),
                retry_after: header("retry-after").and_then(|text| text.trim().parse().ok()).map(Duration::from_secs),
            };
            refusal.explain(operation, quota_pause)
        }
        SdkError::ResponseError(response) => {
            let status = response.raw().status().as_u16();
            unreadable(operation, status)
        }
        SdkError::TimeoutError(_) => unavailable(operation, "no answer in time").perhaps_done(),
        SdkError::DispatchFailure(_) => dispatch(operation, error),
        // The request could not even be written: an input that the SDK refuses, or settings that contradict each other.
        _ => AdapterError::new(ErrorKind::Malformed, operation, "the request cannot be written"),
    }
}

/// An answer that lacks what every answer has. The effect is there.
pub(super) fn incomplete(operation: &str, missing: &str) -> AdapterError {
    AdapterError::new(ErrorKind::Malformed, operation, format!("the answer has no {missing}")).perhaps_done()
}

/// A command that lacks the secret it is carried with.
pub(super) fn without(operation: &str, secret: &str) -> AdapterError {
    AdapterError::new(ErrorKind::Misconfigured, operation, format!("the command comes without a {secret}"))
}

/// What the service said.
struct Refusal<'r> {
    status: u16,
    code: &'r str,
    request: &'r str,
    retry_after: Option<Duration>,
}

impl Refusal<'_> {
    fn explain(&self, operation: &str, quota_pause: Duration) -> AdapterError {
        let (kind, retry) = verdict(self.status, self.code, quota_pause);
        let retry = match (retry, self.retry_after) {
            (Retry::Later, Some(pause)) => Retry::After(pause.min(Duration::from_secs(3_600))),
            (retry, _) => retry,
        };
        let error = AdapterError::new(kind, operation, self.detail()).retry(retry);
        // A server that stumbled may have stumbled after it had done what was asked.
        if self.status >= 500 || self.status == 408 { error.perhaps_done() } else { error }
    }

    fn detail(&self) -> String {
        let word = |text: &str| {
            text.chars()
                .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
                .take(LONGEST_WORD)
                .collect()
        };
        let (code, request): (String, String) = (word(self.code), word(self.request));
        let mut detail = self.status.to_string();
        if !code.is_empty() {
            detail.push(' ');
            detail.push_str(&code);
        }
        if !request.is_empty() {
            detail.push_str(", request ");
            detail.push_str(&request);
        }
        detail
    }
}

/// The table of errors. The code decides; the status where the code is unknown.
fn verdict(status: u16, code: &str, quota_pause: Duration) -> (ErrorKind, Retry) {
    let slowly = Retry::After(quota_pause);
    match (code, status) {
        ("LimitExceededException" | "ServiceQuotaExceededException", _) | (_, 402) => (ErrorKind::RateLimited, slowly),
        ("TooManyRequestsException" | "ThrottlingException" | "Throttling", _) => {
            (ErrorKind::RateLimited, Retry::Later)
        }
        // The other region of a pair is the active one: nothing that this instance does will help.
        ("InvalidActiveRegionException", _) => (ErrorKind::Misconfigured, Retry::Never),
        // Temporary credentials that ran out between being read and being used are read anew.
        ("ExpiredTokenException" | "ExpiredToken" | "RequestExpired", _) => (ErrorKind::Unverified, Retry::Later),
        ("DestinationNotAllowedException" | "OutboundContactNotPermittedException", _) => {
            (ErrorKind::Refused, Retry::Never)
        }
        ("ContactNotFoundException" | "ResourceNotFoundException", _) => (ErrorKind::NotFound, Retry::Never),
        (_, 400) => (ErrorKind::Malformed, Retry::Never),
        (_, 401 | 403) => (ErrorKind::Unverified, Retry::Never),
        (_, 404 | 410) => (ErrorKind::NotFound, Retry::Never),
        (_, 409) => (ErrorKind::Conflict, Retry::Never),
        (_, 429) => (ErrorKind::RateLimited, Retry::Later),
        (_, 408 | 424) => (ErrorKind::Unavailable, Retry::Later),
        (_, 500..) => (ErrorKind::Unavailable, Retry::Later),
        _ => (ErrorKind::Unexpected, Retry::Never),
    }
}

fn unavailable(operation: &str, detail: &str) -> AdapterError {
    AdapterError::new(ErrorKind::Unavailable, operation, detail)
}

/// An answer came that is no answer. What sits between us and the cloud (a proxy's page) is usually gone soon.
fn unreadable(operation: &str, status: u16) -> AdapterError {
    AdapterError::new(ErrorKind::Malformed, operation, format!("{status}, and the answer cannot be read"))
        .retry(Retry::Later)
        .perhaps_done()
}

/// The request did not come back. Whether it went out decides what may have happened.
fn dispatch(operation: &str, error: &(dyn Error + 'static)) -> AdapterError {
    let chain = || causes(error);
    if chain().any(|error| error.is::<aws_credential_types::provider::error::CredentialsError>()) {
        // Metadata services have their moments, and a profile can be put right while we wait.
        return AdapterError::new(ErrorKind::Misconfigured, operation, "no credentials can be had").retry(Retry::Later);
    }
    let call = chain().find_map(|error| error.downcast_ref::<hyper_util::client::legacy::Error>());
    match call {
        Some(call) if call.is_connect() => unavailable(operation, "no connection"),
        Some(_) => unavailable(operation, "the connection broke").perhaps_done(),
        None if chain().any(|error| error.is::<std::io::Error>()) => {
            unavailable(operation, "the connection broke").perhaps_done()
        }
        None => {
            let user = chain()
                .find_map(|error| error.downcast_ref::<aws_smithy_runtime_api::client::result::ConnectorError>())
                .is_some_and(|error| error.is_user());
            if user {
                AdapterError::new(ErrorKind::Malformed, operation, "the request cannot be sent")
            } else {
                unavailable(operation, "the call failed").perhaps_done()
            }
        }
    }
}

/// An error and what caused it, and so on.
fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

#[cfg(test)]
mod tests {
    use tandem_sdk::error::Effect;

    use super::*;

    const PAUSE: Duration = Duration::from_secs(30);
    const SLOWLY: Retry = Retry::After(PAUSE);

    #[test]
    fn every_documented_error_has_its_verdict() {
        use Effect::{None as Undone, Unknown};
        use ErrorKind::{
            Conflict, Malformed, Misconfigured, NotFound, RateLimited, Refused, Unavailable, Unexpected, Unverified,
        };
        use Retry::{Later, Never};
        let table: [(u16, &str, ErrorKind, Retry, Effect); 27] = [
            (400, "InvalidRequestException", Malformed, Never, Undone),
            (400, "InvalidParameterException", Malformed, Never, Undone),
            (400, "ValidationException", Malformed, Never, Undone),
            (400, "InvalidActiveRegionException", Misconfigured, Never, Undone),
            (402, "ServiceQuotaExceededException", RateLimited, SLOWLY, Undone),
            (402, "", RateLimited, SLOWLY, Undone),
            (403, "AccessDeniedException", Unverified, Never, Undone),
            (403, "ExpiredTokenException", Unverified, Later, Undone),
            (403, "InvalidSignatureException", Unverified, Never, Undone),
            (403, "UnrecognizedClientException", Unverified, Never, Undone),
            (403, "DestinationNotAllowedException", Refused, Never, Undone),
            (403, "OutboundContactNotPermittedException", Refused, Never, Undone),
            (404, "ResourceNotFoundException", NotFound, Never, Undone),
            (409, "IdempotencyException", Conflict, Never, Undone),
            (409, "ConflictException", Conflict, Never, Undone),
            (409, "ResourceConflictException", Conflict, Never, Undone),
            (410, "ContactNotFoundException", NotFound, Never, Undone),
            (429, "TooManyRequestsException", RateLimited, Later, Undone),
            (429, "ThrottlingException", RateLimited, Later, Undone),
            (429, "LimitExceededException", RateLimited, SLOWLY, Undone),
            (500, "InternalServiceException", Unavailable, Later, Unknown),
            (500, "InternalServerException", Unavailable, Later, Unknown),
            (502, "BadGatewayException", Unavailable, Later, Unknown),
            (503, "", Unavailable, Later, Unknown),
            (424, "DependencyFailedException", Unavailable, Later, Undone),
            (408, "", Unavailable, Later, Unknown),
            (418, "Teapot", Unexpected, Never, Undone),
        ];
        for (status, code, kind, retry, effect) in table {
            let refusal = Refusal { status, code, request: "", retry_after: None };
            let error = refusal.explain("StartChatContact", PAUSE);
            assert_eq!((error.kind, error.retry, error.effect), (kind, retry, effect), "{status} {code}");
        }
    }

    #[test]
    fn a_pause_that_the_cloud_asks_for_is_kept_within_reason() {
        let pause = |status, seconds| {
            let retry_after = Some(Duration::from_secs(seconds));
            Refusal { status, code: "", request: "", retry_after }.explain("SendMessage", PAUSE).retry
        };
        assert_eq!(pause(429, 7), Retry::After(Duration::from_secs(7)));
        assert_eq!(pause(503, 999_999), Retry::After(Duration::from_secs(3_600)));
        assert_eq!(pause(400, 7), Retry::Never);
        assert_eq!(pause(402, 7), SLOWLY);
    }

    #[test]
    fn the_detail_has_status_code_and_request_and_nothing_else() {
        let refusal = Refusal { status: 400, code: "Bad\n<script>", request: "r-1", retry_after: None };
        assert_eq!(refusal.detail(), "400 Badscript, request r-1");
        let long = "x".repeat(1_000);
        assert!(Refusal { status: 400, code: &long, request: &long, retry_after: None }.detail().len() < 200);
    }
}
