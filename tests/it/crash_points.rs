//! At every durable step of whole journeys the process stops, before the step is durable and after it, and another one
//! goes on from what is there; or the disk is full for that one step, and the process goes on. The clouds live on; they, the log and a replay of it are the judges.

use std::collections::BTreeMap;
use std::panic::catch_unwind;
use std::sync::Mutex;

use tandem::interactions::Settings;
use tandem::store::Batch;

use crate::desk_house::{CUSTOMER, DeskHouse, said, thread};
use crate::durable_steps::{STEPS, durable_step, table};
use crate::journeys::{JOURNEYS, Journey};
use crate::mortal::Death;
use crate::play::{Play, Remains};

fn played(journey: Journey, has_profiles: bool, deaths: Vec<Death>) -> (Remains, Vec<Batch>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { journey(Play::new(Settings::default(), has_profiles, deaths)).await.remains().await })
}

#[test]
fn no_stop_at_any_durable_step_loses_or_doubles_anything() {
    let mut counts = BTreeMap::new();
    for (name, has_profiles, journey) in JOURNEYS {
        let (undisturbed, commits) = played(journey, has_profiles, vec![]);
        for commit in &commits {
            if let Some(step) = durable_step(commit) {
                *counts.entry(step).or_insert(0) += 1;
            }
        }
        let mut stops = Vec::new();
        for n in 1..=commits.len() {
            stops.push((n, vec![Death::Before(n)]));
            stops.push((n, vec![Death::After(n)]));
            stops.push((n, vec![Death::Refused(n)]));
            // Whoever takes over dies too, early in its life.
            stops.push((n, vec![Death::After(n), Death::Before(1 + n % 4), Death::After(1 + n % 3)]));
        }
        let stops = Mutex::new(stops);
        let failures = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    loop {
                        let Some((n, deaths)) = stops.lock().unwrap().pop() else { return };
                        let ran = catch_unwind(|| played(journey, has_profiles, deaths.clone()).0);
                        let step = durable_step(&commits[n - 1]);
                        let place = format!("{name}, commit {n} ({step:?}), {deaths:?}");
                        match ran {
                            Ok(remains) if remains == undisturbed => {}
                            Ok(remains) => failures
                                .lock()
                                .unwrap()
                                .push(format!("{place}\n{}", differences(&remains, &undisturbed))),
                            Err(_) => failures.lock().unwrap().push(format!("{place}: see above")),
                        }
                    }
                });
            }
        });
        let failures = failures.into_inner().unwrap();
        assert!(
            failures.is_empty(),
            "{} of {} stops: {}",
            failures.len(),
            commits.len() * 4,
            failures[..failures.len().min(6)].join("\n")
        );
    }
    show(&table(&counts));
    let missing: Vec<_> = (1..=STEPS.len()).filter(|n| !counts.contains_key(n)).collect();
    assert!(missing.is_empty(), "no journey comes by the steps {missing:?}");
}

#[expect(clippy::print_stdout, reason = "the table is for people")]
fn show(table: &str) {
    println!("{table}");
}

fn differences(found: &Remains, expected: &Remains) -> String {
    let mut lines = Vec::new();
    if found.ledger != expected.ledger {
        lines.push(format!("  ledger   {:?}\n  expected {:?}", found.ledger, expected.ledger));
    }
    for (id, names) in &expected.events {
        let there = found.events.get(id).cloned().unwrap_or_default();
        if there != *names {
            lines.push(format!("  events of {id} {there:?}\n  expected {names:?}"));
        }
    }
    if found.comings != expected.comings {
        lines.push(format!("  {:?}\n  expected {:?}", found.comings, expected.comings));
    }
    if found.states != expected.states || found.secrets != expected.secrets {
        lines.push(format!(
            "  states {:?} {}\n  expected {:?} {}",
            found.states, found.secrets, expected.states, expected.secrets
        ));
    }
    lines.join("\n")
}

#[test]
fn a_journey_that_nothing_disturbs_plays_to_its_end() {
    let (remains, _) = played(JOURNEYS[0].2, true, vec![]);
    insta::assert_debug_snapshot!((
        remains.events.values().collect::<Vec<_>>(),
        remains.ledger,
        remains.states.values().collect::<Vec<_>>(),
        remains.secrets
    ));
}

#[tokio::test]
async fn who_starts_again_and_again_asks_once() {
    let mut house = DeskHouse::open(Settings::default(), false);
    house.carry_all().await;
    house.tell("acs", vec![said(thread(), house.now(), "1", CUSTOMER, None, "I need help")]).await;
    house.carry_all().await;
    let mut house = house.restart().restart().restart();
    let carried = house.carry_all().await;
    let times = |what: &str| carried.iter().filter(|line| *line == what).count();
    assert_eq!((times("acs recall"), times("connect recall"), times("connect inquire")), (1, 1, 1), "{carried:?}");

    house = house.restart();
    assert_eq!(house.carry_all().await.iter().filter(|line| line.ends_with("recall")).count(), 2, "and then anew");
}
