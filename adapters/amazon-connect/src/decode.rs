//! EventBridge contact events and SNS chat messages → facts, by the tables of `mappings/amazon-connect`.

use std::path::Path;

use tandem_sdk::doors::{Decode, Decoded, Envelope};
use tandem_sdk::mapping::{DecodeContext, MappingSet};
use tandem_sdk::problem::Problem;

use crate::SYSTEM;
use crate::receive::CONTACTS;

/// The mappings in force, for one instance. An envelope of the door `contacts` holds one EventBridge event or its detail,
/// one of the door `chat` one SNS message without its signature. A mapping counts for its own door only: what SNS does
/// not sign cannot pass for a contact event.
#[derive(Debug)]
pub struct Tables {
    set: MappingSet,
    account: String,
    only_own: bool,
}

impl Tables {
    /// Reads the mappings of this folder, for the instance of this id.
    ///
    /// # Errors
    ///
    /// Everything that is wrong in any of the files.
    pub fn load(folder: &Path, account: &str) -> Result<Self, Vec<Problem>> {
        Ok(Tables { set: MappingSet::load(folder)?, account: account.to_ascii_lowercase(), only_own: false })
    }

    /// Leaves out contact events of other instances. A rule on the default bus matches all that the AWS account has.
    pub(crate) fn of_this_instance_only(self) -> Self {
        Tables { only_own: true, ..self }
    }
}

impl Decode for Tables {
    fn decode(&self, envelope: &Envelope) -> Decoded {
        let context = DecodeContext { system: SYSTEM, account: &self.account, door: Some(&envelope.door) };
        match self.set.decode(&envelope.body, &context) {
            Decoded::Facts(facts)
                if self.only_own
                    && envelope.door == CONTACTS
                    && facts.iter().any(|fact| !fact.leg.account.eq_ignore_ascii_case(&self.account)) =>
            {
                Decoded::Ignored { reason: "another Connect instance".to_owned(), unknown: false }
            }
            decoded => decoded,
        }
    }

    fn version(&self) -> &str {
        self.set.version()
    }
}
