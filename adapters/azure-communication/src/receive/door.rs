//! Request → what is kept and what the sender is told.

use http::{HeaderMap, Method};
use tandem_sdk::doors::{Kept, Receive, Received, Refusal, Reply, Request};
use url::Url;

use super::handshake::{self, Validation};
use super::senders::{Senders, Stage, Stop};
use super::split;
use crate::settings::CheckedEvents;

/// The name of the door: `/hooks/{instance}/events`.
pub(crate) const DOOR: &str = "events";

/// The door for Event Grid.
pub(crate) struct EventsDoor {
    senders: Senders,
    topics: Vec<String>,
    subscriptions: Vec<String>,
    origins: Vec<String>,
    body_cap: usize,
    max_events: usize,
}

impl EventsDoor {
    pub(crate) fn new(settings: CheckedEvents) -> Self {
        EventsDoor {
            senders: Senders { query: settings.query, headers: settings.headers, entra: settings.entra },
            topics: settings.topics,
            subscriptions: settings.subscriptions,
            origins: settings.origins,
            body_cap: settings.body_cap,
            max_events: settings.max_events,
        }
    }

    /// The handshake of the CloudEvents schema. It carries neither topic nor, for all that is documented, our
    /// credentials; granting it lets nobody in, because every delivery is checked by itself.
    fn options(&self, request: &Request<'_>) -> Received {
        match self.senders.check(request, Stage::Options) {
            Ok(_) => replied(handshake::permission(request.headers, &self.origins)),
            Err(stop) => stopped(stop),
        }
    }

    fn post(&self, request: &Request<'_>) -> Received {
        let origin = match self.senders.check(request, Stage::Post) {
            Ok(origin) => origin,
            Err(stop) => return stopped(stop),
        };
        if header(request.headers, "aeg-event-type").eq_ignore_ascii_case("SubscriptionValidation")
            && let Some(validation) = Validation::read(request.body)
        {
            return match self.expected(&validation, request.headers) {
                Ok(()) => replied(validation.answer()),
                Err(reason) => Received::Refused(Refusal::NotAuthentic(reason)),
            };
        }
        let envelopes = split::envelopes(request.body, self.max_events, &origin);
        Received::Kept(Kept { envelopes, ..Kept::default() })
    }

    /// Whether somebody may subscribe our URL: otherwise any stranger with a topic of his own could.
    fn expected(&self, validation: &Validation, headers: &HeaderMap) -> Result<(), String> {
        if !self.topics.is_empty() && !self.topics.contains(&super::fold(&validation.topic)) {
            return Err("the topic of the handshake is not among the allowed ones".to_owned());
        }
        let subscription = super::fold(header(headers, "aeg-subscription-name"));
        if !self.subscriptions.is_empty() && !self.subscriptions.contains(&subscription) {
            return Err("the subscription of the handshake is not among the allowed ones".to_owned());
        }
        Ok(())
    }
}

impl Receive for EventsDoor {
    fn doors(&self) -> Vec<(&'static str, usize)> {
        vec![(DOOR, self.body_cap)]
    }

    /// Asks for the key document ([`Received::NeedKey`]) when it is not on the ring, and *again* when the one on the
    /// ring cannot be read or does not hold the key that the token names. So `NeedKey` for a document that is on the
    /// ring says: this one is out of date, take it off, fetch it once more, ask once more. If it is asked for even then,
    /// the key is unknown. Tokens whose claims are wrong are refused before any document is asked for.
    fn receive(&self, request: &Request<'_>) -> Received {
        match *request.method {
            _ if request.door != DOOR => Received::Refused(Refusal::NoSuchDoor(request.door.to_owned())),
            Method::POST => self.post(request),
            Method::OPTIONS => self.options(request),
            _ => Received::Refused(Refusal::NoSuchDoor(format!("{DOOR} for {}", request.method))),
        }
    }

