//! Posting to the subscriber.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tandem_sdk::sim::{Deliverer, Delivery, FaultKind, Ledger, RsaIdentity, Schedule, TimeScale, Verdict};

use super::envelope::{confirmation, notification};
use super::signing::Signer;
use super::subscription::Subscriptions;
use crate::sim::ids::Ids;
use crate::sim::instance::{Facts, Item};
use crate::sim::settings::SnsSettings;

/// The name of this target in faults and in the ledger.
pub(in crate::sim) const SITE: &str = "sns";
/// A standard topic delivers at least once: nothing gets lost but by its retry policy.
const ALLOWED: &[FaultKind] =
    &[FaultKind::Duplicate, FaultKind::Reorder, FaultKind::Delay, FaultKind::Timeout, FaultKind::UnknownOutcome];
/// How far apart retries are, and how long an unconfirmed subscription waits before it is asked for again.
const RETRY_AFTER: Duration = Duration::from_secs(20);

/// The topics of the instance and their subscriber.
pub(in crate::sim) struct Publisher {
    settings: SnsSettings,
    facts: Facts,
    signer: Signer,
    schedule: Arc<Schedule>,
    deliverer: Deliverer,
    ledger: Ledger,
    scale: TimeScale,
    book: Mutex<Book>,
}

struct Book {
    subscriptions: Subscriptions,
    ids: Ids,
}

impl Publisher {
    pub(in crate::sim) fn new(
        settings: SnsSettings,
        facts: Facts,
        identity: RsaIdentity,
        deliverer: Deliverer,
        ledger: Ledger,
        scale: TimeScale,
        ids: Ids,
    ) -> Self {
        let signer = Signer::new(identity, settings.signature_version, &facts.region);
        let book = Mutex::new(Book { subscriptions: Subscriptions::default(), ids });
        Self { settings, facts, signer, schedule: Arc::new(schedule()), deliverer, ledger, scale, book }
    }

    pub(super) fn signer(&self) -> &Signer {
        &self.signer
    }

    /// Asks the endpoint to confirm each topic, again and again until it does or the attempts are used up.
    pub(in crate::sim) async fn subscribe(&self) {
        for _ in 0..self.settings.subscribe_attempts.max(1) {
            if self.ask_to_confirm().await == 0 {
                return;
            }
            tokio::time::sleep(self.scale.real(RETRY_AFTER).max(Duration::from_millis(200))).await;
        }
    }

    /// Asks the endpoint to confirm what it has not confirmed yet; how many topics that are.
    pub(in crate::sim) async fn ask_to_confirm(&self) -> usize {
        let is_open = |topic: &&String| self.book().subscriptions.confirmed(topic).is_none();
        let open: Vec<&String> = self.settings.topics.iter().filter(is_open).collect();
        for topic in &open {
            self.ask(topic).await;
        }
        open.len()
    }

    async fn ask(&self, topic: &str) {
        let now = Timestamp::now();
        let (id, token) = {
            let mut book = self.book();
            let (id, token, subscription) = (book.ids.uuid(), book.ids.token(), book.ids.uuid());
            book.subscriptions.ask(topic, &subscription, token.clone(), now);
            (id, token)
        };
        self.ledger.enter("subscription.asked", topic, json!({ "messageId": id }));
        let body = confirmation(&self.facts, topic, &token, &id, now);
        self.post(topic, None, &id, body, topic.to_owned(), json!({ "type": "SubscriptionConfirmation" })).await;
    }

    /// Confirms a subscription; its ARN, or none when the token is not good.
    pub(super) fn confirm(&self, topic: &str, token: &str) -> Option<String> {
        let arn = self.book().subscriptions.confirm(topic, token, Timestamp::now())?;
        self.ledger.enter("subscription.confirmed", topic, json!({ "subscription": arn }));
        Some(arn)
    }

    /// Ends a subscription, as anybody can who has its address.
    pub(super) fn unsubscribe(&self, arn: &str) -> bool {
        let ended = self.book().subscriptions.end(arn);
        if ended {
            self.ledger.enter("subscription.ended", arn, Value::Null);
        }
        ended
    }

    /// Publishes a chat item to a topic. Without a confirmed subscription nobody gets it.
    pub(in crate::sim) async fn publish(&self, topic: &str, item: &Item) {
        let (id, subscription) = {
            let mut book = self.book();
            let subscription = book.subscriptions.confirmed(topic).map(str::to_owned);
            (book.ids.uuid(), subscription)
        };
        let detail = json!({
            "type": item.kind.name(), "contentType": item.content_type, "contactId": item.contact_id, "item": item.id,
        });
        let Some(subscription) = subscription else {
            self.ledger.enter("delivery.unsubscribed", &id, detail);
            return;
        };
        let body = notification(&self.facts, topic, &subscription, &id, item, Timestamp::now());
        self.post(topic, Some(&subscription), &id, body, item.initial_contact_id.clone(), detail).await;
    }

    async fn post(
        &self,
        topic: &str,
        subscription: Option<&str>,
        id: &str,
        mut body: Map<String, Value>,
        order: String,
        detail: Value,
    ) {
        self.signer.sign(&mut body);
        let kind = body.get("Type").and_then(Value::as_str).unwrap_or_default().to_owned();
        let headers = headers(&kind, id, topic, subscription);
        let delivery = Delivery {
            site: SITE.to_owned(),
            key: id.to_owned(),
            url: self.settings.endpoint.clone(),
            body: Bytes::from(Value::Object(body).to_string()),
            headers: Arc::new(move |_| headers.clone()),
            order,
            allowed: ALLOWED,
            schedule: Arc::clone(&self.schedule),
            dead_letter: false,
            detail,
        };
        self.deliverer.deliver(delivery).await;
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The headers of SNS. The content type is text although the body is JSON; the ids are the same on every attempt.
fn headers(kind: &str, id: &str, topic: &str, subscription: Option<&str>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=UTF-8"));
    headers.insert(USER_AGENT, HeaderValue::from_static("Amazon Simple Notification Service Agent"));
    let named = [
        ("x-amz-sns-message-type", Some(kind)),
        ("x-amz-sns-message-id", Some(id)),
        ("x-amz-sns-topic-arn", Some(topic)),
        ("x-amz-sns-subscription-arn", subscription),
    ];
    for (name, value) in named {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    headers
}

/// Fifteen seconds to answer, three retries twenty seconds apart, an hour at most.
fn schedule() -> Schedule {
    Schedule {
        waits: vec![RETRY_AFTER],
        jitter: 0.0,
        max_attempts: 4,
        time_to_live: Duration::from_secs(3_600),
        answer_within: Duration::from_secs(15),
        verdict,
    }
}

/// 5xx and 429 are tried again, every other error is permanent.
fn verdict(status: u16) -> Verdict {
    match status {
        200..=299 => Verdict::Delivered,
        429 | 500..=599 => Verdict::TryAgain { at_least: Duration::ZERO },
        _ => Verdict::Final,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_retries_and_no_more_and_none_after_a_client_error() {
        let waits: Vec<_> = (1..=4).map(|attempts| schedule().wait_after(attempts, 0.9)).collect();
        assert_eq!(waits, [Some(RETRY_AFTER), Some(RETRY_AFTER), Some(RETRY_AFTER), None]);
        assert_eq!((verdict(200), verdict(403), verdict(404)), (Verdict::Delivered, Verdict::Final, Verdict::Final));
        assert!(matches!((verdict(429), verdict(503)), (Verdict::TryAgain { .. }, Verdict::TryAgain { .. })));
    }
}
