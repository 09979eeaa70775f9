//! Asking the function that answers code hooks.

use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use tandem_sdk::sim::{Authority, SimError, TimeScale};
use url::Url;

use crate::sim::dialog::{Answer, HookFailure};
use crate::sim::settings::HookSettings;

/// Documented: 12 KB in, 50 KB out.
const MAX_EVENT: usize = 12 * 1024;
const MAX_ANSWER: usize = 50 * 1024;

/// A function behind an address.
pub(in crate::sim) struct Function {
    client: reqwest::Client,
    url: Url,
    headers: HeaderMap,
    pub(in crate::sim) explicit_nulls: bool,
}

impl Function {
    /// # Errors
    /// [`SimError`] when a header cannot be sent or the client cannot be built.
    pub(in crate::sim) fn new(to: &HookSettings, authority: &Authority, scale: TimeScale) -> Result<Self, SimError> {
        let wrong = |problem: String| SimError::Setting { key: "hook.headers", problem };
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in &to.headers {
            let name: HeaderName = name.parse().map_err(|_| wrong(format!("{name:?} is no name of a header")))?;
            let value =
                HeaderValue::from_str(value).map_err(|_| wrong(format!("the value of {name} cannot be sent")))?;
            headers.insert(name, value);
        }
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(scale.real(Duration::from_secs(to.timeout_seconds)));
        let client = authority.trusted_by(client)?.build()?;
        Ok(Self { client, url: to.url.clone(), headers, explicit_nulls: to.explicit_nulls })
    }

    /// Posts the event and reads the answer.
    ///
    /// # Errors
    /// No answer in time, another status than 200, an error that the function reports as Lambda does
    /// (`x-amz-function-error`), or an answer that is too large or cannot be read.
    pub(in crate::sim) async fn ask(&self, event: &Value) -> Result<Answer, HookFailure> {
        let failed = |problem: String| HookFailure::Failed(problem);
        let event = event.to_string();
        if event.len() > MAX_EVENT {
            return Err(failed(format!("the event for Lambda has {} bytes, at most {MAX_EVENT}", event.len())));
        }
        let request = self.client.post(self.url.clone()).headers(self.headers.clone()).body(event);
        let mut response = request.send().await.map_err(|error| of_transport(&error))?;
        if response.status() != 200 || response.headers().contains_key("x-amz-function-error") {
            return Err(failed(format!("Received error response from Lambda: {}", response.status().as_u16())));
        }
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| of_transport(&error))? {
            if answer.len() + chunk.len() > MAX_ANSWER {
                return Err(failed(format!("the answer of Lambda has more than {MAX_ANSWER} bytes")));
            }
            answer.extend_from_slice(&chunk);
        }
        Answer::read(&answer).map_err(failed)
    }
}

/// Says no address: reqwest's own words hold it.
fn of_transport(error: &reqwest::Error) -> HookFailure {
    if error.is_timeout() {
        HookFailure::TimedOut
    } else {
        HookFailure::Failed("Lambda could not be reached".to_owned())
    }
}
