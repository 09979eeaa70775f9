//! How the service writes moments.

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

/// REST bodies and Event Grid's `eventTime`: seven digits, `Z`.
pub(super) fn seven_digits(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.7fZ").to_string()
}

/// User-level events: milliseconds, `Z`.
pub(super) fn zulu(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// Thread-level events: milliseconds and an offset, so many hours from UTC.
pub(super) fn with_offset(at: Timestamp, hours: i8) -> String {
    let zone = TimeZone::fixed(Offset::constant(hours));
    at.to_zoned(zone).strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_look_as_in_published_samples() {
        let at = Timestamp::from_millisecond(1_613_783_230_064).unwrap_or_default();
        assert_eq!(seven_digits(at), "2021-02-20T01:07:10.0640000Z");
        assert_eq!(zulu(at), "2021-02-20T01:07:10.064Z");
        assert_eq!(with_offset(at, 0), "2021-02-20T01:07:10.064+00:00");
        assert_eq!(with_offset(at, -8), "2021-02-19T17:07:10.064-08:00");
    }
}
