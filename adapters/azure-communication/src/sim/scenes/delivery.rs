use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::Request;
use http::{HeaderMap, Method};
use serde_json::{Value, json};
use tandem_sdk::sim::{Fault, Served, serve};
use tokio::sync::Semaphore;

use super::super::{Family, Schema, Settings, Subscription};
use super::stage::{Stage, Webhook, free_address, subscription, until};

/// A webhook that is up, and a simulator that has shaken hands with it.
async fn connected(webhook: &Webhook, change: impl FnOnce(&mut Settings, &mut Subscription)) -> (Stage, Served) {
    let addr = free_address();
    let stage = stage_for(addr, change).await;
    let served = webhook.serve(&stage.authority, addr).await;
    until(|| !stage.effects("handshake.granted").is_empty()).await;
    (stage, served)
}

async fn stage_for(addr: SocketAddr, change: impl FnOnce(&mut Settings, &mut Subscription)) -> Stage {
    Stage::with(|settings| {
        let mut one = subscription(addr);
        change(settings, &mut one);
        settings.subscriptions.push(one);
    })
    .await
}

async fn say(stage: &Stage, token: &str, thread: &str, content: &str) {
    let path = format!("threads/{thread}/messages");
    let wish = json!({"content": content, "senderDisplayName": "Ann"});
    assert_eq!(stage.chat(token, Method::POST, &path, wish).await.status, 201);
}

#[tokio::test]
async fn event_grid_s_handshake_waits_for_the_webhook_and_comes_before_events() {
    let addr = free_address();
    let stage = stage_for(addr, |_, one| one.families = vec![Family::Thread]).await;
    let (_, token) = stage.user().await;
    let _thread = stage.thread(&token, &[]).await;
    until(|| !stage.effects("handshake.refused").is_empty()).await;
    let webhook = Webhook::default();
    let _served = webhook.serve(&stage.authority, addr).await;
    until(|| !webhook.deliveries().is_empty()).await;
    let told = webhook.told.lock().unwrap();
    let asked = &told[0];
    assert_eq!(
        (asked.header("aeg-event-type"), asked.header("aeg-subscription-name")),
        ("SubscriptionValidation", "CHAT")
    );
    assert_eq!((asked.body.as_array().unwrap().len(), asked.target.as_str()), (1, "/hooks/acs?secret=s"));
    assert_eq!(asked.body[0]["eventType"], json!("Microsoft.EventGrid.SubscriptionValidationEvent"));
    assert_eq!(told[1].kinds(), ["ChatThreadCreated"]);
}

#[tokio::test]
async fn a_handshake_may_be_finished_by_opening_the_validation_url() {
    let addr = free_address();
    let stage = stage_for(addr, |_, _| {}).await;
    let webhook = Webhook { silent: true, ..Webhook::default() };
    let _served = webhook.serve(&stage.authority, addr).await;
    until(|| !stage.effects("handshake.awaiting").is_empty()).await;
    let url = stage.effects("handshake.awaiting")[0].detail["validationUrl"].as_str().unwrap().to_owned();
    assert!(stage.effects("handshake.granted").is_empty());
    let wrong = stage.client.get(url.replace("token=", "token=x")).send().await.unwrap();
    assert_eq!(wrong.status().as_u16(), 404);
    assert_eq!(stage.client.get(&url).send().await.unwrap().status().as_u16(), 200);
    until(|| !stage.effects("handshake.granted").is_empty()).await;
}

#[tokio::test]
async fn cloud_events_ask_by_options_and_come_as_one_object() {
    let webhook = Webhook::default();
    let (stage, _served) = connected(&webhook, |_, one| one.schema = Schema::CloudEvents).await;
    let (_, token) = stage.user().await;
    let (customer, customers_token) = stage.user().await;
    let thread = stage.thread(&token, &[&customer]).await;
    say(&stage, &customers_token, &thread, "hello").await;
    until(|| webhook.kinds().len() == 4).await;
    let asked = webhook.told.lock().unwrap()[0].clone();
    assert_eq!((asked.method.as_str(), asked.header("webhook-request-origin")), ("OPTIONS", "eventgrid.azure.net"));
    let deliveries = webhook.deliveries();
    assert!(deliveries.iter().all(|told| told.header("content-type") == "application/cloudevents+json; charset=utf-8"));
    let message = deliveries.iter().find(|told| told.kinds() == ["ChatMessageReceivedInThread"]).unwrap();
    assert_eq!((&message.body["specversion"], &message.body["data"]["messageBody"]), (&json!("1.0"), &json!("hello")));
    assert_eq!((message.header("aeg-metadata-version"), message.header("aeg-data-version")), ("1.0", ""));
}

