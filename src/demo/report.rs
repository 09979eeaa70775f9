//! What the demo shows: one JSON object a step for programs, a timeline for people.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde_json::{Value, json};

/// How much is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// A timeline for people.
    Timeline,
    /// One JSON object a step, and a last one with the outcome.
    Json,
    /// Nothing: whoever asked for the play looks at what came of it.
    Nothing,
}

/// Shows steps as they happen.
#[derive(Clone)]
pub(super) struct Report {
    shown: Shown,
    started: Instant,
    lock: Arc<Mutex<()>>,
}

impl Report {
    pub(super) fn new(shown: Shown) -> Self {
        Report { shown, started: Instant::now(), lock: Arc::default() }
    }

    /// Shows a step of a journey.
    #[expect(clippy::print_stdout, reason = "showing is what the demo is for")]
    pub(super) fn step(&self, journey: usize, who: &str, what: &str, detail: &Value) {
        if self.shown == Shown::Nothing {
            return;
        }
        let _one_at_a_time = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let at = self.started.elapsed();
        if self.shown == Shown::Json {
            println!(
                "{}",
                json!({ "step": what, "who": who, "journey": journey, "at_ms": at.as_millis() as u64, "detail": detail })
            );
        } else {
            let detail = match detail {
                Value::Null => String::new(),
                Value::String(text) => format!("  {text}"),
                other => format!("  {other}"),
            };
            println!("{:7.2} s  {who:<8}  {what}{detail}", at.as_secs_f64());
        }
    }

    /// Shows the outcome; the last thing shown.
    #[expect(clippy::print_stdout, reason = "showing is what the demo is for")]
    pub(super) fn outcome(&self, outcome: &Value, complaints: &[String]) {
        match self.shown {
            Shown::Nothing => return,
            Shown::Json => return println!("{outcome}"),
            Shown::Timeline => {}
        }
        println!();
        for complaint in complaints {
            println!("           NOT SO: {complaint}");
        }
        let completed = outcome["outcome"] == "completed";
        let word = if completed { "The journey is complete." } else { "The journey is NOT complete." };
        println!("           {word}  {}", outcome["summary"].as_str().unwrap_or_default());
    }
}
