//! Numbers under `GET /metrics`. Names and labels are fixed here; a label's value comes from the config, from a list in
//! the code, or from a vendor's list of kinds, never from a customer, so that they stay few and tell of nobody.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Content type of [`Metrics::render`].
pub const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds of the buckets of every duration, in seconds: from a fast commit to the longest call.
const SECONDS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Labels of what came through a door.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByDoor {
    /// Adapter instance.
    pub instance: String,
    /// Door of the instance.
    pub door: String,
    /// What the sender was told: the HTTP status.
    pub status: u16,
}

/// Labels of what was done for or by an adapter instance.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByInstance {
    /// Adapter instance.
    pub instance: String,
    /// How it went, a word from the code.
    pub outcome: &'static str,
}

/// Labels of a call to a cloud.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByCommand {
    /// Adapter instance.
    pub instance: String,
    /// The action's name.
    pub action: &'static str,
    /// How it went: `done`; `throttled` and `deferred` when it is tried again; `dead`.
    pub outcome: &'static str,
}

/// All numbers. Cheap to clone: clones count together.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Webhook requests answered.
    pub webhooks: Family<ByDoor, Counter>,
    /// From the first byte of a webhook to its answer, in seconds.
    pub webhook_seconds: Histogram,
    /// Attempts to carry a command, by action and outcome.
    pub commands: Family<ByCommand, Counter>,
    /// One call to a cloud, in seconds.
    pub command_seconds: Histogram,
    /// Commands that were held back to stay inside a documented rate.
    pub governed: Family<ByInstance, Counter>,
    /// What the desk tells of itself.
    pub desk: OfDesk,
}

/// Numbers that the desk tells when it is asked.
#[derive(Clone, Debug, Default)]
pub struct OfDesk {
    /// The last record of the log.
    pub records: Gauge,
    /// Commits since the start.
    pub commits: Gauge,
    /// Time that they took, in seconds.
    pub commit_seconds: Gauge<f64, AtomicU64>,
    /// Interactions in memory, open or lately closed.
    pub interactions: Gauge,
    /// Commands that wait or are on their way.
    pub outbox: Gauge,
    /// Of those, on their way.
    pub in_flight: Gauge,
    /// Vendor messages that came again, since the start.
    pub duplicates: Gauge,
    /// Vendor messages of kinds that nobody described, since the start.
    pub unknown: Gauge,
    /// Vendor messages put into quarantine, since the start.
    pub quarantined: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let histogram = || Histogram::new(SECONDS);
        Metrics {
            webhooks: Family::default(),
            webhook_seconds: histogram(),
            commands: Family::default(),
            command_seconds: histogram(),
            governed: Family::default(),
            desk: OfDesk::default(),
        }
    }
}

impl Metrics {
    /// All numbers at zero.
    pub fn new() -> Self {
        Metrics::default()
    }

