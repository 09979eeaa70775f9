//! The decision: pure, and written to the log as it is.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tandem_sdk::model::Target;

use super::condition::{Condition, Verdict};
use super::question::{ProfileView, Question};
use super::rules::{DEFAULT_RULE, Rules};
use super::scope::{Scope, bare_context};

/// Where an interaction should go, and how that came about. Holds no personal value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The name of the target in the rules.
    pub target_name: String,
    /// The target.
    pub target: Target,
    /// The rule that applied; [`DEFAULT_RULE`] when none did.
    pub rule: String,
    /// Every rule that was looked at, in order; the last one applied, unless the default was taken.
    pub looked_at: Vec<Looked>,
    /// How the profile stood.
    pub profile: Standing,
    /// The targets that come next when one does not take the interaction, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallbacks: Vec<String>,
    /// [`Rules::version`] of the rules that decided.
    pub rules_version: String,
}

/// A rule that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Looked {
    /// Its name.
    pub rule: String,
    /// Whether it applied.
    pub applied: bool,
    /// Why, without any value of the interaction or the profile.
    pub why: String,
}

/// How the profile stood when it was decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Standing {
    /// It was there.
    Known {
        /// Whether any rule that was looked at read it.
        read: bool,
    },
    /// It was decided without one.
    Missing {
        /// Why there was none.
        reason: String,
    },
}

/// Decides where an interaction goes: the target of the first rule that applies, else the default.
///
/// A condition that cannot be told, because a field is missing or of another kind, does not apply, and the reason says
/// so. Never fails.
pub fn decide(rules: &Rules, question: &Question, profile: ProfileView<'_>, now: Timestamp) -> Decision {
    let scope = Scope::new(question, profile, now);
    let mut context = bare_context();
    context.set_variable_resolver(&scope);
    let mut looked_at = Vec::new();
    let mut won = None;
    for rule in &rules.rules {
        let verdict = rule.condition.evaluate(&context);
        let applied = verdict == Verdict::Applies;
        looked_at.push(Looked { rule: rule.name.clone(), applied, why: why(verdict, &scope, &rule.condition) });
        if applied {
            won = Some((rule.name.as_str(), rule.target.as_str()));
            break;
        }
    }
    let (rule, target_name) = won.unwrap_or((DEFAULT_RULE, rules.default.as_str()));
    let target = rules.targets[target_name].target.clone();
    let standing = match scope.missing() {
        Some(reason) => Standing::Missing { reason: reason.to_owned() },
        None => Standing::Known { read: scope.profile_was_read() },
    };
    Decision {
        target_name: target_name.to_owned(),
        target,
        rule: rule.to_owned(),
        looked_at,
        profile: standing,
        fallbacks: fallbacks(rules, target_name).map(str::to_owned).collect(),
        rules_version: rules.version().to_owned(),
    }
}

/// The target that comes after `current` when that did not take the interaction; none when the fallbacks are at their
/// end, or when `current` is no target of these rules.
pub fn next_target<'r>(rules: &'r Rules, current: &str) -> Option<(&'r str, &'r Target)> {
    let name = rules.targets.get(current)?.fallback.as_deref()?;
    rules.targets.get(name).map(|goal| (name, &goal.target))
}

/// The names of the targets after this one. Ends, because cycles are refused at load.
fn fallbacks<'r>(rules: &'r Rules, target: &str) -> impl Iterator<Item = &'r str> {
    std::iter::successors(next_target(rules, target), |(name, _)| next_target(rules, name)).map(|(name, _)| name)
}

