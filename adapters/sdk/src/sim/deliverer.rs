//! Posting events to a subscriber, as clouds do.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use url::Url;

use super::schedule::Verdict;
use super::{Authority, Fault, FaultKind, Faults, Ledger, Schedule, SimError, TimeScale};

/// What a subscriber's answer may weigh; more is cut off.
const MAX_ANSWER: usize = 64 * 1024;

/// Something to post until it is acknowledged or given up.
#[derive(Clone)]
pub struct Delivery {
    /// Who it is for, for example the name of a subscription: faults are drawn and scripted by it.
    pub site: String,
    /// What the ledger calls it: the id of the event, or of the first of a batch.
    pub key: String,
    /// Where to.
    pub url: Url,
    /// What.
    pub body: Bytes,
    /// The headers of an attempt, given how many attempts there were before.
    pub headers: Arc<dyn Fn(u32) -> HeaderMap + Send + Sync>,
    /// First attempts at deliveries of equal order happen one after the other.
    pub order: String,
    /// What may befall it: [`FaultKind::Duplicate`], [`FaultKind::Reorder`], [`FaultKind::Delay`], [`FaultKind::Drop`],
    /// [`FaultKind::Timeout`] (an attempt is lost on its way) and [`FaultKind::UnknownOutcome`] (its answer is lost).
    pub allowed: &'static [FaultKind],
    /// When and how often it is tried again.
    pub schedule: Arc<Schedule>,
    /// Whether it is kept as a dead letter when given up; otherwise it is dropped.
    pub dead_letter: bool,
    /// What else the ledger should say about it.
    pub detail: Value,
}

/// Bounds of a [`Deliverer`].
#[derive(Debug, Clone, Copy)]
pub struct DeliveryBounds {
    /// First attempts in flight at once; deliveries of equal order share a lane.
    pub lanes: usize,
    /// Deliveries that may wait for their first attempt, in all lanes; whoever brings one more to a full lane waits.
    pub waiting: usize,
    /// Deliveries that may wait for another attempt; a lane that has one more waits.
    pub retrying: usize,
    /// The shortest real time that a subscriber has for its answer, however much time is compressed.
    pub shortest_answer: Duration,
}

impl Default for DeliveryBounds {
    fn default() -> Self {
        // Many lanes, because a subscriber that answers after a commit takes as many in one commit as come at once; short
        // ones, so that what waits does so where it can still become part of a batch.
        Self { lanes: 256, waiting: 4_096, retrying: 16_000, shortest_answer: Duration::from_secs(3) }
    }
}

/// A subscriber's answer.
#[derive(Debug)]
pub struct Exchange {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, at most 64 KiB of it.
    pub body: Bytes,
}

/// Posts deliveries. Clones share lanes; when the last clone is gone, nothing more is posted.
///
/// The ledger gets `delivery.attempted` for each attempt, and one of `delivery.acknowledged`, `delivery.dropped` and
/// `delivery.dead_lettered` for each delivery, with the reason.
#[derive(Clone)]
pub struct Deliverer {
    lanes: Arc<Lanes>,
    road: Arc<Road>,
}

struct Lanes {
    entries: Vec<mpsc::Sender<Delivery>>,
    /// Aborted with the last clone.
    _tasks: JoinSet<()>,
}

/// What every attempt uses.
struct Road {
    client: reqwest::Client,
    ledger: Ledger,
    faults: Faults,
    scale: TimeScale,
    shortest_answer: Duration,
    retrying: Arc<Semaphore>,
    open: AtomicUsize,
}

impl Deliverer {
    /// A deliverer that trusts this authority alone. Must be called in a tokio runtime.
    ///
    /// # Errors
    /// [`SimError::Http`] or [`SimError::Tls`] when the client cannot be built.
    pub fn new(
        authority: &Authority,
        ledger: Ledger,
        faults: Faults,
        scale: TimeScale,
        bounds: DeliveryBounds,
    ) -> Result<Self, SimError> {
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let client = authority.trusted_by(client)?.build()?;
        let road = Arc::new(Road {
            client,
            ledger,
            faults,
            scale,
            shortest_answer: bounds.shortest_answer,
            retrying: Arc::new(Semaphore::new(bounds.retrying.clamp(1, Semaphore::MAX_PERMITS))),
            open: AtomicUsize::new(0),
        });
        let count = bounds.lanes.max(1);
        let mut tasks = JoinSet::new();
        let lanes = (0..count).map(|_| {
            let (entry, lane) = mpsc::channel(bounds.waiting.div_ceil(count).max(1));
            tasks.spawn(run_lane(Arc::clone(&road), lane));
            entry
        });
        let entries = lanes.collect();
        Ok(Self { lanes: Arc::new(Lanes { entries, _tasks: tasks }), road })
    }

