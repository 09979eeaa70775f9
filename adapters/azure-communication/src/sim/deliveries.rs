//! Subscriptions: from an occurrence in a thread to a delivery at a webhook.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use jiff::Timestamp;
use serde_json::{Value, json};
use tandem_sdk::sim::{Deliverer, Delivery, FaultKind, Ledger, Schedule, SimError, TimeScale, Verdict};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::entra::Tenant;
use super::envelopes;
use super::events::{Event, Occurrence, events};
use super::handshake::{Answer, Question};
use super::settings::{Family, Settings, Subscription};

/// Real pause between two handshakes; whoever creates a subscription in the portal would try again by hand.
const HANDSHAKE_PAUSE: Duration = Duration::from_millis(300);
/// Documented: what a webhook has for an answer, and for opening the validation URL.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
const VALIDATE_WITHIN: Duration = Duration::from_secs(600);
/// The shortest real patience, however much time is compressed.
const SHORTEST_ANSWER: Duration = Duration::from_secs(3);

/// Parts of a subscription that leave side by side, each of other threads: Event Grid promises no order, but without
/// faults what happens in one thread is told in order here.
const PARTITIONS: usize = 128;

/// Event Grid documents at-least-once without order, so losing an event for good is not among these.
const BEFALLS: &[FaultKind] =
    &[FaultKind::Duplicate, FaultKind::Reorder, FaultKind::Delay, FaultKind::Timeout, FaultKind::UnknownOutcome];
const BEFALLS_LOSSY: &[FaultKind] = &[
    FaultKind::Duplicate,
    FaultKind::Reorder,
    FaultKind::Delay,
    FaultKind::Drop,
    FaultKind::Timeout,
    FaultKind::UnknownOutcome,
];

/// Event Grid for one resource.
pub(super) struct Grid {
    outlets: Vec<Arc<Outlet>>,
    senders: Vec<mpsc::Sender<Event>>,
    ledger: Ledger,
    /// Aborted with the grid.
    tasks: JoinSet<()>,
}

/// One subscription.
struct Outlet {
    subscription: Subscription,
    resource: String,
    fixed: HeaderMap,
    tenant: Option<Arc<Tenant>>,
    schedule: Arc<Schedule>,
    befalls: &'static [FaultKind],
    scale: TimeScale,
    ledger: Ledger,
    endpoint: String,
    active: AtomicBool,
    code: Mutex<Option<Uuid>>,
    validated: Notify,
}

impl Grid {
    /// Starts a task for each subscription, which shakes hands and then delivers. `endpoint` is this simulator's own.
    pub(super) fn start(
        settings: &Settings,
        endpoint: &str,
        tenant: Option<&Arc<Tenant>>,
        ledger: &Ledger,
        deliverer: &Deliverer,
    ) -> Result<Self, SimError> {
        let schedule = Arc::new(schedule(settings));
        let mut grid = Self { outlets: Vec::new(), senders: Vec::new(), ledger: ledger.clone(), tasks: JoinSet::new() };
        for subscription in &settings.subscriptions {
            let outlet = Arc::new(Outlet {
                fixed: fixed_headers(subscription)?,
                subscription: subscription.clone(),
                resource: settings.resource.clone(),
                tenant: tenant.filter(|_| subscription.bearer).map(Arc::clone),
                schedule: Arc::clone(&schedule),
                befalls: if settings.lossy { BEFALLS_LOSSY } else { BEFALLS },
                scale: settings.time_scale,
                ledger: ledger.clone(),
                endpoint: endpoint.to_owned(),
                active: AtomicBool::new(false),
                code: Mutex::new(None),
                validated: Notify::new(),
            });
            let (sender, receiver) = mpsc::channel(settings.bounds.waiting_events.max(1));
            grid.tasks.spawn(Arc::clone(&outlet).run(receiver, deliverer.clone()));
            grid.outlets.push(outlet);
            grid.senders.push(sender);
        }
        Ok(grid)
    }

    /// Whether a subscription that is up has half of what it may have waiting: then no call that causes more events is
    /// taken. The other half is for the calls that were taken already.
    pub(super) fn is_full(&self) -> bool {
        let is_full = |sender: &mpsc::Sender<Event>| sender.capacity() < sender.max_capacity().div_ceil(2);
        let mut outlets = self.outlets.iter().zip(&self.senders);
        outlets.any(|(outlet, sender)| outlet.active.load(Ordering::Acquire) && is_full(sender))
    }

