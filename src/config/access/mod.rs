//! How are policies written that decide whether a request may go on? One file each.

pub mod ip_filter;

pub use ip_filter::IpFilter;