    /// Takes a delivery over. Waits while its lane is full: clouds lose nothing because a subscriber is slow.
    pub async fn deliver(&self, delivery: Delivery) {
        let mut hasher = DefaultHasher::new();
        (&delivery.site, &delivery.order).hash(&mut hasher);
        let lane = usize::try_from(hasher.finish() % self.lanes.entries.len() as u64).unwrap_or(0);
        self.road.open.fetch_add(1, Ordering::Relaxed);
        // A lane is closed only when the runtime goes down, and everything with it.
        if let Err(mpsc::error::SendError(delivery)) = self.lanes.entries[lane].send(delivery).await {
            self.road.give_up(&delivery, "LaneClosed", 0, "none");
        }
    }

    /// Deliveries neither acknowledged nor given up yet.
    #[must_use]
    pub fn open(&self) -> usize {
        self.road.open.load(Ordering::Relaxed)
    }

    /// One request and its answer, without faults, retries or ledger: for handshakes.
    ///
    /// # Errors
    /// [`SimError::Http`] when there is no whole answer within `answer_within` (real time).
    pub async fn exchange(
        &self,
        method: Method,
        url: &Url,
        headers: HeaderMap,
        body: Bytes,
        answer_within: Duration,
    ) -> Result<Exchange, SimError> {
        let request = self.road.client.request(method, url.clone()).headers(headers).body(body);
        Ok(exchange(request.timeout(answer_within)).await?)
    }
}

async fn exchange(request: reqwest::RequestBuilder) -> Result<Exchange, reqwest::Error> {
    // The URL may carry a secret, so errors do not name it.
    let mut response = request.send().await.map_err(reqwest::Error::without_url)?;
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(reqwest::Error::without_url)? {
        let room = MAX_ANSWER - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if body.len() == MAX_ANSWER {
            break;
        }
    }
    Ok(Exchange { status: response.status(), headers: response.headers().clone(), body: body.freeze() })
}

/// First attempts, one after the other. Further ones are tasks of this lane and end with it.
async fn run_lane(road: Arc<Road>, mut lane: mpsc::Receiver<Delivery>) {
    let mut further = JoinSet::new();
    while let Some(delivery) = lane.recv().await {
        while further.try_join_next().is_some() {}
        let mut trip = Trip::start(delivery);
        let fault = road.faults.draw(&trip.delivery.site, trip.delivery.allowed);
        let (shortest, longest) = road.faults.delays();
        let wait = match fault {
            Some(Fault::Drop) => {
                road.give_up(&trip.delivery, "Fault", 0, "none");
                continue;
            }
            Some(Fault::Reorder) => Some(longest),
            // The attempt is lost on its way.
            Some(Fault::Timeout) => road.failed(&mut trip, "TimedOut", Duration::ZERO),
            Some(Fault::Duplicate) => {
                road.open.fetch_add(1, Ordering::Relaxed);
                go_on(&road, Trip::start(trip.delivery.clone()), shortest, &mut further).await;
                road.attempt(&mut trip, false).await
            }
            Some(Fault::Delay(delay)) => {
                tokio::time::sleep(delay).await;
                road.attempt(&mut trip, false).await
            }
            Some(Fault::UnknownOutcome) => road.attempt(&mut trip, true).await,
            // These befall calls, not deliveries.
            Some(Fault::Throttle | Fault::ServerError) | None => road.attempt(&mut trip, false).await,
        };
        if let Some(wait) = wait {
            go_on(&road, trip, wait, &mut further).await;
        }
    }
}

/// A delivery on its way.
struct Trip {
    delivery: Delivery,
    attempts: u32,
    started: Instant,
    published: Timestamp,
}

impl Trip {
    fn start(delivery: Delivery) -> Self {
        Self { delivery, attempts: 0, started: Instant::now(), published: Timestamp::now() }
    }
}

