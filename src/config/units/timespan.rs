//! How is a length of time written?

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::{UnitError, split_digits, text_form};
use crate::config::diagnostics::quoted;

/// The units from long to short, in nanoseconds.
const UNITS: [(&str, u128); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// A length of time: `250ms`, `30s`, `5m`, `1h`, `1d`, `1h30m`.
///
/// The units are `d`, `h`, `m`, `s`, `ms`, `us` and `ns`, from long to short, each once at most and after a whole
/// number. A day has 24 hours. The longest is that of [`Duration`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timespan(Duration);

impl Timespan {
    /// So many microseconds.
    pub const fn micros(count: u64) -> Self {
        Self(Duration::from_micros(count))
    }

    /// So many milliseconds.
    pub const fn millis(count: u64) -> Self {
        Self(Duration::from_millis(count))
    }

    /// So many seconds.
    pub const fn secs(count: u64) -> Self {
        Self(Duration::from_secs(count))
    }

    /// So many minutes.
    pub const fn minutes(count: u32) -> Self {
        Self(Duration::from_secs(count as u64 * 60))
    }

    /// So many hours.
    pub const fn hours(count: u32) -> Self {
        Self(Duration::from_secs(count as u64 * 3_600))
    }

    /// So many days of 24 hours.
    pub const fn days(count: u32) -> Self {
        Self(Duration::from_secs(count as u64 * 86_400))
    }

    /// The same length of time in the standard library's type.
    pub const fn as_duration(self) -> Duration {
        self.0
    }

    /// Whether it is no time at all.
    pub const fn is_zero(self) -> bool {
        self.0.is_zero()
    }
}

impl From<Duration> for Timespan {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

impl From<Timespan> for Duration {
    fn from(timespan: Timespan) -> Self {
        timespan.0
    }
}

impl FromStr for Timespan {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let wrong = |why: &str, hint: Option<String>| {
            UnitError::new(
                format!("{} is not a length of time: {why}", quoted(text)),
                hint,
            )
        };
        let units = || Some("units are d, h, m, s, ms, us and ns, as in `1h30m`".to_owned());
        let too_long = || wrong("it is too long", None);
        if text.is_empty() {
            return Err(wrong("it is empty", units()));
        }
        if text.starts_with('-') {
            return Err(wrong("it can't be negative", None));
        }
        let mut total: u128 = 0;
        let mut shorter = UNITS.as_slice();
        let mut rest = text;
        while !rest.is_empty() {
            let (digits, after) = split_digits(rest);
            if digits.is_empty() {
                return Err(wrong("a whole number must come before each unit", units()));
            }
            let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
            let (name, after) = after.split_at(letters);
            if name.is_empty() && after.is_empty() {
                let hint = format!("write `{text}s` for seconds, `{text}ms` for milliseconds");
                return Err(wrong("a number has no unit", hint.into()));
            }
            if name.is_empty() {
                let why = "only whole numbers with units can stand here";
                return Err(wrong(why, Some("write `1500ms` for 1.5 s".to_owned())));
            }
            let Some((_, length)) = UNITS.iter().find(|(unit, _)| *unit == name) else {
                let why = format!("unknown unit {}", quoted(name));
                return Err(wrong(&why, units()));
            };
            let Some(index) = shorter.iter().position(|(unit, _)| *unit == name) else {
                let why = "units go from long to short, each once";
                return Err(wrong(why, units()));
            };
            shorter = &shorter[index + 1..];
            let count: u64 = digits.parse().map_err(|_| too_long())?;
            // At most seven products of a 64-bit number and a day's nanoseconds: far from 128 bits.
            total += u128::from(count) * length;
            rest = after;
        }
        from_nanos(total).map(Self).ok_or_else(too_long)
    }
}

fn from_nanos(nanos: u128) -> Option<Duration> {
    let secs = u64::try_from(nanos / 1_000_000_000).ok()?;
    let below = u32::try_from(nanos % 1_000_000_000).ok()?;
    Some(Duration::new(secs, below))
}

impl fmt::Display for Timespan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Every choice of units, the one with the longest units first among equals: `90s`, but `1d1ms`.
        let shortest = (1..1_u32 << UNITS.len())
            .filter_map(|choice| written(self.0.as_nanos(), choice))
            .min_by_key(String::len);
        f.write_str(shortest.as_deref().unwrap_or("0s"))
    }
}

/// The time in the units whose bits are set in `choice`; `None` if they can't say it exactly.
fn written(mut nanos: u128, choice: u32) -> Option<String> {
    let mut text = String::new();
    for (bit, (unit, length)) in UNITS.iter().enumerate() {
        let count = nanos / length;
        if choice & (1 << bit) != 0 && count > 0 {
            // More than that can't be read back.
            let count = u64::try_from(count).ok()?;
            text.push_str(&format!("{count}{unit}"));
            nanos %= length;
        }
    }
    (nanos == 0 && !text.is_empty()).then_some(text)
}

text_form!(Timespan, "a length of time such as `30s`", {
    "type": "string",
    "description": "A length of time, such as `250ms`, `30s`, `5m` or `1h30m`.",
    "pattern": "^(([0-9]+(d|h|m|s|ms|us|ns))+|.*\\$\\{.*)$"
});

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn error(text: &str) -> UnitError {
        text.parse::<Timespan>().expect_err(text)
    }

    #[test]
    fn every_unit_is_read() {
        for (text, expected) in [
            ("250ms", Timespan::millis(250)),
            ("30s", Timespan::secs(30)),
            ("5m", Timespan::minutes(5)),
            ("1h", Timespan::hours(1)),
            ("1d", Timespan::days(1)),
            ("1h30m", Timespan::minutes(90)),
            ("0s", Timespan::secs(0)),
            ("7us8ns", Timespan::from(Duration::from_nanos(7_008))),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_bare_number_is_refused_with_a_hint() {
        let hint = "write `30s` for seconds, `30ms` for milliseconds";
        assert_eq!(error("30").hint.as_deref(), Some(hint));
        assert_eq!(
            error("30").to_string(),
            format!("\"30\" is not a length of time: a number has no unit\nhint: {hint}")
        );
    }

    #[test]
    fn what_has_no_one_meaning_is_refused() {
        for text in [
            "",
            "-5s",
            "1.5s",
            "5 s",
            "5S",
            "5min",
            "s",
            "30m1h",
            "1s1s",
            "1h30",
            "+5s",
            " 5s",
            "99999999999999999999s",
            "300000000000000d",
        ] {
            assert!(text.parse::<Timespan>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_shortest_exact_form_is_shown() {
        for (value, text) in [
            (Timespan::secs(0), "0s"),
            (Timespan::secs(90), "90s"),
            (Timespan::minutes(90), "90m"),
            (Timespan::secs(3_600), "1h"),
            (Timespan::days(2), "2d"),
            (Timespan::millis(1_500), "1500ms"),
            (Timespan::millis(86_400_001), "1d1ms"),
        ] {
            assert_eq!(value.to_string(), text);
        }
    }

    #[test]
    fn the_longest_duration_is_shown_and_read() {
        let longest = Timespan::from(Duration::MAX);
        assert_eq!(longest.to_string().parse(), Ok(longest));
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(secs in any::<u64>(), nanos in 0..1_000_000_000_u32) {
            let value = Timespan::from(Duration::new(secs, nanos));
            prop_assert_eq!(value.to_string().parse(), Ok(value));
        }

        #[test]
        fn any_text_is_read_or_refused(text in any::<String>(), near in "[0-9dhmsun.-]{0,12}") {
            let _ = text.parse::<Timespan>();
            let _ = near.parse::<Timespan>();
        }
    }
}
