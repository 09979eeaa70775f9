//! What could not be understood and waits for somebody to look at it.

use std::fmt;
use std::ops::Bound;
use std::str::FromStr;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use tandem_sdk::doors::Envelope;
use tandem_sdk::model::InstanceName;

use super::page::Sight;
use super::reader::{ReadError, Reader};
use crate::interactions::Input;
use crate::record::{Opened, RecordError};
use crate::store::rows::quarantined::QuarantineKey;
use crate::store::{Frame, Keyspace};

/// Names one input in quarantine: `<record>-<ordinal>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct QuarantineId(pub QuarantineKey);

impl fmt::Display for QuarantineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0.seq, self.0.ordinal)
    }
}

/// The text names nothing in quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id in quarantine is two numbers, for instance 4711-0")]
pub struct NoQuarantineId;

impl FromStr for QuarantineId {
    type Err = NoQuarantineId;

    fn from_str(text: &str) -> Result<Self, NoQuarantineId> {
        let (seq, ordinal) = text.split_once('-').ok_or(NoQuarantineId)?;
        match (seq.parse(), ordinal.parse()) {
            (Ok(seq), Ok(ordinal)) => Ok(QuarantineId(QuarantineKey { seq, ordinal })),
            _ => Err(NoQuarantineId),
        }
    }
}

impl Serialize for QuarantineId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One input in quarantine.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Quarantined {
    /// Its id.
    pub id: QuarantineId,
    /// Why it was not understood.
    pub reason: String,
    /// When it came; absent when its record is no longer kept, and then it cannot be redriven.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded_at: Option<Timestamp>,
    /// Through which adapter instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<InstanceName>,
    /// Through which door.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub door: Option<String>,
    /// The vendor's kind, where it was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Content hash of the mappings that did not understand it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mapping: Option<String>,
    /// The vendor's bytes, for a reader who may see them; what is not UTF-8 is replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

impl Reader {
    /// What is in quarantine, oldest first, behind an id.
    pub fn quarantine(&self, after: Option<QuarantineId>, most: usize) -> Result<Vec<Quarantined>, ReadError> {
        let start = after.map(|id| id.0.encode());
        let from = start.as_ref().map_or(Bound::Unbounded, |key| Bound::Excluded(key.as_slice()));
        let rows = self.store.range(Keyspace::Quarantine, from, Bound::Unbounded, most)?;
        let keys = rows.iter().filter_map(|(key, value)| Some((QuarantineKey::decode(key)?, value)));
        keys.map(|(key, value)| self.describe(QuarantineId(key), value, Sight::Redacted)).collect()
    }

    /// One input in quarantine, with the vendor's bytes for [`Sight::Text`].
    pub fn quarantined(&self, id: QuarantineId, sight: Sight) -> Result<Option<Quarantined>, ReadError> {
        match self.store.get(Keyspace::Quarantine, &id.0.encode())? {
            Some(value) => self.describe(id, &value, sight).map(Some),
            None => Ok(None),
        }
    }

    pub(super) fn is_quarantined(&self, id: QuarantineId) -> Result<bool, ReadError> {
        Ok(self.store.contains(Keyspace::Quarantine, &id.0.encode())?)
    }

    /// The envelope of an input in quarantine, if it can still be read.
    pub(super) fn envelope(&self, id: QuarantineId) -> Result<Option<(InstanceName, Envelope)>, ReadError> {
        let Some(Opened { record, body, erased: false }) = self.record(id.0.seq, Sight::Text)? else { return Ok(None) };
        Ok(match record.input {
            Input::Envelope { instance, door, kind, dedupe, origin, .. } => {
                Some((instance, Envelope { door, kind, dedupe, origin, body: Bytes::from(body) }))
            }
            _ => None,
        })
    }

    fn describe(&self, id: QuarantineId, value: &[u8], sight: Sight) -> Result<Quarantined, ReadError> {
        let reason = String::from_utf8_lossy(Frame::decode(value).map_err(RecordError::from)?.plain).into_owned();
        let mut found = Quarantined {
            id,
            reason,
            recorded_at: None,
            instance: None,
            door: None,
            kind: None,
            mapping: None,
            body: None,
        };
        if let Some(opened) = self.record(id.0.seq, sight)? {
            found.recorded_at = Some(opened.record.recorded_at);
            if let Input::Envelope { instance, door, kind, mapping, .. } = opened.record.input {
                (found.instance, found.door, found.kind, found.mapping) =
                    (Some(instance), Some(door), kind, Some(mapping));
            }
            found.body =
                (sight == Sight::Text && !opened.erased).then(|| String::from_utf8_lossy(&opened.body).into_owned());
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_and_anything_else_is_refused() {
        let id = QuarantineId(QuarantineKey { seq: 4711, ordinal: 3 });
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in ["", "4711", "4711/3", "a-3", "-1-3", "1-99999", "1-2-3"] {
            assert_eq!(text.parse::<QuarantineId>(), Err(NoQuarantineId), "{text}");
        }
    }
}
