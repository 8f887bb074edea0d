//! How does the process run: threads, grace, carrier?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Timespan;

/// Settings of the process. They take effect at start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Runtime {
    /// Worker threads; each accepts on its own socket of every listener and keeps its own connections to the endpoints.
    /// Default: 0, one for each core the process may use.
    pub threads: u16,
    /// How long running requests may go on after SIGTERM. The process leaves as soon as the last one has ended.
    /// Default: 30s.
    pub grace: Timespan,
    /// Which carrier moves the bytes; for diagnosis only. Default: auto.
    pub carrier: Carrier,
}

impl Default for Runtime {
    fn default() -> Self {
        Self {
            threads: 0,
            grace: Timespan::secs(30),
            carrier: Carrier::Auto,
        }
    }
}

/// Which carrier moves the bytes between client and endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Carrier {
    /// The direct exchange where it fits (no request body, HTTP/1 endpoint, no upgrade), duplex for everything else.
    #[default]
    Auto,
    /// As `auto`; what the direct exchange can't carry is answered with 500 instead of falling back.
    Direct,
    /// Always pingora-proxy's duplex.
    Duplex,
}
