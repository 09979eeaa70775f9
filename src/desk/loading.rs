//! Opening a desk: what it must be given, and the thread it runs on.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use tandem_sdk::model::{Derive, DomainName, IdKey, InstanceName, LegRef, SubjectId};
use tokio::sync::watch;

use super::committing::Committer;
use super::handle::Desk;
use super::lanes::{Capacities, Lanes};
use super::outbox::Outbox;
use super::recover;
use super::run::{Counts, Writer};
use super::shelf::Shelf;
use super::timers::Timers;
use crate::clock::Clock;
use crate::interactions::conduct::{Cloud, Context};
use crate::interactions::{House, Known, Settings};
use crate::record::RecordError;
use crate::routing::Rules;
use crate::store::rows::dedupe::Day;
use crate::store::{Ahead, KeyError, Keys, Log, Store, Vault};

/// What a desk is given.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Its domain.
    pub domain: DomainName,
    /// How journeys are led.
    pub journey: Settings,
    /// The configured adapter instances that take part.
    pub clouds: BTreeMap<InstanceName, Cloud>,
    /// Whether any CDP is configured.
    pub has_profiles: bool,
    /// Key of personal identities.
    pub id_key: IdKey,
    /// Inputs that one commit takes at most.
    pub max_batch: usize,
    /// How many inputs may wait in each lane.
    pub capacities: Capacities,
    /// Interactions kept in memory although they are written down.
    pub in_memory: usize,
    /// Records that a restart may have to fold.
    pub fold_most: u64,
    /// Whole days for which what belongs to nobody can be read.
    pub unfiled_days: u32,
}

impl Setup {
    /// Who is who.
    pub fn known(&self) -> Known {
        Known { hub: self.clouds.get(&self.journey.customer).and_then(|cloud| cloud.hub) }
    }

    /// What conduct knows when it makes the record at `seq`.
    pub fn context<'a>(&'a self, rules: &'a Rules, seq: u64, now: Timestamp) -> Context<'a> {
        Context {
            now,
            seq,
            domain: &self.domain,
            settings: &self.journey,
            rules,
            clouds: &self.clouds,
            has_profiles: self.has_profiles,
            id_key: &self.id_key,
        }
    }

    /// The instance in whose cloud a leg is.
    pub fn instance_of(&self, leg: &LegRef) -> InstanceName {
        self.clouds
            .iter()
            .find(|(_, cloud)| cloud.system == leg.system && cloud.account == leg.account)
            .map_or_else(|| self.journey.customer.clone(), |(name, _)| name.clone())
    }

    /// The subject of what belongs to nobody that is known: one a day, so that its key can be let go with the day.
    pub fn unfiled(&self, day: Day) -> SubjectId {
        SubjectId(Derive::entity("unfiled").part(&self.domain.0).number(u64::from(day.0)).uuid())
    }
}

/// Opens the desk of a domain: recovers, then works on a thread of its own until the handle is closed. The second value
/// says, when the thread ends, whether another writer took over.
pub fn open(
    setup: Setup,
    rules: Arc<Rules>,
    store: Arc<dyn Store>,
    keys: Arc<Keys>,
    clock: Arc<dyn Clock>,
) -> Result<(Desk, std::thread::JoinHandle<bool>), RecordError> {
    let log = Log::new(Arc::clone(&store));
    let epoch = log.claim_epoch().map_err(KeyError::from)?;
    let ahead = Arc::new(Ahead::new(store));
    let vault = Vault::new(Arc::clone(&ahead) as Arc<dyn Store>, Arc::clone(&keys));
    let lanes = Arc::new(Lanes::new(setup.capacities));
    let (committed, seen) = watch::channel(0);
    let now = clock.now();
    let mut writer = Writer {
        setup: Arc::new(setup),
        rules,
        store: ahead,
        committer: Committer::start(log.clone(), Arc::clone(&lanes)),
        underway: None,
        log,
        keys,
        vault,
        clock,
        lanes: Arc::clone(&lanes),
        committed,
        epoch,
        next_seq: crate::store::FIRST_SEQ,
        now,
        house: House::default(),
        house_dirty: None,
        shelf: Shelf::default(),
        told: HashSet::new(),
        legs: HashMap::new(),
        outbox: Outbox::default(),
        timers: Timers::default(),
        counts: Counts::default(),
        claims: Vec::new(),
        stuck: false,
        awake: false,
        fails: false,
        replaced: false,
        today: None,
        dedupe_days: Vec::new(),
        let_go_of: std::collections::BTreeSet::new(),
    };
    recover::recover(&mut writer, true)?;
    writer.committed.send_replace(writer.next_seq);
    #[expect(clippy::expect_used, reason = "a machine that cannot start one thread cannot run the hub")]
    let thread =
        std::thread::Builder::new().name("desk".to_owned()).spawn(move || writer.run()).expect("a thread for the desk");
    Ok((Desk::new(lanes, seen), thread))
}
