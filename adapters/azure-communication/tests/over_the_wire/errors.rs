//! What goes wrong, and what the adapter says of it.

use std::time::Duration;

use tandem_sdk::doors::Limit;
use tandem_sdk::error::{Effect, ErrorKind, Retry};
use tandem_sdk::model::{Action, ContentType, LegRef, Personal};
use tandem_sdk::secret::Secret;
use tandem_sdk::sim::Fault;

use crate::stage::{HUB, Stage, Wishes, join, leave, open, say};

const SEND: &str = "POST /chat/threads/{thread}/messages";

fn hello(leg: &LegRef) -> Action {
    say(leg, "hello", ContentType::Text)
}

#[tokio::test]
async fn who_is_no_participant_is_refused() {
    let stage = Stage::new().await;
    let (hub, stranger) = (stage.person_at(HUB).await, stage.person().await);
    let leg = stage.thread(&hub, &[]).await;
    for action in
        [hello(&leg), join(&leg, &stranger.address), leave(&leg, HUB), Action::Recall { leg: leg.clone(), since: None }]
    {
        let error = stage.carry(1, Some(&stranger.token), action).await.unwrap_err();
        assert_eq!((error.kind, error.retry, error.effect), (ErrorKind::Refused, Retry::Never, Effect::None));
        assert_eq!(error.detail, "403 Forbidden: the speaker is no participant of the thread");
    }
}

#[tokio::test]
async fn a_credential_that_is_not_accepted_says_which() {
    let stage = Stage::new().await;
    let hub = stage.person_at(HUB).await;
    let leg = stage.thread(&hub, &[]).await;
    for token in [None, Some(Secret::new("no token of ours"))] {
        let error = stage.carry(1, token.as_ref(), hello(&leg)).await.unwrap_err();
        assert_eq!((error.kind, error.retry, error.effect), (ErrorKind::Unverified, Retry::Later, Effect::None));
    }

    let unknown = Action::IssueToken { address: Personal::new("8:acs:nobody") };
    assert_eq!(stage.carry(1, None, unknown).await.unwrap_err().kind, ErrorKind::NotFound);
}

#[tokio::test]
async fn a_throttled_call_had_no_effect_and_a_failed_one_may_have_had_one() {
    let stage = Stage::new().await;
    let hub = stage.person_at(HUB).await;
    let leg = stage.thread(&hub, &[]).await;
    stage.sim.faults.force(SEND, Fault::Throttle);
    stage.sim.faults.force(SEND, Fault::ServerError);
    stage.sim.faults.force("GET /chat/threads/{thread}/messages", Fault::ServerError);

    let throttled = stage.carry(1, Some(&hub.token), hello(&leg)).await.unwrap_err();
    let failed = stage.carry(1, Some(&hub.token), hello(&leg)).await.unwrap_err();
    let unread = stage.find(1, &hub.token, hello(&leg)).await.unwrap_err();
    stage.carry(1, Some(&hub.token), hello(&leg)).await.unwrap();

    let second = Retry::After(Duration::from_secs(1));
    assert_eq!((throttled.kind, throttled.retry, throttled.effect), (ErrorKind::RateLimited, second, Effect::None));
    assert_eq!((failed.kind, failed.retry, failed.effect), (ErrorKind::Unavailable, Retry::Later, Effect::Unknown));
    assert_eq!((unread.kind, unread.effect), (ErrorKind::Unavailable, Effect::None));
    assert_eq!(throttled.detail, "429 TooManyRequests");
}

#[tokio::test]
async fn the_documented_limit_of_a_thread_is_what_the_quota_says() {
    let stage = Stage::new().await;
    let hub = stage.person_at(HUB).await;
    let leg = stage.thread(&hub, &[]).await;
    for n in 0..10 {
        stage.carry(n, Some(&hub.token), hello(&leg)).await.unwrap();
    }
    let eleventh = stage.carry(10, Some(&hub.token), hello(&leg)).await.unwrap_err();
    assert_eq!(eleventh.kind, ErrorKind::RateLimited);
    assert!(matches!(eleventh.retry, Retry::After(wait) if wait <= Duration::from_secs(10)));
}

