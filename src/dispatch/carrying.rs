//! The worker: claim, keep within the limits, carry, settle.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tandem_sdk::doors::{Carry, Errand};
use tandem_sdk::error::{AdapterError, ErrorKind};
use tandem_sdk::model::{Action, Carried, EffectClass, InstanceName, Outcome};
use tandem_sdk::secret::SecretRole;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::attempt::{Verdict, after, judge};
use super::{Caller, Governor};
use crate::clock::Clock;
use crate::desk::{Claim, Desk, DeskError, Priority, Work};
use crate::profiles::{Answer, Missing, Profiles};
use crate::shutdown::Tasks;
use crate::telemetry::{ByCommand, ByInstance, Metrics};

/// How long a full desk is left alone before an outcome is offered again.
const DESK_FULL: Duration = Duration::from_millis(50);
/// How long a command waits at least for a fresh token.
const FRESH_TOKEN: Duration = Duration::from_millis(500);

/// Carries commands.
#[derive(Clone)]
pub struct Dispatcher(Arc<Room>);

struct Room {
    desk: Desk,
    doors: BTreeMap<InstanceName, Arc<dyn Carry>>,
    profiles: Profiles,
    governor: Mutex<Governor>,
    settings: crate::config::Dispatch,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
}

impl Dispatcher {
    /// A dispatcher over these doors.
    pub fn new(
        desk: Desk,
        doors: BTreeMap<InstanceName, Arc<dyn Carry>>,
        profiles: Profiles,
        settings: crate::config::Dispatch,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let governor = Mutex::new(Governor::new(settings.buckets));
        Dispatcher(Arc::new(Room { desk, doors, profiles, governor, settings, clock, metrics }))
    }

    /// Claims and carries until the desk is closed or `stop` is asked for; what is in flight then is carried to its end.
    pub async fn run(self, tasks: Tasks, stop: CancellationToken) {
        let places = Arc::new(Semaphore::new(self.0.settings.workers));
        loop {
            let place = tokio::select! {
                () = stop.cancelled() => return,
                place = Arc::clone(&places).acquire_owned() => place,
            };
            let Ok(mut free) = place else { return };
            // The desk answers once a commit: whoever asks for one command each time gets one a commit.
            let others = u32::try_from(places.available_permits()).unwrap_or(u32::MAX);
            if let Ok(others) = Arc::clone(&places).try_acquire_many_owned(others) {
                free.merge(others);
            }
            let claimed = tokio::select! {
                () = stop.cancelled() => return,
                claimed = self.0.desk.claim(free.num_permits()) => claimed,
            };
            let claimed = match claimed {
                Ok(claimed) => claimed,
                Err(DeskError::Closed) => return,
                Err(DeskError::Full | DeskError::Unavailable) => {
                    tokio::time::sleep(DESK_FULL).await;
                    continue;
                }
            };
            for claim in claimed {
                let room = Arc::clone(&self.0);
                // No more were asked for than there are places.
                let place = free.split(1);
                tasks.passing("command", async move {
                    room.attend(claim).await;
                    drop(place);
                });
            }
        }
    }
}

impl Room {
    async fn attend(&self, claim: Claim) {
        if let Action::Lookup { identities } = &claim.command.action {
            let (answer, late) = self.profiles.lookup(identities, self.clock.now()).await;
            // The desk's own timer decides without the profile; what comes late is still an outcome.
            let answer = match late {
                Some(late) => late.await,
                None => answer,
            };
            let result = match answer {
                Answer::Found(profile) => Ok(Outcome::Profile { found: Some(profile) }),
                Answer::Unknown => Ok(Outcome::Profile { found: None }),
                Answer::Missing(missing) => Err(missing_error(missing)),
            };
            return self.settle(&claim, result.map(Carried::from), false).await;
        }
        let Some(door) = self.doors.get(&claim.command.instance).cloned() else {
            let error = AdapterError::new(ErrorKind::Misconfigured, claim.command.action.name(), "no such instance");
            return self.settle(&claim, Err(error), false).await;
        };
        let Some(class) = door.class(&claim.command.action) else {
            let error = AdapterError::new(ErrorKind::Unsupported, claim.command.action.name(), "not by this adapter");
            return self.settle(&claim, Err(error), false).await;
        };
        if let Err(earliest) = self.admit(&claim, &*door) {
            self.metrics.governed.get_or_create(&self.by_instance(&claim)).inc();
            return self.desk.defer(claim.command.id, earliest, claim.uncertain, false);
        }
        let (result, repeated) = self.carry(&claim, &*door, class).await;
        match result {
            Ok(carried) => self.settle(&claim, Ok(carried), repeated).await,
            Err(error) => self.failed(claim, &*door, class, error).await,
        }
    }

    fn admit(&self, claim: &Claim, door: &dyn Carry) -> Result<(), jiff::Timestamp> {
        let mut quotas = door.quotas(&claim.command, claim.uncertain);
        if let Some(factor) = self.settings.raised.get(&claim.command.instance) {
            quotas.iter_mut().for_each(|quota| quota.limit = quota.limit.times(*factor));
        }
        let mut governor = self.governor.lock().unwrap_or_else(PoisonError::into_inner);
        let caller = Caller { waited: claim.waited, expires_at: claim.command.expires_at };
        governor.admit(self.clock.now(), &claim.command.instance, &quotas, caller)
    }

