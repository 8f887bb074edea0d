//! When is that, as HTTP writes dates?

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAYS: [&[u8]; 7] = [
    b"Monday",
    b"Tuesday",
    b"Wednesday",
    b"Thursday",
    b"Friday",
    b"Saturday",
    b"Sunday",
];
const MONTHS: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
const DAY: i64 = 86_400;

/// The time that a date means in one of the three forms (RFC 9110 §5.6.7), and `None` for anything else. The names of
/// days and months and `GMT` may be in any case. Whether the day of the week is the right one does not matter.
///
/// A year of two digits is never more than 50 years after now.
pub fn read(text: &[u8]) -> Option<SystemTime> {
    read_at(text, SystemTime::now)
}

/// As [`read`], with a clock, which is asked if the year has two digits.
fn read_at(text: &[u8], now: impl Fn() -> SystemTime) -> Option<SystemTime> {
    imf_fixdate(text)
        .or_else(|| rfc850(text, now))
        .or_else(|| asctime(text))
}

/// The date in the form that is to be sent, as `Sun, 06 Nov 1994 08:49:37 GMT`. Times out of the years 0 to 9999 become
/// the first or last that can be written.
pub fn write(time: SystemTime) -> [u8; 29] {
    let first = days_before(0, 1, 1) * DAY;
    let last = days_before(10_000, 1, 1) * DAY - 1;
    let seconds = match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
        Err(before) => {
            let before = before.duration();
            let begun = i64::from(before.subsec_nanos() > 0);
            i64::try_from(before.as_secs()).map_or(i64::MIN, |seconds| -seconds - begun)
        }
    };
    let seconds = seconds.clamp(first, last);
    let (days, second) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let (year, month, day) = date_of(days);
    let mut text = *b"www, dd mmm yyyy hh:mm:ss GMT";
    // The first of January 1970 was a Thursday.
    let weekday = DAYS[(days + 3).rem_euclid(7) as usize];
    text[..3].copy_from_slice(&weekday[..3]);
    put(&mut text[5..7], day);
    let month = (month as usize - 1) * 3;
    text[8..11].copy_from_slice(&MONTHS[month..month + 3]);
    put(&mut text[12..16], year);
    put(&mut text[17..19], second / 3600);
    put(&mut text[20..22], second / 60 % 60);
    put(&mut text[23..25], second % 60);
    text
}

fn put(place: &mut [u8], mut number: i64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn imf_fixdate(text: &[u8]) -> Option<SystemTime> {
    let text: &[u8; 29] = text.try_into().ok()?;
    if !is_day(&text[..3], 3)
        || &text[3..5] != b", "
        || [text[7], text[11], text[16]] != [b' '; 3]
        || !text[25..].eq_ignore_ascii_case(b" GMT")
    {
        return None;
    }
    time(
        number(&text[12..16])?,
        month(&text[8..11])?,
        number(&text[5..7])?,
        &text[17..25],
    )
}

/// `Sunday, 06-Nov-94 08:49:37 GMT`
fn rfc850(text: &[u8], now: impl Fn() -> SystemTime) -> Option<SystemTime> {
    let comma = memchr::memchr(b',', text)?;
    let (weekday, text) = text.split_at(comma);
    let text: &[u8; 24] = text.try_into().ok()?;
    if !is_day(weekday, usize::MAX)
        || &text[..2] != b", "
        || [text[4], text[8]] != [b'-'; 2]
        || text[11] != b' '
        || !text[20..].eq_ignore_ascii_case(b" GMT")
    {
        return None;
    }
    let (month, day) = (month(&text[5..8])?, number(&text[2..4])?);
    let now = now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let today = i64::try_from(now.as_secs()).ok()? / DAY;
    let this_year = date_of(today).0;
    let year = this_year - this_year % 100 + 100 + number(&text[9..11])?;
    // The last such year that is not more than 50 years away.
    (0..3)
        .map(|centuries| year - 100 * centuries)
        .find_map(|year| {
            let date = time(year, month, day, &text[12..20])?;
            let limit = UNIX_EPOCH + now + Duration::from_secs(50 * 365 * 86_400 + 12 * 86_400);
            (date <= limit).then_some(date)
        })
}

/// `Sun Nov  6 08:49:37 1994`
fn asctime(text: &[u8]) -> Option<SystemTime> {
    let text: &[u8; 24] = text.try_into().ok()?;
    if !is_day(&text[..3], 3) || [text[3], text[7], text[10], text[19]] != [b' '; 4] {
        return None;
    }
    let day = match text[8] {
        b' ' => number(&text[9..10])?,
        _ => number(&text[8..10])?,
    };
    time(
        number(&text[20..])?,
        month(&text[4..7])?,
        day,
        &text[11..19],
    )
}

/// Whether this is a day of the week, as far as that is written.
fn is_day(text: &[u8], letters: usize) -> bool {
    DAYS.iter()
        .any(|day| text.eq_ignore_ascii_case(&day[..letters.min(day.len())]))
}

fn month(text: &[u8]) -> Option<i64> {
    let at = MONTHS
        .chunks(3)
        .position(|name| text.eq_ignore_ascii_case(name))?;
    i64::try_from(at).ok().map(|at| at + 1)
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |sum, digit| {
        digit
            .is_ascii_digit()
            .then(|| sum * 10 + i64::from(digit - b'0'))
    })
}