    /// Hands the events about an occurrence to every subscription that wants them. Never waits: what finds no room is
    /// dropped, and the ledger says so; it also says what waits for a handshake.
    pub(super) fn publish(&self, occurrence: &Occurrence) {
        for (outlet, sender) in self.outlets.iter().zip(&self.senders) {
            let wanted = |event: &Event| outlet.wants(event);
            for event in events(occurrence, outlet.subscription.schema).into_iter().filter(wanted) {
                let id = event.id.to_string();
                if !outlet.active.load(Ordering::Acquire) {
                    let detail = json!({"site": outlet.site(), "kind": event.kind, "data": event.data});
                    self.ledger.enter("delivery.waiting", &id, detail);
                }
                if sender.try_send(event).is_err() {
                    let detail = json!({"site": outlet.site(), "deadLetterReason": "TooManyWaiting"});
                    self.ledger.enter("delivery.dropped", &id, detail);
                }
            }
        }
    }

    /// Somebody opened a validation URL. False when the code is not one that is waited for.
    pub(super) fn validate(&self, subscription: &str, code: &str) -> bool {
        let awaited = |outlet: &&Arc<Outlet>| {
            outlet.subscription.name == subscription && outlet.code().is_some_and(|awaited| awaited.to_string() == code)
        };
        let found = self.outlets.iter().find(awaited);
        if let Some(outlet) = found {
            outlet.validated.notify_one();
        }
        found.is_some()
    }

    /// Every subscription and whether its handshake is done.
    pub(super) fn states(&self) -> Value {
        let state = |outlet: &Arc<Outlet>| json!({"name": outlet.subscription.name, "active": outlet.active.load(Ordering::Acquire)});
        self.outlets.iter().map(state).collect()
    }
}

/// Documented: 10 s, 30 s, 1, 5, 10, 30 min, 1, 3, 6 h, then every 12 h; 200 to 204 are success; 400, 401, 403 and 413 are
/// never tried again; 404 waits 5 min at least, 408 2 min, 503 30 s, others 10 s.
fn schedule(settings: &Settings) -> Schedule {
    let waits = [10, 30, 60, 300, 600, 1_800, 3_600, 10_800, 21_600, 43_200];
    Schedule {
        waits: waits.map(Duration::from_secs).to_vec(),
        jitter: 0.1,
        max_attempts: settings.max_delivery_attempts,
        time_to_live: settings.time_to_live(),
        answer_within: ANSWER_WITHIN,
        verdict: |status| match status {
            200..=204 => Verdict::Delivered,
            400 | 401 | 403 | 413 => Verdict::Final,
            404 => Verdict::TryAgain { at_least: Duration::from_secs(300) },
            408 => Verdict::TryAgain { at_least: Duration::from_secs(120) },
            503 => Verdict::TryAgain { at_least: Duration::from_secs(30) },
            _ => Verdict::TryAgain { at_least: Duration::from_secs(10) },
        },
    }
}

fn fixed_headers(subscription: &Subscription) -> Result<HeaderMap, SimError> {
    let wrong = |name: &str| SimError::Setting {
        key: "subscriptions.headers",
        problem: format!("{}: {name:?} is no header", subscription.name),
    };
    let mut headers = HeaderMap::new();
    for (name, value) in &subscription.headers {
        let parsed = (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value.as_str()));
        let (Ok(name), Ok(value)) = parsed else { return Err(wrong(name)) };
        headers.insert(name, value);
    }
    Ok(headers)
}

impl Outlet {
    async fn run(self: Arc<Self>, mut events: mpsc::Receiver<Event>, deliverer: Deliverer) {
        self.shake_hands(&deliverer).await;
        let most = self.subscription.max_events_per_batch;
        let mut waiting = Vec::new();
        while events.recv_many(&mut waiting, most.saturating_mul(PARTITIONS)).await > 0 {
            let mut partitions: BTreeMap<usize, Vec<Event>> = BTreeMap::new();
            for event in waiting.drain(..) {
                partitions.entry(partition(&event)).or_default().push(event);
            }
            for (partition, events) in partitions {
                for batch in events.chunks(most) {
                    deliverer.deliver(self.delivery(batch, partition)).await;
                }
            }
        }
    }

