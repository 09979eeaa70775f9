//! One HTTP call to the ACS resource: credential, bounded time, bounded answer, errors by the table of
//! [`crate::failure`].

use std::time::Duration;

use http::{HeaderName, Method, header};
use jiff::Timestamp;
use reqwest::{Request, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tandem_sdk::error::{AdapterError, ErrorKind, Retry};
use tandem_sdk::secret::Secret;
use url::Url;

use crate::failure::{self, Rejection};
use crate::signature::AccessKey;

/// As much of an error answer as is looked at for its code.
const ERROR_CAP: usize = 64 * 1024;

/// Calls one ACS resource. Follows no redirects, retries nothing.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) http: reqwest::Client,
    pub(crate) endpoint: Url,
    pub(crate) key: AccessKey,
    pub(crate) timeout: Duration,
    pub(crate) answer_cap: usize,
}

/// How a call is authenticated.
pub(crate) enum Credential<'a> {
    /// The resource's access key, for the identity API.
    AccessKey,
    /// A user's token, for the chat API: every call is made as a participant.
    User(&'a Secret),
}

/// A call that is about to be made.
pub(crate) struct Call<'a> {
    /// The vendor's name of the operation, for errors and logs.
    pub(crate) operation: &'static str,
    pub(crate) method: Method,
    /// Path and query, encoded.
    pub(crate) target: String,
    pub(crate) credential: Credential<'a>,
    pub(crate) headers: Vec<(HeaderName, String)>,
    pub(crate) body: Option<Vec<u8>>,
    /// Signs with it and reads `Retry-After` dates against it.
    pub(crate) now: Timestamp,
}

impl<'a> Call<'a> {
    pub(crate) fn get(operation: &'static str, target: String, credential: Credential<'a>, now: Timestamp) -> Self {
        Call { operation, method: Method::GET, target, credential, headers: Vec::new(), body: None, now }
    }

    pub(crate) fn post(
        operation: &'static str,
        target: String,
        body: &impl Serialize,
        credential: Credential<'a>,
        now: Timestamp,
    ) -> Self {
        // Hashed and sent: the same bytes.
        let body = serde_json::to_vec(body).expect("our own structs of text are always JSON");
        Call { operation, method: Method::POST, target, credential, headers: Vec::new(), body: Some(body), now }
    }

    /// Whether the call changes something there, so that a lost answer leaves us in doubt.
    fn writes(&self) -> bool {
        self.method != Method::GET
    }
}

impl Client {
    /// Makes the call and reads its JSON answer.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, AdapterError> {
        let (operation, writes) = (call.operation, call.writes());
        let body = self.send(call).await?;
        serde_json::from_slice(&body).map_err(|error| unreadable(operation, writes, format!("{:?}", error.classify())))
    }

    /// Makes the call. The body of a success is returned whole.
    pub(crate) async fn send(&self, call: Call<'_>) -> Result<Vec<u8>, AdapterError> {
        let (operation, writes, now) = (call.operation, call.writes(), call.now);
        let user = matches!(call.credential, Credential::User(_));
        let request = self.request(call)?;
        let mut response =
            self.http.execute(request).await.map_err(|error| failure::broken(operation, writes, &error))?;
        let status = response.status();
        if status.is_success() {
            return match read(&mut response, self.answer_cap).await {
                Ok((body, true)) => Ok(body),
                Ok((_, false)) => Err(unreadable(operation, writes, "the answer is larger than answer_cap".to_owned())),
                Err(error) => Err(failure::broken(operation, writes, &error)),
            };
        }
        // Whatever can be had of the body; the status alone is enough.
        let body = read(&mut response, ERROR_CAP).await.map(|(body, _)| body).unwrap_or_default();
        let rejection = Rejection {
            operation,
            status,
            code: failure::code(response.headers(), &body),
            retry_after: failure::retry_after(response.headers(), now),
            writes,
            user,
        };
        let trace = response.headers().get("ms-cv").and_then(|value| value.to_str().ok()).unwrap_or("none");
        tracing::debug!(operation, status = status.as_u16(), ms_cv = trace, "azure communication rejected a call");
        Err(rejection.into_error())
    }

    fn request(&self, call: Call<'_>) -> Result<Request, AdapterError> {
        let malformed = |what: &str| AdapterError::new(ErrorKind::Malformed, call.operation, what);
        let url = self.endpoint.join(&call.target).map_err(|_| malformed("the call makes no URL"))?;
        if url.origin() != self.endpoint.origin() {
            return Err(malformed("the call leads away from the endpoint"));
        }
        let body = call.body.unwrap_or_default();
        let mut request = self.http.request(call.method.clone(), url.clone()).timeout(self.timeout);
        request = match call.credential {
            Credential::User(token) => request.bearer_auth(token.reveal()),
            Credential::AccessKey => {
                let signed = self.key.sign(&call.method, &url, &body, call.now);
                signed.into_iter().fold(request, |request, (name, value)| request.header(name, value))
            }
        };
        request = call.headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        if call.method != Method::GET {
            request = request.header(header::CONTENT_TYPE, "application/json").body(body);
        }
        request
            .build()
            .map_err(|_| AdapterError::new(ErrorKind::Malformed, call.operation, "the call cannot be written"))
    }
}

/// Reads at most `cap` bytes; says whether that was all.
async fn read(response: &mut Response, cap: usize) -> Result<(Vec<u8>, bool), reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > cap {
            return Ok((body, false));
        }
        body.extend_from_slice(&chunk);
    }
    Ok((body, true))
}

/// A success that we cannot read. Trying again can help: the answer may have been cut.
pub(crate) fn unreadable(operation: &'static str, writes: bool, what: String) -> AdapterError {
    let error = AdapterError::new(ErrorKind::Malformed, operation, what).retry(Retry::Later);
    if writes { error.perhaps_done() } else { error }
}

/// One path segment or query value, everything but unreserved characters encoded: `19%3Aa%40thread.v2`.
pub(crate) fn encode(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => {
                encoded.push('%');
                encoded.push(char::from(HEX[usize::from(byte >> 4)]));
                encoded.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
    }
    encoded
}

/// A native id as a path segment. An id that URLs take for a way up, or that is empty, is none.
pub(crate) fn segment(operation: &'static str, id: &str) -> Result<String, AdapterError> {
    if matches!(id, "" | "." | "..") {
        return Err(AdapterError::new(ErrorKind::Malformed, operation, "the native id cannot stand in a path"));
    }
    Ok(encode(id))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use super::*;

    #[test]
    fn ids_are_encoded_as_the_vendor_does() {
        assert_eq!(encode("19:5b38_a-~9@thread.v2"), "19%3A5b38_a-~9%40thread.v2");
        assert_eq!(encode("ä/ %?#"), "%C3%A4%2F%20%25%3F%23");
        assert!(segment("X", "..").is_err() && segment("X", "").is_err());
        assert_eq!(segment("X", "8:acs:a").unwrap(), "8%3Aacs%3Aa");
    }

    #[test]
    fn an_encoded_id_stays_one_segment_of_the_url() {
        let base: Url = "https://contoso.communication.azure.com/".parse().unwrap();
        let url = base.join(&format!("/identities/{}/:issueAccessToken", encode("8:acs:a/../b?c"))).unwrap();
        assert_eq!(url.path(), "/identities/8%3Aacs%3Aa%2F..%2Fb%3Fc/:issueAccessToken");
    }
}
