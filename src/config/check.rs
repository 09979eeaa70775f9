//! What no key can say alone.

use std::fmt;
use std::net::IpAddr;

use jiff::SignedDuration;
use tandem_sdk::model::InstanceName;
use tandem_sdk::problem::Problem;
use tandem_sdk::secret::SecretRef;

use super::{Config, Loaded, Period};
use crate::content::Template;

impl Loaded {
    /// Everything that is wrong with the values, placed in the file. `kinds` are the adapter kinds that this program has.
    /// Reads nothing: whether files and secrets are there is found out when they are used.
    pub fn check(&self, kinds: &[&str]) -> Vec<Problem> {
        let mut sheet = Sheet(Vec::new());
        names(&self.config, &mut sheet);
        bounds(&self.config, &mut sheet);
        journey(&self.config, &mut sheet);
        access(&self.config, &mut sheet);
        secrets(&self.config, &mut sheet);
        adapters(&self.config, kinds, &mut sheet);
        texts(&self.config, &mut sheet);
        sheet.0.extend(self.config.profiles.problems());
        sheet.0.into_iter().map(|problem| self.place(problem)).collect()
    }
}

/// Problems so far.
struct Sheet(Vec<Problem>);

impl Sheet {
    fn demand(&mut self, fine: bool, key: &str, found: &dyn fmt::Display, expected: &str) {
        if !fine {
            self.0.push(Problem::new("config.wrong_value", key, found.to_string(), expected));
        }
    }
}

