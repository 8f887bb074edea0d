//! How finely do the metrics tell?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Spanned, Timespan};

/// What `/metrics` tells, and how finely.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Metrics {
    /// Upper bounds of the buckets of histograms, increasing, 1 to 50 in each list. Each bucket is one series for each
    /// route or pool.
    pub buckets: Buckets,
    /// How many endpoints, over all pools, have series of their own. Those past it share one series in each pool,
    /// `endpoint="(other)"`, with what adds up (requests, connections, attempts under way); whether one of them is
    /// healthy, ejected or drained is in `/pools` only. Default: 2000.
    pub endpoints: Spanned<u32>,
}

/// Upper bounds of the buckets of histograms, in the order of their names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Buckets {
    /// Of `portcullis_request_duration_seconds`: whole requests. The rules in `deploy/prometheus` count as slow what
    /// took more than 500ms: without that bound, `PortcullisLatencyUnseen` is the only alert on latency that can fire,
    /// unless rules and alerts name another one of the list. Default: 1ms, 2500us, 5ms, 10ms, 25ms, 50ms, 100ms, 250ms,
    /// 500ms, 1s, 2500ms, 5s, 10s, 30s, 60s.
    pub request: Spanned<Vec<Spanned<Timespan>>>,
    /// Of `portcullis_upstream_connect_duration_seconds`: opening a connection to an endpoint. Default: 100us, 250us,
    /// 500us, 1ms, 2500us, 5ms, 10ms, 50ms, 100ms, 500ms, 1s, 5s, 30s, 60s.
    pub connect: Spanned<Vec<Spanned<Timespan>>>,
    /// Of `portcullis_upstream_first_byte_duration_seconds`: from the request to the first byte of the endpoint's
    /// answer, as `[10ms, 1s]`. Default: as `request`.
    pub first_byte: Spanned<Vec<Spanned<Timespan>>>,
    /// Of `portcullis_pool_queue_wait_seconds`: how long requests wait for a slot of their pool, as `[10ms, 1s]`.
    /// Default: as `request`.
    pub queue: Spanned<Vec<Spanned<Timespan>>>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            buckets: Buckets::default(),
            endpoints: Spanned::new(2_000),
        }
    }
}

impl Default for Buckets {
    fn default() -> Self {
        let answer = [
            1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
            2_500_000, 5_000_000, 10_000_000, 30_000_000, 60_000_000,
        ];
        Self {
            request: micros(&answer),
            connect: micros(&[
                100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 100_000, 500_000, 1_000_000,
                5_000_000, 30_000_000, 60_000_000,
            ]),
            first_byte: micros(&answer),
            queue: micros(&answer),
        }
    }
}

fn micros(bounds: &[u64]) -> Spanned<Vec<Spanned<Timespan>>> {
    let bounds = bounds.iter().map(|&micros| Timespan::micros(micros));
    Spanned::new(bounds.map(Spanned::new).collect())
}
