//! How are status codes written?

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::{UnitError, text_form};
use crate::config::diagnostics::quoted;

/// One status code, or all from one to another: `301`, `200-299`. From 100 to 599.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatusRange {
    first: u16,
    last: u16,
}

impl StatusRange {
    /// All from `first` to `last`.
    pub const fn new(first: u16, last: u16) -> Self {
        Self { first, last }
    }

    /// What is meant by `5xx`, which is not how it is written here.
    pub fn class(text: &str) -> Option<Self> {
        let (class, rest) = text.split_at_checked(1)?;
        let first = class.parse::<u16>().ok()? * 100;
        let is_class = rest.eq_ignore_ascii_case("xx") && (100..=500).contains(&first);
        is_class.then(|| Self::new(first, first + 99))
    }

    /// The codes.
    pub const fn codes(self) -> RangeInclusive<u16> {
        self.first..=self.last
    }
}

impl FromStr for StatusRange {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let wrong = |why: &str| {
            let hint = match Self::class(text) {
                Some(class) => format!("write `{class}`"),
                None => "write a code as 204, or some as `200-299`".to_owned(),
            };
            UnitError::new(
                format!("{} is not a status code: {why}", quoted(text)),
                Some(hint),
            )
        };
        let code = |text: &str| {
            let is_code = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
            let code = text.parse().ok().filter(|_| is_code);
            code.filter(|code| (100..=599).contains(code))
                .ok_or_else(|| wrong("codes go from 100 to 599"))
        };
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let range = Self::new(code(first.trim())?, code(last.trim())?);
        if range.first > range.last {
            return Err(wrong("it ends before it begins"));
        }
        Ok(range)
    }
}

impl fmt::Display for StatusRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first == self.last {
            true => write!(f, "{}", self.first),
            false => write!(f, "{}-{}", self.first, self.last),
        }
    }
}

text_form!(StatusRange, "a status code such as 204, or some as `200-299`", {
    "type": ["string", "integer"],
    "description": "A status code such as 204, or some as `200-299`.",
    "pattern": "^([1-5][0-9]{2}( *- *[1-5][0-9]{2})?|.*\\$\\{.*)$",
    "minimum": 100,
    "maximum": 599
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_and_a_range_are_read_and_shown() {
        for (text, codes, shown) in [
            ("204", 204..=204, "204"),
            ("200-299", 200..=299, "200-299"),
            ("200 - 204", 200..=204, "200-204"),
            ("301-301", 301..=301, "301"),
        ] {
            let range: StatusRange = text.parse().expect(text);
            assert_eq!((range.codes(), range.to_string().as_str()), (codes, shown));
        }
    }

    #[test]
    fn what_is_no_status_is_refused_with_a_hint() {
        for text in [
            "",
            "-",
            "5",
            "2xx",
            "99",
            "600",
            "200-",
            "-299",
            "299-200",
            "500-600",
            "200-201-202",
            "+20",
            "+503",
            "0200",
        ] {
            let error = text.parse::<StatusRange>().expect_err(text);
            assert!(error.hint.is_some(), "{text}");
        }
    }

    #[test]
    fn who_writes_a_class_of_codes_is_told_how_that_is_written() {
        for (text, range) in [("5xx", "500-599"), ("1XX", "100-199")] {
            let error = text.parse::<StatusRange>().expect_err(text);
            assert_eq!(error.hint, Some(format!("write `{range}`")));
        }
        for text in ["6xx", "0xx", "+xx", "xx", "5x", "5xxx", "äxx"] {
            assert_eq!(StatusRange::class(text), None, "{text}");
        }
    }
}
