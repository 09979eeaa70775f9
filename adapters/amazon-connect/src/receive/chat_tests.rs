//! Every way in which an SNS message can be wrong, and what comes of it.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tandem_sdk::doors::{Kept, KeyRing, Received, Refusal, Request};

use super::chat::{CHAT, ChatDoor};
use super::forge::{CERTIFICATE, LINK, Leaf, NOW, TOPIC, link, message, ring, root, sign_as};
use super::{Trust, Webhooks};
use crate::settings::CheckedSns;
use crate::topic::Topic;

const NOTIFICATION: &str = "Notification";
const SUBSCRIPTION: &str = "SubscriptionConfirmation";
const UNSUBSCRIPTION: &str = "UnsubscribeConfirmation";

fn door(change: impl FnOnce(&mut CheckedSns)) -> ChatDoor {
    let mut sns = CheckedSns {
        topics: vec![Topic::parse(TOPIC).unwrap()],
        sha1: false,
        sha256: true,
        freshness: Duration::from_secs(3_600),
        accept_unchained: false,
    };
    change(&mut sns);
    let trust = if sns.accept_unchained { Trust::Unchained } else { Trust::chained(&[root()]).unwrap() };
    ChatDoor::new(sns, trust)
}

fn ask_at(door: &ChatDoor, body: &[u8], keys: &KeyRing, now: &str) -> Received {
    door.receive(&Request {
        door: CHAT,
        method: &Method::POST,
        query: "",
        headers: &HeaderMap::new(),
        body: &Bytes::copy_from_slice(body),
        now: now.parse().unwrap(),
        keys,
    })
}

fn keys() -> KeyRing {
    ring(&[(CERTIFICATE, Leaf::default().pem()), (LINK, link())])
}

fn text(message: &Map<String, Value>) -> Vec<u8> {
    serde_json::to_vec(message).unwrap()
}

fn ask(message: &Map<String, Value>) -> Received {
    ask_at(&door(|_| ()), &text(message), &keys(), NOW)
}

fn kept(received: Received) -> Kept {
    match received {
        Received::Kept(kept) => kept,
        other => panic!("not kept: {other:?}"),
    }
}

fn refused(received: &Received) -> &str {
    match received {
        Received::Refused(Refusal::NotAuthentic(why)) => why,
        other => panic!("not refused: {other:?}"),
    }
}

fn with(kind: &str, change: impl FnOnce(&mut Map<String, Value>)) -> Map<String, Value> {
    let mut changed = message(kind);
    change(&mut changed);
    sign_as(&mut changed, kind);
    changed
}

#[test]
fn a_notification_is_kept_without_anything_secret() {
    let kept = kept(ask(&message(NOTIFICATION)));
    let [envelope] = &kept.envelopes[..] else { panic!("one envelope expected") };
    assert_eq!(envelope.kind.as_deref(), Some("MESSAGE"));
    assert_eq!(envelope.origin, ["sns_signature_v2"]);
    assert_eq!(envelope.dedupe, ["item/c1/MESSAGE/m1", "sns/22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324"]);
    let body: Map<String, Value> = serde_json::from_slice(&envelope.body).unwrap();
    let mut names: Vec<&str> = body.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["Message", "MessageAttributes", "MessageId", "Timestamp", "TopicArn", "Type"]);
    assert_eq!(body["Message"], message(NOTIFICATION)["Message"]);
}

#[test]
fn a_message_inside_its_window_comes_again_with_the_same_keys() {
    let first = kept(ask(&message(NOTIFICATION))).envelopes.remove(0);
    let again = ask_at(&door(|_| ()), &text(&message(NOTIFICATION)), &keys(), "2026-06-01T13:04:00Z");
    assert_eq!(kept(again).envelopes.remove(0), first);
}

#[test]
fn a_confirmation_is_asked_for_and_its_address_is_kept_nowhere_else() {
    let kept = kept(ask(&message(SUBSCRIPTION)));
    assert!(kept.envelopes.is_empty());
    let [(topic, url)] = &kept.confirm[..] else { panic!("one confirmation expected") };
    assert_eq!(topic, TOPIC);
    assert!(url.reveal().ends_with("&Token=tok"));
}

#[test]
fn a_confirmation_that_leads_elsewhere_is_refused_even_if_signed() {
    let elsewhere = with(SUBSCRIPTION, |m| {
        m.insert("SubscribeURL".into(), json!("https://169.254.169.254/?Action=ConfirmSubscription"));
    });
    assert_eq!(refused(&ask(&elsewhere)), "the SubscribeURL is not of this topic");
}

