use http::Method;
use serde_json::{Value, json};
use tandem_sdk::sim::Fault;

use super::super::LimitMode;
use super::stage::{Stage, bearer, participants};

#[tokio::test]
async fn a_thread_is_created_once_for_each_repeatability_id() {
    let stage = Stage::new().await;
    let (_, token) = stage.user().await;
    let create = async |id: &str| {
        let mut headers = http::HeaderMap::new();
        headers.insert("authorization", bearer(&token));
        headers.insert("repeatability-request-id", id.parse().unwrap());
        stage.call(Method::POST, "/chat/threads?api-version=2024-03-07", headers, json!({"topic": "T"})).await
    };
    let id = "35dd6e71-251b-5e29-8376-ba93d09c3fbf";
    let (first, second) = (create(id).await, create(id).await);
    assert_eq!((first.status, second.status), (201, 201));
    assert_eq!(first.body, second.body);
    let other = create("35dd6e71-251b-5e29-8376-ba93d09c3fbe").await;
    assert_ne!(first.body["chatThread"]["id"], other.body["chatThread"]["id"]);
    assert_eq!(create("once").await.status, 400);
    let created: Vec<_> = stage.effects("thread.created").into_iter().map(|entry| entry.key).collect();
    assert_eq!(created, [id, "35dd6e71-251b-5e29-8376-ba93d09c3fbe"]);
}

