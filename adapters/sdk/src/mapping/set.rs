//! All mappings of one adapter kind.

use std::path::Path;

use super::discriminator::Discriminator;
use super::load;
use super::path::{Inner, Scope};
use super::table::Table;
use super::tape::{Kind, Tape};
use crate::doors::Decoded;
use crate::problem::Problem;

/// All mappings of one adapter kind, compiled. Immutable; shared by reference.
#[derive(Debug)]
pub struct MappingSet {
    pub(super) discriminator: Discriminator,
    pub(super) inner: Inner,
    pub(super) tables: Vec<Table>,
    pub(super) version: String,
}

/// What a mapping cannot know from the payload.
#[derive(Clone, Copy, Debug)]
pub struct DecodeContext<'a> {
    /// The adapter kind's name; becomes [`LegRef::system`](crate::model::LegRef::system).
    pub system: &'a str,
    /// The configured resource or instance, lower case; becomes [`LegRef::account`](crate::model::LegRef::account)
    /// unless the mapping takes it from the payload.
    pub account: &'a str,
    /// The door that the message came through; mappings that name `doors` are for those alone. `None` where no door is
    /// known, for instance on the command line: then every mapping counts.
    pub door: Option<&'a str>,
}

impl MappingSet {
    /// Reads every `*.toml` of a folder, in the order of their names, and runs their examples.
    ///
    /// # Errors
    ///
    /// Everything that is wrong in any of the files, each with file, line, key, what was found and what would be right.
    pub fn load(folder: &Path) -> Result<MappingSet, Vec<Problem>> {
        load::load(folder)
    }

    /// Payload → facts, or why not. Never panics; the work is bounded by the length of the payload.
    pub fn decode(&self, body: &[u8], context: &DecodeContext<'_>) -> Decoded {
        self.decode_with(body, context).1
    }

    /// The same, with the number of the mapping that was used.
    pub(super) fn decode_with(&self, body: &[u8], context: &DecodeContext<'_>) -> (Option<usize>, Decoded) {
        let tape = match Tape::parse(body) {
            Ok(tape) => tape,
            Err(problem) => return (None, Decoded::Malformed { problem }),
        };
        if !matches!(tape.top().kind(), Kind::Object) {
            return (None, Decoded::Malformed { problem: "an event is one JSON object".to_owned() });
        }
        let inner = self.inner.open(&tape);
        let scope = Scope::new(&tape, &inner);
        match self.discriminator.find(scope, context.door) {
            Ok(number) => (Some(number), self.tables[number].decode(scope, context)),
            Err(said) => (None, Decoded::Ignored { reason: format!("no mapping for {said}"), unknown: true }),
        }
    }

    /// SHA-256, in hexadecimal, over the names and contents of all mapping files.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// How many mappings there are.
    pub fn len(&self) -> usize {
        self.tables.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_can_be_shared_between_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<MappingSet>();
    }
}
