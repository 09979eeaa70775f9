//! The kit finds what an adapter does wrong, and a waiver that is not needed.
#![cfg(feature = "conformance")]

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use jiff::Timestamp;
use tandem_sdk::conformance::{Check, Credential, Delivery, Sample, Subject, Understood, Waiver, failures};
use tandem_sdk::doors::{Decode, Decoded, Envelope, Kept, KeyRing, Receive, Received, Refusal, Reply, Request};
use tandem_sdk::model::{Fact, FactKind, LegRef};
use url::Url;

const NOW: Timestamp = Timestamp::constant(1_716_300_000, 0);

/// Does everything right, or one thing wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Adapter {
    Right,
    BelievesEverybody,
    KeepsTheCredential,
    ForgetsDedupe,
    DrawsAtRandom,
    KnowsEveryDoor,
    Panics,
    RefusesUnknownFields,
    HasNoKey,
    CallsRubbishFacts,
}

impl Receive for Adapter {
    fn doors(&self) -> Vec<(&'static str, usize)> {
        vec![("in", 1024)]
    }

    fn receive(&self, request: &Request<'_>) -> Received {
        if request.door != "in" && *self != Adapter::KnowsEveryDoor {
            return Received::Refused(Refusal::NoSuchDoor(request.door.to_owned()));
        }
        let credential = request.headers.get("x-key").and_then(|value| value.to_str().ok());
        let late = request.now.duration_since(NOW).unsigned_abs() > Duration::from_secs(3_600);
        let genuine = credential == Some("hunter2") && request.body.ends_with(b"signed\"}") && !late;
        if !genuine && *self != Adapter::BelievesEverybody {
            return Received::Refused(Refusal::NotAuthentic("no".to_owned()));
        }
        let mut dedupe = vec![format!("{:?}", request.body)];
        match self {
            Adapter::KeepsTheCredential => dedupe.push("hunter2".to_owned()),
            Adapter::ForgetsDedupe => dedupe.clear(),
            Adapter::DrawsAtRandom => dedupe.push(request.now.to_string()),
            _ => {}
        }
        let envelope = Envelope {
            door: "in".to_owned(),
            kind: None,
            dedupe,
            origin: vec!["header".to_owned()],
            body: request.body.clone(),
        };
        Received::Kept(Kept { envelopes: vec![envelope], confirm: Vec::new(), reply: Reply::default() })
    }

    fn may_fetch(&self, _url: &Url) -> bool {
        false
    }
}

impl Decode for Adapter {
    fn decode(&self, envelope: &Envelope) -> Decoded {
        let event = serde_json::from_slice::<serde_json::Value>(&envelope.body);
        if event.is_err() && *self == Adapter::Panics {
            panic!("rubbish");
        }
        let leg = LegRef { system: "s".into(), account: "a".into(), kind: "k".into(), native: "n".into() };
        let key = if *self == Adapter::HasNoKey { "" } else { "key" };
        let fact = Fact::new(FactKind::LegUpdated, leg, NOW, key);
        match event {
            Err(_) if *self == Adapter::CallsRubbishFacts => Decoded::Facts(vec![fact]),
            Err(problem) => Decoded::Malformed { problem: problem.to_string() },
            Ok(event) if *self == Adapter::RefusesUnknownFields && event.get("unheardOf").is_some() => {
                Decoded::Malformed { problem: "unheard of".to_owned() }
            }
            Ok(_) => Decoded::Facts(vec![fact]),
        }
    }

    fn version(&self) -> &str {
        "1"
    }
}

fn subject(adapter: &Adapter, waivers: Vec<Waiver>) -> Subject<'_> {
    let body = Bytes::from_static(b"{\"who\":\"signed\"}");
    // The last bytes are what the test adapter calls a signature; the rest it does not check.
    Subject {
        receive: Some(adapter),
        decode: adapter,
        deliveries: vec![Delivery {
            name: "delivery".to_owned(),
            door: "in",
            query: String::new(),
            headers: HeaderMap::from_iter([(
                http::HeaderName::from_static("x-key"),
                http::HeaderValue::from_static("hunter2"),
            )]),
            body: Bytes::from_static(b"signed\"}"),
            now: NOW,
            keys: KeyRing::default(),
            credential: Credential::Header("x-key"),
        }],
        samples: vec![Sample { name: "sample".to_owned(), door: "in", body, understood: Understood::Facts }],
        twins: vec![("sample", "sample")],
        waivers,
    }
}

fn failed(adapter: Adapter) -> Vec<Check> {
    failures(&subject(&adapter, Vec::new())).into_iter().map(|failure| failure.check).collect()
}

#[test]
fn each_wrong_is_found_and_right_passes() {
    for (adapter, checks) in [
        (Adapter::Right, vec![]),
        (Adapter::BelievesEverybody, vec![Check::TamperedBody, Check::TamperedCredential, Check::Stale]),
        (Adapter::KeepsTheCredential, vec![Check::CredentialStripped]),
        (Adapter::ForgetsDedupe, vec![Check::Kept, Check::DamagedDelivery]),
        (Adapter::DrawsAtRandom, vec![Check::Duplicate]),
        (Adapter::KnowsEveryDoor, vec![Check::UnknownDoor]),
        (Adapter::Panics, vec![Check::DamagedEvent]),
        (Adapter::RefusesUnknownFields, vec![Check::UnknownField]),
        (Adapter::HasNoKey, vec![Check::Facts, Check::DamagedEvent]),
        (Adapter::CallsRubbishFacts, vec![Check::DamagedEvent]),
    ] {
        assert_eq!(failed(adapter), checks);
    }
}

#[test]
fn a_waiver_covers_its_failure_and_nothing_else_and_a_stale_one_fails() {
    let waiver = |check, name| Waiver { check, name, reason: "the vendor signs nothing" };
    let failed = |adapter: Adapter, waivers| {
        failures(&subject(&adapter, waivers)).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let needed = vec![waiver(Check::UnknownDoor, "delivery")];
    assert_eq!(failed(Adapter::KnowsEveryDoor, needed.clone()), Vec::<String>::new());
    assert_eq!(failed(Adapter::Right, needed), ["UnknownDoor of delivery: holds although it is waived"]);
    assert_eq!(
        failed(Adapter::Right, vec![waiver(Check::Stale, "no such delivery")]),
        ["Stale of no such delivery: waiver 0 is for nothing that was checked"]
    );
}
