//! The doors of this adapter, put through the sdk's kit; and what its fixtures are decoded to.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::HeaderMap;
use tandem_azure_communication::KIND;
use tandem_sdk::conformance::{Check, Credential, Delivery, Sample, Subject, Understood, Waiver, failures};
use tandem_sdk::doors::{Context, Decoded, Doors, Envelope, KeyRing};
use tandem_sdk::mapping::flatten;
use tandem_sdk::model::InstanceName;
use tandem_sdk::sim::Authority;

const DOOR: &str = "events";

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn doors() -> Doors {
    doors_with("endpoint = 'https://example.communication.azure.com'\naccess_key = 'file:access'", "")
}

fn doors_with(resource: &str, grid: &str) -> Doors {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("access"), "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=").unwrap();
    std::fs::write(folder.path().join("query"), "cXVlcnkgc2VjcmV0").unwrap();
    let connection =
        "endpoint=https://example.communication.azure.com/;accesskey=MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    std::fs::write(folder.path().join("connection"), connection).unwrap();
    let settings = format!(
        "{resource}\nhub_address = '8:acs:resource_hub'\n[event_grid]\nsubscriptions = ['tandem']\n\
         query.secrets = ['file:query']\n{grid}"
    );
    let client = reqwest::Client::builder();
    let authority = Authority::open(folder.path()).unwrap();
    let context = Context {
        instance: InstanceName::from("acs"),
        base: folder.path(),
        mappings: &repository().join("mappings"),
        http: authority.trusted_by(client).unwrap().build().unwrap(),
        trust: &[],
    };
    (KIND.build)(settings.parse().unwrap(), &context).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// Every fixture of ours and every example of the mappings.
fn samples() -> Vec<Sample> {
    let folders = [
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures"),
        repository().join("mappings/azure-communication/examples"),
    ];
    let mut samples = Vec::new();
    for folder in folders {
        for file in std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()) {
            if file.extension().is_some_and(|extension| extension == "json") {
                let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
                let understood = match name.as_str() {
                    "kind-of-tomorrow" | "sms-received" => Understood::Unknown,
                    "message-without-thread" => Understood::Malformed,
                    "typing" | "bot-command" | "subscription-deleted" => Understood::Ignored,
                    _ => Understood::Facts,
                };
                samples.push(Sample { name, door: DOOR, body: std::fs::read(&file).unwrap().into(), understood });
            }
        }
    }
    samples.sort_by(|one, other| one.name.cmp(&other.name));
    samples
}

fn delivery(name: &str, samples: &[&Sample]) -> Delivery {
    let events: Vec<_> = samples.iter().map(|sample| String::from_utf8_lossy(&sample.body).into_owned()).collect();
    Delivery {
        name: name.to_owned(),
        door: DOOR,
        query: "code=cXVlcnkgc2VjcmV0".to_owned(),
        headers: HeaderMap::from_iter([("aeg-event-type".parse().unwrap(), "Notification".parse().unwrap())]),
        body: Bytes::from(format!("[{}]", events.join(","))),
        now: "2024-05-21T14:00:01Z".parse().unwrap(),
        keys: KeyRing::default(),
        credential: Credential::Query,
    }
}

