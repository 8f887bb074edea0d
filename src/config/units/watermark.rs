//! How is it written from which use of memory on requests are shed?

use std::fmt;
use std::str::FromStr;

use super::{ByteSize, UnitError, split_digits, text_form};
use crate::config::diagnostics::quoted;

/// A mark on the use of memory: `90%` of what there is, a size such as `2GiB`, or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watermark {
    /// There is none.
    Off,
    /// So many of a hundred parts of the memory the process may use, 1 to 100.
    Share(u8),
    /// So much.
    Size(ByteSize),
}

impl FromStr for Watermark {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        if text == "off" {
            return Ok(Self::Off);
        }
        let wrong = |why: &str, hint: &str| {
            let message = format!("{} is not a mark on memory: {why}", quoted(text));
            Err(UnitError::new(message, Some(hint.to_owned())))
        };
        let hint = "write a share as `90%`, a size as `2GiB`, or `off`";
        if let Some(share) = text.strip_suffix('%') {
            let (_, rest) = split_digits(share);
            return match share.parse() {
                Ok(share @ 1..=100) if rest.is_empty() => Ok(Self::Share(share)),
                _ => wrong("a share is a whole number from 1% to 100%", hint),
            };
        }
        match text.parse::<ByteSize>() {
            // Not what anybody means by it: everything would be shed for ever.
            Ok(size) if size.as_u64() == 0 => {
                wrong("nothing can run in no memory", "write `off` for none")
            }
            Ok(size) if size.as_u64() <= 100 => {
                let hint = format!("write `{text}%` for a share, or a size as `2GiB`");
                wrong("it is so many bytes", &hint)
            }
            Ok(size) => Ok(Self::Size(size)),
            Err(error) => Err(UnitError::new(
                format!("{} is neither a share, nor a size, nor `off`", quoted(text)),
                error.hint.or_else(|| Some(hint.to_owned())),
            )),
        }
    }
}

impl fmt::Display for Watermark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Share(share) => write!(f, "{share}%"),
            Self::Size(size) => size.fmt(f),
        }
    }
}

text_form!(Watermark, "a share as `90%`, a size as `2GiB`, or `off`", {
    "type": ["string", "integer"],
    "description": "A share as `90%`, a size as `2GiB`, or `off`.",
    "pattern": "^([0-9]+([KMGT]iB|[kMGT]B|%)?|off|.*\\$\\{.*)$",
    "minimum": 101
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_sizes_and_off_are_read_and_shown() {
        for (text, mark) in [
            ("off", Watermark::Off),
            ("1%", Watermark::Share(1)),
            ("100%", Watermark::Share(100)),
            ("2GiB", Watermark::Size(ByteSize::gib(2))),
            ("101", Watermark::Size(ByteSize::bytes(101))),
        ] {
            let read: Watermark = text.parse().expect(text);
            assert_eq!((read, read.to_string().as_str()), (mark, text));
        }
    }

    #[test]
    fn another_way_of_writing_gets_a_hint() {
        for (text, hint) in [
            ("90", "write `90%` for a share, or a size as `2GiB`"),
            ("0", "write `off` for none"),
            ("2g", "write `2GiB`"),
            ("0%", "write a share as `90%`, a size as `2GiB`, or `off`"),
            ("101%", "write a share as `90%`, a size as `2GiB`, or `off`"),
            ("+9%", "write a share as `90%`, a size as `2GiB`, or `off`"),
        ] {
            let error = text.parse::<Watermark>().expect_err(text);
            assert_eq!(error.hint.as_deref(), Some(hint), "{text}");
        }
        assert!("none".parse::<Watermark>().is_err());
    }
}
