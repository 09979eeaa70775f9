//! Event Grid events → facts, by the tables of `mappings/azure-communication`.

use std::path::Path;

use tandem_sdk::doors::{Decode, Decoded, Envelope};
use tandem_sdk::mapping::{DecodeContext, MappingSet};
use tandem_sdk::problem::Problem;

use crate::KIND;

/// The mappings in force, for one resource. An envelope holds one event, in the EventGrid schema or as a CloudEvent.
#[derive(Debug)]
pub struct Tables {
    set: MappingSet,
    account: String,
}

impl Tables {
    /// Reads the mappings of this folder, for the resource of this name.
    ///
    /// # Errors
    ///
    /// Everything that is wrong in any of the files.
    pub fn load(folder: &Path, account: &str) -> Result<Self, Vec<Problem>> {
        Ok(Tables { set: MappingSet::load(folder)?, account: account.to_ascii_lowercase() })
    }
}

impl Decode for Tables {
    fn decode(&self, envelope: &Envelope) -> Decoded {
        let context = DecodeContext { system: KIND.name, account: &self.account, door: Some(&envelope.door) };
        self.set.decode(&envelope.body, &context)
    }

    fn version(&self) -> &str {
        self.set.version()
    }
}
