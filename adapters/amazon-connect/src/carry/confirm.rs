//! Confirms an SNS subscription by visiting the address that came with a verified message.

use tandem_sdk::error::{AdapterError, ErrorKind, Retry};
use tandem_sdk::model::{Carried, Outcome};
use tandem_sdk::secret::Secret;

use super::Carrier;
use super::failure::without;

const OPERATION: &str = "ConfirmSubscription";

impl Carrier {
    /// Visits the address, once more checked against the topic. Repeating is harmless: a confirmed subscription stays so.
    pub(super) async fn confirm(&self, topic: &str, url: Option<&Secret>) -> Result<Carried, AdapterError> {
        let url = url.ok_or_else(|| without(OPERATION, "confirmation address"))?;
        let ours = self.topics.iter().find(|known| known.arn() == topic);
        if !ours.is_some_and(|ours| ours.confirms(url.reveal())) {
            let detail = "the address is not of a topic in sns.topics";
            return Err(AdapterError::new(ErrorKind::Refused, OPERATION, detail));
        }
        let call = self.http.get(url.reveal()).timeout(self.clouds.terms.call_timeout).send();
        let status = match call.await {
            Ok(response) => response.status(),
            Err(error) => {
                let detail = if error.is_timeout() { "no answer in time" } else { "no connection" };
                let failed = AdapterError::new(ErrorKind::Unavailable, OPERATION, detail);
                return Err(if error.is_connect() { failed } else { failed.perhaps_done() });
            }
        };
        let (kind, retry) = match status.as_u16() {
            200..=299 => return Ok(Outcome::Done {}.into()),
            429 => (ErrorKind::RateLimited, Retry::Later),
            500.. => (ErrorKind::Unavailable, Retry::Later),
            // The token ran out after two days, or the subscription is gone: SNS asks again when it is made anew.
            404 => (ErrorKind::NotFound, Retry::Never),
            _ => (ErrorKind::Refused, Retry::Never),
        };
        Err(AdapterError::new(kind, OPERATION, status.as_u16().to_string()).retry(retry))
    }
}
