//! How much may the whole process take on?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::units::{AutoCount, Watermark};
use super::{ByteSize, Spanned};

/// What the whole process takes on, over all listeners.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Overload {
    /// Connections of clients, waiting ones included; what is more is closed at once. `auto` for as many as there are
    /// descriptors for, when each takes another one for an endpoint; 0 for no limit. Default: auto.
    pub connections: Spanned<AutoCount>,
    /// Requests for pools that are under way at once; a WebSocket is one until it is closed. What is more is shed at once
    /// (503, `overloaded`), of priority `low` from 80 % of it on, of `normal` from 90 % on, of `high` when it is reached.
    /// 0 for no limit. Default: 0.
    pub requests: Spanned<u32>,
    /// How much resident memory the process may have before requests for pools are shed, by priority as with `requests`: a
    /// size, a share of what there is as `90%` (of the limit of its cgroup if it has one, else of the machine's memory), or
    /// `off`. Default: off.
    pub memory: Spanned<Watermark>,
    /// How much memory the encoders of `compress` may take, over all routes; an answer that would need more goes out as it
    /// is. 0 for no limit. Default: 256MiB.
    pub compression: ByteSize,
}

impl Default for Overload {
    fn default() -> Self {
        Self {
            connections: Spanned::default(),
            requests: Spanned::new(0),
            memory: Spanned::new(Watermark::Off),
            compression: ByteSize::mib(256),
        }
    }
}
