//! How is a number of bytes written?

use std::fmt;
use std::str::FromStr;

use super::{UnitError, split_digits, text_form};
use crate::config::diagnostics::quoted;

/// The units with their bytes. Of two that are equally short, the first is shown.
const UNITS: [(&str, u64); 9] = [
    ("", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

/// A number of bytes: `512`, `16KiB`, `16MiB`, `1GiB`, or with powers of ten `16kB`, `16MB`, `1GB`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(u64);

impl ByteSize {
    /// So many bytes.
    pub const fn bytes(count: u64) -> Self {
        Self(count)
    }

    /// So many times 1024 bytes.
    pub const fn kib(count: u32) -> Self {
        Self((count as u64) << 10)
    }

    /// So many times 1024 KiB.
    pub const fn mib(count: u32) -> Self {
        Self((count as u64) << 20)
    }

    /// So many times 1024 MiB.
    pub const fn gib(count: u32) -> Self {
        Self((count as u64) << 30)
    }

    /// The number of bytes.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The number of bytes for a limit on memory: as many as can be addressed if it is more.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl From<u64> for ByteSize {
    fn from(bytes: u64) -> Self {
        Self(bytes)
    }
}

impl From<ByteSize> for u64 {
    fn from(size: ByteSize) -> Self {
        size.0
    }
}

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let wrong = |why: &str, hint: Option<String>| {
            UnitError::new(format!("{} is not a size: {why}", quoted(text)), hint)
        };
        let example = || Some("write a size as `16KiB`, `16MiB` or `1GiB`".to_owned());
        if text.starts_with('-') {
            return Err(wrong("it can't be negative", None));
        }
        let (digits, unit) = split_digits(text);
        if digits.is_empty() {
            return Err(wrong("it does not start with a number", example()));
        }
        let Some((_, bytes)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            if unit.starts_with('.') {
                return Err(wrong("only whole numbers can stand here", example()));
            }
            let hint = meant(unit).map(|unit| format!("write `{digits}{unit}`"));
            let why = format!("unknown unit {}", quoted(unit.trim()));
            return Err(wrong(&why, hint.or_else(example)));
        };
        digits
            .parse()
            .ok()
            .and_then(|count: u64| count.checked_mul(*bytes))
            .map(Self)
            .ok_or_else(|| wrong("it is too large", None))
    }
}

/// The unit that another way of writing probably means: `16m`, `16 MiB`, `16mb`.
fn meant(unit: &str) -> Option<&'static str> {
    let unit = unit.trim();
    if unit.eq_ignore_ascii_case("b") || unit.eq_ignore_ascii_case("bytes") {
        return Some("");
    }
    let same = |name: &str| !name.is_empty() && name.eq_ignore_ascii_case(unit);
    let letter = |name: &str| unit.len() == 1 && name.ends_with("iB") && same_start(name, unit);
    UNITS
        .iter()
        .map(|(name, _)| *name)
        .find(|name| same(name) || letter(name))
}

fn same_start(name: &str, letter: &str) -> bool {
    name.get(..1)
        .is_some_and(|start| start.eq_ignore_ascii_case(letter))
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The largest unit among equals: `8KiB` rather than `8192`.
        let shortest = UNITS
            .iter()
            .rev()
            .filter(|(_, bytes)| self.0.is_multiple_of(*bytes) && self.0 != 0)
            .map(|(unit, bytes)| format!("{}{unit}", self.0 / bytes))
            .min_by_key(String::len);
        f.write_str(shortest.as_deref().unwrap_or("0"))
    }
}

/// A size that a person reads, as `21.2 GiB`.
pub fn rounded(bytes: u64) -> String {
    match bytes {
        0..1_024 => format!("{bytes} bytes"),
        1_024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1_024.0),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
        _ => format!("{:.1} GiB", bytes as f64 / 1_073_741_824.0),
    }
}

// A number without quotation marks is an integer to an editor that checks against the schema.
text_form!(ByteSize, "a size such as `16MiB`", {
    "type": ["string", "integer"],
    "description": "A number of bytes, such as `512`, `16KiB`, `16MiB`, `1GiB` or, with powers of ten, `16MB`.",
    "pattern": "^([0-9]+([KMGT]iB|[kMGT]B)?|.*\\$\\{.*)$",
    "minimum": 0
});

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_unit_is_read() {
        for (text, expected) in [
            ("0", ByteSize::bytes(0)),
            ("512", ByteSize::bytes(512)),
            ("16KiB", ByteSize::kib(16)),
            ("16MiB", ByteSize::mib(16)),
            ("1GiB", ByteSize::gib(1)),
            ("2TiB", ByteSize::gib(2_048)),
            ("3kB", ByteSize::bytes(3_000)),
            ("3MB", ByteSize::bytes(3_000_000)),
            ("3GB", ByteSize::bytes(3_000_000_000)),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn another_way_of_writing_gets_a_hint() {
        for (text, hint) in [
            ("16m", "write `16MiB`"),
            ("16K", "write `16KiB`"),
            ("16mb", "write `16MB`"),
            ("16 MiB", "write `16MiB`"),
            ("16mib", "write `16MiB`"),
            ("16B", "write `16`"),
            ("MiB", "write a size as `16KiB`, `16MiB` or `1GiB`"),
        ] {
            let error = text.parse::<ByteSize>().expect_err(text);
            assert_eq!(error.hint.as_deref(), Some(hint), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in [
            "",
            "-1",
            "1.5MiB",
            "+1",
            "99999999TiB",
            "18446744073709551616",
            "1 ",
            "ä",
        ] {
            assert!(text.parse::<ByteSize>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_shortest_exact_form_is_shown() {
        for (bytes, text) in [
            (0, "0"),
            (512, "512"),
            (1_000, "1kB"),
            (1_024, "1KiB"),
            (16 << 20, "16MiB"),
            (u64::MAX, "18446744073709551615"),
        ] {
            assert_eq!(ByteSize::bytes(bytes).to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(count in any::<u64>(), shift in 0..64_u32) {
            let value = ByteSize::bytes(count >> shift << shift);
            prop_assert_eq!(value.to_string().parse(), Ok(value));
        }

        #[test]
        fn any_text_is_read_or_refused(text in any::<String>(), near in "[0-9]{0,3} ?[KkMGTiBb.äs]{0,3}") {
            let _ = text.parse::<ByteSize>();
            let _ = near.parse::<ByteSize>();
        }
    }
}
