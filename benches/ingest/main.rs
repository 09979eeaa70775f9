//! What taking a webhook costs: verified, split, mapped, applied, decided, durable, 200; as a ratio to the same server
//! that only appends the bytes and syncs them, and to one that only answers.
//!
//! ```text
//! cargo bench --no-default-features --features azure-communication --bench ingest
//! ```
//!
//! links no cloud's SDK. One process holds the server and its clients: 64 keep-alive connections of plain HTTP/1.1 over
//! loopback (reqwest), on however many cores there are, so every figure has the clients' work in it. Three servers are
//! measured in turn, round after round, so that a slow moment of the machine hits all of them; medians are printed.
//!
//! - `200`: an axum handler that reads the body and answers.
//! - `append`: the same, and the body is appended to a file; one thread writes what waits, calls fdatasync once, and only
//!   then answers all of it.
//! - `hub`: the hub's own routes, intake, adapter, desk and embedded store. **Its 200 waited for** the query secret, the
//!   split of the batch, decoding by the mappings that ship, deduplication, the interaction's turn (the decision where
//!   there is one to make, and what is then owed), and fdatasync of the record with all of it. It did not wait for a
//!   cloud. In the first two rows the cloud takes nothing meanwhile, as one does whose quota is used up (documented quotas
//!   allow tens of calls a second): what is owed waits on the shelf and is carried between the rounds. In the others a task
//!   of the bench claims and settles every command at once, through the desk's own doors, and the records of those outcomes
//!   are written in the same time and on the same cores.
//!
//! Events are Event Grid's `ChatMessageReceivedInThread`, 1.2 KB each, in conversations of 24 messages and an end, 2 000
//! of them open at once, in which the customer alone writes: every event has to be relayed. For comparison there are
//! conversations in which the agent answers every message, which the cloud reports to the hub that wrote it, so that half
//! of the events have to be relayed; and events that open a new conversation each.
//!
//! `TANDEM_BENCH_EVENTS` (default 200 000; 1 000 000 needs 10 GB of disk) are then kept by a fresh process, which tells
//! its memory, and another opens what they left. `TANDEM_BENCH_ROUNDS` (default 5) rounds are measured before that; 0
//! leaves them out. Prints figures; asserts nothing.

#![expect(clippy::print_stdout, reason = "printing figures is what it is for")]
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed run")]
#![expect(clippy::disallowed_methods, reason = "a bench has tasks, clients and clocks of its own")]

mod baseline;
mod events;
mod hub;
mod load;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use events::Script;
use hub::{Carried, Hub};
use load::{Figures, Load, median};

/// As in the hub's own binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Requests of one round.
const SINGLES: u64 = 8_000;
const BATCHES: u64 = 1_200;
const BATCH: u64 = 25;
/// What the pace is half of.
const CARRIED: &str = "single events, carried meanwhile";
/// Names the part that a child process plays, and its folder.
const PART: &str = "TANDEM_BENCH_PART";
const FOLDER: &str = "TANDEM_BENCH_FOLDER";

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn main() {
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let events = number("TANDEM_BENCH_EVENTS", 200_000);
    let folder = std::env::var(FOLDER).map(PathBuf::from);
    match (std::env::var(PART).as_deref(), folder) {
        (Ok("keep"), Ok(folder)) => runtime.block_on(keep(&folder, events)),
        (Ok("reopen"), Ok(folder)) => runtime.block_on(reopen(&folder)),
        _ => {
            let rounds = number("TANDEM_BENCH_ROUNDS", 5);
            if rounds > 0 {
                runtime.block_on(compare(rounds));
            }
            let folder = tempfile::tempdir().unwrap();
            play("keep", folder.path());
            play("reopen", folder.path());
        }
    }
}

/// Plays a part in a process of its own, whose memory is its own.
fn play(part: &str, folder: &Path) {
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    let ended = child.env(PART, part).env(FOLDER, folder).status().unwrap();
    assert!(ended.success(), "{part}: {ended}");
}

