//! How is a moment written in a log line?
//!
//! Always in UTC. Turning a moment into a date costs more than the rest of a line, so each thread keeps the text of the
//! second it wrote last.

use std::cell::Cell;
use std::thread::LocalKey;
use std::time::{SystemTime, UNIX_EPOCH};

use super::digits::padded;

/// The last second of the year 9999: after it the width of a year would change.
const LAST_SECOND: u64 = 253_402_300_799;
const SECONDS_A_DAY: u64 = 86_400;

const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// The text of one second, without fraction and zone: `2025-01-02T03:04:05` or `02/Jan/2025:03:04:05`.
#[derive(Clone, Copy)]
struct Written<const N: usize> {
    second: u64,
    text: [u8; N],
}

impl<const N: usize> Written<N> {
    /// No second has been written: no real one has this number.
    const NONE: Self = Self {
        second: u64::MAX,
        text: [0; N],
    };
}

thread_local! {
    static RFC_3339: Cell<Written<19>> = const { Cell::new(Written::NONE) };
    static COMMON_LOG: Cell<Written<20>> = const { Cell::new(Written::NONE) };
}

/// Appends `time` as RFC 3339 §5.6 with milliseconds: `2025-01-02T03:04:05.678Z`.
///
/// What lies before 1970 or after 9999 is written as that limit.
pub(super) fn rfc3339(out: &mut Vec<u8>, time: SystemTime) {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    append(out, &RFC_3339, since.as_secs(), |out, date| {
        padded::<4>(out, date.year);
        out.push(b'-');
        padded::<2>(out, date.month);
        out.push(b'-');
        padded::<2>(out, date.day);
        out.push(b'T');
    });
    out.push(b'.');
    padded::<3>(out, since.subsec_millis().into());
    out.push(b'Z');
}

/// Appends `time` as web logs have it: `02/Jan/2025:03:04:05 +0000`. The limits are those of [`rfc3339`].
pub(super) fn common_log(out: &mut Vec<u8>, time: SystemTime) {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    append(out, &COMMON_LOG, since.as_secs(), |out, date| {
        padded::<2>(out, date.day);
        out.push(b'/');
        out.extend_from_slice(MONTHS[(date.month - 1) as usize]);
        out.push(b'/');
        padded::<4>(out, date.year);
        out.push(b':');
    });
    out.extend_from_slice(b" +0000");
}

/// Appends the text of `second`: the one the thread wrote last, or a new one with the date that `write_date` writes.
fn append<const N: usize>(
    out: &mut Vec<u8>,
    last: &'static LocalKey<Cell<Written<N>>>,
    second: u64,
    write_date: impl FnOnce(&mut Vec<u8>, Date),
) {
    let second = second.min(LAST_SECOND);
    let written = last.get();
    if written.second == second {
        out.extend_from_slice(&written.text);
        return;
    }
    let start = out.len();
    write_date(out, Date::from_days(second / SECONDS_A_DAY));
    let time = second % SECONDS_A_DAY;
    padded::<2>(out, time / 3600);
    out.push(b':');
    padded::<2>(out, time / 60 % 60);
    out.push(b':');
    padded::<2>(out, time % 60);
    if let Ok(text) = out[start..].try_into() {
        last.set(Written { second, text });
    }
}

/// A day of the Gregorian calendar.
struct Date {
    year: u64,
    /// 1 to 12.
    month: u64,
    /// 1 to 31.
    day: u64,
}

impl Date {
    /// The date `days` after 1970-01-01.
    ///
    /// Years are counted from 1 March, so that the leap day is the last of its year and the lengths of the months
    /// before it follow one line: month `m` of such a year starts on day `(153 m + 2) / 5`.
    fn from_days(days: u64) -> Self {
        const DAYS_TO_1970: u64 = 719_468; // from 0000-03-01
        const DAYS_IN_400_YEARS: u64 = 146_097;
        let days = days + DAYS_TO_1970;
        let (cycle, day_of_cycle) = (days / DAYS_IN_400_YEARS, days % DAYS_IN_400_YEARS);
        // Without the leap days of the cycle every year has 365 days: one in 4 years, none in 100, one in 400.
        let year_of_cycle = (day_of_cycle - day_of_cycle / 1_460 + day_of_cycle / 36_524
            - day_of_cycle / 146_096)
            / 365;
        let day_of_year =
            day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
        let months_from_march = (5 * day_of_year + 2) / 153;
        let (month, years) = match months_from_march {
            0..=9 => (months_from_march + 3, 0),
            _ => (months_from_march - 9, 1),
        };
        Self {
            year: cycle * 400 + year_of_cycle + years,
            month,
            day: day_of_year - (153 * months_from_march + 2) / 5 + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn text(write: fn(&mut Vec<u8>, SystemTime), time: SystemTime) -> String {
        let mut out = Vec::new();
        write(&mut out, time);
        String::from_utf8(out).expect("a timestamp is ASCII")
    }

    fn at(milliseconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(milliseconds)
    }

    #[test]
    fn known_moments_have_their_text() {
        for (time, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_735_787_045_678, "2025-01-02T03:04:05.678Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(text(rfc3339, at(time)), expected);
        }
        assert_eq!(
            text(common_log, at(1_735_787_045_678)),
            "02/Jan/2025:03:04:05 +0000"
        );
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let mut before = Date::from_days(0);
        for days in 1..200_000 {
            let date = Date::from_days(days);
            let leap = if before.year.is_multiple_of(100) {
                before.year.is_multiple_of(400)
            } else {
                before.year.is_multiple_of(4)
            };
            let length = match before.month {
                2 => 28 + u64::from(leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            let expected = if before.day < length {
                (before.year, before.month, before.day + 1)
            } else if before.month < 12 {
                (before.year, before.month + 1, 1)
            } else {
                (before.year + 1, 1, 1)
            };
            assert_eq!((date.year, date.month, date.day), expected);
            before = date;
        }
    }

    #[test]
    fn the_kept_second_is_not_used_for_another_one() {
        assert_eq!(text(rfc3339, at(1_999)), "1970-01-01T00:00:01.999Z");
        assert_eq!(text(rfc3339, at(1_001)), "1970-01-01T00:00:01.001Z");
        assert_eq!(text(rfc3339, at(2_000)), "1970-01-01T00:00:02.000Z");
    }

    #[test]
    fn a_moment_out_of_range_is_written_as_the_limit() {
        let before = UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(text(rfc3339, before), "1970-01-01T00:00:00.000Z");
        let after = UNIX_EPOCH + Duration::from_secs(LAST_SECOND + 1);
        assert_eq!(text(rfc3339, after), "9999-12-31T23:59:59.000Z");
    }
}