#[test]
fn the_end_of_a_subscription_is_kept_as_a_warning_and_never_renewed_by_itself() {
    let mut by_validator = message(UNSUBSCRIPTION);
    sign_as(&mut by_validator, "UnsubscribeConfirmation by the validator");
    for message in [message(UNSUBSCRIPTION), by_validator] {
        let kept = kept(ask(&message));
        assert!(kept.confirm.is_empty());
        let [envelope] = &kept.envelopes[..] else { panic!("one envelope expected") };
        assert_eq!(envelope.kind.as_deref(), Some(UNSUBSCRIPTION));
        let body = String::from_utf8(envelope.body.to_vec()).unwrap();
        assert!(!body.contains("tok\"") && !body.contains("ConfirmSubscription"), "{body}");
    }
}

#[test]
fn a_change_to_any_signed_field_is_refused() {
    for kind in [NOTIFICATION, SUBSCRIPTION, UNSUBSCRIPTION] {
        let signed: &[&str] = match kind {
            NOTIFICATION => &["Message", "MessageId", "Timestamp"],
            _ => &["Message", "MessageId", "Timestamp", "Token", "SubscribeURL"],
        };
        for name in signed {
            let mut changed = message(kind);
            let value = changed[*name].as_str().unwrap();
            let value = if *name == "Timestamp" { value.replace(".500Z", ".501Z") } else { format!("{value}x") };
            changed.insert((*name).to_owned(), value.into());
            assert_eq!(refused(&ask(&changed)), "the signature does not fit", "{kind} {name}");
        }
        let mut retyped = message(kind);
        retyped.insert("Type".into(), if kind == SUBSCRIPTION { UNSUBSCRIPTION } else { SUBSCRIPTION }.into());
        assert_eq!(refused(&ask(&retyped)), "the signature does not fit", "{kind} Type");
        let mut subject = message(NOTIFICATION);
        subject.insert("Subject".into(), "added".into());
        assert_eq!(refused(&ask(&subject)), "the signature does not fit");
    }
}

#[test]
fn a_subject_is_signed_where_there_is_one() {
    kept(ask(&with(NOTIFICATION, |m| {
        m.insert("Subject".into(), "Hello".into());
    })));
}

#[test]
fn what_is_not_signed_may_change() {
    for (name, value) in [
        ("MessageAttributes", json!({"MessageVisibility": {"Type": "String", "Value": "CUSTOMER"}})),
        ("MessageAttributes", json!("nonsense")),
        ("UnsubscribeURL", json!("https://example.com/")),
        ("Unknown", json!({"deep": [1, 2, 3]})),
    ] {
        let mut changed = message(NOTIFICATION);
        changed.insert(name.to_owned(), value);
        kept(ask(&changed));
    }
}

