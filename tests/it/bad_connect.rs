//! Bad input at the doors of Connect, from senders who are authentic: the answer, what was kept, and that the next good
//! event is taken.

use std::time::Duration;

use serde_json::{Map, Value, json};
use tandem::desk::{Claim, Priority, Work};
use tandem_sdk::model::{Action, LegRef, Outcome};

use crate::house::{Book, House, INSTANCE, now};

const CHAT: &str = "/hooks/connect/chat";
const CONTACTS: &str = "/hooks/connect/contacts";

async fn tell(house: &House, body: impl Into<Vec<u8>>) -> String {
    house.send("POST", CONTACTS, &[("x-api-key", &house.key)], body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_eventbridge_says_and_nobody_understands_is_kept_and_put_into_quarantine() {
    let house = House::open().await;
    let good = |contact: &str| house.contact("INITIATED", contact, &json!({})).to_string();
    let changed = |contact: &str, change: Value| house.contact("QUEUED", contact, &change).to_string();
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let mut not_utf8 = good("utf8").into_bytes();
    let at = not_utf8.windows(5).position(|window| window == b"utf8\"").unwrap();
    not_utf8[at] = 0xff;
    let mut book = Book::default();
    for (name, body) in [
        ("malformed JSON", b"{\"id\":".to_vec()),
        ("no JSON at all", b"<event/>".to_vec()),
        ("nothing", Vec::new()),
        ("truncated", good("truncated").as_bytes()[..200].to_vec()),
        ("5000 deep", deep(5_000).into_bytes()),
        (
            "5000 deep inside an event",
            changed("deep", json!({ "tags": "DEEP" })).replace("\"DEEP\"", &deep(5_000)).into_bytes(),
        ),
        ("not UTF-8", not_utf8),
        (
            "1e999 in a field that is used",
            changed("big", json!({ "contactId": "BIG" })).replace("\"BIG\"", "1e999").into_bytes(),
        ),
        (
            "1e999 in a field that is not",
            changed("big2", json!({ "other": "BIG" })).replace("\"BIG\"", "1e999").into_bytes(),
        ),
        ("an unknown kind", house.contact("SOMETHING_NEW", "new", &json!({})).to_string().into_bytes()),
        ("no kind", changed("no-kind", json!({ "eventType": null })).into_bytes()),
        (
            "another product's event",
            json!({ "detail-type": "EC2 Instance State-change", "detail": {} }).to_string().into_bytes(),
        ),
        ("without the contact", changed("m1", json!({ "contactId": null })).into_bytes()),
        ("without the instance", changed("m2", json!({ "instanceArn": null })).into_bytes()),
        ("a number for the contact", changed("m3", json!({ "contactId": 7 })).into_bytes()),
        ("a time that is none", changed("m4", json!({ "queueInfo": { "enqueueTimestamp": "soon" } })).into_bytes()),
        ("fields that nobody knows", changed("m5", json!({ "newField": { "a": [1] } })).into_bytes()),
        ("an array of events", format!("[{}]", good("in-an-array")).into_bytes()),
        (
            "another Connect instance",
            good("staging").replace(INSTANCE, "0a1b2c3d-0000-4000-8000-0000000000ff").into_bytes(),
        ),
        (
            "from the future",
            changed("ahead", json!({ "queueInfo": { "enqueueTimestamp": "2099-01-01T00:00:00.000Z" } })).into_bytes(),
        ),
    ] {
        book.write(name, &tell(&house, body).await);
        house.goes_on().await;
    }
    insta::assert_snapshot!(book.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_sns_signed_and_nobody_understands_is_kept_and_put_into_quarantine() {
    let house = House::open().await;
    let item = |change: Value| {
        let mut item = json!({
            "AbsoluteTime": now(), "ContentType": "text/plain", "Id": "i", "Type": "MESSAGE", "ParticipantId": "p",
            "DisplayName": "Sam", "ParticipantRole": "AGENT", "InitialContactId": "c-1", "ContactId": "c-1",
            "Content": "Hello",
        });
        let fields = item.as_object_mut().unwrap();
        for (name, value) in change.as_object().unwrap() {
            if value.is_null() {
                fields.remove(name)
            } else {
                fields.insert(name.clone(), value.clone())
            };
        }
        item.to_string()
    };
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    let mut book = Book::default();
    for (n, (name, message)) in [
        ("malformed JSON", "{\"Id\":".to_owned()),
        ("no JSON at all", "<event/>".to_owned()),
        ("nothing", String::new()),
        ("truncated", item(json!({}))[..60].to_owned()),
        ("5000 deep", deep.clone()),
        ("5000 deep inside an item", item(json!({ "Id": "d", "Other": "DEEP" })).replace("\"DEEP\"", &deep)),
        ("half a character", item(json!({ "Id": "h", "Content": "HALF" })).replace("HALF", "\\ud83d")),
        ("1e999 in a field that is used", item(json!({ "Id": "BIG" })).replace("\"BIG\"", "1e999")),
        ("1e999 in a field that is not", item(json!({ "Id": "b", "Other": "BIG" })).replace("\"BIG\"", "1e999")),
        ("an unknown kind", item(json!({ "Id": "u", "Type": "SOMETHING_NEW" }))),
        ("an unknown event", item(json!({ "Id": "e", "Type": "EVENT", "ContentType": "application/vnd.new" }))),
        ("no kind", item(json!({ "Id": "k", "Type": null }))),
        ("without the contact", item(json!({ "Id": "m1", "ContactId": null, "InitialContactId": null }))),
        ("without the text", item(json!({ "Id": "m2", "Content": null }))),
        ("a number for the text", item(json!({ "Id": "m3", "Content": 7 }))),
        ("a time that is none", item(json!({ "Id": "m4", "AbsoluteTime": "soon" }))),
        ("fields that nobody knows", item(json!({ "Id": "m5", "NewField": { "a": [1] } }))),
        ("from the future", item(json!({ "Id": "m6", "AbsoluteTime": "2099-01-01T00:00:00.000Z" }))),
    ]
    .into_iter()
    .enumerate()
    {
        let put = |fields: &mut Map<String, Value>| {
            fields.insert("Message".to_owned(), message.into());
        };
        let notice = house.notice(&format!("bad-{n:02}"), put);
        book.write(name, &house.send("POST", CHAT, &[("content-type", "text/plain")], notice).await);
        house.goes_on().await;
    }
    insta::assert_snapshot!(book.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_connect_says_of_an_interaction_that_is_over_is_kept() {
    let house = House::open().await;
    let mut book = Book::default();
    let post = async |event: Value| house.send("POST", &house.events(), &[], json!([event]).to_string()).await;
    let thread = "19:over@thread.v2";
    assert!(post(house.message("first", thread, &json!({}))).await.starts_with("200"));
    place(&house, "over").await;
    let mut deleted = house.message("deleted", thread, &json!({ "deleteTime": now(), "version": 2 }));
    deleted["eventType"] = "Microsoft.Communication.ChatThreadDeleted".into();
    assert!(post(deleted).await.starts_with("200"));
    let closed = house.answer("GET", "/v1/interactions", &[], Vec::new()).await;
    assert!(closed.contains("\"state\":\"closed\""), "{closed}");

    // Well behind the end and its grace.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let event = |kind: &str, change: Value| house.contact(kind, "over", &change).to_string();
    let queued = event("QUEUED", json!({}));
    book.write("it waits in a queue", &tell(&house, queued.clone()).await);
    book.write("the same again", &tell(&house, queued).await);
    let said = |fields: &mut Map<String, Value>| {
        let text = fields["Message"].as_str().unwrap().replace("c-1", "over");
        fields.insert("Message".to_owned(), text.into());
    };
    book.write("somebody speaks on it", &house.send("POST", CHAT, &[], house.notice("afterwards", said)).await);
    let ended = json!({ "disconnectTimestamp": now() });
    book.write("it ends", &tell(&house, event("DISCONNECTED", ended)).await);
    house.goes_on().await;
    insta::assert_snapshot!(book.0);
}

/// Starts the contact that is owed, as Connect would.
async fn place(house: &House, contact: &str) {
    loop {
        let claims = tokio::time::timeout(Duration::from_secs(10), house.desk.claim(1)).await.unwrap().unwrap();
        let is_wanted = |claim: &Claim| matches!(claim.command.action, Action::Place { .. });
        if let Some(claim) = claims.into_iter().find(is_wanted) {
            let leg = LegRef {
                system: "amazon-connect".to_owned(),
                account: INSTANCE.to_owned(),
                kind: "contact".to_owned(),
                native: contact.to_owned(),
            };
            let outcome = Outcome::Placed { leg, participant: "p".to_owned() };
            let (command, secrets) = (claim.command.id, Vec::new());
            let work = Work::Outcome { command, result: Ok(outcome), secrets, repeated: false };
            house.desk.submit(Priority::Outcome, work).await.unwrap();
            return;
        }
    }
}
