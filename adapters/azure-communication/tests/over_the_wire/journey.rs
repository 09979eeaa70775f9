//! Every action, and what repeating it does.

use std::time::Duration;

use http::Method;
use jiff::Timestamp;
use tandem_sdk::error::{Effect, ErrorKind, Retry};
use tandem_sdk::model::{ContentType, FactKind, LegRef, Outcome};
use tandem_sdk::sim::Fault;

use crate::stage::{HUB, Stage, Wishes, id, join, leave, open, said, say};

const SEND: &str = "POST /chat/threads/{thread}/messages";

#[tokio::test]
async fn a_conversation_is_held_and_recalled() {
    let stage = Stage::new().await;
    let (customer, agent) = (stage.person().await, stage.person().await);
    let hub = stage.person_at(HUB).await;

    let leg = stage.thread(&hub, &[&customer.address]).await;
    assert_eq!((leg.system.as_str(), leg.account.as_str()), ("azure-communication", "tandem-sim"));
    stage.carry(1, Some(&hub.token), join(&leg, &agent.address)).await.unwrap();
    let asked = stage.carry(2, Some(&customer.token), say(&leg, "help <me>", ContentType::Text)).await.unwrap();
    let told = stage.carry(3, Some(&agent.token), say(&leg, "<b>sure</b>", ContentType::Html)).await.unwrap();
    stage.carry(4, Some(&hub.token), leave(&leg, &agent.address)).await.unwrap();
    stage.carry(5, Some(&hub.token), leave(&leg, &agent.address)).await.unwrap();

    let facts = stage.recall(&hub, &leg, None).await;
    let told_of = |kind| facts.iter().filter(move |fact| fact.kind == kind);
    let joined: Vec<_> = told_of(FactKind::ParticipantJoined)
        .map(|fact| fact.participant.as_ref().unwrap().address.reveal().unwrap())
        .collect();
    assert!(joined.contains(&customer.address.as_str()) && joined.contains(&agent.address.as_str()), "{joined:?}");
    let left = told_of(FactKind::ParticipantLeft).next().unwrap().participant.as_ref().unwrap();
    assert_eq!(left.address.reveal(), Some(agent.address.as_str()));
    let messages: Vec<_> = told_of(FactKind::MessagePosted).collect();
    let (asked, told) = (said(asked), said(told));
    for (fact, message, who, text, n) in
        [(messages[0], &asked, &customer, "help <me>", 2), (messages[1], &told, &agent, "<b>sure</b>", 3)]
    {
        let found = fact.message.as_ref().unwrap();
        assert_eq!((&found.id, found.text.reveal()), (message, Some(text)));
        assert_eq!(found.marker, Some(id(n).to_string()));
        assert_eq!(fact.author.as_ref().unwrap().address.reveal(), Some(who.address.as_str()));
        assert_eq!(fact.leg, leg);
    }
    assert_eq!(messages[1].message.as_ref().unwrap().content_type, ContentType::Html);
    let present = facts.last().unwrap();
    assert_eq!(present.kind, FactKind::LegUpdated);
    let mut present: Vec<_> = present.members.iter().filter_map(|party| party.address.reveal()).collect();
    present.sort_unstable();
    let mut expected = [HUB, customer.address.as_str()];
    expected.sort_unstable();
    assert_eq!(present, expected);
    assert!(facts.is_sorted_by_key(|fact| fact.occurred_at));

    let since = messages[1].occurred_at;
    let later = stage.recall(&hub, &leg, Some(since)).await;
    let keys: Vec<_> = later.iter().map(|fact| fact.key.as_str()).collect();
    assert!(keys.contains(&messages[1].key.as_str()) && !keys.contains(&messages[0].key.as_str()), "{keys:?}");
}