#[tokio::test]
async fn the_sender_s_own_message_comes_once_for_the_thread_and_never_to_itself() {
    let webhook = Webhook::default();
    let (stage, _served) = connected(&webhook, |_, _| {}).await;
    let (hub, token) = stage.user().await;
    let (customer, _) = stage.user().await;
    let thread = stage.thread(&token, &[&customer]).await;
    say(&stage, &token, &thread, "from the hub").await;
    until(|| webhook.kinds().len() == 4).await;
    let events: Vec<Value> = webhook.deliveries().into_iter().map(|told| told.body[0].clone()).collect();
    let messages: Vec<&Value> = events.iter().filter(|event| event["data"].get("messageBody").is_some()).collect();
    assert_eq!(messages.len(), 2);
    assert!(messages.iter().all(|event| event["data"]["senderCommunicationIdentifier"]["rawId"] == json!(hub)));
    let recipients: Vec<_> = messages.iter().filter_map(|event| event["data"].get("recipientId")).collect();
    assert_eq!(recipients, [&json!(customer)]);
    let first = &webhook.deliveries()[0];
    assert_eq!((first.header("aeg-delivery-count"), first.header("aeg-data-version")), ("0", "1.0"));
    assert_eq!(first.header("aeg-output-event-id"), first.body[0]["id"].as_str().unwrap());
}

#[tokio::test]
async fn a_delivery_is_retried_after_503_and_after_202_it_is_done() {
    let webhook = Webhook::answering(&[503, 202]);
    let (stage, _served) = connected(&webhook, |_, one| one.families = vec![Family::Thread]).await;
    let (_, token) = stage.user().await;
    stage.thread(&token, &[]).await;
    until(|| stage.sim.open_deliveries() == 0 && !stage.effects("delivery.acknowledged").is_empty()).await;
    let counts: Vec<_> = webhook.deliveries().iter().map(|told| told.header("aeg-delivery-count").to_owned()).collect();
    assert_eq!(counts, ["0", "1"]);
}

#[tokio::test]
async fn statuses_that_are_never_retried_end_as_dead_letters_or_are_lost() {
    for status in [400, 401, 403, 413] {
        for (keep, effect) in [(true, "delivery.dead_lettered"), (false, "delivery.dropped")] {
            let webhook = Webhook::answering(&[status]);
            let change = |_: &mut Settings, one: &mut Subscription| {
                one.families = vec![Family::Thread];
                one.dead_letter = keep;
            };
            let (stage, _served) = connected(&webhook, change).await;
            let (_, token) = stage.user().await;
            stage.thread(&token, &[]).await;
            until(|| !stage.effects(effect).is_empty()).await;
            assert_eq!(webhook.deliveries().len(), 1, "{status}");
            let letter = &stage.effects(effect)[0];
            assert_eq!((&letter.detail["deliveryAttempts"], letter.detail.get("body").is_some()), (&json!(1), keep));
        }
    }
}

#[tokio::test]
async fn events_outlive_a_webhook_that_goes_away() {
    let webhook = Webhook::default();
    let (stage, served) = connected(&webhook, |_, one| one.families = vec![Family::Thread]).await;
    let addr = served.addr;
    served.stop().await;
    let (_, token) = stage.user().await;
    stage.thread(&token, &[]).await;
    until(|| stage.effects("delivery.attempted").len() > 1).await;
    let _again = webhook.serve(&stage.authority, addr).await;
    until(|| stage.sim.open_deliveries() == 0).await;
    assert_eq!(webhook.kinds(), ["ChatThreadCreated"]);
}

#[tokio::test]
async fn batches_hold_what_waits_and_are_arrays() {
    let addr = free_address();
    let stage = stage_for(addr, |_, one| {
        one.max_events_per_batch = 3;
        one.schema = Schema::CloudEvents;
        one.families = vec![Family::Thread];
    })
    .await;
    let (_, token) = stage.user().await;
    let thread = stage.thread(&token, &[]).await;
    for content in ["a", "b", "c"] {
        say(&stage, &token, &thread, content).await;
    }
    let webhook = Webhook::default();
    let _served = webhook.serve(&stage.authority, addr).await;
    until(|| webhook.kinds().len() == 4).await;
    let sizes: Vec<_> = webhook.deliveries().iter().map(|told| told.body.as_array().unwrap().len()).collect();
    assert_eq!(sizes, [3, 1]);
    let message = "ChatMessageReceivedInThread";
    assert_eq!(webhook.kinds(), ["ChatThreadCreated", message, message, message]);
}

