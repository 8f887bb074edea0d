//! How are times, sizes and rates written in a configuration?
//!
//! Each has one unit at least, so that nobody has to remember what a bare number means: `30s`, `16MiB`, `100/s`. A
//! value is shown, and written, in the shortest form that reads back as the same value. Only percentages and status codes
//! are bare numbers, whole ones.

mod auto_count;
mod byte_size;
mod percent;
mod rate;
mod share;
mod status;
mod timespan;
mod watermark;

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{self, Deserializer, Visitor};

pub use auto_count::AutoCount;
pub use byte_size::{ByteSize, rounded};
pub use percent::Percent;
pub use rate::{Per, Rate};
pub use share::Share;
pub use status::StatusRange;
pub use timespan::Timespan;
pub use watermark::Watermark;

/// Why a text is not a time, size or rate. Its `Display` puts the hint, if any, on a line of its own after `hint: `,
/// where the reader of the configuration looks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitError {
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl UnitError {
    fn new(message: impl Into<String>, hint: impl Into<Option<String>>) -> Self {
        Self {
            message: message.into(),
            hint: hint.into(),
        }
    }
}

impl fmt::Display for UnitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for UnitError {}

/// Splits a text after its leading digits.
fn split_digits(text: &str) -> (&str, &str) {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    text.split_at(digits)
}

/// Reads a value by its `FromStr`; `expected` describes it in messages.
fn read_text<'de, D, T>(deserializer: D, expected: &'static str) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err = UnitError>,
{
    deserializer.deserialize_str(TextVisitor {
        expected,
        value: PhantomData,
    })
}

struct TextVisitor<T> {
    expected: &'static str,
    value: PhantomData<T>,
}

impl<T: FromStr<Err = UnitError>> Visitor<'_> for TextVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

/// Serialization as text, and a JSON schema with a pattern for it.
macro_rules! text_form {
    ($type:ident, $expected:literal, $schema:tt) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::config::units::read_text(deserializer, $expected)
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!($schema)
            }
        }
    };
}
use text_form;
