//! The rules of a domain, as they are once they were found good.

use std::collections::{BTreeMap, BTreeSet};

use tandem_sdk::model::{InstanceName, Target};
use tandem_sdk::problem::Problem;

use super::condition::Condition;

/// The name that a decision gives as its rule when none of the rules applied.
pub const DEFAULT_RULE: &str = "default";

/// Rules that were read and found good.
#[derive(Debug)]
pub struct Rules {
    pub(super) rules: Vec<Rule>,
    pub(super) default: String,
    pub(super) targets: BTreeMap<String, Goal>,
    pub(super) version: String,
    pub(super) text: String,
    pub(super) file: String,
}

/// One rule.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) name: String,
    pub(super) condition: Condition,
    pub(super) target: String,
}

/// One target and what comes after it.
#[derive(Debug)]
pub(super) struct Goal {
    pub(super) target: Target,
    pub(super) fallback: Option<String>,
    pub(super) line: usize,
}

impl Rules {
    /// Hash of the text: 32 hexadecimal digits. Stands in every decision.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The text that these rules were read from, to be kept with their activation.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How many rules there are, without the default.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is nothing but the default.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The targets by name.
    pub fn targets(&self) -> impl Iterator<Item = (&str, &Target)> {
        self.targets.iter().map(|(name, goal)| (name.as_str(), &goal.target))
    }

    /// Problems with targets that name an adapter instance which is not configured.
    pub fn unknown_instances(&self, configured: &BTreeSet<InstanceName>) -> Vec<Problem> {
        let names: Vec<&str> = configured.iter().map(|instance| instance.0.as_str()).collect();
        let unknown = self.targets.iter().filter(|(_, goal)| !configured.contains(&goal.target.instance));
        unknown
            .map(|(name, goal)| {
                let key = format!("targets.{name}.instance");
                let expected = format!("one of the configured adapters: {}", names.join(", "));
                Problem::new("rules.unknown_instance", key, goal.target.instance.0.clone(), expected)
                    .in_file(self.file.clone())
                    .at_line(goal.line)
            })
            .collect()
    }
}