    /// The numbers as OpenMetrics text, which Prometheus reads.
    pub fn render(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry()).expect("writing to a String cannot fail");
        text
    }

    /// The names. Put together for each rendering: a registry cannot be cloned, and this costs nothing beside it.
    fn registry(&self) -> Registry {
        let mut all = Registry::with_prefix("tandem");
        all.register("webhooks", "Webhook requests answered", self.webhooks.clone());
        all.register("webhook_seconds", "From a webhook's first byte to its answer", self.webhook_seconds.clone());
        all.register("commands", "Attempts to carry a command", self.commands.clone());
        all.register("command_seconds", "One call to a cloud", self.command_seconds.clone());
        all.register("governed", "Commands held back to keep a documented rate", self.governed.clone());
        let desk = &self.desk;
        all.register("records", "The last record of the log", desk.records.clone());
        all.register("commits", "Commits of the desk since the start", desk.commits.clone());
        all.register("commit_seconds", "Time that they took", desk.commit_seconds.clone());
        all.register("interactions", "Interactions in memory, open or lately closed", desk.interactions.clone());
        all.register("outbox", "Commands that wait or are on their way", desk.outbox.clone());
        all.register("in_flight", "Commands on their way", desk.in_flight.clone());
        all.register("duplicates", "Vendor messages that came again, since the start", desk.duplicates.clone());
        all.register("unknown", "Vendor messages of unknown kinds, since the start", desk.unknown.clone());
        all.register("quarantined", "Vendor messages put into quarantine, since the start", desk.quarantined.clone());
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_a_name_that_stays() {
        let metrics = Metrics::new();
        let (instance, outcome) = ("acs".to_owned(), "done");
        let by_instance = ByInstance { instance: instance.clone(), outcome };
        drop(metrics.webhooks.get_or_create(&ByDoor {
            instance: instance.clone(),
            door: "events".to_owned(),
            status: 200,
        }));
        drop(metrics.commands.get_or_create(&ByCommand { instance, action: "say", outcome }));
        drop(metrics.governed.get_or_create(&by_instance));
        let text = metrics.render();
        let samples = text.lines().filter(|line| !line.contains("_seconds_bucket") || line.contains("le=\"+Inf\""));
        insta::assert_snapshot!(samples.collect::<Vec<_>>().join("\n"), @r#"
        # HELP tandem_webhooks Webhook requests answered.
        # TYPE tandem_webhooks counter
        tandem_webhooks_total{instance="acs",door="events",status="200"} 0
        # HELP tandem_webhook_seconds From a webhook's first byte to its answer.
        # TYPE tandem_webhook_seconds histogram
        tandem_webhook_seconds_sum 0.0
        tandem_webhook_seconds_count 0
        tandem_webhook_seconds_bucket{le="+Inf"} 0
        # HELP tandem_commands Attempts to carry a command.
        # TYPE tandem_commands counter
        tandem_commands_total{instance="acs",action="say",outcome="done"} 0
        # HELP tandem_command_seconds One call to a cloud.
        # TYPE tandem_command_seconds histogram
        tandem_command_seconds_sum 0.0
        tandem_command_seconds_count 0
        tandem_command_seconds_bucket{le="+Inf"} 0
        # HELP tandem_governed Commands held back to keep a documented rate.
        # TYPE tandem_governed counter
        tandem_governed_total{instance="acs",outcome="done"} 0
        # HELP tandem_records The last record of the log.
        # TYPE tandem_records gauge
        tandem_records 0
        # HELP tandem_commits Commits of the desk since the start.
        # TYPE tandem_commits gauge
        tandem_commits 0
        # HELP tandem_commit_seconds Time that they took.
        # TYPE tandem_commit_seconds gauge
        tandem_commit_seconds 0.0
        # HELP tandem_interactions Interactions in memory, open or lately closed.
        # TYPE tandem_interactions gauge
        tandem_interactions 0
        # HELP tandem_outbox Commands that wait or are on their way.
        # TYPE tandem_outbox gauge
        tandem_outbox 0
        # HELP tandem_in_flight Commands on their way.
        # TYPE tandem_in_flight gauge
        tandem_in_flight 0
        # HELP tandem_duplicates Vendor messages that came again, since the start.
        # TYPE tandem_duplicates gauge
        tandem_duplicates 0
        # HELP tandem_unknown Vendor messages of unknown kinds, since the start.
        # TYPE tandem_unknown gauge
        tandem_unknown 0
        # HELP tandem_quarantined Vendor messages put into quarantine, since the start.
        # TYPE tandem_quarantined gauge
        tandem_quarantined 0
        # EOF
        "#);
    }

    #[test]
    fn clones_count_together() {
        let metrics = Metrics::new();
        let clone = metrics.clone();
        let door = ByDoor { instance: "acs".to_owned(), door: "events".to_owned(), status: 200 };
        clone.webhooks.get_or_create(&door).inc();
        metrics.webhooks.get_or_create(&door).inc();
        clone.command_seconds.observe(0.002);
        let text = metrics.render();
        assert!(text.contains(r#"tandem_webhooks_total{instance="acs",door="events",status="200"} 2"#), "{text}");
        assert!(text.contains("tandem_command_seconds_bucket{le=\"0.0025\"} 1"), "{text}");
        assert!(text.ends_with("# EOF\n"));
    }
}
