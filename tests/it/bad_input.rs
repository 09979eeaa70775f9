//! Bad input over the real front desk: the answer, what was kept, and that the next good event is taken.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::house::{Book, House, now};

const CHAT: &str = "/hooks/connect/chat";
const CONTACTS: &str = "/hooks/connect/contacts";

#[tokio::test(flavor = "multi_thread")]
async fn what_event_grid_says_and_nobody_understands_is_kept_and_put_into_quarantine() {
    let house = House::open().await;
    let events = house.events();
    let good = |id: &str| house.message(id, "19:t@thread.v2", &json!({})).to_string();
    let changed = |id: &str, change| json!([house.message(id, "19:t@thread.v2", &change)]).to_string();
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let mut unknown = house.message("unknown", "19:t@thread.v2", &json!({}));
    unknown["eventType"] = "Microsoft.Communication.SomethingNew".into();
    let mut no_kind = house.message("no-kind", "19:t@thread.v2", &json!({}));
    no_kind.as_object_mut().unwrap().remove("eventType");
    let mut not_utf8 = changed("utf8", json!({})).into_bytes();
    let at = not_utf8.windows(5).position(|window| window == b"Where").unwrap();
    not_utf8[at] = 0xff;
    let mut book = Book::default();
    for (name, body) in [
        ("malformed JSON", b"{\"id\":".to_vec()),
        ("no JSON at all", b"<event/>".to_vec()),
        ("nothing", Vec::new()),
        ("truncated in the middle of a batch", format!("[{},{}", good("t1"), &good("t2")[..100]).into_bytes()),
        ("5000 deep", deep(5_000).into_bytes()),
        (
            "5000 deep inside an event",
            changed("deep", json!({ "metadata": "DEEP" })).replace("\"DEEP\"", &deep(5_000)).into_bytes(),
        ),
        ("not UTF-8", not_utf8),
        (
            "1e999 in a field that is used",
            changed("big", json!({ "version": "BIG" })).replace("\"BIG\"", "1e999").into_bytes(),
        ),
        (
            "1e999 in a field that is not",
            changed("big2", json!({ "other": "BIG" })).replace("\"BIG\"", "1e999").into_bytes(),
        ),
        ("a batch with one bad event", format!("[{},{{\"id\":7}},{}]", good("b1"), good("b2")).into_bytes()),
        ("an unknown kind", json!([unknown]).to_string().into_bytes()),
        ("no kind", json!([no_kind]).to_string().into_bytes()),
        ("without the thread", changed("m1", json!({ "threadId": null })).into_bytes()),
        ("without the text", changed("m2", json!({ "messageBody": null })).into_bytes()),
        ("a number for the text", changed("m3", json!({ "messageBody": 7 })).into_bytes()),
        ("a time that is none", changed("m4", json!({ "composeTime": "yesterday" })).into_bytes()),
        ("fields that nobody knows", changed("m5", json!({ "newField": { "a": [1] } })).into_bytes()),
        ("an array of other things", b"[1, null, \"two\"]".to_vec()),
    ] {
        book.write(name, &house.send("POST", &events, &[("content-type", "application/json")], body).await);
        house.goes_on().await;
    }
    insta::assert_snapshot!(book.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_content_type_does_not_matter_and_what_comes_twice_is_taken_once() {
    let house = House::open().await;
    let mut book = Book::default();
    for content_type in ["text/csv", "application/xml", "application/cloudevents-batch+json; charset=utf-16", "/"] {
        let id = format!("ct-{}", content_type.len());
        let body = json!([house.message(&id, "19:ct@thread.v2", &json!({}))]).to_string();
        let headers = [("content-type", content_type)];
        book.write(content_type, &house.send("POST", &house.events(), &headers, body).await);
    }
    let body = json!([house.message("twice", "19:ct@thread.v2", &json!({}))]).to_string();
    book.write("an event", &house.send("POST", &house.events(), &[], body.clone()).await);
    book.write("the same again", &house.send("POST", &house.events(), &[], body).await);
    let notice = house.notice("replayed", |_| ());
    book.write("an SNS message", &house.send("POST", CHAT, &[("content-type", "text/plain")], notice.clone()).await);
    book.write("replayed inside its window", &house.send("POST", CHAT, &[], notice).await);
    house.goes_on().await;
    insta::assert_snapshot!(book.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_authentic_gets_401_and_leaves_nothing() {
    let house = House::open().await;
    let mut book = Book::default();
    let event = || json!([house.message("stranger", "19:t@thread.v2", &json!({}))]).to_string();
    let bearer = |token: &str| format!("Bearer {token}");
    let (good, expired) = (bearer(&house.token(3600)), bearer(&house.token(-3600)));
    let other = good.rsplit_once('.').unwrap().0.to_owned() + "." + &"A".repeat(342);
    for (name, path, headers) in [
        ("no secret", "/hooks/acs/events", vec![]),
        ("a wrong secret", "/hooks/acs/events?code=guess", vec![]),
        ("a secret in the wrong place", "/hooks/acs/events", vec![("code", house.key.as_str())]),
        ("no token", "/hooks/entra/events", vec![]),
        ("an expired token", "/hooks/entra/events", vec![("authorization", expired.as_str())]),
        ("a token with another signature", "/hooks/entra/events", vec![("authorization", other.as_str())]),
        ("no API key", CONTACTS, vec![]),
        ("a wrong API key", CONTACTS, vec![("x-api-key", "guess")]),
    ] {
        book.write(name, &house.send("POST", path, &headers, event()).await);
        house.goes_on().await;
    }
    let aged = |fields: &mut serde_json::Map<String, serde_json::Value>| {
        fields.insert("Timestamp".into(), "2024-05-21T14:01:00.250Z".into());
    };
    let put = |name: &'static str, value: &'static str| {
        move |fields: &mut serde_json::Map<String, serde_json::Value>| {
            fields.insert(name.into(), value.into());
        }
    };
    for (name, body) in [
        ("SNS: not signed", house.notice("n1", put("Signature", ""))),
        ("SNS: signed by somebody else", house.notice("n2", put("Signature", "QUJD"))),
        ("SNS: too old", house.notice("n3", aged)),
        ("SNS: another topic", house.notice("n4", put("TopicArn", "arn:aws:sns:eu-central-1:666666666666:evil"))),
        (
            "SNS: a certificate outside AWS",
            house.notice("n5", put("SigningCertURL", "https://evil.example/SimpleNotificationService-0a.pem")),
        ),
        (
            "SNS: a certificate in somebody's bucket",
            house.notice(
                "n6",
                put(
                    "SigningCertURL",
                    "https://sns.eu-central-1.amazonaws.com.s3.amazonaws.com/SimpleNotificationService-0a.pem",
                ),
            ),
        ),
        ("SNS: no message", b"{}".to_vec()),
        ("SNS: malformed JSON", b"{\"Type\":".to_vec()),
        ("SNS: 5000 deep", "[".repeat(5_000).into_bytes()),
    ] {
        book.write(name, &house.send("POST", CHAT, &[], body).await);
        house.goes_on().await;
    }
    let good = house.send("POST", "/hooks/entra/events", &[("authorization", &good)], event()).await;
    book.write("a good token", &good);
    insta::assert_snapshot!(book.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_cannot_be_fetched_is_our_trouble_and_not_the_senders() {
    let house = House::open().await;
    house.keys_are_served.store(false, Ordering::Relaxed);
    let mut book = Book::default();
    let notice = house.notice("early", |_| ());
    book.write("no certificate to be had", &house.send("POST", CHAT, &[], notice.clone()).await);
    let event = json!([house.message("early", "19:t@thread.v2", &json!({}))]).to_string();
    let token = format!("Bearer {}", house.token(3600));
    let headers = [("authorization", token.as_str())];
    book.write("no key document to be had", &house.send("POST", "/hooks/entra/events", &headers, event.clone()).await);
    house.keys_are_served.store(true, Ordering::Relaxed);
    // What could not be had is left alone for as long as the config says.
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    book.write("the message comes again", &house.send("POST", CHAT, &[], notice).await);
    book.write("the event comes again", &house.send("POST", "/hooks/entra/events", &headers, event).await);
    house.goes_on().await;
    insta::assert_snapshot!(book.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_methods_and_sizes_that_are_not_there() {
    let house = House::open().await;
    let mut book = Book::default();
    let secret = format!("?code={}", house.key);
    for (method, path) in [
        ("POST", "/hooks/nobody/events".to_owned()),
        ("POST", format!("/hooks/acs/nothing{secret}")),
        ("POST", "/hooks/acs".to_owned()),
        ("POST", "/nowhere".to_owned()),
        ("GET", format!("/hooks/acs/events{secret}")),
        ("PUT", format!("/hooks/acs/events{secret}")),
        ("DELETE", "/v1/events".to_owned()),
        ("GET", "/v1/chats".to_owned()),
    ] {
        let shown = format!("{method} {}", path.replace(&house.key, "…"));
        book.write(&shown, &house.send(method, &path, &[], "{}").await);
    }
    for (path, cap) in [(house.events(), 1 << 20), (CHAT.to_owned(), 2 << 20), (CONTACTS.to_owned(), 1 << 20)] {
        let headers = [("x-api-key", house.key.as_str())];
        let fits = house.send("POST", &path, &headers, vec![b' '; cap]).await;
        assert!(!fits.starts_with("413"), "{path}: {fits}");
        let answer = house.send("POST", &path, &headers, vec![b' '; cap + 1]).await;
        book.write(&format!("one byte too many for {}", path.split('?').next().unwrap()), &answer);
    }
    // A length that is announced and a length that comes piece by piece are capped alike.
    let chunked = format!(
        "POST {} HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n{:x}\r\n{}\r\n0\r\n\r\n",
        house.events(),
        (1 << 20) + 1,
        " ".repeat((1 << 20) + 1),
    );
    book.write("one byte too many in chunks", &house.speak(chunked.as_bytes()).await);
    let truncated = format!("POST {} HTTP/1.1\r\nhost: h\r\ncontent-length: 100\r\n\r\n[{{\"id\":", house.events());
    book.write("a body that breaks off", &house.speak(truncated.as_bytes()).await);
    house.goes_on().await;
    insta::assert_snapshot!(book.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_at_once_are_told_to_come_again() {
    let house = House::open_with(|config| config.replace("hooks = 8", "hooks = 1")).await;
    let mut book = Book::default();
    let body = json!([house.message("slow", "19:t@thread.v2", &json!({}))]).to_string();
    let mut slow = tokio::net::TcpStream::connect(house.address).await.unwrap();
    let (begin, rest) = body.split_at(10);
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{begin}",
        house.events(),
        body.len()
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    let other = json!([house.message("other", "19:t@thread.v2", &json!({}))]).to_string();
    let mut refused = String::new();
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        refused = house.send("POST", &house.events(), &[], other.clone()).await;
        if refused.starts_with("503") {
            break;
        }
    }
    book.write("while the only place is taken", &refused);
    slow.write_all(rest.as_bytes()).await.unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    house.goes_on().await;

    let full =
        House::open_with(|config| config.replace("webhooks = 64", "webhooks = 1").replace("hooks = 8", "hooks = 500"));
    let full = full.await;
    let bodies: Vec<Vec<u8>> = (0..200)
        .map(|n| json!([full.message(&format!("full-{n}"), "19:t@thread.v2", &json!({}))]).to_string().into_bytes())
        .collect();
    let events = full.events();
    let all_at_once = bodies.iter().map(|body| full.answer("POST", &events, &[], body.clone()));
    let mut answers = futures_util::future::join_all(all_at_once).await;
    answers.sort();
    answers.dedup();
    assert_eq!(answers.first().map(String::as_str), Some("200"), "some were taken");
    assert_eq!(answers.len(), 2, "{answers:#?}");
    book.write("more at once than the desk's lane holds", &answers[1]);
    // What was taken before the lane was full is not taken again.
    for body in &bodies {
        let mut answer = String::new();
        for _ in 0..100 {
            answer = full.answer("POST", &events, &[], body.clone()).await;
            if answer == "200" {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(answer, "200");
    }
    let kept = full.look().await;
    assert_eq!(kept.matches("kept:").count(), 200, "{kept}");
    full.goes_on().await;
    insta::assert_snapshot!(book.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_cannot_write_acknowledges_nothing_and_comes_back() {
    let house = House::open().await;
    let mut book = Book::default();
    let body = json!([house.message("unlucky", "19:t@thread.v2", &json!({}))]).to_string();
    let notice = house.notice("unlucky", |_| ());
    house.disk.refuses.store(true, Ordering::Relaxed);
    book.write("an event", &house.send("POST", &house.events(), &[], body.clone()).await);
    book.write("another", &house.send("POST", CHAT, &[], notice.clone()).await);
    let ready = house.answer("GET", "/readyz", &[], Vec::new()).await;
    book.write("GET /readyz", &ready);
    let wish = json!({ "idempotency_key": "k", "customer": {} }).to_string();
    book.write("POST /v1/chats", &house.send("POST", "/v1/chats", &[], wish).await);
    house.disk.refuses.store(false, Ordering::Relaxed);
    let mut again = String::new();
    for _ in 0..50 {
        again = house.send("POST", &house.events(), &[], body.clone()).await;
        if again.starts_with("200") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    book.write("the event comes again", &again);
    book.write("and again", &house.send("POST", &house.events(), &[], body).await);
    book.write("the other comes again", &house.send("POST", CHAT, &[], notice).await);
    house.goes_on().await;
    // What the hub says of itself may be a second old.
    let mut ready = String::new();
    for _ in 0..30 {
        ready = house.answer("GET", "/readyz", &[], Vec::new()).await;
        if ready.starts_with("200") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(ready.starts_with("200"), "{ready}");
    insta::assert_snapshot!(book.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_the_future_and_of_interactions_that_are_over_are_kept() {
    let house = House::open().await;
    let mut book = Book::default();
    let thread = "19:over@thread.v2";
    let send = |event: serde_json::Value| {
        let body = json!([event]).to_string();
        let house = &house;
        async move { house.send("POST", &house.events(), &[], body).await }
    };
    let ahead = house.message("ahead", "19:ahead@thread.v2", &json!({ "composeTime": "2099-01-01T00:00:00Z" }));
    book.write("from the future", &send(ahead).await);
    let long_ago = house.message("ago", "19:ago@thread.v2", &json!({ "composeTime": "1970-01-01T00:00:01Z" }));
    book.write("from long ago", &send(long_ago).await);

    let first = house.message("first", thread, &json!({}));
    let written = first["data"]["composeTime"].as_str().unwrap().to_owned();
    assert!(send(first).await.starts_with("200"));
    let mut deleted = house.message("deleted", thread, &json!({ "deleteTime": now(), "version": 2 }));
    deleted["eventType"] = "Microsoft.Communication.ChatThreadDeleted".into();
    book.write("the thread is deleted", &send(deleted).await);
    let mut closed = String::new();
    for _ in 0..100 {
        closed = house.answer("GET", "/v1/interactions", &[], Vec::new()).await;
        if closed.contains("\"state\":\"closed\"") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(closed.contains("\"state\":\"closed\""), "{closed}");
    house.look().await;
    // Well behind the end and its grace.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let late = house.message("late", thread, &json!({ "composeTime": written }));
    book.write("a message from before the end comes late", &send(late).await);
    book.write("a message after the end", &send(house.message("after", thread, &json!({}))).await);
    house.goes_on().await;
    insta::assert_snapshot!(book.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_for_a_chat_that_cannot_be_read_is_told_why() {
    let house =
        House::open_with(|config| config.replace("body = \"16KiB\"", "body = \"64KiB\"\ntimeout = \"2s\"")).await;
    let mut book = Book::default();
    for (name, body) in [
        ("malformed JSON", b"{\"idempotency_key\": \"k\", ".to_vec()),
        ("not UTF-8", b"{\"idempotency_key\": \"\xff\"}".to_vec()),
        ("5000 deep", "[".repeat(5_000).into_bytes()),
        ("1e999", b"{\"idempotency_key\": \"k\", \"customer\": {\"name\": 1e999}}".to_vec()),
        ("no key", b"{\"customer\": {}}".to_vec()),
        ("an empty key", b"{\"idempotency_key\": \"\", \"customer\": {}}".to_vec()),
        (
            "a key that is too long",
            json!({ "idempotency_key": "k".repeat(201), "customer": {} }).to_string().into_bytes(),
        ),
        ("a field that nobody knows", b"{\"idempotency_key\": \"k\", \"customer\": {\"nickname\": \"J\"}}".to_vec()),
        (
            "a sentence for the name of an attribute",
            b"{\"idempotency_key\": \"k\", \"customer\": {}, \"attributes\": {\"Jane Doe, Berlin\": \"1\"}}".to_vec(),
        ),
        (
            "a sentence for the language",
            b"{\"idempotency_key\": \"k\", \"customer\": {}, \"language\": \"as spoken by Jane Doe\"}".to_vec(),
        ),
        ("too large", vec![b' '; (64 << 10) + 1]),
        (
            "more attributes than Connect takes",
            json!({ "idempotency_key": "k", "customer": {}, "attributes": {
                "first": "a".repeat(15_000), "second": "b".repeat(14_990) } })
            .to_string()
            .into_bytes(),
        ),
    ] {
        book.write(name, &house.send("POST", "/v1/chats", &[], body).await);
        house.goes_on().await;
    }
    // The next good wish is kept; here is nobody who could carry it out.
    let good = json!({ "idempotency_key": "k", "customer": { "name": "Jane" }, "attributes": {
        "first": "a".repeat(15_000), "second": "b".repeat(14_989) } });
    let told = house.answer("POST", "/v1/chats", &[], good.to_string().into_bytes()).await;
    assert!(told.starts_with("503") && told.contains("not_now"), "{told}");
    let owed = house.desk.claim(100).await.unwrap();
    assert!(owed.iter().any(|claim| claim.command.purpose.0 == "identify"), "{owed:?}");
    insta::assert_snapshot!(book.0);
}