fn why(verdict: Verdict, scope: &Scope<'_>, condition: &Condition) -> String {
    match (verdict, scope.missing()) {
        (Verdict::Applies, _) => "the condition is true".to_owned(),
        (Verdict::DoesNot(why), Some(reason)) if condition.reads_profile() => format!("{why} (no profile: {reason})"),
        (Verdict::DoesNot(why), _) => why,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use jiff::civil::date;
    use jiff::tz::TimeZone;
    use proptest::prelude::*;
    use tandem_sdk::model::{Channel, LegRef, Personal};

    use super::*;

    fn question() -> Question {
        let leg = LegRef {
            system: "azure-communication".to_owned(),
            account: "contoso".to_owned(),
            kind: "thread".to_owned(),
            native: "19:a@thread.v2".to_owned(),
        };
        let opened_at = "2026-03-02T09:00:00Z".parse().unwrap();
        let mut question = Question::new(leg.id().opens(1), Channel::Chat, opened_at);
        question.language = Some("de".to_owned());
        question.topic = Personal::new("refund of invoice 4711");
        question.attributes.insert("page".to_owned(), Personal::new("/billing/4711"));
        question.message_count = 2;
        question
    }

    fn now() -> Timestamp {
        "2026-03-02T09:10:00Z".parse().unwrap()
    }

    fn rules(conditions: &[&str]) -> Rules {
        let target = "instance = 'connect'\nflow = 'f'\nqueue_attribute = 'tandem_queue'\n";
        let mut text = format!(
            "default = 'general'\n[targets.general]\n{target}queue = 'q-1'\n\
             [targets.priority]\n{target}queue = 'q-2'\npriority = 1\nfallback = 'general'\n"
        );
        for (place, condition) in conditions.iter().enumerate() {
            text += &format!("[[rules]]\nname = 'rule {place}'\nwhen = '''{condition}'''\ntarget = 'priority'\n");
        }
        Rules::parse("rules.toml", &text).unwrap()
    }

    fn why(condition: &str, profile: ProfileView<'_>) -> (bool, String) {
        let decision = decide(&rules(&[condition]), &question(), profile, now());
        (decision.looked_at[0].applied, decision.looked_at[0].why.clone())
    }

    const GOLD: &str = r#"{"tier": "gold", "name": "Anna Muster", "phone": "(+43 1 5550100", "age": 70, "score": 0.9,
        "orders": [{"open": true, "total": 12}, {"open": false, "total": 1}],
        "contacts": [{"tags": ["vip"]}, {"tags": []}], "nothing": null}"#;

    #[test]
    fn conditions_that_apply() {
        let cases = [
            "profile.tier == 'gold' && interaction.language == 'de'",
            "has(profile.tier) && profile.tier in ['gold', 'platinum']",
            "profile.?level.orValue('none') == 'none'",
            "profile.contacts.exists(c, c.tags.exists(t, t == 'vip'))",
            "profile.orders.filter(o, o.open).size() == 1",
            "profile.orders.map(o, o.total).exists(t, t > 10)",
            "profile.age >= 65 && profile.score > 0.8",
            "profile.nothing == null",
            "interaction.attributes['page'].startsWith('/billing')",
            "interaction.attributes.page.contains('4711')",
            "!has(interaction.attributes.campaign)",
            "interaction.topic.matches('(?i)REFUND|cancel')",
            "interaction.channel == 'chat' && interaction.direction == 'inbound' && interaction.message_count == 2",
            "!interaction.verified && !interaction.continued",
            "now - interaction.opened_at == duration('10m')",
            "now > timestamp('2026-01-01T00:00:00Z')",
            "size(interaction.id) == 36",
            "profile.tier == 'gold' || profile.missing == 1",
        ];
        for condition in cases {
            let expected = (true, "the condition is true".to_owned());
            assert_eq!(why(condition, ProfileView::Known(GOLD)), expected, "{condition}");
        }
    }

    #[test]
    fn conditions_that_do_not_apply_say_why() {
        let cases = [
            ("profile.tier == 'silver'", "the condition is false"),
            ("interaction.language == 'de' && profile.tier == 'silver'", "part 2 of 2 is false"),
            ("profile.level == 1 && interaction.language == 'fr'", "part 2 of 2 is false"),
            ("profile.level == 1", "the condition cannot be told: there is no level"),
            ("!interaction.verified && profile.level == 1", "part 2 of 2 cannot be told: there is no level"),
            ("profile[profile.name] == 1", "the condition cannot be told: there is no such field"),
            ("profile.name > 3", "the condition cannot be told: > cannot take (string, int)"),
            ("profile.name", "the condition cannot be told: string stands where bool is needed"),
            ("profile.name + 1 == 2", "the condition cannot be told: the values are of the wrong kinds"),
            ("profile.age / 0 == 1", "the condition cannot be told: division by zero"),
            ("'x'.matches(profile.phone)", "the condition cannot be told: matches failed"),
            ("profile.orders[7].open", "the condition cannot be told: the list is shorter than that"),
            ("profile.exists(k, k == 'tier')", "the condition cannot be told: a macro cannot take (map)"),
        ];
        for (condition, expected) in cases {
            assert_eq!(why(condition, ProfileView::Known(GOLD)), (false, expected.to_owned()), "{condition}");
        }
    }

    #[test]
    fn a_profile_that_is_not_there_or_not_usable_is_told() {
        let long = format!(r#"{{"list":[{}0]}}"#, "0,".repeat(300));
        let deadline = ProfileView::Missing("deadline");
        let cases = [
            (
                ProfileView::Known(&long),
                "profile.list.exists(x, x == 0)",
                "the condition cannot be told: a macro cannot take (too_long)",
            ),
            (
                deadline,
                "profile.tier == 'gold'",
                "the condition cannot be told: there is no tier (no profile: deadline)",
            ),
            (deadline, "has(profile.tier)", "the condition is false (no profile: deadline)"),
            (deadline, "interaction.verified", "the condition is false"),
            (
                ProfileView::Known("[1]"),
                "profile.tier == 'gold'",
                "the condition cannot be told: there is no tier (no profile: unreadable)",
            ),
        ];
        for (profile, condition, expected) in cases {
            assert_eq!(why(condition, profile), (false, expected.to_owned()), "{condition}");
        }
    }

    #[test]
    fn opening_hours_follow_the_clock_of_the_place_through_summer_time() {
        let open = "now.getDayOfWeek('Europe/Vienna') in [1, 2, 3, 4, 5] \
                    && now.getHours('Europe/Vienna') >= 8 && now.getHours('Europe/Vienna') < 18";
        let rules = rules(&[&open.replace('\'', "\"")]);
        let vienna = TimeZone::get("Europe/Vienna").unwrap();
        let cases = [
            (date(2026, 3, 2).at(7, 59, 59, 0), false),
            (date(2026, 3, 2).at(8, 0, 0, 0), true),
            (date(2026, 3, 2).at(17, 59, 59, 0), true),
            (date(2026, 3, 2).at(18, 0, 0, 0), false),
            (date(2026, 7, 1).at(8, 0, 0, 0), true),
            (date(2026, 7, 1).at(7, 59, 0, 0), false),
            (date(2026, 3, 1).at(12, 0, 0, 0), false),
            (date(2026, 2, 28).at(12, 0, 0, 0), false),
        ];
        for (local, applies) in cases {
            let now = local.to_zoned(vienna.clone()).unwrap().timestamp();
            let decision = decide(&rules, &question(), ProfileView::Missing("unknown"), now);
            assert_eq!(decision.target_name == "priority", applies, "{local}");
        }
    }

    #[test]
    fn the_first_rule_that_applies_wins_and_nothing_below_it_is_looked_at() {
        let rules = rules(&["profile.tier == 'silver'", "profile.tier == 'gold'", "interaction.language == 'de'"]);
        let decision = decide(&rules, &question(), ProfileView::Known(GOLD), now());
        insta::assert_json_snapshot!(decision, @r#"
        {
          "target_name": "priority",
          "target": {
            "instance": "connect",
            "flow": "f",
            "queue": "q-2",
            "queue_attribute": "tandem_queue",
            "priority": 1
          },
          "rule": "rule 1",
          "looked_at": [
            {
              "rule": "rule 0",
              "applied": false,
              "why": "the condition is false"
            },
            {
              "rule": "rule 1",
              "applied": true,
              "why": "the condition is true"
            }
          ],
          "profile": {
            "state": "known",
            "read": true
          },
          "fallbacks": [
            "general"
          ],
          "rules_version": "cdb63801644fdbf4a2ae6d52fee0f547"
        }
        "#);
    }

    #[test]
    fn without_a_rule_that_applies_the_default_is_taken_and_the_missing_profile_is_told() {
        let rules = rules(&["profile.tier == 'gold'"]);
        let decision = decide(&rules, &question(), ProfileView::Missing("breaker_open"), now());
        assert_eq!((decision.rule.as_str(), decision.target_name.as_str()), (DEFAULT_RULE, "general"));
        assert_eq!(decision.profile, Standing::Missing { reason: "breaker_open".to_owned() });
        assert_eq!(decision.fallbacks, Vec::<String>::new());
    }

    #[test]
    fn a_profile_that_no_rule_reads_is_not_parsed() {
        let rules = rules(&["interaction.language == 'de'", "profile.tier == 'gold'"]);
        let decision = decide(&rules, &question(), ProfileView::Known("{ not json"), now());
        assert_eq!(decision.profile, Standing::Known { read: false });
    }

    #[test]
    fn the_deepest_condition_fits_the_stack_of_a_worker_thread() {
        let index = format!("profile.a{} == 1", "[0]".repeat(20));
        let negated = format!("{}profile.b{}", "!(!(".repeat(10), "))".repeat(10));
        let walked = "profile.c.exists(x, x.exists(y, ((((((((((y == 1) == true) == true) == true) == true) == true) \
                      == true) == true) == true) == true)))";
        let rules = rules(&[&format!("!({index})"), &format!("!({negated})"), &format!("!({walked})"), &index]);
        let document = format!(r#"{{"a": {}1{}, "b": true, "c": [[0], [1]]}}"#, "[".repeat(20), "]".repeat(20));
        let thread = std::thread::Builder::new().stack_size(1 << 20);
        let decided = thread.spawn(move || decide(&rules, &question(), ProfileView::Known(&document), now())).unwrap();
        assert_eq!(decided.join().unwrap().rule, "rule 3");
    }

    #[test]
    fn fallbacks_are_walked_to_their_end() {
        let rules = rules(&[]);
        let next = next_target(&rules, "priority").map(|(name, target)| (name, target.queue.as_str()));
        assert_eq!(next, Some(("general", "q-1")));
        assert_eq!(next_target(&rules, "general"), None);
        assert_eq!(next_target(&rules, "gone"), None);
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<u64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            "canary[a-z+0-9]{0,6}".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 60, 6, |inner| {
            let fields = proptest::collection::btree_map("tier|orders|open|tags|canary[a-z]{2}", inner.clone(), 0..6);
            prop_oneof![
                proptest::collection::vec(inner, 0..6).prop_map(Into::into),
                fields.prop_map(|fields| serde_json::Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    const ODD: [&str; 9] = [
        "profile.tier == 'silver' && profile.orders.all(o, o.open)",
        "profile.orders.exists(o, o.tags.exists(t, t == profile.tier || t > 1))",
        "profile[profile.tier] == profile.orders[profile.open]",
        "profile.tier.matches(profile.open)",
        "profile.tier + profile.orders == profile.open - 1",
        "profile.orders.map(o, o.tags).filter(t, t.size() > 1).size() > profile.open",
        "int(profile.tier) > 1 || duration(profile.open) > duration('1s') || timestamp(profile.open) < now",
        "profile.tier < profile.open || profile.open in profile.orders || -profile.tier == 1",
        "now.getHours(profile.tier) > 3 || string(profile.open) == profile.tier || bytes(profile.tier) == b'x'",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn any_profile_at_any_time_gives_one_decision_without_its_values(
            document in any_json(),
            nanoseconds in Timestamp::MIN.as_nanosecond()..Timestamp::MAX.as_nanosecond(),
        ) {
            let rules = rules(&ODD);
            let text = document.to_string();
            let now = Timestamp::from_nanosecond(nanoseconds).unwrap();
            let first = decide(&rules, &question(), ProfileView::Known(&text), now);
            let again = decide(&rules, &question(), ProfileView::Known(&text), now);
            let bytes = serde_json::to_string(&first).unwrap();
            prop_assert_eq!(&bytes, &serde_json::to_string(&again).unwrap());
            prop_assert!(!bytes.contains("canary"), "{}", bytes);
        }
    }
}
