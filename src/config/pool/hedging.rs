//! When is a second endpoint asked while the first has not answered yet?

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::config::units::Percent;
use crate::config::{Spanned, Timespan};

/// When a second endpoint is asked while the first has not answered yet.
///
/// The first answer is taken, and the other connection closed. Only idempotent requests without a body are asked twice,
/// each once at most, and not those to HTTP/2 endpoints. An endpoint that is asked first and gives no answer for a
/// second or more, while others do in its place, is one that fails: for `consecutive_failures` of `ejection` and of a
/// breaker (`scope: endpoint`) with `timeout` among its failures, not for ratios.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Hedging {
    /// `p95`: when the header of the answer takes longer than that of 95 of 100 requests of the last ten to twenty
    /// seconds, once there were a hundred. Or a time, as `50ms`. Default: p95.
    pub after: Spanned<HedgeAfter>,
    /// How many of the requests of the last ten seconds may be asked twice, in percent: 1 to 100. It is rounded down:
    /// with 5, none is while there were fewer than 20 of them. Default: 5.
    pub budget: Spanned<Percent>,
}

impl Default for Hedging {
    fn default() -> Self {
        Self {
            after: Spanned::new(HedgeAfter::P95),
            budget: Spanned::new(Percent::new(5)),
        }
    }
}

/// After how long a second endpoint is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HedgeAfter {
    /// When the answer takes longer than 95 of 100 did lately.
    P95,
    /// After so long.
    Time(Timespan),
}

impl fmt::Display for HedgeAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HedgeAfter::P95 => f.write_str("p95"),
            HedgeAfter::Time(time) => time.fmt(f),
        }
    }
}

impl Serialize for HedgeAfter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HedgeAfter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordOrTime;

        impl de::Visitor<'_> for WordOrTime {
            type Value = HedgeAfter;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`p95` or a length of time such as `50ms`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<HedgeAfter, E> {
                match text {
                    "p95" => Ok(HedgeAfter::P95),
                    time => Timespan::from_str(time)
                        .map(HedgeAfter::Time)
                        .map_err(E::custom),
                }
            }
        }

        deserializer.deserialize_str(WordOrTime)
    }
}

impl JsonSchema for HedgeAfter {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "HedgeAfter".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let time = generator.subschema_for::<Timespan>();
        schemars::json_schema!({ "anyOf": [{ "const": "p95" }, time] })
    }
}