#[test]
fn the_doors_conform() {
    let doors = doors();
    let samples = samples();
    let named = |name: &str| samples.iter().find(|sample| sample.name == name).unwrap();
    let unsigned = "Event Grid signs no payload: whoever has the credential may say anything";
    let timeless = "an Event Grid delivery carries no time that is proven; it is retried for a day";
    let subject = Subject {
        receive: doors.receive.as_deref(),
        decode: doors.decode.as_deref().unwrap(),
        deliveries: vec![
            delivery("one event", &[named("message-in-thread")]),
            delivery("a batch", &[named("message-for-user"), named("typing"), named("kind-of-tomorrow")]),
        ],
        twins: vec![
            ("message-in-thread", "message-for-user"),
            ("message-edited", "message-edited-for-user"),
            ("message-deleted", "message-deleted-for-user"),
            ("thread-created", "thread-created-for-user"),
            ("thread-created-for-user", "thread-created-first-release"),
            ("thread-deleted", "thread-deleted-for-user"),
            ("thread-updated", "thread-updated-for-user"),
            ("participant-added", "participant-added-for-user"),
            ("participant-added-for-user", "member-added"),
            ("participant-removed", "participant-removed-for-user"),
            ("participant-removed-for-user", "member-removed"),
        ],
        waivers: vec![
            Waiver { check: Check::TamperedBody, name: "one event", reason: unsigned },
            Waiver { check: Check::TamperedBody, name: "a batch", reason: unsigned },
            Waiver { check: Check::Stale, name: "one event", reason: timeless },
            Waiver { check: Check::Stale, name: "a batch", reason: timeless },
        ],
        samples: samples.clone(),
    };
    let failures = failures(&subject);
    assert!(failures.is_empty(), "{}", failures.iter().map(|failure| format!("\n{failure}")).collect::<String>());
}

#[test]
fn fixtures_are_decoded_to_these_facts() {
    let doors = doors();
    let decode = doors.decode.unwrap();
    let mut text = String::new();
    for sample in samples() {
        let envelope = Envelope {
            door: DOOR.to_owned(),
            kind: None,
            dedupe: vec!["sample".to_owned()],
            origin: vec!["sample".to_owned()],
            body: sample.body,
        };
        text.push_str(&format!("## {}\n", sample.name));
        match decode.decode(&envelope) {
            Decoded::Facts(facts) => {
                for (field, value) in facts.iter().flat_map(flatten) {
                    text.push_str(&format!("{field}: {value}\n"));
                }
            }
            other => text.push_str(&format!("{other:?}\n")),
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn where_topics_are_configured_an_event_of_another_one_is_not_understood() {
    let topic = "/subscriptions/S/resourceGroups/r/providers/Microsoft.Communication/CommunicationServices/Contoso";
    let decode = doors_with("connection = 'file:connection'", &format!("topics = ['{topic}/']")).decode.unwrap();
    let sample = samples().into_iter().find(|sample| sample.name == "message-in-thread").unwrap();
    let event: serde_json::Value = serde_json::from_slice(&sample.body).unwrap();
    let decoded = |topic: Option<&str>, source: Option<&str>| {
        let mut event = event.clone();
        let fields = event.as_object_mut().unwrap();
        fields.remove("topic");
        for (name, value) in [("topic", topic), ("source", source)] {
            fields.extend(value.map(|value| (name.to_owned(), value.into())));
        }
        let (dedupe, origin) = (vec!["sample".to_owned()], vec!["query_secret".to_owned()]);
        let body = event.to_string().into();
        decode.decode(&Envelope { door: DOOR.to_owned(), kind: None, dedupe, origin, body })
    };
    let staging = topic.replace("Contoso", "contoso-staging");
    assert!(matches!(decoded(Some(&topic.to_lowercase()), None), Decoded::Facts(_)));
    assert!(matches!(decoded(None, Some(topic)), Decoded::Facts(_)));
    // What `recall` makes of a list has no topic.
    assert!(matches!(decoded(None, None), Decoded::Facts(_)));
    let foreign = Decoded::Malformed { problem: "its topic is not one of event_grid.topics".to_owned() };
    assert_eq!(decoded(Some(&staging), None), foreign);
    assert_eq!(decoded(None, Some(&staging)), foreign);
    assert_eq!(decoded(Some(topic), Some(&staging)), foreign);
}

#[test]
fn the_endpoint_is_known_however_the_settings_name_it() {
    let endpoint = |resource| doors_with(resource, "").traits.endpoint;
    let expected = Some("https://example.communication.azure.com".to_owned());
    assert_eq!(endpoint("connection = 'file:connection'"), expected);
    assert_eq!(endpoint("endpoint = 'https://example.communication.azure.com/'\naccess_key = 'file:access'"), expected);
}
