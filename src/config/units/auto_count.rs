//! How is a number written that may be left to Portcullis?

use std::fmt;
use std::str::FromStr;

use super::{UnitError, text_form};
use crate::config::diagnostics::quoted;

/// A whole number, or `auto`: what fits the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AutoCount {
    /// What fits the machine.
    #[default]
    Auto,
    /// So many.
    Count(u32),
}

impl FromStr for AutoCount {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let is_count = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let count = text.parse().ok().filter(|_| is_count);
        count.map(Self::Count).ok_or_else(|| UnitError {
            message: format!("{} is neither a whole number nor `auto`", quoted(text)),
            hint: Some(format!(
                "write a whole number up to {}, or `auto`",
                u32::MAX
            )),
        })
    }
}

impl fmt::Display for AutoCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Count(count) => write!(f, "{count}"),
        }
    }
}

text_form!(AutoCount, "a whole number, or `auto`", {
    "type": ["string", "integer"],
    "description": "A whole number, or `auto`.",
    "pattern": "^([0-9]+|auto|.*\\$\\{.*)$",
    "minimum": 0
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_auto_are_read_and_shown() {
        for (text, most) in [
            ("auto", AutoCount::Auto),
            ("0", AutoCount::Count(0)),
            ("20000", AutoCount::Count(20_000)),
        ] {
            let read: AutoCount = text.parse().expect(text);
            assert_eq!((read, read.to_string().as_str()), (most, text));
        }
    }

    #[test]
    fn what_is_neither_is_refused_with_a_hint() {
        for text in ["", "Auto", "-1", "+1", "1.5", "10k", "4294967296"] {
            let error = text.parse::<AutoCount>().expect_err(text);
            assert!(error.hint.is_some(), "{text}");
        }
    }
}
