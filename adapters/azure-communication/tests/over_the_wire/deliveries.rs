//! Event Grid's handshakes and deliveries through the door, and their facts beside the recalled ones.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::StatusCode;
use jiff::Timestamp;
use tandem_azure_communication::sim::{Entra, Family, Issuer, Schema, Subscription};
use tandem_sdk::doors::{self, Decoded, Doors, Envelope, KeyRing, Received};
use tandem_sdk::model::{ContentType, Fact};
use tandem_sdk::sim::{Bound, TimeScale};

use crate::stage::{HUB, Stage, Wishes, join, leave, say};

const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";

/// What the door kept and what it refused.
#[derive(Clone, Default)]
struct Intake(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    envelopes: Vec<Envelope>,
    refused: Vec<String>,
    handshakes: usize,
}

/// A hub in small: asks the door, fetches the key document that it wants, keeps, answers.
async fn ask(doors: Doors, http: reqwest::Client, intake: Intake, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 8 << 20).await.unwrap();
    let receive = doors.receive.unwrap();
    let mut keys = KeyRing::default();
    for _ in 0..2 {
        let received = receive.receive(&doors::Request {
            door: "events",
            method: &parts.method,
            query: parts.uri.query().unwrap_or_default(),
            headers: &parts.headers,
            body: &body,
            now: Timestamp::now(),
            keys: &keys,
        });
        let mut intake = match received {
            Received::NeedKey(url) => {
                assert!(receive.may_fetch(&url));
                let document = http.get(url.clone()).send().await.unwrap().bytes().await.unwrap();
                keys.insert(url, document);
                continue;
            }
            Received::Kept(_) | Received::Refused(_) => intake.0.lock().unwrap(),
        };
        return match received {
            Received::Kept(kept) => {
                intake.handshakes += usize::from(kept.envelopes.is_empty());
                intake.envelopes.extend(kept.envelopes);
                let reply = kept
                    .reply
                    .headers
                    .iter()
                    .fold(Response::builder().status(kept.reply.status), |response, (name, value)| {
                        response.header(*name, value)
                    });
                reply.body(Body::from(kept.reply.body)).unwrap()
            }
            Received::Refused(refusal) => {
                intake.refused.push(refusal.to_string());
                Response::builder().status(StatusCode::UNAUTHORIZED).body(Body::empty()).unwrap()
            }
            Received::NeedKey(_) => unreachable!("continued above"),
        };
    }
    Response::builder().status(StatusCode::SERVICE_UNAVAILABLE).body(Body::empty()).unwrap()
}

fn subscription(name: &str, url: &str, schema: Schema, batch: usize) -> Subscription {
    Subscription {
        name: name.to_owned(),
        url: url.parse().unwrap(),
        schema,
        max_events_per_batch: batch,
        families: vec![Family::Thread, Family::User],
        event_types: Vec::new(),
        headers: vec![("x-tandem".to_owned(), "header secret".to_owned())],
        bearer: true,
        dead_letter: false,
    }
}

