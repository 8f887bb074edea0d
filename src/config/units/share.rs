//! How is a share of all requests written, which may be less than one of a hundred?

use std::fmt;
use std::str::FromStr;

use super::{UnitError, split_digits, text_form};
use crate::config::diagnostics::quoted;

/// A share: a number from 0 to 100 with up to four decimals, and `%`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(u32);

/// How many of [`Share`]'s parts make a percent.
const A_PERCENT: u32 = 10_000;

impl Share {
    /// All.
    pub const ALL: Self = Self(100 * A_PERCENT);

    /// How many of a million.
    pub const fn of_a_million(self) -> u32 {
        self.0
    }
}

/// The number before the percent sign, in parts.
fn parts(number: &str) -> Option<u32> {
    let (whole, rest) = split_digits(number);
    let decimals = match rest.strip_prefix('.') {
        Some(decimals) => decimals,
        None if rest.is_empty() => "",
        None => return None,
    };
    let is_plain = whole.len() == 1 || !whole.starts_with('0');
    let is_number = split_digits(decimals).1.is_empty() && decimals.len() <= 4;
    if !is_plain || !is_number || rest == "." {
        return None;
    }
    let whole: u32 = whole.parse().ok().filter(|whole| *whole <= 100)?;
    let decimals: u32 = format!("{decimals:0<4}").parse().ok()?;
    Some(whole * A_PERCENT + decimals).filter(|parts| *parts <= Share::ALL.0)
}

impl FromStr for Share {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let number = text.strip_suffix('%');
        if let Some(parts) = number.and_then(parts) {
            return Ok(Self(parts));
        }
        let hint = match parts(text.trim_end_matches('%').trim_end()) {
            Some(_) => format!("write `{}%`", text.trim_end_matches('%').trim_end()),
            None => "write it as `10%` or `0.5%`".to_owned(),
        };
        Err(UnitError::new(
            format!(
                "{} is not a share, a number from 0 to 100 with up to four decimals and `%`",
                quoted(text)
            ),
            hint,
        ))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, decimals) = (self.0 / A_PERCENT, self.0 % A_PERCENT);
        match decimals {
            0 => write!(f, "{whole}%"),
            _ => {
                let decimals = format!("{decimals:04}");
                write!(f, "{whole}.{}%", decimals.trim_end_matches('0'))
            }
        }
    }
}

text_form!(Share, "a share such as `10%`", {
    "type": "string",
    "description": "A share: a number from 0 to 100 with up to four decimals, and `%`.",
    "pattern": "^(((100(\\.0{1,4})?|[1-9]?[0-9](\\.[0-9]{1,4})?)%)|.*\\$\\{.*)$"
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_read_and_shown_in_its_shortest_form() {
        for (text, parts, shown) in [
            ("0%", 0, "0%"),
            ("100%", 1_000_000, "100%"),
            ("100.0%", 1_000_000, "100%"),
            ("0.0001%", 1, "0.0001%"),
            ("12.50%", 125_000, "12.5%"),
        ] {
            let read: Share = text.parse().expect(text);
            assert_eq!((read.of_a_million(), &*read.to_string()), (parts, shown));
        }
    }

    #[test]
    fn what_is_no_share_gets_a_hint() {
        for (text, hint) in [
            ("10", "write `10%`"),
            ("0.5 %", "write `0.5%`"),
            ("101%", "write it as `10%` or `0.5%`"),
            ("100.1%", "write it as `10%` or `0.5%`"),
            ("0.00001%", "write it as `10%` or `0.5%`"),
            ("05%", "write it as `10%` or `0.5%`"),
            (".5%", "write it as `10%` or `0.5%`"),
            ("1.%", "write it as `10%` or `0.5%`"),
            ("-1%", "write it as `10%` or `0.5%`"),
            ("99999999999%", "write it as `10%` or `0.5%`"),
            ("%", "write it as `10%` or `0.5%`"),
            ("", "write it as `10%` or `0.5%`"),
        ] {
            let error = text.parse::<Share>().expect_err(text);
            assert_eq!(error.hint.as_deref(), Some(hint), "{text}");
        }
    }
}
