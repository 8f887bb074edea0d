//! What is done to a request or response on a route? One file a policy: its compiled form, its code, its tests.
//!
//! The order is fixed and is the order of this list: https redirect, maximum body, then the route's end (pool, redirect
//! or fixed response); on the way to the pool priority, rewrite and request headers; on the way back response headers
//! and HSTS.

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