/// A webhook whose first answers to deliveries, so many of them, wait until the gate opens.
async fn gated(webhook: &Webhook, stage: &Stage, addr: SocketAddr, held: usize) -> (Served, Arc<Semaphore>) {
    let (told, gate, came) = (webhook.clone(), Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let closed = Arc::clone(&gate);
    let router = Router::new().fallback(async move |request: Request| {
        let is_delivery = request.headers().get("aeg-event-type").is_some_and(|kind| kind == "Notification");
        let answer = told.take(request).await;
        if is_delivery && came.fetch_add(1, Ordering::Relaxed) < held {
            // An error is the open gate.
            drop(closed.acquire().await);
        }
        answer
    });
    let served = serve(addr, stage.authority.server_config(&["127.0.0.1"]).unwrap(), router).await.unwrap();
    until(|| !stage.effects("handshake.granted").is_empty()).await;
    (served, gate)
}

#[tokio::test]
async fn a_batch_that_waits_for_its_answer_holds_up_only_its_own_threads() {
    let (addr, webhook) = (free_address(), Webhook::default());
    let stage = stage_for(addr, |_, one| {
        one.max_events_per_batch = 3;
        one.families = vec![Family::Thread];
    })
    .await;
    let (_served, _gate) = gated(&webhook, &stage, addr, 1).await;
    let (_, token) = stage.user().await;
    for _ in 0..10 {
        stage.thread(&token, &[]).await;
    }
    // Two threads may share a lane; ten do not.
    until(|| stage.effects("delivery.acknowledged").len() > 4).await;
    assert!(stage.effects("delivery.attempted").iter().all(|entry| entry.detail["outcome"] == "200"), "not held yet");
}

#[tokio::test]
async fn calls_are_refused_while_too_many_events_wait_and_none_is_lost() {
    let (addr, webhook) = (free_address(), Webhook::default());
    let stage = stage_for(addr, |settings, one| {
        one.families = vec![Family::Thread];
        settings.bounds.waiting_events = 4;
    })
    .await;
    let (_served, gate) = gated(&webhook, &stage, addr, usize::MAX).await;
    let (_, token) = stage.user().await;
    let thread = stage.thread(&token, &[]).await;
    let path = format!("threads/{thread}/messages");
    let mut posted = 0;
    while stage.chat(&token, Method::POST, &path, json!({"content": "more"})).await.status == 201 {
        posted += 1;
        assert!(posted < 1_000, "never refused");
    }
    gate.close();
    until(|| stage.effects("delivery.acknowledged").len() == posted + 1).await;
    assert_eq!(stage.effects("delivery.dropped").len(), 0);
    say(&stage, &token, &thread, "taken again").await;
}

#[tokio::test]
async fn forced_faults_double_and_overtake_deliveries() {
    let webhook = Webhook::default();
    let (stage, _served) = connected(&webhook, |_, one| one.families = vec![Family::Thread]).await;
    let (_, token) = stage.user().await;
    let site = "event-grid chat";
    assert!(stage.sim.faults.force(site, Fault::Duplicate) && stage.sim.faults.force(site, Fault::Reorder));
    let thread = stage.thread(&token, &[]).await;
    say(&stage, &token, &thread, "overtaken").await;
    say(&stage, &token, &thread, "overtaking").await;
    until(|| webhook.kinds().len() == 4).await;
    let texts: Vec<_> = webhook
        .deliveries()
        .iter()
        .filter_map(|told| told.body[0]["data"]["messageBody"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(texts, ["overtaking", "overtaken"]);
    let ids: Vec<_> = webhook
        .deliveries()
        .iter()
        .filter(|told| told.kinds() == ["ChatThreadCreated"])
        .map(|told| told.body[0]["id"].clone())
        .collect();
    assert_eq!((ids.len(), &ids[0]), (2, &ids[1]));
}

#[tokio::test]
async fn deliveries_carry_custom_headers_and_a_token_that_the_tenant_s_keys_verify() {
    let webhook = Webhook::default();
    let change = |settings: &mut Settings, one: &mut Subscription| {
        one.headers = vec![("x-hub".to_owned(), "blue".to_owned())];
        one.bearer = true;
        settings.entra = serde_json::from_value(json!({"tenant": "contoso", "audience": "api://hub"})).unwrap();
    };
    let (stage, _served) = connected(&webhook, change).await;
    let (_, token) = stage.user().await;
    stage.thread(&token, &[]).await;
    until(|| !webhook.deliveries().is_empty()).await;
    let delivery = &webhook.deliveries()[0];
    assert_eq!(delivery.header("x-hub"), "blue");
    let jwt = delivery.header("authorization").strip_prefix("Bearer ").unwrap().to_owned();
    let url = format!("{}contoso/discovery/v2.0/keys", stage.sim.endpoint);
    let keys: jsonwebtoken::jwk::JwkSet = stage.client.get(url).send().await.unwrap().json().await.unwrap();
    let kid = jsonwebtoken::decode_header(&jwt).unwrap().kid.unwrap();
    let key = jsonwebtoken::DecodingKey::from_jwk(keys.find(&kid).unwrap()).unwrap();
    let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
    rules.set_audience(&["api://hub"]);
    rules.set_issuer(&["https://sts.windows.net/contoso/"]);
    let claims = jsonwebtoken::decode::<Value>(&jwt, &key, &rules).unwrap().claims;
    assert_eq!(claims["appid"], json!("4962773b-9cdb-44cf-a8bf-237846a00ab7"));
    assert_eq!(claims["roles"], json!(["AzureEventGridSecureWebhookSubscriber"]));
}

#[tokio::test]
async fn participants_coming_and_going_are_told_to_both_families() {
    let webhook = Webhook::default();
    let (stage, _served) = connected(&webhook, |_, _| {}).await;
    let (_, token) = stage.user().await;
    let (agent, _) = stage.user().await;
    let thread = stage.thread(&token, &[]).await;
    let wish = json!({"participants": super::stage::participants(&[&agent])});
    stage.chat(&token, Method::POST, &format!("threads/{thread}/participants/:add"), wish).await;
    stage.chat(&token, Method::POST, &format!("threads/{thread}/participants/:remove"), json!({"rawId": agent})).await;
    until(|| webhook.kinds().len() == 5).await;
    assert_eq!(
        webhook.kinds(),
        [
            "ChatThreadCreated",
            "ChatThreadParticipantAdded",
            "ChatParticipantAddedToThreadWithUser",
            "ChatThreadParticipantRemoved",
            "ChatParticipantRemovedFromThreadWithUser",
        ]
    );
    let added = stage.effects("participant.added");
    assert!(added.last().unwrap().key.ends_with(&agent), "{added:?}");
}

#[tokio::test]
async fn whatever_goes_wrong_every_event_arrives() {
    let webhook = Webhook::answering(&[503, 500, 429]);
    let change = |settings: &mut Settings, one: &mut Subscription| {
        one.families = vec![Family::Thread];
        settings.seed = 11;
        settings.rates = Some("all=0.1,delay_min_ms=1,delay_max_ms=20".parse().unwrap());
        settings.hold_ms = 10;
        settings.identities = vec!["8:acs:preset_1".to_owned()];
    };
    let (stage, _served) = connected(&webhook, change).await;
    // Calls are faulted too: repeat until there is an answer that says yes.
    let insist = async |target: &str, headers: HeaderMap, body: Value| {
        for _ in 0..50 {
            let url = format!("https://{}{target}", stage.sim.addr);
            let sent = stage.client.post(url).headers(headers.clone()).body(body.to_string()).send().await;
            if let Ok(response) = sent
                && response.status().is_success()
            {
                return response.json::<Value>().await.unwrap();
            }
        }
        panic!("fifty faults in a row");
    };
    let wish = json!({"createTokenWithScopes": ["chat"]});
    let target = "/identities?api-version=2023-10-01";
    let made = insist(target, stage.signature(&Method::POST, target, &wish), wish).await;
    let token = made["accessToken"]["token"].as_str().unwrap();
    let headers = HeaderMap::from_iter([(http::header::AUTHORIZATION, super::stage::bearer(token))]);
    let made = insist("/chat/threads?api-version=2024-03-07", headers.clone(), json!({"topic": "T"})).await;
    let thread = super::stage::encoded(made["chatThread"]["id"].as_str().unwrap());
    let target = format!("/chat/threads/{thread}/messages?api-version=2024-03-07");
    for number in 0..100 {
        insist(&target, headers.clone(), json!({"content": format!("m{number}")})).await;
    }
    until(|| stage.sim.open_deliveries() == 0).await;
    // An answer lost makes a second message, so the ledger says how many there are.
    let ids = |told: &Value| told["data"]["messageId"].as_str().map(str::to_owned);
    let arrived: BTreeSet<String> = webhook.deliveries().iter().filter_map(|told| ids(&told.body[0])).collect();
    let posted = stage.effects("message.posted");
    let posted: BTreeSet<String> =
        posted.iter().map(|entry| entry.detail["messageId"].as_str().unwrap().to_owned()).collect();
    assert!(posted.len() >= 100);
    assert_eq!(arrived, posted);
    let never: Vec<_> = stage.sim.faults.histogram().into_iter().filter(|(_, count)| count.drawn == 0).collect();
    assert!(never.is_empty(), "{never:?}");
}
