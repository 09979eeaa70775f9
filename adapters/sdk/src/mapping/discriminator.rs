//! Which mapping an event belongs to.

use super::path::{Path, Scope};
use super::tape::Node;

/// The conditions of all mappings of a set. Each distinct path is looked up once for an event.
#[derive(Debug, Default)]
pub(super) struct Discriminator {
    /// Each is the first of several paths that is there.
    paths: Vec<Vec<Path>>,
    alternatives: Vec<Alternative>,
}

/// One table of a `match`: all its conditions must hold.
#[derive(Debug)]
struct Alternative {
    mapping: usize,
    doors: Vec<String>,
    conditions: Vec<Condition>,
}

#[derive(Debug)]
struct Condition {
    path: usize,
    values: Vec<String>,
}

impl Discriminator {
    /// Adds one table of a `match`. Gives the mapping that would match the same events, if there is one.
    ///
    /// Two tables are told apart by a path that both name with different values. Tables that name no path in common
    /// describe different shapes of message and are not compared.
    pub(super) fn add(
        &mut self,
        mapping: usize,
        doors: &[String],
        conditions: Vec<(Vec<Path>, Vec<String>)>,
    ) -> Option<usize> {
        let conditions: Vec<_> =
            conditions.into_iter().map(|(path, values)| Condition { path: self.number(path), values }).collect();
        let alternative = Alternative { mapping, doors: doors.to_vec(), conditions };
        let rival = self.alternatives.iter().find(|other| other.mapping != mapping && other.meets(&alternative));
        let rival = rival.map(|other| other.mapping);
        self.alternatives.push(alternative);
        rival
    }

    fn number(&mut self, path: Vec<Path>) -> usize {
        self.paths.iter().position(|known| *known == path).unwrap_or_else(|| {
            self.paths.push(path);
            self.paths.len() - 1
        })
    }

    /// The mapping of this event, or what the event says at the paths that decide.
    pub(super) fn find(&self, scope: Scope<'_>, door: Option<&str>) -> Result<usize, String> {
        let look = |paths: &Vec<Path>| paths.iter().find_map(|path| path.find(scope)).and_then(Node::text);
        let said: Vec<Option<&str>> = self.paths.iter().map(look).collect();
        let through =
            |doors: &[String]| door.is_none_or(|door| doors.is_empty() || doors.iter().any(|own| own == door));
        let holds = |condition: &Condition| {
            said[condition.path].is_some_and(|said| condition.values.iter().any(|value| value == said))
        };
        let found = self
            .alternatives
            .iter()
            .find(|alternative| through(&alternative.doors) && alternative.conditions.iter().all(holds));
        found.map(|alternative| alternative.mapping).ok_or_else(|| self.describe(&said))
    }

    /// For people: what the event says where mappings look. Vendors' words, bounded.
    fn describe(&self, said: &[Option<&str>]) -> String {
        let word = |text: &str| text.chars().filter(|letter| !letter.is_control()).take(80).collect::<String>();
        let lines = self.paths.iter().zip(said).filter_map(|(path, said)| {
            said.map(|said| format!("{} = {}", path.first().map_or("", |path| &path.written), word(said)))
        });
        let lines: Vec<_> = lines.take(4).collect();
        if lines.is_empty() { "an event that says nothing where mappings look".to_owned() } else { lines.join(", ") }
    }
}

impl Alternative {
    /// Whether one event could satisfy both.
    fn meets(&self, other: &Alternative) -> bool {
        let doors_apart = !self.doors.is_empty()
            && !other.doors.is_empty()
            && !self.doors.iter().any(|door| other.doors.contains(door));
        let mut shared = 0;
        let mut apart = false;
        for mine in &self.conditions {
            for theirs in other.conditions.iter().filter(|theirs| theirs.path == mine.path) {
                shared += 1;
                apart |= !mine.values.iter().any(|value| theirs.values.contains(value));
            }
        }
        shared > 0 && !apart && !doors_apart
    }
}