/// Further attempts, in a task of their own. Waits while too many are under way.
async fn go_on(road: &Arc<Road>, mut trip: Trip, first_wait: Duration, further: &mut JoinSet<()>) {
    // The semaphore is never closed.
    let Ok(permit) = Arc::clone(&road.retrying).acquire_owned().await else { return };
    let road = Arc::clone(road);
    further.spawn(async move {
        let mut wait = Some(first_wait);
        while let Some(real) = wait {
            tokio::time::sleep(real).await;
            wait = road.attempt(&mut trip, false).await;
        }
        drop(permit);
    });
}

impl Road {
    /// One attempt; the real wait before the next one, or none when the delivery is done with.
    async fn attempt(&self, trip: &mut Trip, answer_lost: bool) -> Option<Duration> {
        let delivery = &trip.delivery;
        let patience = self.scale.real(delivery.schedule.answer_within).max(self.shortest_answer);
        let request = self
            .client
            .post(delivery.url.clone())
            .headers((delivery.headers)(trip.attempts))
            .body(delivery.body.clone())
            .timeout(patience);
        let answer = exchange(request).await;
        if answer_lost {
            return self.failed(trip, "AnswerLost", Duration::ZERO);
        }
        match answer {
            Ok(answer) => match (delivery.schedule.verdict)(answer.status.as_u16()) {
                Verdict::Delivered => {
                    self.attempted(trip, answer.status.as_str());
                    let detail = json!({"site": trip.delivery.site, "attempts": trip.attempts + 1, "status": answer.status.as_u16(), "of": trip.delivery.detail});
                    self.ledger.enter("delivery.acknowledged", &trip.delivery.key, detail);
                    self.open.fetch_sub(1, Ordering::Relaxed);
                    None
                }
                Verdict::TryAgain { at_least } => self.failed(trip, answer.status.as_str(), at_least),
                Verdict::Final => {
                    self.attempted(trip, answer.status.as_str());
                    trip.attempts += 1;
                    self.give_up(&trip.delivery, "Refused", trip.attempts, answer.status.as_str());
                    None
                }
            },
            Err(error) => {
                let outcome = if error.is_timeout() { "TimedOut" } else { "SocketError" };
                self.failed(trip, outcome, Duration::ZERO)
            }
        }
    }

    /// Books a failed attempt: the real wait before the next one, or none when given up.
    fn failed(&self, trip: &mut Trip, outcome: &str, at_least: Duration) -> Option<Duration> {
        self.attempted(trip, outcome);
        trip.attempts += 1;
        let schedule = &trip.delivery.schedule;
        let label = format!("{}/{}/{}", trip.delivery.site, trip.delivery.key, trip.attempts);
        let Some(wait) = schedule.wait_after(trip.attempts, self.faults.fraction(&label)) else {
            self.give_up(&trip.delivery, "MaxDeliveryAttemptsExceeded", trip.attempts, outcome);
            return None;
        };
        let wait = wait.max(at_least);
        if self.scale.documented(trip.started.elapsed()).saturating_add(wait) > schedule.time_to_live {
            self.give_up(&trip.delivery, "TimeToLiveExceeded", trip.attempts, outcome);
            return None;
        }
        Some(self.scale.real(wait))
    }

    fn attempted(&self, trip: &Trip, outcome: &str) {
        let detail = json!({"site": trip.delivery.site, "attempt": trip.attempts + 1, "outcome": outcome, "publishTime": trip.published});
        self.ledger.enter("delivery.attempted", &trip.delivery.key, detail);
    }

    fn give_up(&self, delivery: &Delivery, reason: &str, attempts: u32, outcome: &str) {
        let dead_letter = delivery.dead_letter && attempts > 0;
        let effect = if dead_letter { "delivery.dead_lettered" } else { "delivery.dropped" };
        let mut detail = json!({
            "site": delivery.site, "deadLetterReason": reason, "deliveryAttempts": attempts,
            "lastDeliveryOutcome": outcome, "of": delivery.detail,
        });
        if dead_letter {
            let as_text = || Value::from(String::from_utf8_lossy(&delivery.body).into_owned());
            detail["body"] = serde_json::from_slice(&delivery.body).unwrap_or_else(|_| as_text());
        }
        self.ledger.enter(effect, &delivery.key, detail);
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}