fn names(config: &Config, sheet: &mut Sheet) {
    let expected = "1 to 40 lower-case letters, digits and -";
    let fine = |name: &str| {
        (1..=40).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    let deployment = &config.deployment;
    sheet.demand(fine(&deployment.name), "deployment.name", &format!("{:?}", deployment.name), expected);
    sheet.demand(fine(&deployment.domain.0), "deployment.domain", &format!("{:?}", deployment.domain.0), expected);
    for name in config.adapters.keys() {
        // The name stands in the addresses of webhooks.
        sheet.demand(fine(&name.0), &format!("adapters.{name}"), &format!("{:?}", name.0), expected);
    }
}

fn bounds(config: &Config, sheet: &mut Sheet) {
    let Config { listen, store, network, desk, dispatch, delivery, shutdown, .. } = config;
    let counts = [
        ("listen.hooks", listen.hooks, 100_000),
        ("listen.connections", listen.connections, 1_000_000),
        ("network.keys.kept", network.keys.kept, 10_000),
        ("network.keys.at_once", network.keys.at_once, 1_000),
        ("desk.max_batch", desk.max_batch, 10_000),
        ("desk.lanes.control", desk.lanes.control, 1_000_000),
        ("desk.lanes.outcomes", desk.lanes.outcomes, 1_000_000),
        ("desk.lanes.webhooks", desk.lanes.webhooks, 1_000_000),
        ("desk.in_memory", desk.in_memory, 10_000_000),
        ("dispatch.workers", dispatch.workers, 10_000),
        ("dispatch.buckets", dispatch.buckets, 10_000_000),
        ("delivery.page", delivery.page, 10_000),
        ("delivery.streams", delivery.streams, 100_000),
    ];
    for (key, count, most) in counts {
        sheet.demand((1..=most).contains(&count), key, &count, &format!("from 1 to {most}"));
    }
    sheet.demand((100..=10_000_000).contains(&desk.snapshot), "desk.snapshot", &desk.snapshot, "from 100 to 10000000");
    sheet.demand((1..=3_650).contains(&desk.unfiled_days), "desk.unfiled_days", &desk.unfiled_days, "from 1 to 3650");
    sheet.demand((1..=1_000).contains(&dispatch.attempts), "dispatch.attempts", &dispatch.attempts, "from 1 to 1000");
    // A worker that cannot hand in its outcome holds the cloud's answer and nobody knows.
    sheet.demand(
        desk.lanes.outcomes >= dispatch.workers,
        "desk.lanes.outcomes",
        &desk.lanes.outcomes,
        &format!("at least dispatch.workers, {}", dispatch.workers),
    );
    let day = 24 * 60 * 60;
    let periods = [
        ("listen.timeout", listen.timeout, 3_600),
        ("listen.headers", listen.headers, 3_600),
        ("listen.body_timeout", listen.body_timeout, 3_600),
        ("network.keys.timeout", network.keys.timeout, 60),
        ("network.keys.failed", network.keys.failed, 3_600),
        ("network.keys.again", network.keys.again, 3_600),
        ("network.keys.life", network.keys.life, 30 * day),
        ("dispatch.timeout", dispatch.timeout, 600),
        ("dispatch.backoff.first", dispatch.backoff.first, day),
        ("dispatch.backoff.cap", dispatch.backoff.cap, day),
        ("delivery.heartbeat", delivery.heartbeat, 3_600),
    ];
    for (key, period, most) in periods {
        let fine = (Period::millis(1)..=Period::secs(most)).contains(&period);
        sheet.demand(fine, key, &period, &format!("from 1ms to {}", Period::secs(most)));
    }
    sheet.demand(shutdown.grace <= Period::secs(3_600), "shutdown.grace", &shutdown.grace, "at most 1h");
    for (instance, factor) in &dispatch.raised {
        let key = format!("dispatch.raised.{instance}");
        sheet.demand((1.0..=1_000_000.0).contains(factor), &key, factor, "from 1.0 to 1000000.0");
    }
    let backoff = &dispatch.backoff;
    sheet.demand(
        backoff.cap >= backoff.first,
        "dispatch.backoff.cap",
        &backoff.cap,
        "not shorter than dispatch.backoff.first",
    );
    sheet.demand((1.0..=100.0).contains(&backoff.factor), "dispatch.backoff.factor", &backoff.factor, "from 1 to 100");
    sheet.demand((0.0..=1.0).contains(&backoff.jitter), "dispatch.backoff.jitter", &backoff.jitter, "from 0 to 1");
    let (body, cache) = (listen.body.get(), store.cache.get());
    sheet.demand((1_024..=64 << 20).contains(&body), "listen.body", &listen.body, "from 1KiB to 64MiB");
    sheet.demand((1 << 20..=1 << 40).contains(&cache), "store.cache", &store.cache, "from 1MiB to 1024GiB");
    let document = network.keys.size.get();
    sheet.demand((1_024..=64 << 20).contains(&document), "network.keys.size", &network.keys.size, "from 1KiB to 64MiB");
}

fn journey(config: &Config, sheet: &mut Sheet) {
    let journey = &config.journey;
    let (none, moment, second) = (SignedDuration::ZERO, SignedDuration::from_millis(1), SignedDuration::from_secs(1));
    let (minute, hour) = (SignedDuration::from_mins(1), SignedDuration::from_hours(1));
    let (day, week) = (SignedDuration::from_hours(24), SignedDuration::from_hours(7 * 24));
    // A timer that sets itself again must leave the desk time for something else.
    let periods = [
        ("profile_deadline", journey.profile_deadline, moment, minute),
        ("overdue", journey.overdue, second, day),
        ("overdue_most", journey.overdue_most, second, day),
        ("patience", journey.patience, moment, week),
        ("grace", journey.grace, none, day),
        ("silence", journey.silence, second, week),
        ("hold", journey.hold, none, minute),
        ("park", journey.park, second, hour),
        ("command_life", journey.command_life, second, week),
    ];
    for (key, period, least, most) in periods {
        let expected = format!("from {least:#} to {most:#}");
        sheet.demand((least..=most).contains(&period), &format!("journey.{key}"), &format!("{period:#}"), &expected);
    }
    sheet.demand(
        journey.overdue_most >= journey.overdue,
        "journey.overdue_most",
        &format!("{:#}", journey.overdue_most),
        "not shorter than journey.overdue",
    );
    let counts = [("parked_most", journey.parked_most, 1_000_000), ("waiting_most", journey.waiting_most, 10_000)];
    for (key, count, most) in counts {
        sheet.demand((1..=most).contains(&count), &format!("journey.{key}"), &count, &format!("from 1 to {most}"));
    }
    let names = [
        ("customer_name", &journey.customer_name),
        ("agent_name", &journey.agent_name),
        ("hub_name", &journey.hub_name),
    ];
    for (key, name) in names {
        let fine = !name.trim().is_empty() && name.len() <= 256;
        sheet.demand(fine, &format!("journey.{key}"), &format!("{name:?}"), "1 to 256 bytes, not only blanks");
    }
}

fn access(config: &Config, sheet: &mut Sheet) {
    let address = config.listen.address.ip();
    let loopback = match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(v6.is_loopback(), |v4| v4.is_loopback()),
        IpAddr::V4(v4) => v4.is_loopback(),
    };
    if !loopback && config.api.tokens.is_empty() {
        sheet.0.push(Problem::new(
            "config.open_api",
            "listen.address",
            format!("{} without [[api.tokens]]: /v1 would answer to everybody", config.listen.address),
            "a loopback address, or tokens that callers of /v1 have to show",
        ));
    }
    for (n, access) in config.api.tokens.iter().enumerate() {
        let key = format!("api.tokens.{n}.scopes");
        sheet.demand(!access.scopes.is_empty(), &key, &"no scope", "at least one of read, text, chats, operate");
    }
}