#[tokio::test]
async fn a_hub_that_keeps_to_its_quota_leaves_room_for_whoever_types() {
    let stage = Stage::new().await;
    let (hub, customer) = (stage.person_at(HUB).await, stage.person().await);
    let leg = stage.thread(&hub, &[&customer.address]).await;
    let Limit::Window { calls: own, .. } = stage.quotas(hello(&leg))[0].limit else { panic!("no window") };
    for n in 0..u64::from(own) {
        stage.carry(n, Some(&hub.token), hello(&leg)).await.unwrap();
        stage.carry(100 + n, Some(&customer.token), hello(&leg)).await.unwrap();
    }
    let one_more = stage.carry(10, Some(&hub.token), hello(&leg)).await.unwrap_err();
    assert_eq!((own, one_more.kind), (5, ErrorKind::RateLimited), "nothing of the limit is left unused");
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_leaves_a_doubt() {
    let settings = "request_timeout = '100ms'\n";
    let stage = Stage::with(Wishes { sim: &|sim| sim.hold_ms = 5_000, settings }).await;
    let hub = stage.person_at(HUB).await;
    let leg = stage.thread(&hub, &[]).await;
    stage.sim.faults.force(SEND, Fault::Timeout);

    let late = stage.carry(1, Some(&hub.token), hello(&leg)).await.unwrap_err();

    assert_eq!((late.kind, late.retry, late.effect), (ErrorKind::Unavailable, Retry::Later, Effect::Unknown));
    assert_eq!(late.detail, "no answer in time");
}

#[tokio::test]
async fn a_refused_connection_certainly_had_no_effect() {
    let mut stage = Stage::new().await;
    // Nobody listens on a port that was bound and let go.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    stage.doors = stage.doors_with(&format!("https://{free}"), "");

    let error = stage.carry(1, Some(&Secret::new("token")), open(&[])).await.unwrap_err();

    assert_eq!((error.kind, error.retry, error.effect), (ErrorKind::Unavailable, Retry::Later, Effect::None));
    assert_eq!(error.detail, "no connection");
}

#[tokio::test]
async fn an_answer_past_the_cap_is_not_read() {
    let stage = Stage::with(Wishes { sim: &|_| {}, settings: "answer_cap = '64KiB'\n" }).await;
    let hub = stage.person_at(HUB).await;
    let leg = stage.thread(&hub, &[]).await;
    for n in 0..3 {
        stage.carry(n, Some(&hub.token), say(&leg, &"x".repeat(28_000), ContentType::Text)).await.unwrap();
    }
    let error = stage.carry(9, Some(&hub.token), Action::Recall { leg, since: None }).await.unwrap_err();
    assert_eq!((error.kind, error.effect), (ErrorKind::Malformed, Effect::None));
}

#[tokio::test]
async fn what_azure_cannot_do_and_what_was_erased_is_not_sent() {
    let stage = Stage::new().await;
    let hub = stage.person_at(HUB).await;
    let leg = stage.thread(&hub, &[]).await;
    let carry = stage.doors.carry.as_ref().unwrap();
    let end = Action::End { leg: leg.clone() };
    assert!(carry.class(&end).is_none());
    let card = say(&leg, "{}", ContentType::Interactive);
    let erased = Action::Leave { leg: leg.clone(), address: Personal::NONE };
    let up = Action::Recall { leg: leg.sibling(".."), since: None };
    for (action, kind) in [
        (end, ErrorKind::Unsupported),
        (card, ErrorKind::Unsupported),
        (erased, ErrorKind::Malformed),
        (up, ErrorKind::Malformed),
    ] {
        let error = stage.carry(1, Some(&hub.token), action).await.unwrap_err();
        assert_eq!((error.kind, error.retry, error.effect), (kind, Retry::Never, Effect::None));
    }
}
