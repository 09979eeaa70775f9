//! The doors of this adapter, put through the sdk's kit; and what its fixtures are decoded to.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::HeaderMap;
use tandem_amazon_connect::KIND;
use tandem_sdk::conformance::{Check, Credential, Delivery, Sample, Subject, Understood, Waiver, failures};
use tandem_sdk::doors::{Context, Decoded, Doors, Envelope, KeyRing};
use tandem_sdk::mapping::flatten;
use tandem_sdk::model::InstanceName;

#[path = "../src/receive/forge.rs"]
mod forge;

const CONTACTS: &str = "contacts";
const CHAT: &str = "chat";

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn doors() -> Doors {
    // A second test in the same process finds it installed.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key"), "an api key").unwrap();
    let settings = format!(
        "region = 'eu-central-1'\ninstance_id = '0a1b2c3d-0000-4000-8000-000000000001'\n\
         eventbridge.api_key = {{ header = 'x-api-key', secrets = ['file:key'] }}\nsns.topics = ['{}']",
        forge::TOPIC
    );
    let context = Context {
        instance: InstanceName::from("connect"),
        base: folder.path(),
        mappings: &repository().join("mappings"),
        http: reqwest::Client::new(),
        trust: &[forge::root()],
    };
    (KIND.build)(settings.parse().unwrap(), &context).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// Every fixture of ours and every example of the mappings.
fn samples() -> Vec<Sample> {
    let folders =
        [Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures"), repository().join("mappings/amazon-connect/examples")];
    let mut samples = Vec::new();
    for folder in folders {
        for file in std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()) {
            if file.extension().is_some_and(|extension| extension == "json") {
                let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
                let understood = match name.as_str() {
                    "contact-kind-of-tomorrow"
                    | "chat-kind-of-tomorrow"
                    | "chat-no-chat"
                    | "chat-passes-for-contact" => Understood::Unknown,
                    "contact-without-id" | "contact-detail-without-time" | "chat-message-without-contact" => {
                        Understood::Malformed
                    }
                    "contact-paused"
                    | "contact-amd-disabled"
                    | "contact-lens"
                    | "chat-attachment-held"
                    | "chat-typing"
                    | "chat-receipt"
                    | "chat-presence"
                    | "chat-invited"
                    | "chat-acknowledged"
                    | "sns-subscription" => Understood::Ignored,
                    _ => Understood::Facts,
                };
                let door = if name.starts_with("contact") { CONTACTS } else { CHAT };
                samples.push(Sample { name, door, body: std::fs::read(&file).unwrap().into(), understood });
            }
        }
    }
    samples.sort_by(|one, other| one.name.cmp(&other.name));
    samples
}

#[test]
fn the_doors_conform() {
    let doors = doors();
    let samples = samples();
    let queued = samples.iter().find(|sample| sample.name == "contact-queued").unwrap();
    let contact = Delivery {
        name: "a contact event".to_owned(),
        door: CONTACTS,
        query: String::new(),
        headers: HeaderMap::from_iter([("x-api-key".parse().unwrap(), "an api key".parse().unwrap())]),
        body: queued.body.clone(),
        now: "2024-05-21T14:00:04Z".parse().unwrap(),
        keys: KeyRing::default(),
        credential: Credential::Header("x-api-key"),
    };
    let chat = Delivery {
        name: "a chat message".to_owned(),
        door: CHAT,
        query: String::new(),
        headers: HeaderMap::new(),
        body: Bytes::from(serde_json::to_vec(&forge::message("Notification")).unwrap()),
        now: forge::NOW.parse().unwrap(),
        keys: forge::ring(&[(forge::CERTIFICATE, forge::Leaf::default().pem()), (forge::LINK, forge::link())]),
        credential: Credential::Body,
    };
    let subject = Subject {
        receive: doors.receive.as_deref(),
        decode: doors.decode.as_deref().unwrap(),
        deliveries: vec![contact, chat],
        twins: vec![
            ("contact-connected-to-agent", "contact-pascal-case"),
            ("contact-connected-to-agent", "contact-mixed-case"),
            ("contact-connected-to-agent", "contact-detail-alone"),
        ],
        waivers: vec![
            Waiver {
                check: Check::TamperedBody,
                name: "a contact event",
                reason: "EventBridge signs nothing: whoever has the credential may say anything",
            },
            Waiver {
                check: Check::Stale,
                name: "a contact event",
                reason: "an EventBridge delivery carries no time that is proven; it is retried for a day",
            },
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
            door: sample.door.to_owned(),
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
fn a_contact_of_another_instance_is_not_taken() {
    let decode = doors().decode.unwrap();
    let sample = samples().into_iter().find(|sample| sample.name == "contact-queued").unwrap();
    let body = String::from_utf8(sample.body.to_vec()).unwrap();
    let decoded = |body: String| {
        let (dedupe, origin) = (vec!["sample".to_owned()], vec!["api_key".to_owned()]);
        decode.decode(&Envelope { door: CONTACTS.to_owned(), kind: None, dedupe, origin, body: body.into() })
    };
    assert!(matches!(decoded(body.clone()), Decoded::Facts(_)));
    let staging = body.replace("0A1B2C3D-0000-4000-8000-000000000001", "0A1B2C3D-0000-4000-8000-0000000000FF");
    assert_ne!(staging, body);
    assert_eq!(decoded(staging), Decoded::Ignored { reason: "another Connect instance".to_owned(), unknown: false });
}
