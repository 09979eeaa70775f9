//! EventBridge contact events and SNS chat messages → facts, by the tables of `mappings/amazon-connect`.

use std::path::Path;

use tandem_sdk::doors::{Decode, Decoded, Envelope};
use tandem_sdk::mapping::{DecodeContext, MappingSet};
use tandem_sdk::problem::Problem;

use crate::SYSTEM;

/// The mappings in force, for one instance. An envelope of the door `contacts` holds one EventBridge event or its detail,
/// one of the door `chat` one SNS message without its signature. A mapping counts for its own door only: what SNS does
/// not sign cannot pass for a contact event.
#[derive(Debug)]
pub struct Tables {
    set: MappingSet,
    account: String,
}

impl Tables {
    /// Reads the mappings of this folder, for the instance of this id.
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
        let context = DecodeContext { system: SYSTEM, account: &self.account, door: Some(&envelope.door) };
        self.set.decode(&envelope.body, &context)
    }

    fn version(&self) -> &str {
        self.set.version()
    }
}
