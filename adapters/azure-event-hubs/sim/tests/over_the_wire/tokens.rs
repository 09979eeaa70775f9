//! Who is let in, and to what.

use serde_json::json;
use tandem_event_hubs_sim::{JwtIssuer, JwtKey, Right, run, sign};
use tandem_sdk::sim::Authority;

use crate::client::{Client, KEY, POLICY, SAS, end_of, event, in_an_hour, settings, simulator, soon};

const HUB: &str = "sb://localhost/events";
const READ: &str = "amqps://localhost/events/ConsumerGroups/$Default/Partitions/0";
const LATEST: &str = "offset > '@latest'";

#[tokio::test]
async fn a_signature_is_verified_with_its_key_expiry_and_audience() {
    let running = simulator().await;
    let mut client = Client::connect(&running).await;
    for (token, status) in [
        (sign(HUB, POLICY, KEY, in_an_hour()), 202),
        (sign("sb://localhost", POLICY, KEY, in_an_hour()), 202),
        (sign(HUB, POLICY, "wrong", in_an_hour()), 401),
        (sign(HUB, "nobody", KEY, in_an_hour()), 401),
        (sign(HUB, POLICY, KEY, jiff::Timestamp::now()), 401),
        (sign("sb://localhost/short", POLICY, KEY, in_an_hour()), 401),
        ("nonsense".to_owned(), 401),
    ] {
        let (found, description) = client.put_token(HUB, SAS, token).await;
        assert_eq!(found, status, "{description}");
        assert!(!description.is_empty());
    }
    assert_eq!(client.put("sb://elsewhere.servicebus.windows.net/events", POLICY).await.0, 401);
    assert_eq!(client.put("sb://tandem.servicebus.windows.net/events", POLICY).await.0, 202);
    assert_eq!(client.put("sb://localhost/nowhere", POLICY).await.0, 404);
    assert_eq!(client.put_token(HUB, "unknown", "x".to_owned()).await.0, 401);
}

#[tokio::test]
async fn a_token_of_the_identity_provider_is_verified() {
    let dir = tempfile::tempdir().unwrap();
    let identity = Authority::open(dir.path()).unwrap().issue_rsa("sts.test").unwrap();
    let keys: Vec<JwtKey> = serde_json::from_value(identity.jwks()["keys"].clone()).unwrap();
    let (issuer, audience) = ("https://sts.test/".to_owned(), "https://eventhubs.azure.net".to_owned());
    let mut settings = settings();
    settings.jwt = Some(JwtIssuer { issuer, audience, keys, rights: vec![Right::Listen] });
    let running = run(settings).await.unwrap();
    let mut client = Client::connect(&running).await;
    let until = in_an_hour().as_second();
    for (claims, status) in [
        (json!({"iss": "https://sts.test/", "aud": "https://eventhubs.azure.net", "exp": until}), 202),
        (json!({"iss": "https://other/", "aud": "https://eventhubs.azure.net", "exp": until}), 401),
        (json!({"iss": "https://sts.test/", "aud": "https://other", "exp": until}), 401),
        (json!({"iss": "https://sts.test/", "aud": "https://eventhubs.azure.net", "exp": 1}), 401),
    ] {
        assert_eq!(client.put_token(HUB, "jwt", identity.jwt(&claims)).await.0, status, "{claims}");
    }
    let mut reader = client.reader_of(READ, LATEST, None).await;
    assert!(tokio::time::timeout(std::time::Duration::from_millis(100), end_of(&mut reader)).await.is_err());
    let mut sender = client.sender("amqps://localhost/events").await;
    let refused = format!("{:?}", soon(sender.send(event("x", None))).await);
    assert!(refused.contains("UnauthorizedAccess"), "{refused}");
}

#[tokio::test]
async fn without_a_token_nothing_is_allowed() {
    let running = simulator().await;
    let mut client = Client::connect(&running).await;
    let mut sender = client.sender("events").await;
    let refused = format!("{:?}", soon(sender.send(event("x", None))).await);
    assert!(refused.contains("UnauthorizedAccess"), "{refused}");
    let mut reader = client.reader_of(READ, LATEST, None).await;
    assert!(end_of(&mut reader).await.contains("UnauthorizedAccess"));
    let told = client.properties(&[("type", "com.microsoft:eventhub"), ("name", "events")]).await;
    assert_eq!(crate::client::status(&told), 401);
}

#[tokio::test]
async fn rights_of_a_policy_are_kept_apart() {
    let running = simulator().await;
    let mut client = Client::connect(&running).await;
    assert_eq!(client.put(HUB, "sender").await.0, 202);
    let mut sender = client.sender("events").await;
    crate::client::send(&mut sender, "allowed").await;
    let mut reader = client.reader_of(READ, LATEST, None).await;
    assert!(end_of(&mut reader).await.contains("UnauthorizedAccess"));
}

#[tokio::test]
async fn a_link_ends_with_its_token_and_a_new_token_keeps_it() {
    let running = simulator().await;
    let mut client = Client::connect(&running).await;
    let soon_over = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() + 2).unwrap();
    for _ in 0..2 {
        assert_eq!(client.put_token(HUB, SAS, sign(HUB, POLICY, KEY, soon_over)).await.0, 202);
    }
    let mut ends = client.reader_of(READ, LATEST, None).await;
    let told = end_of(&mut ends).await;
    assert!(told.contains("expired"), "{told}");
    let soon_over = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() + 2).unwrap();
    assert_eq!(client.put_token(HUB, SAS, sign(HUB, POLICY, KEY, soon_over)).await.0, 202);
    let mut stays = client.reader_of(READ, LATEST, None).await;
    let mut sender = client.sender("events/Partitions/0").await;
    assert_eq!(client.put(HUB, POLICY).await.0, 202);
    assert!(tokio::time::timeout(std::time::Duration::from_secs(3), end_of(&mut stays)).await.is_err());
    crate::client::send(&mut sender, "still allowed").await;
}
