//! Which requests of a route go first when a pool, or the process, can't serve all at once?

use std::fmt;

use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// The priority of a route's requests: a word, or a mapping that takes the word from a header field.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum RoutePriority {
    /// All have the same.
    Fixed(Level),
    /// Each request says it itself.
    Header(HeaderPriority),
}

impl Default for RoutePriority {
    fn default() -> Self {
        RoutePriority::Fixed(Level::default())
    }
}

/// A word for a priority.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// After all others.
    Low,
    /// What a request has that nothing else is said of.
    #[default]
    Normal,
    /// Before all others.
    High,
}

/// A priority that a request says itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeaderPriority {
    /// The field that says `low`, `normal` or `high`. Any client can send it: have it set or removed where clients are
    /// let in.
    pub header: String,
    /// The priority of requests without the field, or with another word in it. Default: normal.
    #[serde(default)]
    pub default: Level,
}

impl<'de> Deserialize<'de> for RoutePriority {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Not derived as untagged: that would answer every mistake with "did not match any variant".
        struct WordOrHeader;

        impl<'de> Visitor<'de> for WordOrHeader {
            type Value = RoutePriority;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`low`, `normal` or `high`, or a mapping with `header`")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<RoutePriority, E> {
                Level::deserialize(word.into_deserializer()).map(RoutePriority::Fixed)
            }

            fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<RoutePriority, M::Error> {
                HeaderPriority::deserialize(MapAccessDeserializer::new(map))
                    .map(RoutePriority::Header)
            }
        }

        deserializer.deserialize_any(WordOrHeader)
    }
}
