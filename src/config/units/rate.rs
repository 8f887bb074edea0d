//! How is "so many in a time" written?

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use super::{UnitError, split_digits, text_form};
use crate::config::diagnostics::quoted;

/// The time that a [`Rate`] counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Per {
    /// `/s`
    Second,
    /// `/m`
    Minute,
    /// `/h`
    Hour,
}

impl Per {
    /// The length of that time.
    pub const fn as_duration(self) -> Duration {
        Duration::from_secs(match self {
            Per::Second => 1,
            Per::Minute => 60,
            Per::Hour => 3_600,
        })
    }
}

/// So many in a second, minute or hour, at least one: `100/s`, `30/m`, `5/h`.
///
/// `60/m` is not the same value as `1/s`, although it is as fast: it is shown as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    count: NonZeroU32,
    per: Per,
}

impl Rate {
    /// `count` in each `per`.
    pub const fn new(count: NonZeroU32, per: Per) -> Self {
        Self { count, per }
    }

    /// How many in each [`Rate::per`].
    pub const fn count(self) -> NonZeroU32 {
        self.count
    }

    /// The time in which they are counted.
    pub const fn per(self) -> Per {
        self.per
    }

    /// How many in a second, one at least: a burst where none is given.
    pub fn in_a_second(self) -> u32 {
        let seconds = self.per.as_duration().as_secs();
        let count = u64::from(self.count.get()) / seconds;
        u32::try_from(count).unwrap_or(u32::MAX).max(1)
    }

    /// The time between two, evenly spread, rounded up to a nanosecond: as fast as the rate at most.
    pub fn interval(self) -> Duration {
        let per = self.per.as_duration().as_secs() * 1_000_000_000;
        Duration::from_nanos(per.div_ceil(u64::from(self.count.get())))
    }
}

impl FromStr for Rate {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let wrong = |why: &str, hint: Option<String>| {
            UnitError::new(format!("{} is not a rate: {why}", quoted(text)), hint)
        };
        let example = || Some("write a rate as `100/s`, `30/m` or `5/h`".to_owned());
        if text.starts_with('-') {
            return Err(wrong("it can't be negative", None));
        }
        let (digits, unit) = split_digits(text);
        if digits.is_empty() {
            return Err(wrong("it does not start with a number", example()));
        }
        let per = match unit {
            "/s" => Per::Second,
            "/m" => Per::Minute,
            "/h" => Per::Hour,
            "" => {
                let hint = format!("write `{digits}/s` for so many a second");
                return Err(wrong("it has no time", hint.into()));
            }
            _ => {
                let (why, hint) = slip(digits, unit);
                return Err(wrong(why, hint.or_else(example)));
            }
        };
        let count: u32 = digits
            .parse()
            .map_err(|_| wrong(&format!("the most is {}", u32::MAX), None))?;
        let count = NonZeroU32::new(count).ok_or_else(|| wrong("it must be one at least", None))?;
        Ok(Self { count, per })
    }
}

/// What is wrong with a unit that is none, and what was meant by it, as `10/s` by `10r/s` and `90/m` by `1.5/s`.
fn slip(digits: &str, unit: &str) -> (&'static str, Option<String>) {
    let unknown = "it does not end in `/s`, `/m` or `/h`";
    let Some((more, time)) = unit.split_once('/') else {
        return (unknown, None);
    };
    let time = match time.to_ascii_lowercase().as_str() {
        "s" | "sec" | "second" | "seconds" => 's',
        "m" | "min" | "minute" | "minutes" => 'm',
        "h" | "hr" | "hour" | "hours" => 'h',
        _ => return (unknown, None),
    };
    let as_it_is = Some(format!("write `{digits}/{time}`"));
    match more.trim() {
        "" if more.is_empty() => (unknown, as_it_is),
        "" | "r" | "req" | "reqs" | "requests" => ("it has more than a whole number", as_it_is),
        more => (
            "what stands before the `/` is no whole number",
            more.strip_prefix('.')
                .and_then(|fraction| in_a_longer_time(digits, fraction, time)),
        ),
    }
}

/// The whole number that so many and a fraction are in a longer time.
fn in_a_longer_time(digits: &str, fraction: &str, time: char) -> Option<String> {
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = format!("{digits}{fraction}").parse().ok()?;
    let parts = 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let longer: &[(u64, char)] = match time {
        's' => &[(1, 's'), (60, 'm'), (3_600, 'h')],
        'm' => &[(1, 'm'), (60, 'h')],
        _ => &[(1, 'h')],
    };
    longer.iter().find_map(|(times, time)| {
        let count = count.checked_mul(*times)?;
        (count > 0 && count.is_multiple_of(parts))
            .then(|| format!("write `{}/{time}`", count / parts))
    })
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.per {
            Per::Second => 's',
            Per::Minute => 'm',
            Per::Hour => 'h',
        };
        write!(f, "{}/{unit}", self.count)
    }
}

text_form!(Rate, "a rate such as `100/s`", {
    "type": "string",
    "description": "So many in a second, minute or hour, such as `100/s`, `30/m` or `5/h`.",
    "pattern": "^0*[1-9][0-9]*/[smh]$"
});

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn error(text: &str) -> UnitError {
        text.parse::<Rate>().expect_err(text)
    }

    #[test]
    fn a_rate_is_a_number_in_a_time() {
        let rate: Rate = "30/m".parse().expect("a rate");
        assert_eq!((rate.count().get(), rate.per()), (30, Per::Minute));
        assert_eq!(rate.interval(), Duration::from_secs(2));
        assert_eq!(rate.to_string(), "30/m");
        let rate: Rate = "3/s".parse().expect("a rate");
        assert_eq!(rate.interval(), Duration::from_nanos(333_333_334));
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for text in [
            "",
            "0/s",
            "-1/s",
            "1/d",
            "1.5/s",
            "/s",
            "1/",
            "4294967296/s",
            "1 /s",
        ] {
            error(text);
        }
        assert_eq!(
            error("100").hint.as_deref(),
            Some("write `100/s` for so many a second")
        );
    }

    #[test]
    fn another_way_of_writing_gets_a_hint() {
        for (text, meant) in [
            ("10r/s", "10/s"),
            ("10 /s", "10/s"),
            ("10/min", "10/m"),
            ("10/sec", "10/s"),
            ("10/Hour", "10/h"),
            ("1.5/s", "90/m"),
            ("0.1/m", "6/h"),
            ("2.0/s", "2/s"),
        ] {
            let hint = error(text).hint;
            assert_eq!(hint, Some(format!("write `{meant}`")), "{text}");
        }
        for text in ["10k/s", "1.5.1/s", "0.0001/h", "1./s", "10rps"] {
            let hint = error(text).hint.expect("a hint");
            assert!(hint.starts_with("write a rate as"), "{text}: {hint}");
        }
        let said = error("1.5/s").message;
        assert!(said.contains("no whole number"), "{said}");
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(count in 1..=u32::MAX, per in 0..3_usize) {
            let per = [Per::Second, Per::Minute, Per::Hour][per];
            let count = NonZeroU32::new(count).expect("one at least");
            let rate = Rate::new(count, per);
            prop_assert_eq!(rate.to_string().parse(), Ok(rate));
        }

        #[test]
        fn any_text_is_read_or_refused(text in any::<String>(), near in "[0-9]{0,12}/?[smhä]?") {
            let _ = text.parse::<Rate>();
            let _ = near.parse::<Rate>();
        }
    }
}