/// The time of a day that there is and of a `hh:mm:ss` that there is, which may be a leap second.
fn time(year: i64, month: i64, day: i64, clock: &[u8]) -> Option<SystemTime> {
    if [clock[2], clock[5]] != [b':'; 2] {
        return None;
    }
    let (hour, minute, second) = (
        number(&clock[..2])?,
        number(&clock[3..5])?,
        number(&clock[6..])?,
    );
    let days = days_before(year, month, day);
    if date_of(days) != (year, month, day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = days * DAY + hour * 3600 + minute * 60 + second;
    let distance = Duration::from_secs(seconds.unsigned_abs());
    match seconds {
        0.. => UNIX_EPOCH.checked_add(distance),
        _ => UNIX_EPOCH.checked_sub(distance),
    }
}

/// The days from the first of January 1970 to this one, in years of 365.2425 days that begin with March.
const fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The year, month and day that is so many days after the first of January 1970.
const fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year_of_era + era * 400;
    (if month <= 2 { year + 1 } else { year }, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOV_1994: Duration = Duration::from_secs(784_111_777);

    #[test]
    fn rfc9110_5_6_7_all_three_forms_are_read() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(read(text.as_bytes()), Some(UNIX_EPOCH + NOV_1994), "{text}");
        }
        assert_eq!(
            &write(UNIX_EPOCH + NOV_1994),
            b"Sun, 06 Nov 1994 08:49:37 GMT"
        );
    }

    #[test]
    fn names_are_read_in_any_case_and_whatever_the_day_of_the_week() {
        let aug_2050 = read(b"Thu, 18 Aug 2050 02:01:18 GMT").expect("a date");
        for text in [
            "THU, 18 Aug 2050 02:01:18 GMT",
            "Thu, 18 AUG 2050 02:01:18 GMT",
            "Thu, 18 Aug 2050 02:01:18 gMT",
            "Mon, 18 Aug 2050 02:01:18 GMT",
            "Thursday, 18-Aug-50 02:01:18 GMT",
            "Thu Aug 18 02:01:18 2050",
        ] {
            assert_eq!(read(text.as_bytes()), Some(aug_2050), "{text}");
        }
    }

    #[test]
    fn rfc9111_5_3_what_is_no_date_is_none() {
        for text in [
            "",
            "0",
            "-1",
            "Thu, 18 Aug 2050 02:01:18 UTC",
            "Thu, 18 Aug 2050 02:01:18 AEST",
            "Thu, 18 Aug 2050 02:01:18 +0000",
            "Thu, 18 Aug 2050 02:01:18",
            "Thu, 18 Aug 50 02:01:18 GMT",
            "Thu 18 Aug 2050 02:01:18 GMT",
            "Thu, 18  Aug  2050 02:01:18 GMT",
            "Thu, 18-Aug-2050 02:01:18 GMT",
            "Thu, 18 Aug 2050 02.01.18 GMT",
            "Thu, 18 Aug 2050 2:01:18 GMT",
            "Thu, 8 Aug 2050 02:01:18 GMT",
            "Thx, 18 Aug 2050 02:01:18 GMT",
            "Thu, 18 Agu 2050 02:01:18 GMT",
            "Thu, 00 Aug 2050 02:01:18 GMT",
            "Thu, 32 Aug 2050 02:01:18 GMT",
            "Thu, 30 Feb 2050 02:01:18 GMT",
            "Tue, 29 Feb 2050 02:01:18 GMT",
            "Thu, 18 Aug 2050 24:01:18 GMT",
            "Thu, 18 Aug 2050 02:60:18 GMT",
            "Thu, 18 Aug 2050 02:01:61 GMT",
            "Thu, 18 Aug +050 02:01:18 GMT",
            " Thu, 18 Aug 2050 02:01:18 GMT",
            "Thu, 18 Aug 2050 02:01:18 GMT ",
            "Thu, 18-Aug-50 02:01:18 GMT",
            "Thursday, 18 Aug 50 02:01:18 GMT",
            "Thu Aug 8 02:01:18 2050",
            "Thu Aug  8 02:01:18 50",
            "Thursday Aug  8 02:01:18 2050",
        ] {
            assert_eq!(read(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn leap_days_and_leap_seconds_are_there() {
        let day = |text: &[u8]| read(text).expect("a date");
        let feb_29 = day(b"Thu, 29 Feb 2024 23:59:60 GMT");
        assert_eq!(feb_29, day(b"Fri, 01 Mar 2024 00:00:00 GMT"));
        assert!(read(b"Tue, 29 Feb 2000 00:00:00 GMT").is_some());
        assert!(read(b"Mon, 29 Feb 1900 00:00:00 GMT").is_none());
        let before_1970 = day(b"Wed, 31 Dec 1969 23:59:59 GMT");
        assert_eq!(before_1970, UNIX_EPOCH - Duration::from_secs(1));
    }

    #[test]
    fn rfc9110_5_6_7_a_year_of_two_digits_is_at_most_fifty_years_away() {
        let now = || read(b"Sat, 21 Nov 2026 12:00:00 GMT").expect("now");
        for (text, meant) in [
            (
                "Sunday, 06-Nov-94 08:49:37 GMT",
                "Sun, 06 Nov 1994 08:49:37 GMT",
            ),
            (
                "Thursday, 18-Aug-50 02:01:18 GMT",
                "Thu, 18 Aug 2050 02:01:18 GMT",
            ),
            (
                "Friday, 20-Nov-76 12:00:00 GMT",
                "Fri, 20 Nov 2076 12:00:00 GMT",
            ),
            (
                "Monday, 22-Nov-76 12:00:00 GMT",
                "Mon, 22 Nov 1976 12:00:00 GMT",
            ),
            (
                "Tuesday, 29-Feb-00 12:00:00 GMT",
                "Tue, 29 Feb 2000 12:00:00 GMT",
            ),
        ] {
            assert_eq!(
                read_at(text.as_bytes(), now),
                read(meant.as_bytes()),
                "{text}"
            );
        }
    }

    #[test]
    fn times_that_have_no_date_become_the_nearest_that_has() {
        let far = UNIX_EPOCH + Duration::from_secs(1 << 40);
        assert_eq!(&write(far), b"Fri, 31 Dec 9999 23:59:59 GMT");
        let early = UNIX_EPOCH - Duration::from_secs(1 << 40);
        assert_eq!(&write(early), b"Sat, 01 Jan 0000 00:00:00 GMT");
        let half_before = UNIX_EPOCH - Duration::from_millis(500);
        assert_eq!(&write(half_before), b"Wed, 31 Dec 1969 23:59:59 GMT");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(seconds in -62_167_219_200_i64..253_402_300_800) {
            let distance = Duration::from_secs(seconds.unsigned_abs());
            let time = if seconds < 0 { UNIX_EPOCH - distance } else { UNIX_EPOCH + distance };
            prop_assert_eq!(read(&write(time)), Some(time));
        }

        #[test]
        fn nothing_panics(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = read(&text);
        }

        #[test]
        fn nothing_like_a_date_panics(text in "[A-Z][a-z]{2,8},? [0-9]{2}[ -][A-Z][a-z]{2}[ -][0-9]{2,4} [0-9:]{8} GMT") {
            let _ = read(text.as_bytes());
        }
    }
}
