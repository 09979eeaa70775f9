//! Numbers under `GET /metrics`. Names and labels are fixed here; a label's value comes from the config, from a list in
//! the code, or from a vendor's list of kinds, never from a customer, so that they stay few and tell of nobody.

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

/// Labels of inputs and events.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByKind {
    /// Kind, a word from the code.
    pub kind: &'static str,
}

/// Labels of what waits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByLane {
    /// Lane of the desk.
    pub lane: &'static str,
}

/// All numbers. Cheap to clone: clones count together.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Webhook requests answered.
    pub webhooks: Family<ByDoor, Counter>,
    /// From the first byte of a webhook to its answer, in seconds.
    pub webhook_seconds: Histogram,
    /// Inputs that the desk committed, by kind.
    pub inputs: Family<ByKind, Counter>,
    /// Envelopes by instance: `applied`, `duplicate`, `ignored`, `unknown`, `quarantined`.
    pub envelopes: Family<ByInstance, Counter>,
    /// Events that consumers see, by type.
    pub events: Family<ByKind, Counter>,
    /// One commit of the desk, in seconds.
    pub commit_seconds: Histogram,
    /// Inputs that wait at the desk, by lane.
    pub desk_waiting: Family<ByLane, Gauge>,
    /// Attempts to carry a command, by action and outcome.
    pub commands: Family<ByCommand, Counter>,
    /// One call to a cloud, in seconds.
    pub command_seconds: Histogram,
    /// Commands that wait or are on their way.
    pub outbox: Gauge,
    /// Commands that were held back to stay inside a documented rate.
    pub governed: Family<ByInstance, Counter>,
    /// Effects found twice at a cloud that cannot tell repetitions.
    pub doubled: Counter,
    /// Lookups of customers, by instance and outcome.
    pub lookups: Family<ByInstance, Counter>,
    /// Interactions that are not closed.
    pub open_interactions: Gauge,
    /// Inputs in quarantine.
    pub quarantined: Gauge,
    /// Commands that will not be tried again by themselves.
    pub dead_letters: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let histogram = || Histogram::new(SECONDS);
        Metrics {
            webhooks: Family::default(),
            webhook_seconds: histogram(),
            inputs: Family::default(),
            envelopes: Family::default(),
            events: Family::default(),
            commit_seconds: histogram(),
            desk_waiting: Family::default(),
            commands: Family::default(),
            command_seconds: histogram(),
            outbox: Gauge::default(),
            governed: Family::default(),
            doubled: Counter::default(),
            lookups: Family::default(),
            open_interactions: Gauge::default(),
            quarantined: Gauge::default(),
            dead_letters: Gauge::default(),
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
        all.register("inputs", "Inputs committed by the desk", self.inputs.clone());
        all.register("envelopes", "Vendor messages by what became of them", self.envelopes.clone());
        all.register("events", "Events that consumers see", self.events.clone());
        all.register("commit_seconds", "One commit of the desk", self.commit_seconds.clone());
        all.register("desk_waiting", "Inputs that wait at the desk", self.desk_waiting.clone());
        all.register("commands", "Attempts to carry a command", self.commands.clone());
        all.register("command_seconds", "One call to a cloud", self.command_seconds.clone());
        all.register("outbox", "Commands that wait or are on their way", self.outbox.clone());
        all.register("governed", "Commands held back to keep a documented rate", self.governed.clone());
        all.register("doubled_effects", "Effects found twice at a cloud", self.doubled.clone());
        all.register("lookups", "Lookups of customers", self.lookups.clone());
        all.register("open_interactions", "Interactions that are not closed", self.open_interactions.clone());
        all.register("quarantined", "Inputs in quarantine", self.quarantined.clone());
        all.register("dead_letters", "Commands not tried again by themselves", self.dead_letters.clone());
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
        drop(metrics.desk_waiting.get_or_create(&ByLane { lane: "control" }));
        for family in [&metrics.inputs, &metrics.events] {
            drop(family.get_or_create(&ByKind { kind: "outcome" }));
        }
        for family in [&metrics.envelopes, &metrics.governed, &metrics.lookups] {
            drop(family.get_or_create(&by_instance));
        }
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
        # HELP tandem_inputs Inputs committed by the desk.
        # TYPE tandem_inputs counter
        tandem_inputs_total{kind="outcome"} 0
        # HELP tandem_envelopes Vendor messages by what became of them.
        # TYPE tandem_envelopes counter
        tandem_envelopes_total{instance="acs",outcome="done"} 0
        # HELP tandem_events Events that consumers see.
        # TYPE tandem_events counter
        tandem_events_total{kind="outcome"} 0
        # HELP tandem_commit_seconds One commit of the desk.
        # TYPE tandem_commit_seconds histogram
        tandem_commit_seconds_sum 0.0
        tandem_commit_seconds_count 0
        tandem_commit_seconds_bucket{le="+Inf"} 0
        # HELP tandem_desk_waiting Inputs that wait at the desk.
        # TYPE tandem_desk_waiting gauge
        tandem_desk_waiting{lane="control"} 0
        # HELP tandem_commands Attempts to carry a command.
        # TYPE tandem_commands counter
        tandem_commands_total{instance="acs",action="say",outcome="done"} 0
        # HELP tandem_command_seconds One call to a cloud.
        # TYPE tandem_command_seconds histogram
        tandem_command_seconds_sum 0.0
        tandem_command_seconds_count 0
        tandem_command_seconds_bucket{le="+Inf"} 0
        # HELP tandem_outbox Commands that wait or are on their way.
        # TYPE tandem_outbox gauge
        tandem_outbox 0
        # HELP tandem_governed Commands held back to keep a documented rate.
        # TYPE tandem_governed counter
        tandem_governed_total{instance="acs",outcome="done"} 0
        # HELP tandem_doubled_effects Effects found twice at a cloud.
        # TYPE tandem_doubled_effects counter
        tandem_doubled_effects_total 0
        # HELP tandem_lookups Lookups of customers.
        # TYPE tandem_lookups counter
        tandem_lookups_total{instance="acs",outcome="done"} 0
        # HELP tandem_open_interactions Interactions that are not closed.
        # TYPE tandem_open_interactions gauge
        tandem_open_interactions 0
        # HELP tandem_quarantined Inputs in quarantine.
        # TYPE tandem_quarantined gauge
        tandem_quarantined 0
        # HELP tandem_dead_letters Commands not tried again by themselves.
        # TYPE tandem_dead_letters gauge
        tandem_dead_letters 0
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
        clone.commit_seconds.observe(0.002);
        let text = metrics.render();
        assert!(text.contains(r#"tandem_webhooks_total{instance="acs",door="events",status="200"} 2"#), "{text}");
        assert!(text.contains("tandem_commit_seconds_bucket{le=\"0.0025\"} 1"), "{text}");
        assert!(text.ends_with("# EOF\n"));
    }
}
