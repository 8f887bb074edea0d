//! How are policies written that decide whether a request may go on? One file each.

pub mod ip_filter;
pub mod rate_limit;

pub use ip_filter::IpFilter;
pub use rate_limit::RateLimit;