    fn may_fetch(&self, url: &Url) -> bool {
        self.senders.entra.as_ref().is_some_and(|entra| entra.jwks_url == *url)
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn replied(reply: Reply) -> Received {
    Received::Kept(Kept { reply, ..Kept::default() })
}

fn stopped(stop: Stop) -> Received {
    match stop {
        Stop::NotAuthentic(reason) => Received::Refused(Refusal::NotAuthentic(reason)),
        Stop::NeedKey(url) => Received::NeedKey(url),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use bytes::Bytes;
    use http::{HeaderName, HeaderValue, StatusCode};
    use tandem_sdk::doors::KeyRing;

    use super::*;
    use crate::settings::sample;

    const TOPIC: &str = "/subscriptions/s/resourcegroups/R/providers/x/Contoso";

    fn ask(door: &EventsDoor, method: &Method, query: &str, headers: &[(&str, &str)], body: &str) -> Received {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap()));
        door.receive(&Request {
            door: DOOR,
            method,
            query,
            headers: &headers.collect(),
            body: &Bytes::from(body.to_owned()),
            now: "2024-01-01T00:00:00Z".parse().unwrap(),
            keys: &KeyRing::default(),
        })
    }

    fn door(event_grid: &str) -> EventsDoor {
        EventsDoor::new(sample(event_grid).events.unwrap())
    }

    fn by_query() -> EventsDoor {
        door("query = { secrets = ['file:old', 'file:new'] }")
    }

    fn kept(received: Received) -> Kept {
        match received {
            Received::Kept(kept) => kept,
            other => panic!("not kept: {other:?}"),
        }
    }

    fn refusal(received: Received) -> String {
        match received {
            Received::Refused(Refusal::NotAuthentic(reason)) => reason,
            other => panic!("not refused: {other:?}"),
        }
    }

    fn validation(topic: &str) -> String {
        format!(
            r#"[{{"id":"1","topic":"{topic}","eventType":"Microsoft.EventGrid.SubscriptionValidationEvent",
            "data":{{"validationCode":"512d38b6","validationUrl":"https://x:553/"}}}}]"#
        )
    }

    #[test]
    fn a_validation_from_an_allowed_topic_gets_its_code_back() {
        let headers = [("Aeg-Event-Type", "SubscriptionValidation")];
        let kept = kept(ask(&by_query(), &Method::POST, "code=new%20secret", &headers, &validation(TOPIC)));

        assert_eq!(kept.reply.status, StatusCode::OK);
        assert_eq!(kept.reply.headers, [("content-type", "application/json".to_owned())]);
        assert_eq!(kept.reply.body, r#"{"validationResponse":"512d38b6"}"#);
        assert!(kept.envelopes.is_empty());
    }

    #[test]
    fn a_stranger_cannot_subscribe_the_url() {
        let validation_of = |topic: &str, subscription: &str, query: &str| {
            let door = door("subscriptions = ['Tandem']\nquery = { secrets = ['file:old'] }");
            let headers = [("aeg-event-type", "SubscriptionValidation"), ("aeg-subscription-name", subscription)];
            ask(&door, &Method::POST, query, &headers, &validation(topic))
        };
        assert!(refusal(validation_of("/other", "TANDEM", "code=old+secret")).contains("topic"));
        assert!(refusal(validation_of(TOPIC, "other", "code=old+secret")).contains("subscription"));
        assert!(refusal(validation_of(TOPIC, "TANDEM", "code=guess")).contains("query secret"));
        assert_eq!(kept(validation_of(TOPIC, "TANDEM", "code=old+secret")).envelopes, []);
    }

    #[test]
    fn a_validation_that_cannot_be_read_is_kept() {
        let headers = [("aeg-event-type", "SubscriptionValidation")];
        let kept = kept(ask(&by_query(), &Method::POST, "code=old+secret", &headers, "[{}, {}]"));
        assert_eq!((kept.envelopes.len(), kept.reply.body.len()), (2, 0));
    }

    #[test]
    fn the_cloud_events_handshake_is_granted_to_event_grid_alone() {
        let options = |query: &str, headers: &[(&str, &str)]| ask(&by_query(), &Method::OPTIONS, query, headers, "");
        let asked = [("WebHook-Request-Origin", "EventGrid.azure.net"), ("WebHook-Request-Rate", "120")];

        let granted = kept(options("code=old+secret", &asked)).reply;
        assert_eq!(
            granted.headers,
            [
                ("allow", "POST, OPTIONS".to_owned()),
                ("webhook-allowed-origin", "eventgrid.azure.net".to_owned()),
                ("webhook-allowed-rate", "*".to_owned()),
            ]
        );
        for other in [&[][..], &[("webhook-request-origin", "evil.example")][..]] {
            assert_eq!(kept(options("code=old+secret", other)).reply.headers.len(), 1);
        }
        assert_eq!(refusal(options("", &asked)), "the query secret is missing");
    }

    #[test]
    fn the_cloud_events_handshake_may_come_without_headers_but_not_with_wrong_ones() {
        let door = door(
            "headers = [{ name = 'X-Key', secrets = ['file:old'] }]\n\
             [event_grid.entra]\ntenant = '72f988bf-86f1-41af-91ab-2d7cd011db47'\naudiences = ['api://hub']",
        );
        let options = |headers: &[(&str, &str)]| ask(&door, &Method::OPTIONS, "", headers, "");
        assert_eq!(kept(options(&[])).envelopes, []);
        assert_eq!(refusal(options(&[("x-key", "guess")])), "the header x-key is wrong");
        assert_eq!(refusal(options(&[("authorization", "Basic x")])), "authorization is no bearer token");
        assert_eq!(refusal(ask(&door, &Method::POST, "", &[], "[]")), "the header x-key is missing");
        assert_eq!(
            refusal(ask(&door, &Method::POST, "", &[("x-key", "old secret")], "[]")),
            "the bearer token is missing"
        );
    }

    #[test]
    fn a_delivery_is_kept_under_any_content_type_and_any_word_of_event_grid() {
        for (content_type, event_type) in [
            ("application/json", "Notification"),
            ("application/cloudevents+json", "Notification"),
            ("application/cloudevents-batch+json", "SubscriptionDeletion"),
            ("text/plain", "SomethingNew"),
        ] {
            let headers = [("content-type", content_type), ("aeg-event-type", event_type)];
            for body in [r#"[{"id":"1","topic":"t"}]"#, r#"{"id":"1","source":"T/"}"#, "{", "%"] {
                let kept = kept(ask(&by_query(), &Method::POST, "a=b&code=old+secret", &headers, body));
                assert_eq!((kept.envelopes.len(), kept.reply.status), (1, StatusCode::OK), "{body}");
                assert_eq!(kept.envelopes[0].origin, ["query_secret"]);
            }
        }
    }

    #[test]
    fn a_wrong_or_missing_secret_is_refused_whatever_the_body() {
        for query in ["", "code", "code=", "code=guess", "Code=old+secret", "code=guess&code=old+secret"] {
            refusal(ask(&by_query(), &Method::POST, query, &[], "[]"));
        }
    }

    #[test]
    fn the_instance_has_one_door() {
        let mut request = Request {
            door: "other",
            method: &Method::POST,
            query: "",
            headers: &HeaderMap::new(),
            body: &Bytes::new(),
            now: "2024-01-01T00:00:00Z".parse().unwrap(),
            keys: &KeyRing::default(),
        };
        let door = by_query();
        assert_eq!(door.doors(), [("events", 8 << 20)]);
        assert!(matches!(door.receive(&request), Received::Refused(Refusal::NoSuchDoor(name)) if name == "other"));
        (request.door, request.method) = (DOOR, &Method::PUT);
        assert!(matches!(door.receive(&request), Received::Refused(Refusal::NoSuchDoor(_))));
    }
}
