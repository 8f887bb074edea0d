//! How is a percentage written?

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Visitor};

use super::{UnitError, split_digits};
use crate::config::diagnostics::quoted;

/// A percentage: a whole number from 0 to 100, without a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percent(u8);

impl Percent {
    /// So many of a hundred: 100 if it is more.
    pub const fn new(percent: u8) -> Self {
        Self(if percent < 100 { percent } else { 100 })
    }

    /// How many of a hundred.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl FromStr for Percent {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (digits, unit) = split_digits(text);
        // 050 is decimal to some and octal to others.
        let plain = digits.len() == 1 || !digits.starts_with('0');
        let number = digits.parse().ok();
        let number = number.filter(|number: &u8| plain && *number <= 100);
        let hint = match number {
            Some(number) if unit.is_empty() => return Ok(Self(number)),
            None if plain && !digits.is_empty() && is_ending(unit) => {
                Some("give 100 at most".to_owned())
            }
            _ => meant(number, unit),
        };
        Err(UnitError::new(
            format!(
                "{} is not a percentage, a whole number from 0 to 100",
                quoted(text)
            ),
            hint.unwrap_or_else(|| "write it as `50`".to_owned()),
        ))
    }
}

/// Whether what follows the digits leaves it a number: nothing, a percent sign, a fraction.
fn is_ending(unit: &str) -> bool {
    let fraction = unit.strip_prefix('.').unwrap_or_default();
    let (_, rest) = split_digits(fraction);
    matches!(unit.trim(), "" | "%") || !fraction.is_empty() && rest.is_empty()
}

/// What another way of writing probably means: `50%`, `50 %`, `0.5`.
fn meant(number: Option<u8>, unit: &str) -> Option<String> {
    let number = number?;
    if let Some(digits) = unit.strip_prefix('.') {
        let tenth = match digits.as_bytes() {
            [tens] => [*tens, b'0'],
            [tens, ones] => [*tens, *ones],
            _ => return None,
        };
        let fraction: u8 = std::str::from_utf8(&tenth).ok()?.parse().ok()?;
        return match (number, fraction) {
            (0, 1..) => Some(format!("write `{fraction}` for {fraction} of a hundred")),
            (1, 0) => Some("write `100` for all".to_owned()),
            _ => None,
        };
    }
    (unit.trim() == "%").then(|| format!("write `{number}`"))
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl serde::Serialize for Percent {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Percent {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Any type, so that a fraction is answered with what it probably means.
        struct Whole;

        impl Visitor<'_> for Whole {
            type Value = Percent;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number from 0 to 100 such as `50`")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Percent, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Percent, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Percent, E> {
                // With a fraction, if only `.0`.
                self.visit_str(&format!("{number:?}"))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Percent, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_any(Whole)
    }
}

impl schemars::JsonSchema for Percent {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Percent".into()
    }

    fn json_schema(_generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": ["integer", "string"],
            "description": "A percentage: a whole number from 0 to 100, without a unit.",
            "minimum": 0,
            "maximum": 100,
            "pattern": "^(100|[1-9]?[0-9]|.*\\$\\{.*)$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_is_a_whole_number_up_to_a_hundred() {
        for (text, percent) in [("0", 0), ("50", 50), ("100", 100)] {
            let read: Percent = text.parse().expect(text);
            assert_eq!((read.get(), read.to_string().as_str()), (percent, text));
        }
        assert_eq!(Percent::new(200).get(), 100);
    }

    #[test]
    fn another_way_of_writing_gets_a_hint() {
        for (text, hint) in [
            ("50%", "write `50`"),
            ("5 %", "write `5`"),
            ("0.5", "write `50` for 50 of a hundred"),
            ("0.05", "write `5` for 5 of a hundred"),
            ("1.0", "write `100` for all"),
            ("0.005", "write it as `50`"),
            ("0.ä", "write it as `50`"),
            ("12.5", "write it as `50`"),
            ("0.0", "write it as `50`"),
            ("101", "give 100 at most"),
            ("99999999999999999999", "give 100 at most"),
            ("300%", "give 100 at most"),
            ("150.0", "give 100 at most"),
            ("300.", "write it as `50`"),
            ("300 of 500", "write it as `50`"),
            ("050", "write it as `50`"),
            ("0300", "write it as `50`"),
            ("-1", "write it as `50`"),
            ("half", "write it as `50`"),
            ("", "write it as `50`"),
        ] {
            let error = text.parse::<Percent>().expect_err(text);
            assert_eq!(error.hint.as_deref(), Some(hint), "{text}");
        }
    }
}
