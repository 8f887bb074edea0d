//! What is done to a request or response on a route? One file a policy: its compiled form, its code, its tests.
//!
//! The order is fixed and is the order of this list: the listener's [`access`] policies, request id, https redirect, header
//! limits, maximum body, the route's access policies (between those that cost little and the others the process decides
//! whether it takes the request on), then the route's end (pool, redirect or fixed response); on the way to the pool priority,
//! rewrite and request headers; on the way back HSTS, what the access policies have granted, security headers, request id,
//! response headers, and last [`compress`], which must know all fields.

pub mod access;
pub mod compress;
pub mod head_limits;
pub mod headers;
pub mod https;
pub mod priority;
pub mod redirect;
pub mod request_id;
pub mod respond;
pub mod rewrite;
pub mod security_headers;

pub use compress::Compress;
pub use head_limits::HeadLimits;
pub use headers::HeaderEdits;
pub use priority::PriorityRule;
pub use redirect::Redirect;
pub use request_id::RequestId;
pub use respond::Respond;
pub use rewrite::Rewrite;
pub use security_headers::SecurityHeaders;
