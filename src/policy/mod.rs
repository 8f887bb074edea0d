//! What is done to a request or response on a route? One file a policy: its compiled form, its code, its tests.
//!
//! The order is fixed and is the order of this list: the listener's [`access`] policies, https redirect, maximum body, the
//! route's access policies, then the route's end (pool, redirect or fixed response); on the way to the pool priority, rewrite and request headers; on the way back response headers
//! and HSTS.

pub mod access;
pub mod headers;
pub mod https;
pub mod priority;
pub mod redirect;
pub mod respond;
pub mod rewrite;

pub use headers::HeaderEdits;
pub use priority::PriorityRule;
pub use redirect::Redirect;
pub use respond::Respond;
pub use rewrite::Rewrite;
