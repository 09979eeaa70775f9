//! Asking a webhook whether it wants events, before the first delivery.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;
use tandem_sdk::sim::{Deliverer, Exchange};
use url::Url;
use uuid::Uuid;

use super::envelopes;
use super::settings::{Family, Schema};
use super::stamps::seven_digits;

/// Event Grid's name when it asks for permission.
const ORIGIN: &str = "eventgrid.azure.net";

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// Events may be delivered.
    Granted,
    /// 200 without the code: somebody has to open the validation URL.
    Awaiting,
    /// Not granted, and why.
    Refused(String),
}

/// What is asked.
pub(super) struct Question<'a> {
    pub(super) subscription: &'a str,
    pub(super) resource: &'a str,
    pub(super) schema: Schema,
    pub(super) url: &'a Url,
    /// Custom and authentication headers.
    pub(super) extra: HeaderMap,
    /// Sent and expected back in Event Grid's schema.
    pub(super) code: Uuid,
    /// Where permission can be given later, Event Grid's schema alone.
    pub(super) validation_url: &'a str,
    /// Real time.
    pub(super) answer_within: Duration,
}

impl Question<'_> {
    pub(super) async fn ask(&self, deliverer: &Deliverer) -> Answer {
        let (method, headers, body) = match self.schema {
            Schema::EventGrid => (Method::POST, self.validation_headers(), self.validation_body()),
            Schema::CloudEvents => (Method::OPTIONS, self.permission_headers(), Bytes::new()),
        };
        match deliverer.exchange(method, self.url, headers, body, self.answer_within).await {
            Err(error) => Answer::Refused(error.to_string()),
            Ok(exchange) => match self.schema {
                Schema::EventGrid => validated(&exchange, self.code),
                Schema::CloudEvents => permitted(&exchange),
            },
        }
    }

    fn validation_headers(&self) -> HeaderMap {
        let mut headers = envelopes::headers(self.subscription, self.schema, false, "SubscriptionValidation");
        headers.extend(self.extra.clone());
        headers.insert("aeg-delivery-count", HeaderValue::from(0));
        headers
    }

    fn validation_body(&self) -> Bytes {
        let event = json!([{
            "id": Uuid::new_v4(), "topic": envelopes::topic(self.resource, Family::User), "subject": "",
            "data": {"validationCode": self.code, "validationUrl": self.validation_url},
            "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
            "eventTime": seven_digits(Timestamp::now()), "metadataVersion": "1", "dataVersion": "1",
        }]);
        Bytes::from(event.to_string())
    }

    fn permission_headers(&self) -> HeaderMap {
        let mut headers = self.extra.clone();
        headers.insert("webhook-request-origin", HeaderValue::from_static(ORIGIN));
        headers.insert("webhook-request-rate", HeaderValue::from(120));
        headers
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Validation {
    validation_response: String,
}

/// Only 200 counts, 202 does not; without the code in the body it is the asynchronous way.
fn validated(exchange: &Exchange, code: Uuid) -> Answer {
    if exchange.status != StatusCode::OK {
        return Answer::Refused(format!("status {} where only 200 is accepted", exchange.status.as_u16()));
    }
    match serde_json::from_slice::<Validation>(&exchange.body) {
        Ok(validation) if validation.validation_response == code.to_string() => Answer::Granted,
        Ok(_) => Answer::Refused("validationResponse is not the validationCode".to_owned()),
        Err(_) => Answer::Awaiting,
    }
}

/// Permission is carried by headers; a rate was asked for, so one must be allowed.
fn permitted(exchange: &Exchange) -> Answer {
    let header = |name: &str| exchange.headers.get(name).and_then(|value| value.to_str().ok());
    let positive = |rate: &str| rate == "*" || rate.parse::<u64>().is_ok_and(|rate| rate > 0);
    match (header("webhook-allowed-origin"), header("webhook-allowed-rate")) {
        (Some("*" | ORIGIN), Some(rate)) if positive(rate) => Answer::Granted,
        (Some("*" | ORIGIN), rate) => Answer::Refused(format!("WebHook-Allowed-Rate is {rate:?}")),
        (origin, _) => {
            Answer::Refused(format!("WebHook-Allowed-Origin is {origin:?} with status {}", exchange.status.as_u16()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Exchange {
        Exchange {
            status: StatusCode::from_u16(status).unwrap_or_default(),
            headers: headers
                .iter()
                .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)))
                .collect(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    #[test]
    fn only_200_with_the_code_validates_at_once() {
        let code = Uuid::from_u128(7);
        let right = format!(r#"{{"validationResponse":"{code}"}}"#);
        assert_eq!(validated(&exchange(200, &[], &right), code), Answer::Granted);
        assert_eq!(validated(&exchange(200, &[], ""), code), Answer::Awaiting);
        assert!(matches!(validated(&exchange(202, &[], &right), code), Answer::Refused(_)));
        assert!(matches!(validated(&exchange(200, &[], r#"{"validationResponse":"x"}"#), code), Answer::Refused(_)));
    }

    #[test]
    fn permission_needs_both_headers() {
        let origin = ("webhook-allowed-origin", "eventgrid.azure.net");
        assert_eq!(permitted(&exchange(200, &[origin, ("webhook-allowed-rate", "*")], "")), Answer::Granted);
        assert_eq!(permitted(&exchange(204, &[origin, ("webhook-allowed-rate", "120")], "")), Answer::Granted);
        for headers in [
            vec![],
            vec![origin],
            vec![origin, ("webhook-allowed-rate", "0")],
            vec![("webhook-allowed-origin", "example.com"), ("webhook-allowed-rate", "*")],
        ] {
            assert!(matches!(permitted(&exchange(200, &headers, "")), Answer::Refused(_)), "{headers:?}");
        }
    }
}