    /// One attempt. A command that nothing protects and that may have had its effect is looked for first.
    async fn carry(
        &self,
        claim: &Claim,
        door: &dyn Carry,
        class: EffectClass,
    ) -> (Result<Carried, AdapterError>, bool) {
        let name = claim.command.action.name();
        let errand = || Errand { command: &claim.command, secrets: &claim.secrets, now: self.clock.now() };
        let mut repeated = false;
        if class == EffectClass::ReadBack && claim.uncertain {
            match self.in_time(name, door.find(errand())).await {
                Ok(Some(found)) => return (Ok(found), false),
                Ok(None) => repeated = claim.attempt > 1,
                // Not known yet whether it landed: as uncertain as before.
                Err(error) => return (Err(error.perhaps_done()), false),
            }
        }
        (self.in_time(name, door.carry(errand())).await, repeated)
    }

    async fn in_time<T>(
        &self,
        name: &str,
        answer: impl Future<Output = Result<T, AdapterError>>,
    ) -> Result<T, AdapterError> {
        let begun = Instant::now();
        let answered = tokio::time::timeout(self.settings.timeout.get(), answer).await;
        self.metrics.command_seconds.observe(begun.elapsed().as_secs_f64());
        match answered {
            Ok(result) => result,
            Err(_) => Err(AdapterError::new(ErrorKind::Unavailable, name, "no answer in time").perhaps_done()),
        }
    }

    async fn failed(&self, claim: Claim, door: &dyn Carry, class: EffectClass, error: AdapterError) {
        let now = self.clock.now();
        tracing::debug!(command.id = %claim.command.id, instance = %claim.command.instance, %error, "an attempt failed");
        if error.kind == ErrorKind::Unverified
            && let Some(secret) = claim.command.uses.get(&SecretRole::UserToken)
            && let Some(value) = claim.secrets.get(&SecretRole::UserToken)
            && claim.attempt < self.settings.attempts
        {
            // The desk gives the command out again when it has another token: every attempt is one with a token of its own.
            let rejected = Work::TokenRejected { secret: secret.clone(), value: value.clone() };
            if let Err(error) = self.desk.submit(Priority::Outcome, rejected).await {
                tracing::debug!(%error, "a rejected token could not be reported; the next attempt reports it again");
            }
            return self.desk.defer(claim.command.id, after(now, FRESH_TOKEN), claim.uncertain, true);
        }
        let is_rate = error.kind == ErrorKind::RateLimited;
        let jitter = claim.command.id.0.as_u64_pair().1.rotate_left(claim.attempt);
        let (attempts, backoff) = (self.settings.attempts, &self.settings.backoff);
        match judge(error, class, claim.attempt, attempts, backoff, now, jitter) {
            Verdict::Again { until, uncertain } => {
                if is_rate {
                    self.penalise(&claim, door, until);
                }
                self.count(&claim, if is_rate { "throttled" } else { "deferred" });
                self.desk.defer(claim.command.id, until, uncertain || claim.uncertain, !is_rate);
            }
            Verdict::Dead(error) => self.settle(&claim, Err(error), false).await,
        }
    }

    fn penalise(&self, claim: &Claim, door: &dyn Carry, until: jiff::Timestamp) {
        let mut governor = self.governor.lock().unwrap_or_else(PoisonError::into_inner);
        for quota in door.quotas(&claim.command, claim.uncertain) {
            governor.penalise(self.clock.now(), &claim.command.instance, &quota.bucket, until);
        }
    }

    /// Gives the outcome to the desk, however often it takes: an outcome that is lost would be an effect that is repeated.
    async fn settle(&self, claim: &Claim, result: Result<Carried, AdapterError>, repeated: bool) {
        self.count(claim, if result.is_ok() { "done" } else { "dead" });
        let (result, secrets) = match result {
            Ok(carried) => (Ok(carried.outcome), carried.secrets),
            Err(error) => (Err(error), Vec::new()),
        };
        loop {
            let work =
                Work::Outcome { command: claim.command.id, result: result.clone(), secrets: secrets.clone(), repeated };
            match self.desk.submit(Priority::Outcome, work).await {
                Ok(_) | Err(DeskError::Closed) => return,
                Err(DeskError::Full | DeskError::Unavailable) => {
                    tokio::time::sleep(DESK_FULL).await;
                }
            }
        }
    }

    fn count(&self, claim: &Claim, outcome: &'static str) {
        let labels =
            ByCommand { instance: claim.command.instance.to_string(), action: claim.command.action.name(), outcome };
        self.metrics.commands.get_or_create(&labels).inc();
    }

    fn by_instance(&self, claim: &Claim) -> ByInstance {
        ByInstance { instance: claim.command.instance.to_string(), outcome: claim.command.action.name() }
    }
}

fn missing_error(missing: Missing) -> AdapterError {
    AdapterError::new(ErrorKind::Unavailable, "lookup", missing.reason())
}
