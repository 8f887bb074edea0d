//! How long, and on which terms, may a stored response be used?

use std::time::{Duration, SystemTime};

/// What was found out about a response when it was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// When it had come (RFC 9111 §4.2.3 `response_time`).
    pub received: SystemTime,
    /// How old it was then (`corrected_initial_age`).
    pub initial_age: Duration,
    /// How long it is fresh, counted from the endpoint (§4.2.1).
    pub lifetime: Duration,
    /// How long after that it may be used while another is fetched (RFC 5861 §3).
    pub while_revalidate: Duration,
    /// How long after that it may be used when no other can be had (RFC 5861 §4).
    pub if_error: Duration,
    /// Whether it must not be used once it is stale, whatever the client says (§5.2.2.2).
    pub strict: bool,
    /// Whether it must not be used without asking (§5.2.2.4).
    pub validate: bool,
}
