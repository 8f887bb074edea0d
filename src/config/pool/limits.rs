//! How many requests may a pool serve at once, and how many wait?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{Spanned, Timespan};

/// How many requests a pool serves at once, counted over all worker threads of the process.
///
/// What is too much waits in a queue: first those of a higher `priority` (see routes), and among equals who came first.
/// A request counts for each of its attempts, from the choice of the endpoint to the end of the answer; an upgraded
/// connection counts until it is closed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Requests that the whole pool serves at once; 0 for no limit. Default: 0.
    pub requests: Spanned<u32>,
    /// Requests that each endpoint serves at once which has no `max_requests` of its own; 0 for no limit. Default: 0.
    pub endpoint_requests: Spanned<u32>,
    /// Requests that may wait when there is a limit, in the pool or at one of its endpoints; 0 for none. What comes to
    /// a full queue is refused at once (503, `queue_full`), unless someone of a lower priority waits: then the last of
    /// these is. Default: 1000.
    pub queue: Spanned<u32>,
    /// How long a request may wait (503, `queue_timeout`), within the time of the whole request. Default: 5s.
    pub queue_timeout: Spanned<Timespan>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests: Spanned::new(0),
            endpoint_requests: Spanned::new(0),
            queue: Spanned::new(1000),
            queue_timeout: Spanned::new(Timespan::secs(5)),
        }
    }
}
