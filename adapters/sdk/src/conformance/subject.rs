//! What an adapter tells the kit about itself.

use bytes::Bytes;
use http::{HeaderMap, Method};
use jiff::Timestamp;

use super::verdict::Check;
use crate::doors::{Decode, KeyRing, Receive, Request};

/// An adapter under test.
pub struct Subject<'a> {
    /// Its webhooks, if it takes any.
    pub receive: Option<&'a dyn Receive>,
    /// Its decoder.
    pub decode: &'a dyn Decode,
    /// Requests as the vendor sends them, authentic at their `now`.
    pub deliveries: Vec<Delivery>,
    /// Events, one for each kind at least.
    pub samples: Vec<Sample>,
    /// Names of samples that tell the same fact and must give equal facts.
    pub twins: Vec<(&'static str, &'static str)>,
    /// What cannot hold here.
    pub waivers: Vec<Waiver>,
}

/// A request as the vendor sends it.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// For messages.
    pub name: String,
    /// Last path segment of `/hooks/{instance}/{door}`.
    pub door: &'static str,
    /// Query string without `?`.
    pub query: String,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
    /// When it arrives.
    pub now: Timestamp,
    /// The documents that verify it, already fetched.
    pub keys: KeyRing,
    /// Where its proof stands.
    pub credential: Credential,
}

/// Where the proof of a sender stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// The value of this header.
    Header(&'static str),
    /// The query string.
    Query,
    /// Inside the body: nothing else proves anything.
    Body,
}

/// An event as a door keeps it.
#[derive(Clone, Debug)]
pub struct Sample {
    /// For messages, and for [`Subject::twins`].
    pub name: String,
    /// The door that it comes through.
    pub door: &'static str,
    /// The envelope's body.
    pub body: Bytes,
    /// What it must be understood as.
    pub understood: Understood,
}

/// What must become of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Understood {
    /// Facts.
    Facts,
    /// Ignored, with a reason that a mapping gives.
    Ignored,
    /// Ignored as a kind that nobody described.
    Unknown,
    /// Malformed.
    Malformed,
}

/// Why a check cannot hold.
#[derive(Clone, Debug)]
pub struct Waiver {
    /// The check.
    pub check: Check,
    /// The delivery or sample that it cannot hold for.
    pub name: &'static str,
    /// Why, in a sentence that names the vendor's behaviour.
    pub reason: &'static str,
}

impl Delivery {
    /// The request.
    pub(super) fn request<'a>(&'a self, method: &'a Method) -> Request<'a> {
        Request {
            door: self.door,
            method,
            query: &self.query,
            headers: &self.headers,
            body: &self.body,
            now: self.now,
            keys: &self.keys,
        }
    }
}
