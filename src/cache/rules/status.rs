//! What does a status say about storing?

use http::StatusCode;

/// Whether an answer of this status may be stored at all. 206 and 304 are parts of others (RFC 9111 §3.3, §4.3.4); 428,
/// 429, 431 and 511 are about one request or client (RFC 6585); from 600 on there are none (RFC 9110 §15).
pub(super) fn is_storable(status: StatusCode) -> bool {
    (200..600).contains(&status.as_u16())
        && !matches!(status.as_u16(), 206 | 304 | 428 | 429 | 431 | 511)
}

/// Whether an answer of this status may be stored though nothing says how long it is fresh (RFC 9110 §15.1).
pub(super) fn is_heuristically_cacheable(status: StatusCode) -> bool {
    matches!(
        status.as_u16(),
        200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501
    )
}

/// Whether all that is required of a cache for this status is known and done (§5.2.2.3): those of RFC 9110 §15, and
/// some that came later and require nothing.
pub(super) fn is_understood(status: StatusCode) -> bool {
    is_storable(status)
        && matches!(
            status.as_u16(),
            200..=205 | 300..=303 | 305 | 307 | 308 | 400..=417 | 421 | 422 | 425 | 426 | 451 | 500..=505
        )
}
