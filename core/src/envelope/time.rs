//! The timestamp `ts`: RFC 3339 in UTC with milliseconds, in one form only:
//! `2026-11-21T10:50:55.123Z`.
//!
//! It converts numbers to text and back. It never reads a clock.

/// The last millisecond of the year 9999, the last one that the form can express.
const LAST: u64 = 253_402_300_799_999;
const DAY: u64 = 86_400_000;

/// RFC 3339 in UTC with milliseconds. Times after the year 9999 are written as its last
/// millisecond.
pub fn format_ts(millis: u64) -> String {
    let millis = millis.min(LAST);
    let (year, month, day) = civil(millis / DAY);
    let rest = millis % DAY;
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        rest / 3_600_000,
        rest / 60_000 % 60,
        rest / 1000 % 60,
        rest % 1000
    )
}

/// Reads the output of [`format_ts`] and nothing else: no other zone, no leap second, no other
/// number of digits.
pub fn parse_ts(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    if bytes.len() != 24 {
        return None;
    }
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.'), (23, b'Z')];
    if marks.iter().any(|(at, mark)| bytes[*at] != *mark) {
        return None;
    }
    let number = |from: usize, to: usize| {
        bytes[from..to].iter().try_fold(0u64, |n, b| b.is_ascii_digit().then(|| n * 10 + u64::from(b - b'0')))
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if year < 1970 || hour > 23 || minute > 59 || second > 59 || !(1..=12).contains(&month) {
        return None;
    }
    let days = days(year, month, day);
    // A day that its month does not have comes back as another one.
    if civil(days) != (year, month, day) {
        return None;
    }
    Some(days * DAY + hour * 3_600_000 + minute * 60_000 + second * 1000 + number(20, 23)?)
}

/// Converts days since 1970-01-01 to year, month and day, by 400-year cycles that begin on 1 March.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

/// The reverse of [`civil`].
fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = year - u64::from(month <= 2);
    let (era, of_era) = (year / 400, year % 400);
    let shifted = (month + 9) % 12;
    let of_year = (153 * shifted + 2) / 5 + day.saturating_sub(1);
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_258_255_123, "2026-11-21T10:50:55.123Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
            (LAST, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(format_ts(millis), text);
            assert_eq!(parse_ts(text), Some(millis));
        }
        assert_eq!(format_ts(u64::MAX), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn only_the_one_form_is_read() {
        for text in [
            "",
            "2026-11-21T10:50:55Z",
            "2026-11-21T10:50:55.12Z",
            "2026-11-21T10:50:55.123+00:00",
            "2026-11-21t10:50:55.123z",
            "2026-11-21 10:50:55.123Z",
            "2026-02-29T00:00:00.000Z",
            "2100-02-29T00:00:00.000Z",
            "2026-13-01T00:00:00.000Z",
            "2026-00-01T00:00:00.000Z",
            "2026-01-00T00:00:00.000Z",
            "2026-01-32T00:00:00.000Z",
            "2026-01-01T24:00:00.000Z",
            "2026-01-01T00:60:00.000Z",
            "2026-01-01T00:00:60.000Z",
            "1969-12-31T23:59:59.999Z",
            "2026-01-01T00:00:00.0é",
            "+026-01-01T00:00:00.000Z",
        ] {
            assert_eq!(parse_ts(text), None, "{text}");
        }
    }

    #[test]
    fn agrees_with_jiff() {
        let mut state = 1u64;
        for _ in 0..20_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let millis = (state >> 8) % (LAST + 1);
            let theirs = jiff::Timestamp::from_millisecond(millis as i64).map(|t| format!("{t:.3}"));
            match theirs {
                Ok(theirs) => assert_eq!(format_ts(millis), theirs),
                Err(_) => assert!(millis > LAST - 2 * DAY), // jiff ends a little earlier
            }
            assert_eq!(parse_ts(&format_ts(millis)), Some(millis));
        }
    }
}