#[tokio::test]
async fn an_answer_lost_does_not_make_a_second_thread() {
    let stage = Stage::new().await;
    let (_, token) = stage.user().await;
    let mut headers = http::HeaderMap::new();
    headers.insert("authorization", bearer(&token));
    headers.insert("repeatability-request-id", "35dd6e71-251b-5e29-8376-ba93d09c3fbf".parse().unwrap());
    assert!(stage.sim.faults.force("POST /chat/threads", Fault::UnknownOutcome));
    let url = format!("{}chat/threads?api-version=2024-03-07", stage.sim.endpoint);
    let request = || stage.client.post(&url).headers(headers.clone()).body(r#"{"topic":"T"}"#);
    request().send().await.unwrap_err();
    assert_eq!(request().send().await.unwrap().status().as_u16(), 201);
    assert_eq!(stage.effects("thread.created").len(), 1);
}

#[tokio::test]
async fn those_who_cannot_join_are_named_inside_a_201() {
    let stage = Stage::new().await;
    let (hub, token) = stage.user().await;
    let (gone, _) = stage.user().await;
    let (refused, _) = stage.user().await;
    let (customer, _) = stage.user().await;
    let delete = format!("/identities/{}?api-version=2023-10-01", gone.replace(':', "%3A"));
    stage.signed(Method::DELETE, &delete, Value::Null).await;
    let wish = json!({"id": refused});
    let url = format!("{}sim/acs/refuse-participant", stage.sim.endpoint);
    assert_eq!(stage.client.post(url).json(&wish).send().await.unwrap().status().as_u16(), 204);

    let stranger = "8:acs:00000000-0000-0000-0000-000000000001_00000001-0000-0000-0000-000000000001";
    let wish = json!({"topic": "T", "participants": participants(&[&gone, &refused, stranger, &customer, &hub])});
    let made = stage.chat(&token, Method::POST, "threads", wish).await;
    let problem =
        |entry: &Value| (entry["target"].as_str().unwrap().to_owned(), entry["code"].as_str().unwrap().to_owned());
    let invalid: Vec<_> = made.body["invalidParticipants"].as_array().unwrap().iter().map(problem).collect();
    assert_eq!(
        invalid,
        [(gone, "404".to_owned()), (refused.clone(), "403".to_owned()), (stranger.to_owned(), "403".to_owned())]
    );

    let thread = super::stage::encoded(made.body["chatThread"]["id"].as_str().unwrap());
    let list = stage.chat(&token, Method::GET, &format!("threads/{thread}/participants"), Value::Null).await;
    let ids: Vec<_> =
        list.body["value"].as_array().unwrap().iter().map(|one| &one["communicationIdentifier"]["rawId"]).collect();
    assert_eq!(ids, [&json!(hub), &json!(customer)]);
    // The refusal was for one time.
    let add = format!("threads/{thread}/participants/:add");
    let added = stage.chat(&token, Method::POST, &add, json!({"participants": participants(&[&refused])})).await;
    assert_eq!((added.status, added.body.get("invalidParticipants")), (201, None));
}

#[tokio::test]
async fn only_participants_may_do_anything_in_a_thread() {
    let stage = Stage::new().await;
    let (hub, token) = stage.user().await;
    let (stranger, strangers_token) = stage.user().await;
    let thread = stage.thread(&token, &[]).await;
    let message = json!({"content": "hello"});
    let calls = [
        (Method::GET, format!("threads/{thread}"), Value::Null),
        (Method::POST, format!("threads/{thread}/messages"), message.clone()),
        (Method::GET, format!("threads/{thread}/messages"), Value::Null),
        (
            Method::POST,
            format!("threads/{thread}/participants/:add"),
            json!({"participants": participants(&[&stranger])}),
        ),
        (Method::POST, format!("threads/{thread}/participants/:remove"), json!({"rawId": hub})),
        (Method::POST, format!("threads/{thread}/typing"), json!({})),
        (Method::DELETE, format!("threads/{thread}"), Value::Null),
    ];
    for (method, path, body) in calls {
        let reply = stage.chat(&strangers_token, method.clone(), &path, body).await;
        assert_eq!((reply.status, &reply.body["error"]["code"]), (403, &json!("Forbidden")), "{method} {path}");
    }
    let nowhere = stage.chat(&token, Method::POST, "threads/19%3Anowhere%40thread.v2/messages", message.clone()).await;
    assert_eq!(nowhere.status, 404);
    // Removed means stranger.
    let path = format!("threads/{thread}/participants/:add");
    stage.chat(&token, Method::POST, &path, json!({"participants": participants(&[&stranger])})).await;
    let path = format!("threads/{thread}/participants/:remove");
    assert_eq!(stage.chat(&token, Method::POST, &path, json!({"rawId": stranger})).await.status, 204);
    assert_eq!(stage.chat(&token, Method::POST, &path, json!({"rawId": stranger})).await.status, 404);
    let path = format!("threads/{thread}/messages");
    assert_eq!(stage.chat(&strangers_token, Method::POST, &path, message).await.status, 403);
}

#[tokio::test]
async fn scopes_below_chat_may_do_less() {
    let stage = Stage::new().await;
    let (hub, token) = stage.user().await;
    let issue = async |scope: &str| {
        let target = format!("/identities/{}/:issueAccessToken?api-version=2023-10-01", hub.replace(':', "%3A"));
        let issued = stage.signed(Method::POST, &target, json!({"scopes": [scope]})).await;
        issued.body["token"].as_str().unwrap().to_owned()
    };
    let (voip, join, limited) = (issue("voip").await, issue("chat.join").await, issue("chat.join.limited").await);
    let thread = stage.thread(&token, &[]).await;
    let (other, _) = stage.user().await;
    let add = async |token: &str| {
        let wish = json!({"participants": participants(&[&other])});
        stage.chat(token, Method::POST, &format!("threads/{thread}/participants/:add"), wish).await.status
    };
    assert_eq!(stage.chat(&voip, Method::GET, "threads", Value::Null).await.status, 403);
    assert_eq!(stage.chat(&join, Method::POST, "threads", json!({"topic": "T"})).await.status, 403);
    assert_eq!((add(&limited).await, add(&join).await), (403, 201));
    let path = format!("threads/{thread}/messages");
    assert_eq!(stage.chat(&limited, Method::POST, &path, json!({"content": "x"})).await.status, 201);
}

#[tokio::test]
async fn history_is_newest_first_in_pages_with_the_service_s_own_messages() {
    let stage = Stage::new().await;
    let (_, token) = stage.user().await;
    let (customer, customers_token) = stage.user().await;
    let thread = stage.thread(&token, &[&customer]).await;
    let path = format!("threads/{thread}/messages");
    for number in 0..10 {
        let wish =
            json!({"content": format!("m{number}"), "metadata": {"tandem": format!("c{number}")}, "type": "html"});
        let sent = stage.chat(&token, Method::POST, &path, wish).await;
        assert_eq!(sent.status, 201);
        assert!(sent.headers["location"].to_str().unwrap().ends_with(sent.body["id"].as_str().unwrap()));
    }
    let mut all = Vec::new();
    let mut next = Some(format!("https://{}/chat/{path}?api-version=2024-03-07", stage.sim.addr));
    let mut pages = 0;
    while let Some(url) = next {
        let response = stage.client.get(url).bearer_auth(&customers_token).send().await.unwrap();
        let page: Value = response.json().await.unwrap();
        all.extend(page["value"].as_array().unwrap().clone());
        next = page["nextLink"].as_str().map(str::to_owned);
        pages += 1;
    }
    let texts: Vec<_> =
        all.iter().map(|one| one["content"]["message"].as_str().unwrap_or(one["type"].as_str().unwrap())).collect();
    let expected = ["m9", "m8", "m7", "m6", "m5", "m4", "m3", "m2", "m1", "m0", "topicUpdated", "participantAdded"];
    assert_eq!((texts, pages), (expected.to_vec(), 2));
    assert_eq!((&all[0]["metadata"], &all[0]["type"]), (&json!({"tandem": "c9"}), &json!("html")));
    let large = stage.chat(&token, Method::GET, &format!("{path}?maxPageSize=200"), Value::Null).await;
    assert_eq!((large.body["value"].as_array().unwrap().len(), large.body.get("nextLink")), (12, None));
    let start = all[0]["createdOn"].as_str().unwrap();
    let late = stage.chat(&token, Method::GET, &format!("{path}?startTime={start}"), Value::Null).await;
    assert_eq!(late.body["value"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_participant_sees_history_from_its_share_history_time() {
    let stage = Stage::new().await;
    let (_, token) = stage.user().await;
    let (late, lates_token) = stage.user().await;
    let thread = stage.thread(&token, &[]).await;
    let path = format!("threads/{thread}/messages");
    stage.chat(&token, Method::POST, &path, json!({"content": "before"})).await;
    let seen = async || {
        let list = stage.chat(&lates_token, Method::GET, &format!("{path}?maxPageSize=200"), Value::Null).await;
        let said = |one: &Value| one["content"]["message"].as_str().map(str::to_owned);
        list.body["value"].as_array().unwrap().iter().filter_map(said).collect::<Vec<_>>()
    };
    let add = format!("threads/{thread}/participants/:add");
    stage.chat(&token, Method::POST, &add, json!({"participants": participants(&[&late])})).await;
    assert!(seen().await.is_empty());
    stage.chat(&token, Method::POST, &format!("threads/{thread}/participants/:remove"), json!({"rawId": late})).await;
    let mut wish = participants(&[&late]);
    wish[0]["shareHistoryTime"] = json!("1970-01-01T00:00:00Z");
    stage.chat(&token, Method::POST, &add, json!({"participants": wish})).await;
    assert_eq!(seen().await, ["before"]);
}

#[tokio::test]
async fn messages_are_changed_and_deleted_by_their_sender_alone() {
    let stage = Stage::new().await;
    let (_, token) = stage.user().await;
    let (other, others_token) = stage.user().await;
    let thread = stage.thread(&token, &[&other]).await;
    let path = format!("threads/{thread}/messages");
    let sent = stage.chat(&token, Method::POST, &path, json!({"content": "old"})).await;
    let one = format!("{path}/{}", sent.body["id"].as_str().unwrap());
    assert_eq!(stage.chat(&others_token, Method::PATCH, &one, json!({"content": "new"})).await.status, 403);
    assert_eq!(stage.chat(&token, Method::PATCH, &one, json!({"content": "new"})).await.status, 204);
    let read = stage.chat(&others_token, Method::GET, &one, Value::Null).await;
    assert_eq!(read.body["content"]["message"], json!("new"));
    assert!(read.body["editedOn"].is_string());
    assert_eq!(stage.chat(&others_token, Method::DELETE, &one, Value::Null).await.status, 403);
    assert_eq!(stage.chat(&token, Method::DELETE, &one, Value::Null).await.status, 204);
    let read = stage.chat(&others_token, Method::GET, &one, Value::Null).await;
    assert!(read.body["content"].get("message").is_none() && read.body["deletedOn"].is_string());
    assert_eq!(stage.chat(&token, Method::DELETE, &one, Value::Null).await.status, 404);
}

#[tokio::test]
async fn a_message_past_28_kilobytes_and_an_empty_one_are_refused() {
    let stage = Stage::new().await;
    let (_, token) = stage.user().await;
    let thread = stage.thread(&token, &[]).await;
    let send = async |content: String| {
        stage
            .chat(&token, Method::POST, &format!("threads/{thread}/messages"), json!({"content": content}))
            .await
            .status
    };
    assert_eq!(send("x".repeat(28 * 1024)).await, 201);
    assert_eq!(send("x".repeat(28 * 1024 + 1)).await, 413);
    assert_eq!(send(String::new()).await, 400);
}

#[tokio::test]
async fn a_thread_takes_250_participants_and_200_at_once() {
    let ids: Vec<String> = (0..300).map(|number| format!("8:acs:preset_{number}")).collect();
    let preset = ids.clone();
    let stage = Stage::with(|settings| settings.identities = preset).await;
    let (_, token) = stage.user().await;
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let thread = stage.thread(&token, &ids[..200]).await;
    let add = async |ids: &[&str]| {
        let wish = json!({"participants": participants(ids)});
        stage.chat(&token, Method::POST, &format!("threads/{thread}/participants/:add"), wish).await.status
    };
    assert_eq!(add(&ids[..201]).await, 400);
    assert_eq!(add(&ids[200..249]).await, 201);
    assert_eq!(add(&ids[249..250]).await, 400);
    let typing = stage.chat(&token, Method::POST, &format!("threads/{thread}/typing"), json!({})).await;
    assert_eq!(typing.status, 400);
}

#[tokio::test]
async fn the_eleventh_message_within_ten_seconds_is_throttled() {
    let stage = Stage::with(|settings| settings.limits = LimitMode::Documented).await;
    let (_, token) = stage.user().await;
    let thread = stage.thread(&token, &[]).await;
    let send =
        async || stage.chat(&token, Method::POST, &format!("threads/{thread}/messages"), json!({"content": "x"})).await;
    for _ in 0..10 {
        assert_eq!(send().await.status, 201);
    }
    let throttled = send().await;
    assert_eq!((throttled.status, &throttled.body["error"]["code"]), (429, &json!("TooManyRequests")));
    let seconds: u64 = throttled.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=10).contains(&seconds), "{seconds}");
    assert_eq!(stage.effects("message.posted").len(), 10);
}

#[tokio::test]
async fn faults_speak_the_service_s_language() {
    let stage = Stage::new().await;
    let (_, token) = stage.user().await;
    for (fault, status, code) in
        [(Fault::Throttle, 429, "TooManyRequests"), (Fault::ServerError, 503, "ServiceUnavailable")]
    {
        assert!(stage.sim.faults.force("GET /chat/threads", fault));
        let reply = stage.chat(&token, Method::GET, "threads", Value::Null).await;
        assert_eq!((reply.status, &reply.body["error"]["code"]), (status, &json!(code)));
    }
    assert_eq!(stage.chat(&token, Method::GET, "threads", Value::Null).await.status, 200);
}

#[tokio::test]
async fn a_deleted_thread_is_gone_but_still_listed() {
    let stage = Stage::new().await;
    let (_, token) = stage.user().await;
    let thread = stage.thread(&token, &[]).await;
    let path = format!("threads/{thread}");
    assert_eq!(stage.chat(&token, Method::PATCH, &path, json!({"topic": "New"})).await.status, 204);
    assert_eq!(stage.chat(&token, Method::GET, &path, Value::Null).await.body["topic"], json!("New"));
    assert_eq!(stage.chat(&token, Method::DELETE, &path, Value::Null).await.status, 204);
    assert_eq!(stage.chat(&token, Method::GET, &path, Value::Null).await.status, 404);
    let list = stage.chat(&token, Method::GET, "threads", Value::Null).await;
    assert!(list.body["value"][0]["deletedOn"].is_string());
}

#[tokio::test]
async fn read_receipts_are_kept_and_listed() {
    let stage = Stage::new().await;
    let (reader, token) = stage.user().await;
    let thread = stage.thread(&token, &[]).await;
    let sent = stage.chat(&token, Method::POST, &format!("threads/{thread}/messages"), json!({"content": "x"})).await;
    let path = format!("threads/{thread}/readReceipts");
    let wish = json!({"chatMessageId": sent.body["id"]});
    assert_eq!(stage.chat(&token, Method::POST, &path, wish).await.status, 200);
    assert_eq!(stage.chat(&token, Method::POST, &path, json!({"chatMessageId": "1"})).await.status, 404);
    let list = stage.chat(&token, Method::GET, &path, Value::Null).await;
    assert_eq!(list.body["value"][0]["senderCommunicationIdentifier"]["rawId"], json!(reader));
}

#[tokio::test]
async fn files_are_listed_with_their_message_and_stand_in_no_event() {
    let addr = super::stage::free_address();
    let stage = Stage::with(|settings| settings.subscriptions = vec![super::stage::subscription(addr)]).await;
    let (_, token) = stage.user().await;
    let (customer, _) = stage.user().await;
    let thread = stage.thread(&token, &[&customer]).await;
    let id = thread.replace("%3A", ":").replace("%40", "@");
    let attach = async |sender: &str| {
        let wish = json!({"threadId": id, "sender": sender, "attachments": [{"name": "plan.pdf"}]});
        let url = format!("{}sim/acs/attach", stage.sim.endpoint);
        stage.client.post(url).json(&wish).send().await.unwrap().status().as_u16()
    };
    assert_eq!((attach(&customer).await, attach("8:acs:stranger").await), (200, 403));

    let path = format!("threads/{thread}/messages?maxPageSize=1");
    let list = stage.chat(&token, Method::GET, &path, Value::Null).await;
    let content = &list.body["value"][0]["content"];
    assert_eq!((&content["message"], content["attachments"].as_array().map(Vec::len)), (&json!(""), Some(1)));
    assert_eq!(content["attachments"][0]["name"], json!("plan.pdf"));
    let told = stage.effects("delivery.waiting");
    let told: Vec<_> = told.iter().filter(|entry| entry.detail["data"]["messageBody"].is_string()).collect();
    assert_eq!(told.len(), 2, "one for the thread, one for the other participant");
    assert!(told.iter().all(|entry| !entry.detail.to_string().contains("plan.pdf")), "{told:?}");
}