fn secrets(config: &Config, sheet: &mut Sheet) {
    let secrets = &config.secrets;
    sheet.demand(!secrets.master_keys.is_empty(), "secrets.master_keys", &"no key", "at least one");
    let named = |key: String, secret: &SecretRef, sheet: &mut Sheet| {
        let fine =
            ["env:", "file:"].iter().any(|kind| secret.0.strip_prefix(kind).is_some_and(|name| !name.is_empty()));
        // What stands there may be the secret itself, so it is not repeated.
        sheet.demand(
            fine,
            &key,
            &"something else",
            "env:NAME or file:PATH; a secret never stands in the config itself",
        );
    };
    named("secrets.id_key".to_owned(), &secrets.id_key, sheet);
    for (n, key) in secrets.master_keys.iter().enumerate() {
        named(format!("secrets.master_keys.{n}"), key, sheet);
        sheet.demand(
            *key != secrets.id_key,
            &format!("secrets.master_keys.{n}"),
            &"the same as secrets.id_key",
            "a key of its own: master keys are rotated, the id key never is",
        );
    }
    for (n, access) in config.api.tokens.iter().enumerate() {
        named(format!("api.tokens.{n}.token"), &access.token, sheet);
    }
}

fn adapters(config: &Config, kinds: &[&str], sheet: &mut Sheet) {
    for (name, adapter) in &config.adapters {
        let known = kinds.contains(&adapter.kind.as_str());
        let found = format!("{:?}", adapter.kind);
        sheet.demand(known, &format!("adapters.{name}.kind"), &found, &format!("one of {}", kinds.join(", ")));
    }
    let configured = |name: &InstanceName| config.adapters.contains_key(name);
    let named = std::iter::once(("journey.customer".to_owned(), &config.journey.customer))
        .chain(config.profiles.ask.iter().enumerate().map(|(n, name)| (format!("profiles.ask.{n}"), name)));
    for (key, name) in named {
        sheet.demand(configured(name), &key, &format!("{:?}", name.0), "the name of an instance under [adapters]");
    }
}

