//! Many journeys at once: a chat in ACS, an agent in Amazon Connect, a transfer, the end; with the real hub, over TLS and
//! sockets, against the simulators, and judged by their ledgers.
//!
//! ```text
//! cargo bench --bench journey
//! ```
//!
//! needs every adapter and the simulators (the default features), so unlike the other benches it links the clouds' SDKs.
//! Simulators, hub and people are processes of one machine and share its cores. Two plays:
//!
//! - limits a thousand times those documented, at the simulated clouds and in the hub: `TANDEM_BENCH_JOURNEYS` (default
//!   1 000) all at once. Says how fast they were, and how long the lanes let people wait.
//! - documented limits: `TANDEM_BENCH_DOCUMENTED` (default 20) all at once, of people who type. Starting chats is limited to
//!   5 a second, and messages of all chats together to 10; the hub waits at home.
//!
//! A wait is from what somebody said until the other side's cloud has it, by the clock that all of them share. Prints
//! figures, and fails when the judge has a complaint, when a lane starved, or, with documented limits, when a cloud said
//! 429 after every chat was open.

#![expect(clippy::print_stdout, reason = "printing figures is what it is for")]
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed run")]
#![expect(clippy::disallowed_methods, reason = "a bench is set by its environment")]

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use tandem::demo::{Limits, Options, Outcome, Shown, play};

/// A lane whose longest wait is more than this many times that of the lane in the middle has starved.
const STARVED: u64 = 4;
/// But not one that waited less than this, in milliseconds: no person in a chat calls that a wait.
const NOTICED: u64 = 2_000;

/// Between two messages of people in a hurry, who are there to make load.
const HURRIED: Duration = Duration::from_millis(30);
/// Of people who type. An ACS thread takes ten messages in ten seconds from all who write in it: of people in a hurry
/// one alone could use it up, and then it is they who make it full for the hub.
const TYPING: Duration = Duration::from_secs(2);

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn main() -> ExitCode {
    // The play starts this very program as the simulators and as the hub.
    if std::env::args().nth(1).is_some_and(|verb| ["sim", "serve"].contains(&verb.as_str())) {
        return tandem::cli::main();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let raised = number("TANDEM_BENCH_JOURNEYS", 1_000);
    let documented = number("TANDEM_BENCH_DOCUMENTED", 20);
    let plays = [("limits raised", Limits::Raised, raised), ("documented limits", Limits::Documented, documented)];
    let all = plays.into_iter().filter(|(_, _, journeys)| *journeys > 0);
    let played = all.map(|(name, limits, journeys)| runtime.block_on(perform(name, limits, journeys)));
    // Both are played, whatever came of the first.
    let failed = played.filter(|well| !well).count();
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn perform(name: &str, limits: Limits, journeys: usize) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let options = Options {
        folder: folder.path().to_owned(),
        mappings: here.join("mappings"),
        flow: here.join("config/aws/tandem-chat-flow.json"),
        shown: Shown::Nothing,
        limits,
        patience: Duration::from_secs(300),
        breath: if limits == Limits::Documented { TYPING } else { HURRIED },
        once: true,
        seed: None,
        rate: 0.0,
        listen: None,
        journeys,
        kills: 0,
    };
    let start = Instant::now();
    let played = play(options).await.unwrap();
    let took = start.elapsed().as_secs_f64();
    let told = &played.told;
    println!(
        "{name}: {journeys} journeys at once in {took:.1} s, {:.2} a second: {}",
        journeys as f64 / took,
        told["summary"]
    );
    for side in ["agents", "customer"] {
        let waits = &told["waits"][side];
        println!(
            "  until the {side} heard: {} ms in the middle; of {} lanes the longest wait {} ms in the middle, {} ms at most",
            waits["middle"], waits["lanes"], waits["longest_of_a_lane"], waits["longest"]
        );
    }
    let throttled = &told["throttled"];
    println!(
        "  429 from a cloud, by command: {} until every chat was open, {} in all",
        throttled["until_every_chat_was_open"], throttled["in_all"]
    );
    println!("  decided without the profile, which came too late: {}", told["decided_without_profile"]);
    for complaint in told["complaints"].as_array().into_iter().flatten().take(10) {
        println!("  NOT SO: {complaint}");
    }
    let starved = ["agents", "customer"].iter().any(|side| {
        let wait = |of: &str| told["waits"][side][of].as_u64().unwrap_or_default();
        wait("longest") > NOTICED.max(STARVED * wait("longest_of_a_lane"))
    });
    let too_fast = limits == Limits::Documented && throttled["in_all"] != throttled["until_every_chat_was_open"];
    if starved {
        println!("  NOT SO: a lane waited more than {STARVED} times as long as lanes do");
    }
    if too_fast {
        println!("  NOT SO: a cloud said 429 after every chat was open");
    }
    played.outcome == Outcome::Completed && !starved && !too_fast
}