#[test]
fn attributes_nested_beyond_reason_are_left_out() {
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    let body = String::from_utf8(text(&message(NOTIFICATION))).unwrap();
    let start = body.find(r#""MessageAttributes":"#).unwrap() + r#""MessageAttributes":"#.len();
    let end = start + body[start..].find("}}").unwrap() + 2;
    let body = format!("{}{deep}{}", &body[..start], &body[end..]);
    let kept = kept(ask_at(&door(|_| ()), body.as_bytes(), &keys(), NOW));
    assert!(!String::from_utf8(kept.envelopes[0].body.to_vec()).unwrap().contains("MessageAttributes"));
}

#[test]
fn an_authentic_message_that_cannot_be_read_is_kept() {
    for inside in ["", "plain words", "[[[", r#"{"Id":7}"#, r#"{"Id":"m1"}"#] {
        let kept = kept(ask(&with(NOTIFICATION, |m| {
            m.insert("Message".into(), inside.into());
        })));
        assert_eq!(kept.envelopes[0].dedupe, ["sns/22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324"], "{inside}");
    }
}

#[test]
fn a_file_that_was_looked_at_in_the_meantime_is_told_again() {
    let item = |status: &str| {
        let item = json!({"Id": "m1", "ContactId": "c1", "Type": "ATTACHMENT", "Attachments": [{"Status": status}]});
        let mut kept = kept(ask(&with(NOTIFICATION, |m| {
            m.insert("Message".into(), item.to_string().into());
        })));
        kept.envelopes.remove(0).dedupe.remove(0)
    };
    assert_ne!(item("IN_PROGRESS"), item("APPROVED"));
}

#[test]
fn what_is_positively_wrong_is_refused_before_anything_is_fetched() {
    let cases: [(&str, Value, &str); 14] = [
        ("TopicArn", json!("arn:aws:sns:eu-central-1:111122223333:other"), "the topic is not one of sns.topics"),
        ("TopicArn", json!(7), "not a signed SNS message"),
        ("Type", json!("Surprise"), "no type that SNS has"),
        ("SignatureVersion", json!("1"), "the signature version is not one of sns.signature_versions"),
        ("SignatureVersion", json!("3"), "the signature version is not one of sns.signature_versions"),
        ("SignatureVersion", json!(2), "not a signed SNS message"),
        ("Timestamp", json!("2026-06-01T10:54:59Z"), "the message is older than sns.freshness"),
        ("Timestamp", json!("2012-05-02T00:54:06.655Z"), "the message is older than sns.freshness"),
        ("Timestamp", json!("2026-06-01T12:05:01Z"), "the message is from the future"),
        ("Timestamp", json!("yesterday"), "the timestamp is no time"),
        ("SigningCertURL", json!("https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0a.pem"), CERT_HOST),
        ("SigningCertURL", json!("https://s3.amazonaws.com/SimpleNotificationService-0a.pem"), CERT_HOST),
        (
            "SigningCertURL",
            json!("https://sns.eu-central-1.amazonaws.com:8443/SimpleNotificationService-0a.pem"),
            CERT_HOST,
        ),
        ("SigningCertURL", json!("http://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0a.pem"), CERT_HOST),
    ];
    for (name, value, why) in cases {
        let mut changed = message(NOTIFICATION);
        changed.insert(name.to_owned(), value.clone());
        let received = ask_at(&door(|_| ()), &text(&changed), &KeyRing::default(), NOW);
        assert_eq!(refused(&received), why, "{name} {value}");
    }
    for name in
        ["Type", "MessageId", "TopicArn", "Message", "Timestamp", "SignatureVersion", "Signature", "SigningCertURL"]
    {
        let mut changed = message(NOTIFICATION);
        changed.remove(name);
        let received = ask_at(&door(|_| ()), &text(&changed), &KeyRing::default(), NOW);
        assert_eq!(refused(&received), "not a signed SNS message", "without {name}");
    }
}

const CERT_HOST: &str = "the certificate is not at the SNS host of the topic's region";

#[test]
fn what_is_no_message_is_refused() {
    let good = String::from_utf8(text(&message(NOTIFICATION))).unwrap();
    let twice = good.replacen('{', r#"{"Message":"other","#, 1);
    let deep = "[".repeat(5_000);
    for body in [&b""[..], b"{", b"[]", b"null", b"\xff\xfe", deep.as_bytes(), twice.as_bytes()] {
        assert_eq!(refused(&ask_at(&door(|_| ()), body, &keys(), NOW)), "not a signed SNS message");
    }
}

#[test]
fn a_signature_that_is_none_is_refused() {
    for signature in ["", "???", "AAAA", "EXAMPLEw6JRN"] {
        let mut changed = message(NOTIFICATION);
        changed.insert("Signature".into(), signature.into());
        assert_eq!(refused(&ask(&changed)), "the signature does not fit", "{signature}");
    }
}

#[test]
fn raw_delivery_and_other_methods_are_refused() {
    let door = door(|_| ());
    let (body, keys) = (Bytes::from(text(&message(NOTIFICATION))), keys());
    let raw = HeaderMap::from_iter([(HeaderName::from_static("x-amz-sns-rawdelivery"), "true".parse().unwrap())]);
    for (method, headers) in [(Method::POST, raw), (Method::OPTIONS, HeaderMap::new())] {
        let now = NOW.parse().unwrap();
        let request =
            Request { door: CHAT, method: &method, query: "", headers: &headers, body: &body, now, keys: &keys };
        refused(&door.receive(&request));
    }
}

#[test]
fn signature_version_1_works_where_it_is_pinned() {
    let old = with(NOTIFICATION, |m| {
        m.insert("SignatureVersion".into(), "1".into());
    });
    let door = door(|sns| (sns.sha1, sns.sha256) = (true, false));
    let kept = kept(ask_at(&door, &text(&old), &keys(), NOW));
    assert_eq!(kept.envelopes[0].origin, ["sns_signature_v1"]);
    refused(&ask_at(&door, &text(&message(NOTIFICATION)), &keys(), NOW));
}

#[test]
fn a_certificate_that_nobody_fetched_yet_is_asked_for_and_then_the_links_of_its_chain() {
    let (door, body) = (door(|_| ()), text(&message(NOTIFICATION)));
    let needs = |keys: &KeyRing| match ask_at(&door, &body, keys, NOW) {
        Received::NeedKey(url) => url.to_string(),
        other => panic!("needs nothing: {other:?}"),
    };
    assert_eq!(needs(&KeyRing::default()), CERTIFICATE);
    assert_eq!(needs(&ring(&[(CERTIFICATE, Leaf::default().pem())])), LINK);
    kept(ask_at(&door, &body, &keys(), NOW));
    let whole = Leaf { with_link: true, issuer_at: None, ..Leaf::default() };
    kept(ask_at(&door, &body, &ring(&[(CERTIFICATE, whole.pem())]), NOW));
    // Somebody else answered in place of SNS: what is on the ring is no good and is asked for again.
    assert_eq!(needs(&ring(&[(CERTIFICATE, Bytes::from_static(b"<html>sign in</html>"))])), CERTIFICATE);
}

#[test]
fn a_certificate_that_is_not_of_sns_is_refused() {
    let cases = [
        (Leaf { name: "evil.example", ..Leaf::default() }, "is not one of SNS"),
        (Leaf { name: "sns.us-east-1.amazonaws.com", ..Leaf::default() }, "is not one of SNS"),
        (Leaf { name: "sns.amazonaws.com.evil.example", ..Leaf::default() }, "is not one of SNS"),
        (Leaf { years: (2020, 2026), ..Leaf::default() }, "is not valid now"),
        (Leaf { years: (2027, 2028), ..Leaf::default() }, "is not valid now"),
        (Leaf { rsa: false, ..Leaf::default() }, "has no RSA key"),
        (
            Leaf { ours: false, issuer_at: None, ..Leaf::default() },
            "no chain to a trusted authority: invalid peer certificate: UnknownIssuer",
        ),
        (
            Leaf { issuer_at: Some("http://169.254.169.254/a.cer"), ..Leaf::default() },
            "no chain to a trusted authority",
        ),
    ];
    for (leaf, why) in cases {
        let keys = ring(&[(CERTIFICATE, leaf.pem()), (LINK, link())]);
        let received = ask_at(&door(|_| ()), &text(&message(NOTIFICATION)), &keys, NOW);
        assert!(refused(&received).contains(why), "{why}: {}", refused(&received));
    }
}

#[test]
fn a_link_that_does_not_fit_is_asked_for_again_and_nothing_gets_in() {
    let stranger = Leaf { ours: false, ..Leaf::default() }.pem();
    let good = Leaf::default().pem();
    for (leaf, link) in [
        (stranger, link()),
        (good.clone(), Bytes::from_static(b"<html>sign in</html>")),
        (good.clone(), Leaf::default().pem()),
        (good, Bytes::new()),
    ] {
        let keys = ring(&[(CERTIFICATE, leaf), (LINK, link)]);
        match ask_at(&door(|_| ()), &text(&message(NOTIFICATION)), &keys, NOW) {
            Received::NeedKey(url) => assert_eq!(url.as_str(), LINK),
            other => panic!("needs nothing: {other:?}"),
        }
    }
}

#[test]
fn the_certificate_of_a_region_that_is_opted_into_fits() {
    for name in ["sns.eu-central-1.amazonaws.com", "sns-signing.eu-central-1.amazonaws.com"] {
        let keys = ring(&[(CERTIFICATE, Leaf { name, ..Leaf::default() }.pem()), (LINK, link())]);
        kept(ask_at(&door(|_| ()), &text(&message(NOTIFICATION)), &keys, NOW));
    }
}

#[test]
fn without_a_chain_only_on_request() {
    let keys = ring(&[(CERTIFICATE, Leaf { ours: false, ..Leaf::default() }.pem())]);
    let body = text(&message(NOTIFICATION));
    kept(ask_at(&door(|sns| sns.accept_unchained = true), &body, &keys, NOW));
}

#[test]
fn only_certificates_may_be_fetched() {
    let webhooks = Webhooks { contacts: None, chat: Some(door(|_| ())) };
    let may = |url: &str| tandem_sdk::doors::Receive::may_fetch(&webhooks, &url.parse().unwrap());
    assert!(may(CERTIFICATE) && may(LINK));
    assert!(!may("https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription"));
    assert!(!may("https://example.com/") && !may("http://127.0.0.1/"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_truncated_or_flipped_message_gets_in(at in 0_usize..2_000, flip in 1_u8..=255) {
        let body = text(&message(NOTIFICATION));
        let at = at % body.len();
        prop_assert!(!matches!(ask_at(&door(|_| ()), &body[..at], &keys(), NOW), Received::Kept(_)));
        let mut flipped = body;
        flipped[at] ^= flip;
        if let Received::Kept(kept) = ask_at(&door(|_| ()), &flipped, &keys(), NOW) {
            // Only what is not signed can have changed.
            let kept: Value = serde_json::from_slice(&kept.envelopes[0].body).unwrap();
            for name in ["Message", "MessageId", "Timestamp", "TopicArn", "Type"] {
                prop_assert_eq!(&kept[name], &message(NOTIFICATION)[name]);
            }
        }
    }
}
