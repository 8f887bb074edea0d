//! How is an endpoint chosen?

use std::fmt;

use schemars::{JsonSchema, Schema, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::config::{Spanned, Timespan};

/// How an endpoint is chosen: the name of an algorithm, or a mapping with `kind` and its settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields, transform = or_its_name)]
pub struct Balancer {
    /// The algorithm. Default: round_robin.
    pub kind: BalancerKind,
    /// With `least_requests`: among how many endpoints it chooses. Default: two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub choose: Option<Spanned<Choose>>,
    /// With `peak_ewma`: how long a slow answer is remembered; after this time it counts for a third. Default: 10s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decay: Option<Spanned<Timespan>>,
}

/// An algorithm that chooses an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BalancerKind {
    /// Each in turn, smoothly by weight.
    #[default]
    RoundRobin,
    /// Any, by weight.
    Random,
    /// The one with the fewest requests in flight for its weight.
    LeastRequests,
    /// The one that answers soonest, by its latency and its requests in flight.
    PeakEwma,
}

/// Among how many endpoints one is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Choose {
    /// The better of two that are drawn by weight: as many comparisons however large the pool is.
    #[default]
    Two,
    /// The best of all.
    All,
}

impl Balancer {
    /// What `decay` is unless it is written.
    pub const DECAY: Timespan = Timespan::secs(10);

    /// Writes the defaults of its kind.
    pub(in crate::config) fn fill_in(&mut self) {
        match self.kind {
            BalancerKind::LeastRequests => {
                self.choose.get_or_insert_default();
            }
            BalancerKind::PeakEwma => {
                self.decay.get_or_insert(Spanned::new(Self::DECAY));
            }
            BalancerKind::RoundRobin | BalancerKind::Random => {}
        }
    }
}

/// Tells an editor of the short form as well.
fn or_its_name(schema: &mut Schema) {
    let settings = std::mem::take(schema);
    *schema = json_schema!({ "anyOf": [{ "$ref": "#/$defs/BalancerKind" }, settings] });
}

/// The mapping.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    kind: BalancerKind,
    choose: Option<Spanned<Choose>>,
    decay: Option<Spanned<Timespan>>,
}

impl<'de> Deserialize<'de> for Balancer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameOrSettings;

        impl<'de> Visitor<'de> for NameOrSettings {
            type Value = Balancer;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a balancer such as `round_robin`, or a mapping with `kind`")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Balancer, E> {
                let kind = BalancerKind::deserialize(name.into_deserializer())?;
                Ok(Balancer {
                    kind,
                    ..Balancer::default()
                })
            }

            fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Balancer, M::Error> {
                let settings = Settings::deserialize(MapAccessDeserializer::new(map))?;
                let Settings {
                    kind,
                    choose,
                    decay,
                } = settings;
                Ok(Balancer {
                    kind,
                    choose,
                    decay,
                })
            }
        }

        deserializer.deserialize_any(NameOrSettings)
    }
}