    /// Asks until permission is given or the simulator is gone; events wait meanwhile.
    async fn shake_hands(&self, deliverer: &Deliverer) {
        let name = self.subscription.name.as_str();
        let mut told = BTreeSet::new();
        loop {
            let code = Uuid::new_v4();
            self.set_code(Some(code));
            let validation_url = format!(
                "{}eventsubscriptions/{name}/validate?token={code}&apiVersion=2018-05-01-preview",
                self.endpoint
            );
            let question = Question {
                subscription: name,
                resource: &self.resource,
                schema: self.subscription.schema,
                url: &self.subscription.url,
                extra: self.extra_headers(),
                code,
                validation_url: &validation_url,
                answer_within: self.scale.real(ANSWER_WITHIN).max(SHORTEST_ANSWER),
            };
            let mut answer = question.ask(deliverer).await;
            if answer == Answer::Awaiting {
                self.ledger.enter("handshake.awaiting", name, json!({"validationUrl": validation_url}));
                let patience = self.scale.real(VALIDATE_WITHIN).max(SHORTEST_ANSWER);
                answer = match tokio::time::timeout(patience, self.validated.notified()).await {
                    Ok(()) => Answer::Granted,
                    Err(_) => Answer::Refused("nobody opened the validation URL".to_owned()),
                };
            }
            match answer {
                Answer::Granted => {
                    self.set_code(None);
                    self.active.store(true, Ordering::Release);
                    self.ledger.enter("handshake.granted", name, Value::Null);
                    return;
                }
                Answer::Refused(reason) => {
                    // A webhook that is down refuses often; one entry for each reason is enough. A reason may carry
                    // what the webhook said, so their number is bounded.
                    if told.len() < 20 && told.insert(reason.clone()) {
                        self.ledger.enter("handshake.refused", name, json!({"reason": reason}));
                    }
                }
                Answer::Awaiting => {}
            }
            tokio::time::sleep(HANDSHAKE_PAUSE).await;
        }
    }

    fn delivery(&self, batch: &[Event], partition: usize) -> Delivery {
        let schema = self.subscription.schema;
        let batching = self.subscription.max_events_per_batch > 1;
        let bodies: Vec<Value> = batch.iter().map(|event| envelopes::envelope(event, &self.resource, schema)).collect();
        let first = batch.first();
        let key = first.map(|event| event.id.to_string()).unwrap_or_default();
        let mut headers = envelopes::headers(&self.subscription.name, schema, batching, "Notification");
        if let Ok(id) = HeaderValue::from_str(&key) {
            headers.insert("aeg-output-event-id", id);
        }
        headers.extend(self.fixed.clone());
        let tenant = self.tenant.clone();
        let kinds: Vec<&str> = batch.iter().map(|event| event.kind).collect();
        Delivery {
            site: self.site(),
            url: self.subscription.url.clone(),
            body: envelopes::body(&bodies, schema, batching),
            headers: Arc::new(move |before| {
                let mut headers = headers.clone();
                headers.insert("aeg-delivery-count", HeaderValue::from(before));
                bear(&mut headers, tenant.as_deref());
                headers
            }),
            order: partition.to_string(),
            allowed: self.befalls,
            schedule: Arc::clone(&self.schedule),
            dead_letter: self.subscription.dead_letter,
            detail: json!({
                "kinds": kinds, "ids": batch.iter().map(|event| event.id).collect::<Vec<_>>(),
                "topic": envelopes::topic(&self.resource, Family::Thread),
            }),
            key,
        }
    }

    fn extra_headers(&self) -> HeaderMap {
        let mut headers = self.fixed.clone();
        bear(&mut headers, self.tenant.as_deref());
        headers
    }

    fn wants(&self, event: &Event) -> bool {
        let Subscription { families, event_types, .. } = &self.subscription;
        let short = |kind: &str| kind.strip_prefix("Microsoft.Communication.").unwrap_or(kind) == event.kind;
        families.contains(&event.family) && (event_types.is_empty() || event_types.iter().any(|kind| short(kind)))
    }

    fn site(&self) -> String {
        format!("event-grid {}", self.subscription.name)
    }

    fn code(&self) -> Option<Uuid> {
        *self.code.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_code(&self, code: Option<Uuid>) {
        *self.code.lock().unwrap_or_else(PoisonError::into_inner) = code;
    }
}

fn partition(event: &Event) -> usize {
    let mut hasher = DefaultHasher::new();
    event.thread.hash(&mut hasher);
    usize::try_from(hasher.finish() % PARTITIONS as u64).unwrap_or(0)
}

fn bear(headers: &mut HeaderMap, tenant: Option<&Tenant>) {
    let token = tenant.map(|tenant| format!("Bearer {}", tenant.token(Timestamp::now())));
    if let Some(Ok(value)) = token.map(|token| HeaderValue::from_str(&token)) {
        headers.insert(header::AUTHORIZATION, value);
    }
}
