use http::{HeaderMap, Method};
use serde_json::{Value, json};

use super::stage::Stage;

const IDENTITIES: &str = "/identities?api-version=2023-10-01";

#[tokio::test]
async fn an_unsigned_or_tampered_call_is_denied() {
    let stage = Stage::new().await;
    let unsigned = stage.call(Method::POST, IDENTITIES, HeaderMap::new(), json!({})).await;
    assert_eq!((unsigned.status, &unsigned.body["error"]["code"]), (401, &json!("Denied")));
    let headers = stage.signature(&Method::POST, IDENTITIES, &json!({}));
    let tampered = stage.call(Method::POST, IDENTITIES, headers, json!({"createTokenWithScopes": ["chat"]})).await;
    let message = tampered.body["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("Denied: Request 'x-ms-content-sha256' differs"), "{message}");
    let (_, token) = stage.user().await;
    let mut headers = HeaderMap::new();
    headers.insert("authorization", super::stage::bearer(&token));
    assert_eq!(stage.call(Method::POST, IDENTITIES, headers, json!({})).await.status, 401);
}

#[tokio::test]
async fn a_call_without_api_version_is_a_bad_request() {
    let stage = Stage::new().await;
    for target in ["/identities", "/identities?api-version=latest"] {
        let reply = stage.signed(Method::POST, target, json!({})).await;
        assert_eq!((reply.status, &reply.body["error"]["code"]), (400, &json!("BadRequest")), "{target}");
    }
}

#[tokio::test]
async fn tokens_are_issued_revoked_and_die_with_their_identity() {
    let stage = Stage::new().await;
    let (id, first) = stage.user().await;
    let path = format!("/identities/{}", id.replace(':', "%3A"));
    let target = |action: &str| format!("{path}{action}?api-version=2023-10-01");
    let works = async |token: &str| stage.chat(token, Method::GET, "threads", Value::Null).await.status;
    assert_eq!(works(&first).await, 200);

    assert_eq!(stage.signed(Method::POST, &target("/:revokeAccessTokens"), Value::Null).await.status, 204);
    assert_eq!(works(&first).await, 401);
    let issued = stage.signed(Method::POST, &target("/:issueAccessToken"), json!({"scopes": ["chat", "voip"]})).await;
    assert_eq!(issued.status, 200);
    let second = issued.body["token"].as_str().unwrap();
    assert_eq!(works(second).await, 200);

    assert_eq!(stage.signed(Method::DELETE, &target(""), Value::Null).await.status, 204);
    assert_eq!(works(second).await, 401);
    assert_eq!(stage.signed(Method::DELETE, &target(""), Value::Null).await.status, 404);
    let again = stage.signed(Method::POST, &target("/:issueAccessToken"), json!({"scopes": ["chat"]})).await;
    assert_eq!(again.status, 404);
}

#[tokio::test]
async fn a_lifetime_outside_the_documented_range_is_a_bad_request() {
    let stage = Stage::new().await;
    for minutes in [59, 1_441] {
        let wish = json!({"createTokenWithScopes": ["chat"], "expiresInMinutes": minutes});
        assert_eq!(stage.signed(Method::POST, IDENTITIES, wish).await.status, 400, "{minutes}");
    }
    assert!(stage.effects("identity.created").is_empty());
}

#[tokio::test]
async fn a_token_expires_in_compressed_time() {
    let scale = |settings: &mut super::super::Settings| {
        settings.time_scale = tandem_sdk::sim::TimeScale::new(3_600.0).unwrap();
    };
    let stage = Stage::with(scale).await;
    let wish = json!({"createTokenWithScopes": ["chat"], "expiresInMinutes": 60});
    let made = stage.signed(Method::POST, IDENTITIES, wish).await;
    let token = made.body["accessToken"]["token"].as_str().unwrap();
    assert_eq!(stage.chat(token, Method::GET, "threads", Value::Null).await.status, 200);
    tokio::time::sleep(std::time::Duration::from_millis(2_100)).await;
    assert_eq!(stage.chat(token, Method::GET, "threads", Value::Null).await.status, 401);
}

#[tokio::test]
async fn bodies_that_are_no_json_or_have_wrong_types_are_bad_requests() {
    let stage = Stage::new().await;
    for body in [json!([1]), json!({"createTokenWithScopes": ["fly"]}), json!({"expiresInMinutes": "sixty"})] {
        assert_eq!(stage.signed(Method::POST, IDENTITIES, body).await.status, 400);
    }
}
