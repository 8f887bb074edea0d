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
    /// descriptors for (RLIMIT_NOFILE, which a start raises as far as it may), when each takes another one for an
    /// endpoint; `check` and the start tell the number. 0 for no limit. After an upgrade each of the two processes
    /// counts its own. Default: auto.
    pub connections: Spanned<AutoCount>,
    /// Requests for pools that are under way at once; a WebSocket is one until it is closed. What is more is shed at
    /// once (503, `overloaded`), by the priority of its route: low from 80 % of the limit on, normal from 90 % on, high
    /// when it is reached. A request that its address, a rate limit or CORS has an answer for takes no room; one whose
    /// user is still asked for does. 0 for no limit. Default: 0.
    pub requests: Spanned<u32>,
    /// How much resident memory the process may have before requests for pools are shed, by priority as with
    /// `requests`: a size as `2GiB`, a share as `90%` (of the limit of its cgroup if it has one, else of the machine's
    /// memory), or `off`; `check` and the start tell how much it is. Buffers that the kernel keeps for connections are
    /// not in it: leave room. Default: off.
    pub memory: Spanned<Watermark>,
    /// How much memory the encoders of `compress` may take, over all routes; an answer that would need more goes out as
    /// it is (`portcullis_compression_without_room_total`). One takes up to 0.3 MiB for gzip, 1.9 for br at its default
    /// level and 0.8 for zstd, less for an answer known to be short, until its client has the answer. 0 for no limit.
    /// Default: 256MiB.
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
