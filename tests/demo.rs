//! The built program plays the journey over sockets, with faults from seeds and with SIGKILL, and its log is replayed by
//! another process.
//!
//! `TANDEM_SEEDS` says how many seeds are played (3 without it), `TANDEM_KILLS` how often the hub is killed (10 without
//! it); `.ci/run` asks for more.
#![cfg(feature = "sim")]
#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
#![expect(clippy::print_stderr, reason = "the histogram is for people")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// Faults that the simulators draw; the smallest share of calls that each must befall.
const CLASSES: [&str; 8] =
    ["duplicate", "reorder", "delay", "drop", "throttle", "server_error", "timeout", "unknown_outcome"];
const SHARE: f64 = 0.01;
/// Seeds played at once: most of a journey is waiting until ACS takes another message.
const AT_ONCE: usize = 3;
/// Seeds in which every class must have come.
const SEEDS_FOR_EVERY_CLASS: u64 = 10;

#[expect(clippy::disallowed_methods, reason = "CI says how much is played")]
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn tandem(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tandem")).args(arguments).output().unwrap()
}

/// Plays; gives the last line, and what else there is to tell.
fn demo(folder: &Path, arguments: &[&str]) -> (Output, Value, String) {
    let folder = folder.to_str().unwrap();
    let played = tandem(&[&["demo", "--once", "--json", "--folder", folder], arguments].concat());
    let lines: Vec<Value> =
        String::from_utf8_lossy(&played.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (outcome, steps) = lines.split_last().unwrap();
    assert!(steps.iter().all(|line| line["step"].is_string()), "one object a step");
    let told = format!("{arguments:?}: {outcome}\n{}", String::from_utf8_lossy(&played.stderr));
    (played, outcome.clone(), told)
}

/// Plays a demo that has to complete. Where it does not, the folder stays for whoever wants to look.
fn play(arguments: &[&str]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let (played, outcome, told) = demo(folder.path(), arguments);
    if outcome["outcome"] != "completed" || !played.status.success() {
        panic!("{told}\neverything is in {}", folder.keep().display());
    }
    // The clouds were told that these events are kept; the demo found each of them in the log once.
    assert!(outcome["acknowledged_and_kept"].as_u64() > Some(20), "{told}");
    replay(folder.path());
    let took = &outcome["took"];
    eprintln!("{}: {} ms to {} ms a journey", outcome["summary"], took["shortest"], took["longest"]);
    outcome
}

/// Another process makes the same of what the hub kept.
fn replay(folder: &Path) {
    let (config, data) = (folder.join("tandem.toml"), folder.join("data"));
    let replayed =
        tandem(&["replay", "--json", "--config", config.to_str().unwrap(), "--data", data.to_str().unwrap()]);
    let found: Value = serde_json::from_slice(&replayed.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&replayed.stderr)));
    assert!(replayed.status.success() && found["different"] == 0, "{found:#}");
    assert!(found["decoded"].as_u64() > Some(10), "{found}");
}

#[derive(Default)]
struct Histogram(BTreeMap<String, (u64, u64)>);

impl Histogram {
    fn add(&mut self, outcome: &Value) {
        for cloud in outcome["faults"].as_object().unwrap().values() {
            for (class, count) in cloud.as_object().into_iter().flatten() {
                let sum = self.0.entry(class.clone()).or_default();
                sum.0 += count["drawn"].as_u64().unwrap();
                sum.1 += count["of"].as_u64().unwrap();
            }
        }
    }

    fn show(&self) {
        for (class, (drawn, of)) in &self.0 {
            let share = *drawn as f64 * 100.0 / (*of).max(1) as f64;
            eprintln!("{class:<16} {drawn:>5} of {of:>6}  {share:.2} %");
        }
    }
}

#[test]
fn the_journey_completes_whatever_a_seed_brings() {
    let seeds = number("TANDEM_SEEDS", 3);
    let mut histogram = Histogram::default();
    let all: Vec<u64> = (1..=seeds).collect();
    for together in all.chunks(AT_ONCE) {
        std::thread::scope(|scope| {
            let plays: Vec<_> =
                together.iter().map(|seed| scope.spawn(move || play(&["--seed", &seed.to_string()]))).collect();
            plays.into_iter().for_each(|played| histogram.add(&played.join().unwrap()));
        });
    }
    histogram.show();
    if seeds >= SEEDS_FOR_EVERY_CLASS {
        for class in CLASSES {
            let (drawn, of) = histogram.0.get(class).copied().unwrap_or_default();
            assert!(drawn as f64 >= of as f64 * SHARE && drawn > 0, "{class} came {drawn} times in {of} calls");
        }
    }
}

#[test]
fn every_journey_completes_however_often_the_hub_is_killed() {
    let kills = number("TANDEM_KILLS", 10).to_string();
    let outcome = play(&["--journeys", "12", "--kills", &kills, "--patience", "180s"]);
    assert_eq!((outcome["journeys"].as_u64(), outcome["kills"].to_string()), (Some(12), kills));
}

#[test]
fn a_demo_that_does_not_complete_in_its_time_says_so_and_does_not_exit_0() {
    let folder = tempfile::tempdir().unwrap();
    let (played, outcome, told) = demo(folder.path(), &["--patience", "1s"]);
    assert_eq!(outcome["outcome"], "failed", "{told}");
    assert!(outcome["complaints"].as_array().is_some_and(|complaints| !complaints.is_empty()), "{told}");
    assert_eq!(played.status.code(), Some(1), "{told}");
}

#[test]
fn the_hub_of_a_demo_listens_where_it_is_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut demo = Command::new(env!("CARGO_BIN_EXE_tandem"))
        .args(["demo", "--json", "--folder", folder.path().to_str().unwrap(), "--listen", &address])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let first = BufReader::new(demo.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    // Its hub and its simulators end with it.
    demo.kill().unwrap();
    demo.wait().unwrap();
    let first: Value = serde_json::from_str(&first).unwrap();
    assert_eq!((&first["step"], &first["detail"]), (&"listens".into(), &format!("https://{address}").into()));
}