async fn compare(rounds: u64) {
    let folder = tempfile::tempdir().unwrap();
    let bare = Load::new(baseline::bare().await);
    let append = Load::new(baseline::append(&folder.path().join("raw")).await);
    let hub = Hub::open(&folder.path().join("hub")).await;
    let load = Load::new(hub.url());
    let script = Script::conversations(1);
    // What the hub gets has no gaps; the others may get anything.
    let other = AtomicU64::new(0);
    // Connections are made and the first conversations are open before anything is measured.
    for (load, next) in [(&bare, &other), (&append, &other), (&load, &*script.next)] {
        load.run(script.requests(next, 4_000, 1)).await;
    }
    hub.settled().await;
    for (name, script, size, requests, cloud_takes) in [
        ("single events", script.clone(), 1, SINGLES, false),
        ("batches of 25", script.clone(), BATCH, BATCHES, false),
        (CARRIED, script.clone(), 1, SINGLES, true),
        ("batches of 25, carried meanwhile", script.clone(), BATCH, BATCHES, true),
        ("batches of 25 of answered conversations, carried meanwhile", Script::answered(3), BATCH, BATCHES, true),
        ("single events, each a new conversation, carried meanwhile", Script::openings(4), 1, SINGLES / 4, true),
    ] {
        let mut table: [Vec<Figures>; 3] = Default::default();
        let mut behind = Duration::ZERO;
        for _ in 0..rounds {
            for ((load, next), figures) in
                [(&bare, &other), (&append, &other), (&load, &*script.next)].into_iter().zip(&mut table)
            {
                hub.cloud_takes(cloud_takes);
                figures.push(load.run(script.requests(next, requests, size)).await);
            }
            let start = Instant::now();
            hub.cloud_takes(true);
            hub.settled().await;
            behind = behind.max(start.elapsed());
        }
        println!("{name}, {rounds} rounds of {requests} requests over {} connections:", load::CONNECTIONS);
        let rates = table.each_ref().map(|figures| median(figures.iter().map(|one| one.rate())));
        for ((name, figures), rate) in ["200", "append", "hub"].into_iter().zip(&table).zip(rates) {
            println!(
                "  {name:<7}{rate:>8.0} requests/s{:>9.0} events/s   p50 {:>6.2} ms   p99 {:>6.2} ms",
                rate * size as f64,
                median(figures.iter().map(|one| one.percentile(0.50))),
                median(figures.iter().map(|one| one.percentile(0.99))),
            );
        }
        println!(
            "  hub/append {:.2}, append/200 {:.2}; all commands settled {behind:.1?} after the last answer at most",
            rates[2] / rates[1],
            rates[1] / rates[0]
        );
        if name == CARRIED {
            pace(&hub, &load, &script, rates[2] / 2.0).await;
        }
    }
    println!("  resident {} MiB, clients and all three servers included", resident());
    hub.close();
}

/// From a client's first byte to the claim of the command that relays the message, at half of what was measured.
async fn pace(hub: &Hub, load: &Load, script: &Script, rate: f64) {
    let requests = (rate * 5.0) as u64;
    let carried = Arc::new(Carried::from(script.next.load(Ordering::Relaxed), requests));
    hub.watch(Some(Arc::clone(&carried)));
    let figures = load.paced(script.requests(&script.next, requests, 1), rate, &carried).await;
    hub.settled().await;
    hub.watch(None);
    let mut took = carried.took();
    took.sort_unstable();
    let percentile = |share: f64| {
        let place = (took.len().saturating_sub(1)) as f64 * share;
        took.get(place as usize).map_or(0.0, |took| took.as_secs_f64() * 1e3)
    };
    println!(
        "  at {rate:.0}/s: event in to command out p50 {:.2} ms, p99 {:.2} ms ({} relayed); answer p50 {:.2} ms, p99 {:.2} ms",
        percentile(0.50),
        percentile(0.99),
        took.len(),
        figures.percentile(0.50),
        figures.percentile(0.99),
    );
}

/// Keeps many events.
async fn keep(folder: &Path, events: u64) {
    let before = resident();
    let hub = Hub::open(folder).await;
    let load = Load::new(hub.url());
    let script = Script::conversations(1);
    let highest = Arc::new(AtomicU64::new(0));
    tokio::spawn({
        let highest = Arc::clone(&highest);
        async move {
            loop {
                highest.fetch_max(resident(), Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    });
    let start = Instant::now();
    load.run_on(script, usize::try_from(events / BATCH).unwrap(), BATCH).await;
    hub.settled().await;
    let rate = events as f64 / start.elapsed().as_secs_f64();
    let status = hub.desk().status().await.unwrap();
    println!(
        "{events} events in batches of {BATCH}, every command settled: {rate:.0} events/s, {} records",
        status.next_seq
    );
    println!(
        "  resident {before} MiB before, {} MiB at most, {} MiB after, clients included",
        highest.load(Ordering::Relaxed),
        resident()
    );
    println!("  {} interactions in memory, {} MiB on disk", status.in_memory, size(folder) >> 20);
    // No farewell: what opens it next finds what a crash leaves.
    hub.stop_without_farewell();
}

/// Opens what was kept.
async fn reopen(folder: &Path) {
    let start = Instant::now();
    let hub = Hub::open(folder).await;
    let opened = start.elapsed();
    let load = Load::new(hub.url());
    load.run(Script::openings(5).requests(&AtomicU64::new(0), 1, 1)).await;
    println!(
        "  opened again in {opened:.2?}, first event accepted after {:.2?}, resident {} MiB",
        start.elapsed(),
        resident()
    );
    hub.close();
}

/// Resident memory in MiB; 0 where the system does not say.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok()).unwrap_or(0) / 1024
}

fn size(path: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(path) else { return 0 };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(data) if data.is_dir() => size(&entry.path()),
        Ok(data) => data.len(),
        Err(_) => 0,
    });
    sizes.sum()
}
