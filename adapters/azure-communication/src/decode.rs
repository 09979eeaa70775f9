//! Event Grid events → facts, by the tables of `mappings/azure-communication`.

use std::borrow::Cow;
use std::path::Path;

use serde::Deserialize;
use tandem_sdk::doors::{Decode, Decoded, Envelope};
use tandem_sdk::mapping::{DecodeContext, MappingSet};
use tandem_sdk::problem::Problem;

use crate::KIND;

/// The mappings in force, for one resource. An envelope holds one event, in the EventGrid schema or as a CloudEvent.
#[derive(Debug)]
pub struct Tables {
    set: MappingSet,
    account: String,
    topics: Vec<String>,
}

/// Where an event is from, in either schema.
#[derive(Deserialize)]
struct Origin<'a> {
    #[serde(borrow, default)]
    topic: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    source: Option<Cow<'a, str>>,
}

impl Tables {
    /// Reads the mappings of this folder, for the resource of this name.
    ///
    /// # Errors
    ///
    /// Everything that is wrong in any of the files.
    pub fn load(folder: &Path, account: &str) -> Result<Self, Vec<Problem>> {
        Ok(Tables { set: MappingSet::load(folder)?, account: account.to_ascii_lowercase(), topics: Vec::new() })
    }

    /// Takes no event of a topic that is not among these, in lower case; none at all allows every one.
    pub(crate) fn of_topics(self, topics: Vec<String>) -> Self {
        Tables { topics, ..self }
    }

    /// Whether an event says that it is of a topic that is not allowed. One that `recall` made of a list says nothing.
    fn is_foreign(&self, body: &[u8]) -> bool {
        if self.topics.is_empty() {
            return false;
        }
        let Ok(Origin { topic, source }) = serde_json::from_slice(body) else { return false };
        topic.into_iter().chain(source).any(|said| !self.topics.contains(&crate::receive::fold(&said)))
    }
}

impl Decode for Tables {
    fn decode(&self, envelope: &Envelope) -> Decoded {
        if self.is_foreign(&envelope.body) {
            return Decoded::Malformed { problem: "its topic is not one of event_grid.topics".to_owned() };
        }
        let context = DecodeContext { system: KIND.name, account: &self.account, door: Some(&envelope.door) };
        self.set.decode(&envelope.body, &context)
    }

    fn version(&self) -> &str {
        self.set.version()
    }
}
