//! Sending back what is in quarantine: it is decoded again, with the mappings of today.

use std::collections::BTreeMap;
use std::sync::Arc;

use tandem_sdk::doors::{Decode, Decoded};
use tandem_sdk::model::InstanceName;

use super::quarantined::QuarantineId;
use super::reader::{ReadError, Reader};
use crate::desk::Incoming;

/// Decodes what is in quarantine again. Cheap to clone.
#[derive(Clone)]
pub struct Redriving {
    reader: Reader,
    doors: Arc<BTreeMap<InstanceName, Arc<dyn Decode>>>,
}

/// What came of decoding again.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It is understood now: this is for the desk.
    Understood(Box<Incoming>),
    /// It is still not understood, and stays.
    NotYet(String),
    /// Its adapter instance is no longer configured.
    NoInstance(InstanceName),
    /// Its bytes are no longer kept, or were erased.
    Gone,
    /// Nothing of that id is in quarantine.
    NoSuch,
}

impl Redriving {
    /// Decodes through these doors.
    pub fn new(reader: Reader, doors: BTreeMap<InstanceName, Arc<dyn Decode>>) -> Self {
        Redriving { reader, doors: Arc::new(doors) }
    }

    /// Decodes one input again. Blocks, as reading does.
    pub fn decode(&self, id: QuarantineId) -> Result<Verdict, ReadError> {
        if !self.reader.is_quarantined(id)? {
            return Ok(Verdict::NoSuch);
        }
        let Some((instance, envelope)) = self.reader.envelope(id)? else { return Ok(Verdict::Gone) };
        let Some(door) = self.doors.get(&instance) else { return Ok(Verdict::NoInstance(instance)) };
        let decoded = door.decode(&envelope);
        Ok(match decoded {
            Decoded::Malformed { problem } => Verdict::NotYet(problem),
            Decoded::Ignored { reason, unknown: true } => Verdict::NotYet(reason),
            Decoded::Facts(_) | Decoded::Ignored { .. } => {
                let mapping = door.version().to_owned();
                Verdict::Understood(Box::new(Incoming { instance, envelope, decoded, mapping }))
            }
        })
    }
}
