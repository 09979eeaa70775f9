//! Who is this? Ordered lookups in CDPs, within a deadline.
//!
//! [`Profiles`] asks its doors one after the other and answers in time whatever they do: what is known ([`Cache`]) is not
//! asked again, a door that keeps failing is left alone for a while ([`Breaker`]), and a profile that comes too late is
//! still handed over.
//!
//! **Invariant:** no answer waits longer than the deadline; an identity that nobody verified is not asked about unless the
//! config says so; the cache knows people only by HMAC.

mod answer;
mod breaker;
mod cache;
mod lookup;
mod settings;

pub use answer::{Answer, Late, Missing};
pub use breaker::{Breaker, Passage};
pub use cache::{Cache, CacheKey};
pub use lookup::Profiles;
pub use settings::{BreakerSettings, CacheSettings, Settings};
