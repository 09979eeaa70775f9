//! Who the simulator knows, and how it behaves.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tandem_sdk::sim::SimError;

/// Profiles that are known at once and at most.
const MAX_PROFILES: usize = 100_000;
/// Largest file, in bytes.
const MAX_FILE: u64 = 64 << 20;

/// A file of profiles.
///
/// ```toml
/// [[profiles]]
/// identities = { customer_number = "C-1001", phone = "+4315550100" }
/// document   = { id = "C-1001", name = "Anna Muster", tier = "gold" }
///
/// [[profiles]]
/// identities = { customer_number = "C-1002" }
/// behave     = { mode = "slow", delay_ms = 800 }
/// document   = { id = "C-1002", tier = "silver" }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// Who is known.
    #[serde(default)]
    pub profiles: Vec<ScriptedProfile>,
}

/// One person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScriptedProfile {
    /// Parameter name → value; any one of them finds the profile. A value in the path finds it under any name.
    pub identities: BTreeMap<String, String>,
    /// How questions about this person are answered, while the simulator as a whole behaves.
    #[serde(default)]
    pub behave: Mode,
    /// What is told.
    pub document: Map<String, Value>,
}

/// How questions are answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case", deny_unknown_fields)]
pub enum Mode {
    /// As they should be.
    #[default]
    Normal,
    /// As they should be, but later.
    Slow {
        /// How much later, in real milliseconds.
        delay_ms: u64,
    },
    /// Not at all: the connection is held, then closed.
    Silent,
    /// With 500.
    Broken,
    /// With 404, as if nobody were known.
    Unknown,
    /// With 200 and something that is no JSON.
    Garbage,
    /// With 200 and an object of this many bytes.
    Huge {
        /// Size of the body, at most 16 MiB.
        bytes: usize,
    },
}

impl Mode {
    /// How long an answer is held back.
    pub(super) fn delay(self) -> Duration {
        match self {
            Mode::Slow { delay_ms } => Duration::from_millis(delay_ms.min(600_000)),
            _ => Duration::ZERO,
        }
    }
}

impl Script {
    /// Reads a file, JSON when its name ends in `.json`, TOML otherwise.
    ///
    /// # Errors
    /// [`SimError::Setting`] when it cannot be read or is no script.
    pub fn load(path: &Path) -> Result<Self, SimError> {
        let wrong =
            |problem: String| SimError::Setting { key: "profiles", problem: format!("{}: {problem}", path.display()) };
        let size = std::fs::metadata(path).map_err(|error| wrong(error.to_string()))?.len();
        if size > MAX_FILE {
            return Err(wrong(format!("{size} bytes are too many, at most {MAX_FILE}")));
        }
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        if path.extension().is_some_and(|extension| extension == "json") {
            serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))
        } else {
            toml::from_str(&text).map_err(|error| wrong(error.to_string()))
        }
    }

    /// Adds a person; whoever shares an identity with them goes. False when there are too many already.
    pub(super) fn add(&mut self, profile: ScriptedProfile) -> bool {
        self.profiles
            .retain(|known| known.identities.iter().all(|(name, value)| profile.identities.get(name) != Some(value)));
        let room = self.profiles.len() < MAX_PROFILES;
        if room {
            self.profiles.push(profile);
        }
        room
    }

    /// Finds a person by a value, under this name or, without one, under any.
    pub(super) fn find(&self, name: Option<&str>, value: &str) -> Option<&ScriptedProfile> {
        let is = |known: &ScriptedProfile| match name {
            Some(name) => known.identities.get(name).is_some_and(|known| known == value),
            None => known.identities.values().any(|known| known == value),
        };
        self.profiles.iter().find(|known| is(known))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use super::*;

    #[test]
    fn a_script_is_toml_or_json() {
        let dir = tempfile::tempdir().unwrap();
        let (toml, json) = (dir.path().join("a.toml"), dir.path().join("a.json"));
        std::fs::write(
            &toml,
            "[[profiles]]\nidentities = { c = '1' }\nbehave = { mode = 'slow', delay_ms = 5 }\ndocument = { id = '1' }",
        )
        .unwrap();
        let text = r#"{"profiles": [{"identities": {"c": "1"}, "behave": {"mode": "slow", "delay_ms": 5}, "document": {"id": "1"}}]}"#;
        std::fs::write(&json, text).unwrap();
        assert_eq!(Script::load(&toml).unwrap(), Script::load(&json).unwrap());
        assert!(Script::load(&dir.path().join("none.toml")).is_err());
    }

    #[test]
    fn a_new_profile_replaces_whoever_shares_an_identity() {
        let person = |identities: &[(&str, &str)]| ScriptedProfile {
            identities: identities.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            behave: Mode::Normal,
            document: Map::new(),
        };
        let mut script = Script::default();
        assert!(script.add(person(&[("c", "1"), ("p", "9")])));
        assert!(script.add(person(&[("c", "2")])));
        assert!(script.add(person(&[("p", "9")])));
        assert!(script.find(Some("c"), "1").is_none());
        assert!(script.find(None, "9").is_some());
        assert!(script.find(Some("c"), "9").is_none());
    }
}
