//! `POST /v1/chats` as a site's backend meets it.

use jiff::{SignedDuration, Timestamp};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tandem::desk::{Claim, Priority, Work};
use tandem_sdk::model::{Action, Outcome};
use tandem_sdk::secret::{Secret, SecretRole};

use crate::desk_house::thread;
use crate::follow_house::{CHATS, FollowHouse, Got};
use crate::house::House;

fn wish() -> Value {
    json!({ "idempotency_key": "order-1", "customer": { "name": "Jane", "customer": "C-1" } })
}

async fn carry(house: &FollowHouse, claim: &Claim, token: &str, expires_at: Timestamp) {
    let (outcome, secrets) = match claim.command.action {
        Action::Identify {} => (Outcome::Identified { address: "8:acs:jane".into() }, vec![]),
        Action::IssueToken { .. } => {
            (Outcome::Issued { expires_at }, vec![(SecretRole::UserToken, Secret::new(token))])
        }
        Action::Open { .. } => (Outcome::Opened { leg: thread(), refused: 0 }, vec![]),
        _ => (Outcome::Done {}, vec![]),
    };
    let work = Work::Outcome { command: claim.command.id, result: Ok(outcome), secrets, repeated: false };
    house.desk.submit(Priority::Outcome, work).await.unwrap();
}

/// Asks for the chat while somebody carries what is owed; tells the answer and how many tokens of the customer's were made.
async fn ask(house: &FollowHouse, token: &str, lives: SignedDuration) -> (Got, usize) {
    let asking = house.ask(Method::POST, "/v1/chats", CHATS, Some(wish()));
    let mut issued = 0;
    tokio::pin!(asking);
    loop {
        tokio::select! {
            got = &mut asking => return (got, issued),
            claim = house.claim() => if let Some(claim) = claim {
                issued += usize::from(claim.command.purpose.0 == "customer_token");
                carry(house, &claim, token, house.now().saturating_add(lives).unwrap()).await;
            },
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_gets_the_same_chat_with_a_token_that_works() {
    let house = FollowHouse::open();
    let day = SignedDuration::from_hours(24);
    let (first, issued) = ask(&house, "token-1", day).await;
    assert_eq!((first.status, issued), (StatusCode::CREATED, 1), "{}", first.text);
    let until = house.now().saturating_add(day).unwrap();
    let first = first.json();
    assert_eq!((&first["token"], &first["expires_at"]), (&json!("token-1"), &json!(until)));

    house.wait(23 * 3600).await;
    let (again, issued) = ask(&house, "token-2", day).await;
    assert_eq!(issued, 0, "an hour is enough to begin with");
    assert_eq!(again.json(), first);

    house.wait(3600 - 60).await;
    let (again, issued) = ask(&house, "token-2", day).await;
    assert_eq!((again.status, issued), (StatusCode::CREATED, 1), "{}", again.text);
    let again = again.json();
    assert_eq!((&again["thread"], &again["identity"]), (&first["thread"], &first["identity"]));
    let until = house.now().saturating_add(day).unwrap();
    assert_eq!((&again["token"], &again["expires_at"]), (&json!("token-2"), &json!(until)));

    // Also when it works no longer at all, and after a restart.
    let house = house.restart().await;
    house.wait(25 * 3600).await;
    let (late, issued) = ask(&house, "token-3", day).await;
    assert_eq!((late.status, issued), (StatusCode::CREATED, 1), "{}", late.text);
    assert_eq!(late.json()["token"], "token-3");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_wait_for_one_token_have_one_made() {
    let house = FollowHouse::open();
    let hour = SignedDuration::from_hours(1);
    assert_eq!(ask(&house, "token-1", hour).await.0.status, StatusCode::CREATED);
    house.wait(3600).await;
    let (one, two) = (house.ask(Method::POST, "/v1/chats", CHATS, Some(wish())), ask(&house, "token-2", hour));
    let (one, (two, issued)) = tokio::join!(one, two);
    assert_eq!(issued, 1);
    assert_eq!((&one.json()["token"], &two.json()["token"]), (&json!("token-2"), &json!("token-2")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_endpoint_is_said_however_the_config_names_it() {
    let connection = "endpoint=https://contoso.communication.azure.com/;accesskey=dGhlIGFjY2VzcyBrZXkgb2YgYSB0ZXN0";
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), connection).unwrap();
    let house = House::open_with(|config| {
        config.replacen(
            "endpoint = \"https://127.0.0.1:9\"\naccess_key = \"file:acs.key\"",
            &format!("connection = \"file:{}\"", file.path().display()),
            1,
        )
    })
    .await;
    let body = json!({ "idempotency_key": "k", "customer": {} }).to_string();
    let asking = house.answer("POST", "/v1/chats", &[], body.into_bytes());
    let carrying = async {
        loop {
            for claim in house.desk.claim(1).await.unwrap() {
                let (outcome, secrets) = match claim.command.action {
                    Action::Identify {} => (Outcome::Identified { address: "8:acs:jane".into() }, vec![]),
                    Action::IssueToken { .. } => {
                        let expires_at = claim.now.saturating_add(SignedDuration::from_hours(24)).unwrap();
                        (Outcome::Issued { expires_at }, vec![(SecretRole::UserToken, Secret::new("token"))])
                    }
                    Action::Open { .. } => (Outcome::Opened { leg: thread(), refused: 0 }, vec![]),
                    _ => (Outcome::Done {}, vec![]),
                };
                let work = Work::Outcome { command: claim.command.id, result: Ok(outcome), secrets, repeated: false };
                house.desk.submit(Priority::Outcome, work).await.unwrap();
            }
        }
    };
    let answer = tokio::select! {
        answer = asking => answer,
        () = carrying => unreachable!("it carries for ever"),
    };
    assert!(answer.starts_with("201"), "{answer}");
    assert!(answer.contains("\"endpoint\":\"https://contoso.communication.azure.com\""), "{answer}");
}
