//! Which number, truth value or nothing is a plain scalar (YAML 1.2.2 §10.3.2, core schema)?
//!
//! Two differences from the core schema, both where operators and YAML versions disagree about the meaning:
//! a whole number with a leading zero (`0755`) is refused as a number, because it is octal to some and decimal to
//! others (as text it stays what it is); a number too large for 64 bits is text where any type will do.

use std::fmt::Display;

use serde::de::Expected;

use super::failure::Failure;
use crate::config::diagnostics::quoted;

/// What a plain scalar is where any type will do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Core {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text,
}

/// The core schema's type of a plain scalar.
pub(super) fn core(text: &str) -> Core {
    if is_null(text) {
        return Core::Null;
    }
    if let Some(value) = truth(text) {
        return Core::Bool(value);
    }
    if is_decimal(text) || has_base(text) {
        let Some(number) = whole(text) else {
            return Core::Text;
        };
        return match (u64::try_from(number), i64::try_from(number)) {
            (Ok(unsigned), _) => Core::Unsigned(unsigned),
            (_, Ok(signed)) => Core::Signed(signed),
            _ => Core::Text,
        };
    }
    float(text).map_or(Core::Text, Core::Float)
}

/// Whether a plain scalar stands for no value.
pub fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// Whether `text` is a value of the core schema's type with this tag suffix (`int` for `!!int`).
pub(super) fn has_core_type(text: &str, suffix: &str) -> bool {
    match suffix {
        "null" => is_null(text),
        "bool" => truth(text).is_some(),
        "int" => whole(text).is_some(),
        "float" => float(text).is_some(),
        _ => false,
    }
}

/// The truth value of a scalar for which one is expected.
pub(super) fn read_bool(text: &str, plain: bool) -> Result<bool, Failure> {
    if let (Some(value), true) = (truth(text), plain) {
        return Ok(value);
    }
    let hint = match text {
        "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some("write `true`".to_owned()),
        "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some("write `false`".to_owned()),
        _ => truth(text).map(|value| format!("write `{value}` without quotation marks")),
    };
    Err(wrong("`true` or `false`", text, plain, hint))
}

/// What is expected where a whole number is: the visitor's words if it has such, or else one from `least` to `most`.
pub(super) fn whole_expected(
    visitor: &dyn Expected,
    least: impl Display,
    most: impl Display,
) -> String {
    match visitor.to_string() {
        // Other visitors say the name of a type, which is no word for an operator.
        range if range.starts_with("a whole number") => range,
        _ => format!("a whole number from {least} to {most}"),
    }
}

/// The whole number of a scalar for which one is expected.
pub(super) fn read_whole<N>(text: &str, plain: bool, expected: &str) -> Result<N, Failure>
where
    N: TryFrom<i128>,
{
    let number = whole(text);
    if let (Some(number), true) = (number, plain)
        && let Ok(fitting) = N::try_from(number)
    {
        return Ok(fitting);
    }
    let hint = if number.is_some() && !plain {
        Some(format!("write `{text}` without quotation marks"))
    } else if is_decimal(text) && number.is_none() {
        octal_hint(text)
    } else {
        None
    };
    Err(wrong(expected, text, plain, hint))
}

/// The number of a scalar for which one is expected, with or without a fraction.
pub(super) fn read_float(text: &str, plain: bool) -> Result<f64, Failure> {
    let number = float(text).filter(|_| !is_decimal(text) || whole(text).is_some());
    if let (Some(number), true) = (number, plain) {
        return Ok(number);
    }
    let hint = number.map(|_| format!("write `{text}` without quotation marks"));
    Err(wrong("a number", text, plain, hint))
}

fn wrong(expected: &str, text: &str, plain: bool, hint: Option<String>) -> Failure {
    let kind = if plain { "" } else { "the string " };
    Failure::definite(
        format!("expected {expected}, found {kind}{}", quoted(text)),
        hint,
    )
}

fn octal_hint(text: &str) -> Option<String> {
    let digits = text.trim_start_matches('0');
    let is_octal = !digits.is_empty() && digits.bytes().all(|b| (b'0'..=b'7').contains(&b));
    is_octal.then(|| format!("write `{digits}` for the decimal number, `0o{digits}` for the octal"))
}

fn truth(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

fn without_sign(text: &str) -> &str {
    text.strip_prefix(['-', '+']).unwrap_or(text)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_decimal(text: &str) -> bool {
    is_digits(without_sign(text))
}

fn has_base(text: &str) -> bool {
    text.starts_with("0x") || text.starts_with("0o")
}

/// The value of `12`, `-12`, `+12`, `0o14` or `0xC`.
fn whole(text: &str) -> Option<i128> {
    // `from_str_radix` would take a sign after the prefix.
    let based = |digits: &str, radix| {
        let clean = digits.bytes().all(|b| b.is_ascii_alphanumeric());
        clean.then(|| i128::from_str_radix(digits, radix).ok())?
    };
    if let Some(digits) = text.strip_prefix("0x") {
        return based(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return based(digits, 8);
    }
    let digits = without_sign(text);
    let leading_zero = digits.len() > 1 && digits.starts_with('0');
    if leading_zero || !is_digits(digits) {
        return None;
    }
    text.parse().ok()
}

/// The value of a number in the core schema's grammar, which is narrower than that of `f64::from_str`.
fn float(text: &str) -> Option<f64> {
    let unsigned = without_sign(text);
    match unsigned {
        ".inf" | ".Inf" | ".INF" if text.starts_with('-') => return Some(f64::NEG_INFINITY),
        ".inf" | ".Inf" | ".INF" => return Some(f64::INFINITY),
        _ if matches!(text, ".nan" | ".NaN" | ".NAN") => return Some(f64::NAN),
        _ => {}
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(without_sign(exponent))),
        None => (unsigned, None),
    };
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits_or_nothing = |part: &str| part.is_empty() || is_digits(part);
    let well_formed = !(before.is_empty() && after.is_empty())
        && digits_or_nothing(before)
        && digits_or_nothing(after)
        && exponent.is_none_or(is_digits);
    well_formed.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_10_3_2_plain_scalars_have_the_types_of_the_core_schema() {
        let cases = [
            ("", Core::Null),
            ("~", Core::Null),
            ("null", Core::Null),
            ("true", Core::Bool(true)),
            ("FALSE", Core::Bool(false)),
            ("yes", Core::Text),
            ("off", Core::Text),
            ("0", Core::Unsigned(0)),
            ("+12", Core::Unsigned(12)),
            ("-12", Core::Signed(-12)),
            ("0o14", Core::Unsigned(12)),
            ("0xC", Core::Unsigned(12)),
            ("0x-C", Core::Text),
            ("0x", Core::Text),
            ("0755", Core::Text),
            ("18446744073709551616", Core::Text),
            ("1.10", Core::Float(1.1)),
            (".5", Core::Float(0.5)),
            ("1.", Core::Float(1.0)),
            ("-1e3", Core::Float(-1000.0)),
            ("-.inf", Core::Float(f64::NEG_INFINITY)),
            (".", Core::Text),
            ("e3", Core::Text),
            ("1e", Core::Text),
            ("inf", Core::Text),
            ("NaN", Core::Text),
            ("1_000", Core::Text),
            ("12:30", Core::Text),
            ("1.2.3", Core::Text),
        ];
        for (text, expected) in cases {
            assert_eq!(core(text), expected, "{text:?}");
        }
    }
}
