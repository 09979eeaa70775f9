//! Log records: what the desk writes, one for each input and aggregate.
//!
//! The plain part is JSON without a single personal value. What was personal in the input, the facts and the steps is
//! sealed beside it under the subject's key, together with the vendor's bytes:
//!
//! ```text
//! offset  length  what
//! 0       4       N, length of the next part, big-endian
//! 4       N       JSON array of [name, value]: the personal values by their stable names. A number in place of a value
//!                 says which pair before it, from 0, has the same value
//! 4+N     …       the vendor's bytes, without any credential; empty where the input is no envelope
//! ```

mod text;

use std::fmt::Display;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tandem_sdk::model::{Channel, Fact, InteractionId, PartyKey, Personal, Personals, SubjectId};

pub use self::text::{Named, join, part_text};
use crate::interactions::{Input, Owner, Step};
use crate::store::seal::{Place, Sealed};
use crate::store::{Batch, Frame, FrameDraft, FrameError, KeyError, Keys};

/// Room for what most records hold besides the vendor's bytes, in bytes.
const PLAIN: usize = 6 * 1024;

/// One record of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Position in the domain's log, from 1.
    pub seq: u64,
    /// When the desk wrote it. Never decreases.
    pub recorded_at: Timestamp,
    /// Which life of the desk wrote it.
    pub epoch: u64,
    /// Whose it is.
    pub owner: Owner,
    /// Whose personal values are sealed beside it.
    pub subject: SubjectId,
    /// Present when the owner begins with this record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opens: Option<Opening>,
    /// What the desk was given.
    pub input: Input,
    /// The facts that were new.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<Fact>,
    /// What followed, in order: events, the decision, commands, timers, notes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// Content hash of the rules in force.
    pub rules: String,
}

/// How an interaction begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Opening {
    /// Which time its first leg opens one.
    pub generation: u32,
    /// The interaction before it on the same leg.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continued_from: Option<InteractionId>,
    /// How they talk.
    pub channel: Channel,
    /// Agents' identities that are known from the interaction before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agent_parties: Vec<PartyKey>,
}

/// A record as far as it can still be read.
#[derive(Clone, Debug, PartialEq)]
pub struct Opened {
    /// The record, with its personal values where they can still be read.
    pub record: Record,
    /// The vendor's bytes; empty where the input was no envelope, or was erased.
    pub body: Vec<u8>,
    /// Whether the subject's key is gone, and with it what was sealed.
    pub erased: bool,
}

/// Why a record cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The keys.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The plain or the sealed JSON.
    #[error("record is not readable: {0}")]
    Json(#[from] serde_json::Error),
    /// The sealed text ends before its own length.
    #[error("sealed text of the record is cut off")]
    Cut,
    /// Nobody put the interaction back after an input that went wrong.
    #[error("interaction {0} is being worked on")]
    Out(InteractionId),
    /// Somebody whose data nobody can gather at once.
    #[error("somebody's data are under {0} keys or more; erase them by their interactions")]
    TooMany(usize),
}

impl RecordError {
    /// Whether the same can succeed later without anybody changing it.
    pub fn is_transient(&self) -> bool {
        matches!(self, RecordError::Out(_))
            || matches!(self, RecordError::Key(KeyError::Store(error)) if error.is_transient())
            || matches!(self, RecordError::Key(KeyError::Unsettled(_) | KeyError::Entropy(_)))
    }
}

impl Personals for Record {
    fn each_personal(&mut self, visit: &mut dyn FnMut(&dyn Display, &mut Personal)) {
        self.input.each_personal(&mut |name, value| visit(&format_args!("input.{name}"), value));
        for (n, fact) in self.facts.iter_mut().enumerate() {
            fact.each_personal(&mut |name, value| visit(&format_args!("facts.{n}.{name}"), value));
        }
        for (n, step) in self.steps.iter_mut().enumerate() {
            step.each_personal(&mut |name, value| visit(&format_args!("steps.{n}.{name}"), value));
        }
    }
}

impl Record {
    /// The bytes for the log. A key that has to be made for the subject goes into `batch`.
    pub fn encode(mut self, body: &[u8], keys: &Keys, batch: &mut Batch) -> Result<Vec<u8>, RecordError> {
        let personal = self.detach();
        let mut draft = FrameDraft::with_room(PLAIN.saturating_add(body.len()));
        serde_json::to_writer(draft.plain(), &self)?;
        if !personal.is_empty() || !body.is_empty() {
            let place = Place::Record { seq: self.seq, part: 0 };
            let subject = crate::store::SubjectId(*self.subject.0.as_bytes());
            keys.seal(draft.sealed(), subject, place, &join(&personal, body)?, batch)?;
        }
        Ok(draft.finish()?)
    }

    /// A record from its bytes, with its personal values where they can still be read, and the vendor's bytes.
    pub fn decode(bytes: &[u8], keys: &Keys) -> Result<(Record, Vec<u8>), RecordError> {
        Record::open(bytes, keys).map(|opened| (opened.record, opened.body))
    }

    /// [`decode`](Record::decode) that also says whether anything was erased.
    pub fn open(bytes: &[u8], keys: &Keys) -> Result<Opened, RecordError> {
        let frame = Frame::decode(bytes)?;
        let record: Record = serde_json::from_slice(frame.plain)?;
        let mut opened = Opened { record, body: Vec::new(), erased: false };
        let Some(sealed) = frame.sealed else { return Ok(opened) };
        for (_, part) in keys.open_record(opened.record.seq, sealed)? {
            match part {
                Sealed::Text(text) => {
                    let (personal, rest) = part_text(&text)?;
                    opened.record.attach(personal);
                    opened.body = rest.to_vec();
                }
                Sealed::Gone => opened.erased = true,
            }
        }
        Ok(opened)
    }

    /// The plain part alone: for whoever may not or need not see anything personal.
    pub fn decode_plain(bytes: &[u8]) -> Result<Record, RecordError> {
        Ok(serde_json::from_slice(Frame::decode(bytes)?.plain)?)
    }
}