/// Only the greeting knows who the agent is; the other texts have no places.
fn texts(config: &Config, sheet: &mut Sheet) {
    let texts = &config.journey.texts;
    let all: [(&str, &str, &[&str]); 8] = [
        ("waiting", &texts.waiting, &[]),
        ("greeting", &texts.greeting, &["agent"]),
        ("nobody", &texts.nobody, &[]),
        ("refused", &texts.refused, &[]),
        ("closing", &texts.closing, &[]),
        ("late", &texts.late, &[]),
        ("edited", &texts.edited, &[]),
        ("deleted", &texts.deleted, &[]),
    ];
    for (name, text, known) in all {
        if let Err(problems) = Template::parse(text, known) {
            sheet.0.extend(problems.into_iter().map(|problem| problem.under(&format!("journey.texts.{name}"))));
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use std::path::Path;

    use super::*;

    const KINDS: &[&str] = &["azure-communication", "amazon-connect", "cdp-http"];
    const REFERENCE: &str = include_str!("../../config/tandem.toml");

    fn problems(text: &str) -> Vec<String> {
        let text = format!("{text}\n[adapters.acs]\nkind = 'azure-communication'\n");
        let loaded = Config::parse("t", Path::new("."), &text).unwrap();
        loaded.check(KINDS).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_reference_shows_every_default() {
        let mut loaded = Config::parse("config/tandem.toml", Path::new("config"), REFERENCE).unwrap();
        assert_eq!(loaded.check(KINDS), []);
        assert_eq!(loaded.config.adapters.len(), KINDS.len(), "it shows an instance of every kind");
        loaded.config.adapters.clear();
        assert_eq!(loaded.config, Config::default());
    }

    #[test]
    fn the_defaults_need_only_their_adapter() {
        assert_eq!(problems(""), Vec::<String>::new());
        let loaded = Config::parse("t", Path::new("."), "").unwrap();
        let keys: Vec<String> = loaded.check(KINDS).into_iter().map(|problem| problem.key).collect();
        assert_eq!(keys, ["journey.customer"]);
    }

    #[test]
    fn what_keys_mean_together_is_looked_at() {
        let text = r#"
            [deployment]
            name = "Our House"
            [listen]
            address = "0.0.0.0:80"
            hooks = 0
            [desk.lanes]
            outcomes = 3
            [dispatch]
            backoff = { first = "5s", cap = "1s", factor = 0.5, jitter = nan }
            [secrets]
            id_key = "hunter2"
            master_keys = ["env:A", "hunter2"]
            [profiles]
            ask = ["crm"]
            deadline = "0s"
            [journey.texts]
            waiting = "You are number {position}"
            greeting = "{agent}{"
            [adapters."A/B"]
            kind = "amazon-conect"
        "#;
        insta::assert_snapshot!(problems(text).join("\n"), @r#"
        t:3: deployment.name: "Our House"; 1 to 40 lower-case letters, digits and - [config.wrong_value]
        t:20: adapters.A/B: "A/B"; 1 to 40 lower-case letters, digits and - [config.wrong_value]
        t:6: listen.hooks: 0; from 1 to 100000 [config.wrong_value]
        t:8: desk.lanes.outcomes: 3; at least dispatch.workers, 64 [config.wrong_value]
        t:10: dispatch.backoff.cap: 1s; not shorter than dispatch.backoff.first [config.wrong_value]
        t:10: dispatch.backoff.factor: 0.5; from 1 to 100 [config.wrong_value]
        t:10: dispatch.backoff.jitter: NaN; from 0 to 1 [config.wrong_value]
        t:5: listen.address: 0.0.0.0:80 without [[api.tokens]]: /v1 would answer to everybody; a loopback address, or tokens that callers of /v1 have to show [config.open_api]
        t:12: secrets.id_key: something else; env:NAME or file:PATH; a secret never stands in the config itself [config.wrong_value]
        t:13: secrets.master_keys.1: something else; env:NAME or file:PATH; a secret never stands in the config itself [config.wrong_value]
        t:13: secrets.master_keys.1: the same as secrets.id_key; a key of its own: master keys are rotated, the id key never is [config.wrong_value]
        t:21: adapters.A/B.kind: "amazon-conect"; one of azure-communication, amazon-connect, cdp-http [config.wrong_value]
        t:15: profiles.ask.0: "crm"; the name of an instance under [adapters] [config.wrong_value]
        t:18: journey.texts.waiting: {position}; no places are known in this text [template.unknown_place]
        t:19: journey.texts.greeting: a lone { at character 8; {name} for a place, {{ or }} for a brace [template.open_brace]
        t:16: profiles.deadline: 0ns; from 1ms to 5s [profiles.out_of_range]
        "#);
    }

    #[test]
    fn a_timer_that_sets_itself_again_leaves_time_for_something_else() {
        let text = r#"
            [journey]
            profile_deadline = "0s"
            overdue = "0s"
            overdue_most = "999ms"
            patience = "-1s"
            grace = "-1s"
            silence = "0s"
            hold = "2m"
            park = "0s"
            parked_most = 0
            command_life = "1ms"
            waiting_most = 0
            customer_name = " "
        "#;
        insta::assert_snapshot!(problems(text).join("\n"), @r#"
        t:3: journey.profile_deadline: 0s; from 1ms to 1m [config.wrong_value]
        t:4: journey.overdue: 0s; from 1s to 24h [config.wrong_value]
        t:5: journey.overdue_most: 999ms; from 1s to 24h [config.wrong_value]
        t:6: journey.patience: 1s ago; from 1ms to 168h [config.wrong_value]
        t:7: journey.grace: 1s ago; from 0s to 24h [config.wrong_value]
        t:8: journey.silence: 0s; from 1s to 168h [config.wrong_value]
        t:9: journey.hold: 2m; from 0s to 1m [config.wrong_value]
        t:10: journey.park: 0s; from 1s to 1h [config.wrong_value]
        t:12: journey.command_life: 1ms; from 1s to 168h [config.wrong_value]
        t:11: journey.parked_most: 0; from 1 to 1000000 [config.wrong_value]
        t:13: journey.waiting_most: 0; from 1 to 10000 [config.wrong_value]
        t:14: journey.customer_name: " "; 1 to 256 bytes, not only blanks [config.wrong_value]
        "#);
        let least = "[journey]\noverdue = '1s'\noverdue_most = '1s'\ngrace = '0s'\nsilence = '1s'\npark = '1s'\n";
        assert_eq!(problems(least), Vec::<String>::new());
        let before = problems("[journey]\noverdue = '1m'\noverdue_most = '30s'\n");
        assert!(before.len() == 1 && before[0].contains("not shorter than journey.overdue"), "{before:?}");
    }

    #[test]
    fn an_open_address_needs_tokens() {
        let tokens = "[[api.tokens]]\ntoken = 'env:T'\nscopes = ['read']\n";
        for (address, open) in [
            ("127.9.9.9:1", false),
            ("[::1]:1", false),
            ("[::ffff:127.0.0.1]:1", false),
            ("[::]:1", true),
            ("10.0.0.1:1", true),
        ] {
            let listen = format!("[listen]\naddress = '{address}'\n");
            assert_eq!(problems(&listen).iter().any(|problem| problem.contains("config.open_api")), open, "{address}");
            assert_eq!(problems(&format!("{listen}{tokens}")), Vec::<String>::new());
        }
        let nothing = problems("[[api.tokens]]\ntoken = 'hunter2'\nscopes = []\n").join("\n");
        assert!(nothing.contains("api.tokens.0.scopes") && nothing.contains("api.tokens.0.token"), "{nothing}");
        assert!(!nothing.contains("hunter2"));
    }
}