#[tokio::test]
async fn files_are_recalled_by_their_names() {
    let stage = Stage::new().await;
    let customer = stage.person().await;
    let hub = stage.person_at(HUB).await;
    let leg = stage.thread(&hub, &[&customer.address]).await;
    let attach = stage.http.post(format!("{}sim/acs/attach", stage.sim.endpoint));
    let files = serde_json::json!([{"name": "plan.pdf"}, {"name": "photo.png", "attachmentType": "image"}]);
    let wish = serde_json::json!({"threadId": leg.native, "sender": customer.address, "attachments": files});
    assert_eq!(attach.json(&wish).send().await.unwrap().status(), 200);

    let facts = stage.recall(&hub, &leg, None).await;

    let message = facts.iter().find_map(|fact| fact.message.as_ref()).unwrap();
    let names: Vec<_> = message.attachments.iter().map(|one| one.name.reveal()).collect();
    assert_eq!(names, [Some("plan.pdf"), Some("photo.png")]);
    assert_eq!(message.text.reveal().unwrap_or_default(), "");
}

#[tokio::test]
async fn opening_twice_with_one_command_gives_one_thread() {
    let stage = Stage::new().await;
    let hub = stage.person_at(HUB).await;
    let once = stage.carry(1, Some(&hub.token), open(&[])).await.unwrap();
    let again = stage.carry(1, Some(&hub.token), open(&[])).await.unwrap();
    let other = stage.carry(2, Some(&hub.token), open(&[])).await.unwrap();

    assert_eq!(once.outcome, again.outcome);
    assert_ne!(once.outcome, other.outcome);
    assert_eq!(stage.effects("thread.created").len(), 2);
}

#[tokio::test]
async fn a_message_whose_answer_was_lost_is_found_by_its_marker() {
    let stage = Stage::new().await;
    let hub = stage.person_at(HUB).await;
    let leg = stage.thread(&hub, &[]).await;
    stage.sim.faults.force(SEND, Fault::UnknownOutcome);
    let lost = stage.carry(1, Some(&hub.token), say(&leg, "hello", ContentType::Text)).await.unwrap_err();
    assert_eq!((lost.kind, lost.effect), (ErrorKind::Unavailable, Effect::Unknown));

    let found = stage.find(1, &hub.token, say(&leg, "hello", ContentType::Text)).await.unwrap().unwrap();

    let posted = stage.effects("message.posted");
    assert_eq!(posted.len(), 1);
    assert!(matches!(&found.outcome, Outcome::Said { at: Some(_), .. }));
    assert_eq!(posted[0].detail["messageId"], said(found));
}

#[tokio::test]
async fn a_message_that_was_swallowed_is_not_found() {
    let stage = Stage::new().await;
    let hub = stage.person_at(HUB).await;
    let leg = stage.thread(&hub, &[]).await;
    stage.sim.faults.force(SEND, Fault::Timeout);
    let lost = stage.carry(1, Some(&hub.token), say(&leg, "hello", ContentType::Text)).await.unwrap_err();
    assert_eq!((lost.kind, lost.effect), (ErrorKind::Unavailable, Effect::Unknown));

    let found = stage.find(1, &hub.token, say(&leg, "hello", ContentType::Text)).await.unwrap();

    assert!(found.is_none());
    assert!(stage.effects("message.posted").is_empty());
}

#[tokio::test]
async fn a_message_is_looked_for_on_every_page_but_not_on_more_than_allowed() {
    let stage = Stage::with(Wishes { sim: &|_| {}, settings: "page_size = 2\nmax_pages = 3\n" }).await;
    let hub = stage.person_at(HUB).await;
    let leg = stage.thread(&hub, &[]).await;
    for n in 1..=7 {
        stage.carry(n, Some(&hub.token), say(&leg, "hello", ContentType::Text)).await.unwrap();
    }
    let find = |n| stage.find(n, &hub.token, say(&leg, "hello", ContentType::Text));

    assert!(find(2).await.unwrap().is_some(), "the sixth newest, on the third page");
    let too_old = find(1).await.unwrap_err();

    assert_eq!((too_old.kind, too_old.retry, too_old.effect), (ErrorKind::Unexpected, Retry::Later, Effect::Unknown));
}

