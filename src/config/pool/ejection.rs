//! When is an endpoint left out because its answers show that it is ill?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::units::Percent;
use crate::config::{Spanned, Timespan};

/// Passive ejection.
///
/// An endpoint is left out for a while because its requests fail: refused, broken off, late, or answered with 502, 503
/// or 504. It comes back by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Ejection {
    /// So many failures in a row eject an endpoint. Default: 5.
    pub consecutive_failures: Spanned<u32>,
    /// This percentage of failures in the window ejects it as well: 1 to 100. Default: no rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_ratio: Option<Spanned<Percent>>,
    /// How far back the ratio looks. Default: 30s.
    pub window: Spanned<Timespan>,
    /// The ratio counts from so many requests in the window on. Default: 20.
    pub min_requests: Spanned<u32>,
    /// How long it is ejected the first time; twice as long the second time, and so on, up to `max_time`. For each such
    /// time that it has behaved since, one ejection is forgiven. Default: 30s.
    pub time: Spanned<Timespan>,
    /// How long it is ejected at most. Default: 5m.
    pub max_time: Spanned<Timespan>,
    /// The largest percentage of the pool's endpoints that is ejected at once: 1 to 100. One may always be ejected if
    /// there is another one, and never all. Default: 50.
    pub max_ejected: Spanned<Percent>,
}

impl Default for Ejection {
    fn default() -> Self {
        Self {
            consecutive_failures: Spanned::new(5),
            error_ratio: None,
            window: Spanned::new(Timespan::secs(30)),
            min_requests: Spanned::new(20),
            time: Spanned::new(Timespan::secs(30)),
            max_time: Spanned::new(Timespan::minutes(5)),
            max_ejected: Spanned::new(Percent::new(50)),
        }
    }
}
