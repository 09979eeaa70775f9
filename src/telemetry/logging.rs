//! Log lines.

use std::io;

use serde::{Deserialize, Serialize};
use tracing::{Level, Subscriber};
use tracing_subscriber::filter::{EnvFilter, ParseError, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{Layer as _, fmt};

/// `[telemetry]` in the config.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// How lines look.
    pub format: Format,
    /// What is logged, in the syntax of `tracing`: `info`, `info,tandem::desk=debug`. The environment variable
    /// `TANDEM_LOG` goes before it.
    pub filter: String,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { format: Format::Text, filter: "info".to_owned() }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for programs.
    Json,
}

/// Why logging could not be started.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter cannot be read.
    #[error("log filter cannot be read: {0}")]
    Filter(#[from] ParseError),
    /// Somebody else logs already.
    #[error("logging was started before: {0}")]
    Started(#[from] TryInitError),
}

/// Starts logging to stderr, for the rest of the process. `overriding` goes before the configured filter; it is the
/// value of `TANDEM_LOG`, where there is one.
pub fn start(settings: &Settings, overriding: Option<&str>) -> Result<(), TelemetryError> {
    let filter = EnvFilter::builder().parse(overriding.unwrap_or(&settings.filter))?;
    subscriber(settings.format, filter, io::stderr).try_init()?;
    Ok(())
}

fn subscriber<W>(format: Format, filter: EnvFilter, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = fmt::layer().with_writer(writer).with_ansi(false);
    let lines = match format {
        Format::Text => lines.boxed(),
        Format::Json => lines.json().flatten_event(true).boxed(),
    };
    let discreet = filter_fn(|line| line.target().starts_with("tandem") || *line.level() <= Level::INFO);
    tracing_subscriber::registry().with(filter).with(discreet).with(lines)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(format: Format, filter: &str) -> String {
        let paper = Paper::default();
        let writer = paper.clone();
        let subscriber = subscriber(format, EnvFilter::builder().parse(filter).unwrap(), move || writer.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(target: "tandem::desk", interaction = "i-1", "opened");
            tracing::debug!(target: "tandem::desk", "ours, in detail");
            tracing::info!(target: "hyper", "theirs");
            tracing::trace!(target: "aws_smithy_runtime", "authorization: hunter2");
            tracing::debug!(target: "reqwest::connect", "body: hunter2");
        });
        String::from_utf8(paper.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn the_debug_lines_of_others_are_cut_off_whatever_the_filter_says() {
        let all = written(Format::Text, "trace");
        assert!(
            all.contains("opened interaction=\"i-1\"") && all.contains("in detail") && all.contains("theirs"),
            "{all}"
        );
        assert!(!all.contains("hunter2"), "{all}");
    }

    #[test]
    fn the_filter_decides_about_our_own() {
        assert!(!written(Format::Text, "info").contains("in detail"));
        assert!(written(Format::Text, "warn,tandem::desk=debug").contains("in detail"));
        assert!(EnvFilter::builder().parse("tandem=loud").is_err());
    }

    #[test]
    fn json_lines_are_one_object_each() {
        let lines = written(Format::Json, "info");
        let first: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
        assert_eq!((&first["message"], &first["interaction"]), (&"opened".into(), &"i-1".into()));
    }
}
