//! What the cloud pushes: signed, retried, sometimes twice.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::{Value, json};
use tandem_sdk::sim::Fault;

use super::world::{GOLD, TOPIC, World, item_of, until};

#[tokio::test]
async fn notifications_are_signed_by_the_certificate_that_they_name() {
    for version in [1, 2] {
        let world = World::with(|settings| settings["sns"]["signature_version"] = json!(version)).await;
        let message = world.notification(|body| body["Type"] == "SubscriptionConfirmation").await;
        let mut text = String::new();
        for key in ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"] {
            text.push_str(&format!("{key}\n{}\n", message[key].as_str().unwrap()));
        }
        assert_eq!(message["SignatureVersion"], version.to_string());
        verify(&world, &message, &text, version).await;

        let (headers, _) = world.inbox.notifications.lock().unwrap()[0].clone();
        assert_eq!(headers["content-type"], "text/plain; charset=UTF-8");
        assert_eq!(headers["x-amz-sns-message-type"], "SubscriptionConfirmation");
        assert_eq!(headers["x-amz-sns-topic-arn"], TOPIC);
        assert!(headers.get("x-amz-sns-subscription-arn").is_none());
    }
}

async fn verify(world: &World, message: &Value, text: &str, version: u8) {
    let url = message["SigningCertURL"].as_str().unwrap();
    assert!(url.starts_with("https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-"), "{url}");
    let pem = world.client.get(url).send().await.unwrap().text().await.unwrap();
    let (_, pem) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).unwrap();
    let certificate = pem.parse_x509().unwrap();
    assert!(certificate.subject().to_string().contains("sns.amazonaws.com"));
    let algorithm =
        if version == 1 { &RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY } else { &RSA_PKCS1_2048_8192_SHA256 };
    let key = UnparsedPublicKey::new(algorithm, &certificate.public_key().subject_public_key.data);
    let signature = STANDARD.decode(message["Signature"].as_str().unwrap()).unwrap();
    key.verify(text.as_bytes(), &signature).unwrap();
}

#[tokio::test]
async fn nothing_is_notified_before_the_subscription_is_confirmed() {
    let world = World::with(|_| {}).await;
    let (contact, _) = world.chat("early", json!({ "tandem_queue": GOLD })).await;
    world.effect("delivery.unsubscribed").await;
    let guess =
        format!("https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=guess");
    assert_eq!(world.client.get(guess).send().await.unwrap().status(), 400);

    world.confirm_subscription().await;
    assert_eq!(world.effect("subscription.confirmed").await.key, TOPIC);
    world.control(&format!("contacts/{contact}/accept"), &json!({ "userId": super::world::ADA })).await;
    let message = world.notification(|body| item_of(body)["ParticipantRole"] == "AGENT").await;
    let attribute = |name: &str| message["MessageAttributes"][name]["Value"].clone();
    assert_eq!((attribute("MessageVisibility"), attribute("Type")), (json!("ALL"), json!("EVENT")));
    assert!(
        world
            .inbox
            .notifications
            .lock()
            .unwrap()
            .iter()
            .all(|(_, body)| item_of(body)["ParticipantRole"] != "CUSTOMER")
    );
}

#[tokio::test]
async fn pushes_come_again_after_503_never_after_403_and_twice_by_fault() {
    let world = World::with(|settings| settings["sns"] = json!(null)).await;
    *world.inbox.answers.lock().unwrap() = vec![503];
    let (first, _) = world.start("again", json!({})).await;
    let count = |contact: &str| world.event_types(contact).len();
    until(|| (count(&first) == 2).then_some(())).await;
    let (headers, event) = world.inbox.events.lock().unwrap()[0].clone();
    assert_eq!(headers["x-tandem-key"], "k");
    assert_eq!(headers["user-agent"], "Amazon/EventBridge/ApiDestinations");
    assert_eq!(world.inbox.events.lock().unwrap()[1].1["id"], event["id"]);
    assert_eq!(event["detail"]["connectedToSystemTimestamp"], "1970-01-01T00:00:00.001Z");

    *world.inbox.answers.lock().unwrap() = vec![403];
    let (refused, _) = world.start("refused", json!({})).await;
    assert_eq!(world.effect("delivery.dropped").await.detail["of"]["contactId"], refused);

    assert!(world.cloud.faults.force("eventbridge", Fault::Duplicate));
    let (twice, _) = world.start("twice", json!({})).await;
    until(|| (count(&twice) == 2).then_some(())).await;
}

#[tokio::test]
async fn an_oauth_connection_fetches_its_token_first() {
    let world = World::with(|settings| {
        let base = settings["eventbridge"]["url"].as_str().unwrap().replace("/events", "");
        settings["eventbridge"]["authorization"] = json!({ "oauth": {
            "token_endpoint": format!("{base}/token"), "client_id": "id", "client_secret": "secret",
        } });
    })
    .await;
    let (contact, _) = world.start("oauth", json!({})).await;
    world.event(|detail| detail["contactId"] == contact).await;
    let bearer = until(|| {
        let events = world.inbox.events.lock().unwrap();
        events.iter().find_map(|(headers, _)| headers.get("authorization").cloned())
    });
    tokio::join!(bearer, async {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        world.start("another", json!({})).await;
    });
}
