//! Posting events to the API destination.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_TYPE, RANGE, USER_AGENT};
use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use serde_json::{Value, json};
use tandem_sdk::sim::{Deliverer, Delivery, FaultKind, Schedule, SimError, Verdict};
use tokio::task::JoinSet;
use url::Url;

use super::authorization::Credentials;
use super::envelope::envelope;
use crate::sim::instance::Facts;
use crate::sim::settings::EventBridgeSettings;

/// The name of this target in faults and in the ledger.
pub(in crate::sim) const SITE: &str = "eventbridge";
/// Contact events are best effort, so all of these may befall one.
const ALLOWED: &[FaultKind] = &[
    FaultKind::Duplicate,
    FaultKind::Reorder,
    FaultKind::Delay,
    FaultKind::Drop,
    FaultKind::Timeout,
    FaultKind::UnknownOutcome,
];

/// An API destination.
pub(in crate::sim) struct Destination {
    url: Url,
    schedule: Arc<Schedule>,
    credentials: Credentials,
    deliverer: Deliverer,
    /// Keeps the bearer token fresh; ends with the destination.
    _refresher: JoinSet<()>,
}

impl Destination {
    /// # Errors
    /// [`SimError::Setting`] when the credentials cannot stand in a header.
    pub(in crate::sim) fn new(settings: &EventBridgeSettings, deliverer: Deliverer) -> Result<Self, SimError> {
        let credentials = Credentials::new(&settings.authorization)?;
        let refreshing = credentials.clone().keep_fresh(settings.authorization.clone(), deliverer.clone());
        let mut refresher = JoinSet::new();
        refresher.spawn(refreshing);
        let schedule = Arc::new(schedule(settings.retries));
        Ok(Self { url: settings.url.clone(), schedule, credentials, deliverer, _refresher: refresher })
    }

    pub(in crate::sim) async fn push(
        &self,
        facts: &Facts,
        id: String,
        kind: &str,
        contact_id: &str,
        at: Timestamp,
        detail: &Value,
    ) {
        let event = envelope(facts, &id, contact_id, at, detail);
        let credentials = self.credentials.clone();
        let delivery = Delivery {
            site: SITE.to_owned(),
            key: id,
            url: self.url.clone(),
            body: Bytes::from(event.to_string()),
            headers: Arc::new(move |attempt| headers(credentials.for_attempt(attempt))),
            order: contact_id.to_owned(),
            allowed: ALLOWED,
            schedule: Arc::clone(&self.schedule),
            dead_letter: false,
            detail: json!({ "eventType": kind, "contactId": contact_id }),
        };
        self.deliverer.deliver(delivery).await;
    }
}

/// The headers that every request of an API destination has; two of them cannot be overridden.
fn headers(mut headers: HeaderMap) -> HeaderMap {
    headers.insert(USER_AGENT, HeaderValue::from_static("Amazon/EventBridge/ApiDestinations"));
    headers.insert(RANGE, HeaderValue::from_static("bytes=0-1048575"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip,deflate"));
    headers
}

/// Five seconds to answer; a day or 185 attempts more. The exact back-off is not documented: it doubles here from one
/// second to fifteen minutes, with jitter.
fn schedule(retries: usize) -> Schedule {
    Schedule {
        waits: (0..11).map(|power| Duration::from_secs((1_u64 << power).min(900))).collect(),
        jitter: 0.2,
        max_attempts: u32::try_from(retries).unwrap_or(185).saturating_add(1),
        time_to_live: Duration::from_secs(86_400),
        answer_within: Duration::from_secs(5),
        verdict,
    }
}

/// 2xx is success; 401, 407, 409, 429 and 5xx are tried again; everything else is given up at once.
fn verdict(status: u16) -> Verdict {
    match status {
        200..=299 => Verdict::Delivered,
        401 | 407 | 409 | 429 | 500..=599 => Verdict::TryAgain { at_least: Duration::ZERO },
        _ => Verdict::Final,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_documented_statuses_are_tried_again() {
        for status in [200, 202, 299] {
            assert_eq!(verdict(status), Verdict::Delivered, "{status}");
        }
        for status in [401, 407, 409, 429, 500, 503] {
            assert!(matches!(verdict(status), Verdict::TryAgain { .. }), "{status}");
        }
        for status in [301, 400, 403, 404, 413, 422] {
            assert_eq!(verdict(status), Verdict::Final, "{status}");
        }
    }

    #[test]
    fn the_wait_doubles_until_a_quarter_of_an_hour() {
        let schedule = schedule(185);
        let waits: Vec<_> =
            [1, 2, 3, 11, 100].map(|attempts| schedule.wait_after(attempts, 0.0).map(|wait| wait.as_secs())).into();
        assert_eq!(waits, [Some(1), Some(2), Some(4), Some(900), Some(900)]);
        assert_eq!(schedule.wait_after(186, 0.0), None);
    }
}