#[tokio::test]
async fn a_message_is_looked_for_among_those_that_are_not_older_than_its_command() {
    let stage = Stage::with(Wishes { sim: &|_| {}, settings: "page_size = 2\nmax_pages = 1\n" }).await;
    let hub = stage.person_at(HUB).await;
    let leg = stage.thread(&hub, &[]).await;
    for n in 1..=5 {
        stage.carry(n, Some(&hub.token), say(&leg, "hello", ContentType::Text)).await.unwrap();
    }
    let hour = Duration::from_secs(3600);
    let find = |owed_at| stage.find_owed(Some(owed_at), 9, &hub.token, say(&leg, "hello", ContentType::Text));

    assert!(find(Timestamp::now() + hour).await.unwrap().is_none(), "everything there is older: it was not written");
    let error = find(Timestamp::now()).await.unwrap_err();
    assert_eq!(error.retry, Retry::Later, "clocks may differ: five newer ones, two looked at");
}

#[tokio::test]
async fn edits_and_deletions_are_recalled() {
    let stage = Stage::new().await;
    let hub = stage.person_at(HUB).await;
    let leg = stage.thread(&hub, &[]).await;
    let edited = said(stage.carry(1, Some(&hub.token), say(&leg, "helo", ContentType::Text)).await.unwrap());
    let deleted = said(stage.carry(2, Some(&hub.token), say(&leg, "oops", ContentType::Text)).await.unwrap());
    change(&stage, &hub.token, Method::PATCH, &leg, &edited, r#"{"content":"hello"}"#).await;
    change(&stage, &hub.token, Method::DELETE, &leg, &deleted, "").await;

    let facts = stage.recall(&hub, &leg, None).await;

    let about = |message: &str| {
        let about = facts.iter().filter(|fact| fact.message.as_ref().is_some_and(|found| found.id == message));
        about.map(|fact| (fact.kind, fact.message.as_ref().unwrap().text.reveal())).collect::<Vec<_>>()
    };
    assert_eq!(about(&edited), [(FactKind::MessagePosted, Some("hello")), (FactKind::MessageEdited, Some("hello"))]);
    assert_eq!(about(&deleted), [(FactKind::MessageDeleted, None)]);
}

async fn change(
    stage: &Stage,
    token: &tandem_sdk::secret::Secret,
    method: Method,
    leg: &LegRef,
    message: &str,
    body: &'static str,
) {
    let url = format!(
        "{}chat/threads/{}/messages/{message}?api-version=2024-03-07",
        stage.sim.endpoint,
        leg.native.replace(':', "%3A").replace('@', "%40")
    );
    let request = stage.http.request(method, url).bearer_auth(token.reveal()).body(body);
    assert_eq!(request.send().await.unwrap().status(), 204);
}

#[tokio::test]
async fn a_refused_participant_is_an_error_of_join_and_a_number_of_open() {
    let stage = Stage::new().await;
    let (hub, agent) = (stage.person_at(HUB).await, stage.person().await);
    let refuse = stage.http.post(format!("{}sim/acs/refuse-participant", stage.sim.endpoint));
    let refuse = refuse.json(&serde_json::json!({"id": agent.address, "times": 2}));
    assert!(refuse.send().await.unwrap().status().is_success());

    let opened = stage.carry(1, Some(&hub.token), open(&[&agent.address])).await.unwrap().outcome;
    let Outcome::Opened { leg, refused } = opened else { panic!("not opened: {opened:?}") };
    let error = stage.carry(2, Some(&hub.token), join(&leg, &agent.address)).await.unwrap_err();

    assert_eq!(refused, 1);
    assert_eq!((error.kind, error.effect), (ErrorKind::Refused, Effect::None));
    assert_eq!(error.detail, "201, but the participant was not accepted: 403");
    stage.carry(3, Some(&hub.token), join(&leg, &agent.address)).await.unwrap();
}
