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
    /// With `ring_hash` and `maglev`: what a request is kept together with: `client_ip` (`forwarding.trusted_proxies`
    /// are looked past), `path`, `host`, `header.NAME`, `cookie.NAME`, `query.NAME`, or a template with these in
    /// braces, as `"{client_ip}-{header.X-User}"`, and `{{` for a brace. Only the first of several values counts. A
    /// request without the value, or with an empty one, goes anywhere. Default: client_ip.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Spanned<String>>,
    /// With `ring_hash` and `maglev`: how many times its share of the requests in flight an endpoint may have before
    /// the next one for the key is taken, so that a key everybody asks for drowns nobody: over 1, below 10. 0 for no
    /// bound: where little is going on, two requests of a key at the same moment are already more than a share.
    /// Default: 1.25.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_load: Option<Spanned<f64>>,
    /// With `ring_hash`: points on the ring for each unit of weight: 1 to 10000. Shares are even to about 1/√points.
    /// Over four million points in all they are halved until they fit. Default: 160.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub points: Option<Spanned<u32>>,
    /// With `maglev`: places in the table, a prime up to 5000011. For N endpoints about 100·N make even shares; about
    /// 100·N² keep the keys of others that move to a tenth of the endpoint's own. With another size nearly every key
    /// moves. Default: 65537.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table_size: Option<Spanned<u32>>,
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
    /// The one that answers soonest, by its latency and its requests in flight; a slow answer counts at once and is
    /// forgotten slowly.
    PeakEwma,
    /// Each key to one endpoint, by a ketama ring, the one that nginx's `hash … consistent` chooses. When an endpoint
    /// is not available its keys go to others, and all other keys stay.
    RingHash,
    /// Each key to one endpoint, by a table. More even and faster than a ring; but when an endpoint comes or goes, keys
    /// of others move beside its own. With the default table these are a tenth as many as its own for 25 endpoints,
    /// half as many for 100, and five times as many, 0.8 % of all keys, for 600.
    Maglev,
}

/// Among how many endpoints one is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Choose {
    /// The better of two that are drawn by weight: as many comparisons however large the pool is.
    #[default]
    Two,
    /// The best of all; costs the more the larger the pool is.
    All,
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
    key: Option<Spanned<String>>,
    max_load: Option<Spanned<f64>>,
    points: Option<Spanned<u32>>,
    table_size: Option<Spanned<u32>>,
}

impl From<Settings> for Balancer {
    fn from(settings: Settings) -> Self {
        let Settings {
            kind,
            choose,
            decay,
            key,
            max_load,
            points,
            table_size,
        } = settings;
        Self {
            kind,
            choose,
            decay,
            key,
            max_load,
            points,
            table_size,
        }
    }
}

impl Balancer {
    /// Writes the defaults of its kind.
    pub(in crate::config) fn fill_in(&mut self) {
        if self.kind == BalancerKind::LeastRequests {
            self.choose.get_or_insert_default();
        }
        if self.kind == BalancerKind::PeakEwma {
            self.decay.get_or_insert(Spanned::new(DEFAULT_DECAY));
        }
        let hashes = matches!(self.kind, BalancerKind::RingHash | BalancerKind::Maglev);
        if hashes {
            self.key
                .get_or_insert_with(|| Spanned::new(DEFAULT_KEY.to_owned()));
            self.max_load.get_or_insert(Spanned::new(DEFAULT_MAX_LOAD));
        }
        if self.kind == BalancerKind::RingHash {
            self.points.get_or_insert(Spanned::new(DEFAULT_POINTS));
        }
        if self.kind == BalancerKind::Maglev {
            self.table_size
                .get_or_insert(Spanned::new(DEFAULT_TABLE_SIZE));
        }
    }
}

/// How long a slow answer is remembered unless told otherwise.
pub const DEFAULT_DECAY: Timespan = Timespan::secs(10);
/// What a consistent balancer goes by unless told otherwise.
pub const DEFAULT_KEY: &str = "client_ip";
/// How many times its share an endpoint may serve unless told otherwise.
pub const DEFAULT_MAX_LOAD: f64 = 1.25;
/// Points on the ring for each unit of weight unless told otherwise: nginx's.
pub const DEFAULT_POINTS: u32 = 160;
/// Places in the table of Maglev unless told otherwise: with 655 endpoints or fewer shares are even to a hundredth, and with
/// 25 or fewer an endpoint that goes moves at most a tenth more keys than its own.
pub const DEFAULT_TABLE_SIZE: u32 = 65_537;

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
                Settings::deserialize(MapAccessDeserializer::new(map)).map(Balancer::from)
            }
        }

        deserializer.deserialize_any(NameOrSettings)
    }
}