#[tokio::test]
async fn every_check_passes_and_both_schemas_tell_the_facts_that_recall_tells() {
    let bound = Bound::take(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0)).unwrap();
    let hook = format!("https://{}/hooks/chat/events?code=query%20secret", bound.addr);
    let wrong = format!("https://{}/hooks/chat/events?code=guess", bound.addr);
    let stage = Stage::with(Wishes {
        sim: &|sim| {
            sim.time_scale = TimeScale::new(10.0).unwrap();
            sim.entra = Some(Entra {
                tenant: TENANT.to_owned(),
                audience: "api://tandem".to_owned(),
                role: "AzureEventGridSecureWebhookSubscriber".to_owned(),
                issuer: Issuer::V1,
            });
            sim.subscriptions = vec![
                subscription("grid", &hook, Schema::EventGrid, 1),
                subscription("grid-batched", &hook, Schema::EventGrid, 50),
                subscription("cloud", &hook, Schema::CloudEvents, 1),
                subscription("cloud-batched", &hook, Schema::CloudEvents, 50),
                subscription("stranger", &hook, Schema::EventGrid, 1),
                subscription("guesser", &wrong, Schema::EventGrid, 1),
            ];
        },
        settings: "",
    })
    .await;
    for (name, value) in [("query", "query secret"), ("header", "header secret")] {
        std::fs::write(stage.base().join(name), value).unwrap();
    }
    let doors = stage.doors_with(
        &stage.sim.endpoint,
        &format!(
            "[event_grid]\nsubscriptions = ['grid', 'Grid-Batched']\n\
             query = {{ secrets = ['file:query'] }}\n\
             headers = [{{ name = 'X-Tandem', secrets = ['file:header'] }}]\n\
             [event_grid.entra]\ntenant = '{TENANT}'\naudiences = ['api://tandem']\n\
             jwks_url = '{}{TENANT}/discovery/v2.0/keys'\n",
            stage.sim.endpoint
        ),
    );
    let intake = Intake::default();
    let (shared, http, tls) =
        (intake.clone(), stage.http.clone(), stage.authority.server_config(&["127.0.0.1"]).unwrap());
    let asked = doors.clone();
    let router = Router::new().fallback(async move |request: Request| ask(asked, http, shared, request).await);
    let served = bound.serve(tls, router).unwrap();

    let (hub, agent) = (stage.person_at(HUB).await, stage.person().await);
    let leg = stage.thread(&hub, &[]).await;
    stage.carry(1, Some(&hub.token), join(&leg, &agent.address)).await.unwrap();
    stage.carry(2, Some(&agent.token), say(&leg, "hello", ContentType::Text)).await.unwrap();
    stage.carry(3, Some(&hub.token), leave(&leg, &agent.address)).await.unwrap();
    let recalled = stage.recall(&hub, &leg, None).await;

    // Created, joined, said and left for the thread; joined, said and left for the one who did not do it.
    let different = |kept: &Kept| {
        let keys: BTreeSet<_> = kept.envelopes.iter().map(|envelope| &envelope.dedupe[0]).collect();
        keys.len()
    };
    for _ in 0..500 {
        let all_told = {
            let kept = intake.0.lock().unwrap();
            kept.envelopes.len() >= 4 * 7 && kept.refused.len() >= 2
        };
        if all_told {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    served.stop().await;
    let kept = intake.0.lock().unwrap();
    assert_eq!(different(&kept), 7);
    assert!(kept.envelopes.len() >= 4 * 7, "four subscriptions each told of seven events: {}", kept.envelopes.len());
    assert!(kept.handshakes >= 4, "{}", kept.handshakes);
    assert!(kept.refused.iter().any(|refusal| refusal.contains("subscription")), "{:?}", kept.refused);
    assert!(kept.refused.iter().any(|refusal| refusal.contains("query secret is wrong")), "{:?}", kept.refused);
    for envelope in &kept.envelopes {
        assert_eq!(envelope.origin, ["query_secret", "header x-tandem", "entra"]);
    }

    let decode = doors.decode.as_ref().unwrap();
    let mut facts: Vec<Fact> = Vec::new();
    for envelope in &kept.envelopes {
        match decode.decode(envelope) {
            Decoded::Facts(told) => facts.extend(told),
            other => panic!("{:?}: {other:?}", envelope.kind),
        }
    }
    let keys = |facts: &[Fact]| facts.iter().map(|fact| fact.key.clone()).collect::<BTreeSet<_>>();
    let (told, recalled_keys) = (keys(&facts), keys(&recalled));
    assert_eq!(told.len(), 4, "{told:?}");
    let missing: Vec<_> = told.difference(&recalled_keys).collect();
    assert_eq!(missing, ["leg.initiated"], "everything but the creation is recalled under its own key");
    for fact in facts.iter().filter(|fact| fact.message.is_some()) {
        let twin = recalled.iter().find(|twin| twin.key == fact.key).unwrap();
        assert_eq!((&twin.message, &twin.author, twin.occurred_at), (&fact.message, &fact.author, fact.occurred_at));
    }
}
