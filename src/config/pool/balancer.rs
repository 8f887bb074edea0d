//! How is an endpoint chosen?

use std::fmt;

use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// How an endpoint is chosen: the name of an algorithm, or a mapping with `kind` and its settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Balancer {
    /// The algorithm. Default: round_robin.
    pub kind: BalancerKind,
}

/// An algorithm that chooses an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BalancerKind {
    /// Each in turn, smoothly by weight.
    #[default]
    RoundRobin,
}

/// The mapping.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    kind: BalancerKind,
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
                Ok(Balancer { kind })
            }

            fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Balancer, M::Error> {
                let settings = Settings::deserialize(MapAccessDeserializer::new(map))?;
                let Settings { kind } = settings;
                Ok(Balancer { kind })
            }
        }

        deserializer.deserialize_any(NameOrSettings)
    }
}
