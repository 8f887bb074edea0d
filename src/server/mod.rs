//! The process.
pub mod connection;
pub mod head;
pub mod proxy_protocol;
pub mod socket;
