//! Workers between a desk and a cloud that turns them away.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tandem::clock::{Clock, SetClock};
use tandem::config::Dispatch;
use tandem::dispatch::Dispatcher;
use tandem::interactions::Settings;
use tandem::profiles::{self, Profiles};
use tandem::shutdown::Tasks;
use tandem::telemetry::Metrics;
use tandem_sdk::doors::{Answer, Carry, Errand, Quota};
use tandem_sdk::error::{AdapterError, ErrorKind};
use tandem_sdk::model::{Action, Carried, Command, EffectClass};
use tandem_sdk::secret::{Secret, SecretRole};

use crate::desk_house::{CUSTOMER, DeskHouse, said, thread, usual_outcome};

const FRESH: &str = "fresh-token";

/// A cloud that takes none but the tokens that it issues from now on.
struct Strict {
    clock: Arc<SetClock>,
    /// Whether it issues any.
    issues: AtomicBool,
    turned_away: AtomicUsize,
    said: Mutex<Vec<String>>,
}

impl Strict {
    fn answer(&self, errand: &Errand<'_>) -> Result<Carried, AdapterError> {
        let token = errand.secrets.get(&SecretRole::UserToken).map(Secret::reveal);
        let (outcome, mut secrets) = usual_outcome(self.clock.now(), &errand.command.action);
        match &errand.command.action {
            Action::IssueToken { .. } if !self.issues.load(Ordering::SeqCst) => {
                return Err(AdapterError::new(ErrorKind::Unavailable, "issue", "503"));
            }
            Action::IssueToken { .. } => secrets = vec![(SecretRole::UserToken, FRESH)],
            Action::Say { .. } if token.is_some_and(|token| token != FRESH) => {
                self.turned_away.fetch_add(1, Ordering::SeqCst);
                return Err(AdapterError::new(ErrorKind::Unverified, "say", "401"));
            }
            Action::Say { content, .. } if errand.command.instance.0 == "acs" => {
                self.said.lock().unwrap().push(content.text.reveal().unwrap().to_owned());
            }
            _ => {}
        }
        let secrets = secrets.into_iter().map(|(role, value)| (role, Secret::new(value))).collect();
        Ok(Carried { outcome, secrets })
    }
}

impl Carry for Strict {
    fn class(&self, action: &Action) -> Option<EffectClass> {
        Some(if matches!(action, Action::Say { .. }) { EffectClass::ReadBack } else { EffectClass::Natural })
    }

    fn quotas(&self, _: &Command, _: bool) -> Vec<Quota> {
        Vec::new()
    }

    fn carry<'a>(&'a self, errand: Errand<'a>) -> Answer<'a, Result<Carried, AdapterError>> {
        Box::pin(async move { self.answer(&errand) })
    }

    fn find<'a>(&'a self, _: Errand<'a>) -> Answer<'a, Result<Option<Carried>, AdapterError>> {
        Box::pin(async { Ok(None) })
    }
}

/// A second goes by, and the workers do what can be done.
async fn a_second(house: &DeskHouse) {
    house.wait(1).await;
    tokio::time::sleep(Duration::from_millis(10)).await;
}

#[tokio::test]
async fn a_message_whose_token_was_rejected_waits_for_another_one_however_long_that_takes() {
    let mut house = DeskHouse::open(Settings::default(), false);
    house.carry_all().await;
    let (turned_away, said_so_far) = (AtomicUsize::new(0), Mutex::default());
    let clock = Arc::clone(&house.clock);
    let cloud = Arc::new(Strict { clock, issues: AtomicBool::new(false), turned_away, said: said_so_far });
    let doors: BTreeMap<_, _> =
        ["acs", "connect"].map(|name| (name.into(), Arc::clone(&cloud) as Arc<dyn Carry>)).into();
    let profiles = Profiles::new(profiles::Settings::default(), BTreeMap::new(), house.setup.id_key.clone()).unwrap();
    let clock = Arc::clone(&house.clock) as Arc<dyn Clock>;
    let (desk, metrics, tasks) = (house.desk.clone(), Arc::new(Metrics::new()), Tasks::new());
    let dispatcher = Dispatcher::new(desk, doors, profiles, Dispatch::default(), clock, metrics);
    tasks.lasting("dispatch", dispatcher.run(tasks.clone(), tasks.soft().clone()));

    house.tell("acs", vec![said(thread(), house.now(), "1", CUSTOMER, None, "I need help")]).await;
    let waiting = Settings::default().texts.waiting;
    for _ in 0..60 {
        a_second(&house).await;
    }
    assert_eq!(cloud.turned_away.load(Ordering::SeqCst), 1, "it is not tried again with the same token");
    cloud.issues.store(true, Ordering::SeqCst);
    for _ in 0..120 {
        if cloud.said.lock().unwrap().contains(&waiting) {
            break;
        }
        a_second(&house).await;
    }
    assert!(cloud.said.lock().unwrap().contains(&waiting), "{:?}", cloud.said.lock().unwrap());
    tasks.stop();
}
