//! Times in human-readable form.
//!
//! Owns: parsing envelope times and formatting times of day and dates in the user's zone. Must not:
//! read the current time.
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// Milliseconds since 1970.
pub type Millis = u64;

/// Reads an envelope's `ts`.
pub fn parse(ts: &str) -> Option<Millis> {
    let stamp: Timestamp = ts.parse().ok()?;
    u64::try_from(stamp.as_millisecond()).ok()
}

/// Writes an envelope's `ts`.
pub fn format(at: Millis) -> String {
    stamp(at).strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

fn stamp(at: Millis) -> Timestamp {
    i64::try_from(at)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok())
        .unwrap_or(Timestamp::UNIX_EPOCH)
}

/// `10:50` and the day it belongs to.
pub fn local(at: Millis, zone: &TimeZone) -> (String, Date) {
    let zoned = stamp(at).to_zoned(zone.clone());
    (zoned.strftime("%H:%M").to_string(), zoned.date())
}

/// A day as a heading, seen from today.
pub fn day_name(day: Date, today: Date) -> String {
    if day == today {
        return "Today".to_owned();
    }
    if today.checked_sub(1.day()).is_ok_and(|d| d == day) {
        return "Yesterday".to_owned();
    }
    if day.year() == today.year() {
        day.strftime("%A, %-d %B").to_string()
    } else {
        day.strftime("%A, %-d %B %Y").to_string()
    }
}

/// A date and a time, for cards.
pub fn full(at: Millis, zone: &TimeZone) -> String {
    stamp(at).to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_round_trip() {
        let at = parse("2026-11-21T10:50:55.123Z").unwrap();
        assert_eq!(format(at), "2026-11-21T10:50:55.123Z");
        assert_eq!(local(at, &TimeZone::UTC).0, "10:50");
        assert_eq!(parse("yesterday"), None);
        assert_eq!(format(u64::MAX), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn days_are_named() {
        let today = jiff::civil::date(2026, 11, 21);
        assert_eq!(day_name(today, today), "Today");
        assert_eq!(day_name(jiff::civil::date(2026, 11, 20), today), "Yesterday");
        assert_eq!(day_name(jiff::civil::date(2026, 11, 2), today), "Monday, 2 November");
        assert_eq!(day_name(jiff::civil::date(2025, 3, 1), today), "Saturday, 1 March 2025");
    }
}
