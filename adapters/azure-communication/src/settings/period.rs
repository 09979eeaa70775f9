//! Lengths of time as people write them: `30s`, `5m`, `24h`.

use std::time::Duration;

use jiff::SignedDuration;
use serde::de::{Deserialize, Deserializer, Error};

/// Reads a length of time that is not negative.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    let length = text.parse::<SignedDuration>().ok().and_then(|length| Duration::try_from(length).ok());
    length.ok_or_else(|| {
        D::Error::custom(format_args!("invalid value: string \"{text}\", expected a length of time such as 30s or 24h"))
    })
}
